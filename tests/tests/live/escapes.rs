//! Ways out of the sandbox: a repository that tries all of them, in its build, in a deploy command and
//! as a web process, beside a neighbour that serves. What is open is what the list says, no more and
//! no less.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            fs::chown,
            net::{SocketAddr, UnixListener},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::statvfs;
use wharf_tests::{Network, PROBES, Probe, Tree, World, assert_open_alone, assert_open_as_listed};

use crate::app::deployed;
use crate::cancel::is_left;

/// A variable of the neighbour's.
const SECRET: &str = "of-the-neighbour-1934";

/// A user whom nobody needs to be called so.
const SOMEBODY: u32 = 12_346;

/// Tries everything in the build and in a deploy command, and answers with what it found, also as a
/// web process.
/// process. What the build leaves behind ignores every polite word.
const CONFIG: &str = r#"
build = ["./escape facts | cat >built", "sh stay"]
web = "./escape facts | cat >data/web; cp built data/; cd data && exec python3 -m http.server --bind 127.0.0.1 $PORT"
[mounts]
data = "private"

[deploy]
run = ["./escape facts | cat >data/deployed", "sh stay"]
health = { path = "/web", within = "60s" }
"#;

/// Leaves a process behind that nobody waits for and that heeds no polite signal.
const STAY: &str =
    "(setsid sh -c \"trap '' TERM HUP INT; while :; do sleep MARK; done\" &) >/dev/null 2>&1";

/// A file in the host's shared memory, which goes at the end.
struct Shared(PathBuf);

impl Drop for Shared {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}

#[test]
fn what_is_open_is_what_the_page_says() {
    let world = World::unprivileged("[router]\nlisten = \"127.0.0.1:0\"\n");
    let neighbour = deployed(&world, "neighbour");
    neighbour.wharf(&["variable", "set", "SECRET", SECRET]).ok();
    neighbour
        .wharf(&["redeploy"])
        .ok()
        .has("main now serves r2");
    let name = format!("wharf-probe-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let shared = Shared(Path::new("/dev/shm").join(&name));
    fs::write(&shared.0, "shared").unwrap();

    let mark = "31536171";
    let stay = STAY.replace("MARK", mark);
    let hostile = world.site("hostile", &[("wharf.toml", CONFIG), ("stay", &stay)]);
    let program = Path::new(env!("CARGO_BIN_EXE_escape"));
    fs::copy(program, hostile.path().join("escape")).unwrap();
    hostile.write("facts", &facts(&world, &name));
    hostile.commit("Try");
    hostile.init();
    hostile.push(&["main"]).ok().has("main now serves r1");
    assert!(!is_left(mark), "a process of a stage is left");
    let shared = ["built", "deployed", "web"];
    opens_what_it_should(&hostile, &shared, Network::Shared);

    // A build has the network that builds have.
    hostile.write("wharf.toml", &format!("network = \"private\"\n{CONFIG}"));
    hostile.commit("Try from a network of its own");
    hostile.push(&["main"]).ok().has("main now serves r2");
    assert!(!is_left(mark), "a process of a stage is left");
    opens_what_it_should(&hostile, &["built"], Network::Shared);
    opens_what_it_should(&hostile, &["deployed", "web"], Network::Private);
    // Without a sandbox much of it is open: the probes are none that cannot succeed.
    assert_open_alone(&alone(&hostile));
    // Nobody noticed.
    assert_eq!(neighbour.get("/").ok(), "one\n");
    world.wharf(&["status"]).ok();
}

/// What was found in these stages is what the list says.
fn opens_what_it_should(hostile: &Tree<'_>, stages: &[&str], network: Network) {
    for stage in stages {
        let said = hostile.get(&format!("/{stage}")).ok();
        assert_open_as_listed(&said, network);
    }
}

/// What the program finds as a user of its own, without any sandbox.
fn alone(hostile: &Tree<'_>) -> String {
    let place = tempfile::tempdir().unwrap();
    for file in ["escape", "facts"] {
        fs::copy(hostile.path().join(file), place.path().join(file)).unwrap();
    }
    chown(place.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let attempt = |probe: &Probe| {
        let mut command = Command::new("./escape");
        command
            .args(["facts", probe.name])
            .current_dir(place.path())
            .uid(SOMEBODY)
            .gid(SOMEBODY);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    PROBES.iter().map(attempt).collect()
}

/// Where the things are that must not be reached.
fn facts(world: &World, abstract_name: &str) -> String {
    let home = world.home();
    let state = home.join("state");
    let server = world
        .processes()
        .into_iter()
        // The newest: the release before may be ending still.
        .rfind(|process| process.line.iter().any(|word| word == "app.py"))
        .expect("the neighbour runs");
    let port = world.port();
    let slug = fs::read_dir(state.join("slugs")).unwrap().next().unwrap();
    let file = slug.unwrap().path().join("version");
    assert!(file.is_file(), "{}", file.display());
    let system = statvfs(&state).unwrap();
    let facts = [
        ("state", state.display().to_string()),
        ("socket", home.join("run/wharfd.sock").display().to_string()),
        ("router", home.join("run/router.sock").display().to_string()),
        (
            "repository",
            world.repository("neighbour").display().to_string(),
        ),
        ("neighbour_file", file.display().to_string()),
        ("neighbour_pid", server.pid.as_raw_nonzero().to_string()),
        ("secret", SECRET.into()),
        ("daemon_secret", home.display().to_string()),
        ("abstract", abstract_name.into()),
        ("port", port.to_string()),
        ("shm", abstract_name.into()),
        ("disk", (system.f_blocks * system.f_frsize).to_string()),
    ];
    facts
        .map(|(name, value)| format!("{name}={value}\n"))
        .concat()
}
