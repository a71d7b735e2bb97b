//! Ways out of a unit: what is open is what the page says, no more and no less.

use wharf_tests::{Network, assert_open_as_listed};

use crate::machine::Machine;

const SERVER: &str = "import http.server, os\n\
    address = ('127.0.0.1', int(os.environ['PORT']))\n\
    http.server.ThreadingHTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()\n";

const NEIGHBOUR: &str =
    "web = \"exec python3 app.py\"\n[env]\nSECRET = \"of-the-neighbour-1934\"\n";

/// Tries everything in the build and in a deploy command, and answers with what it found, also as a
/// web process.
const HOSTILE: &str = r#"
build = ["escape facts | cat >built"]
web = "escape facts | cat >data/web; cp built data/; cd data && exec python3 ../app.py"
[mounts]
data = "private"
[deploy]
run = ["escape facts | cat >data/deployed"]
health = { path = "/web", within = "60s" }
"#;

/// Where the things are that must not be reached.
const FACTS: &str = "
cat >/root/hostile.facts <<END
state=/var/lib/wharf
socket=/run/wharf/wharfd.sock
router=/run/wharf/router.sock
repository=/srv/git/neighbour.git
neighbour_file=$(ls -d /var/lib/wharf/slugs/*/app.py | head -n 1)
neighbour_pid=$(pgrep --newest --full 'python3 app.py')
secret=of-the-neighbour-1934
daemon_secret=/var/lib/wharf
abstract=wharf-probe
port=7080
shm=wharf-probe
disk=$(($(stat --file-system --format '%b*%S' /var/lib/wharf)))
END
echo shared >/dev/shm/wharf-probe
cat /root/hostile.facts
";

#[test]
fn what_is_open_is_what_the_page_says() {
    let machine = Machine::boot();
    let neighbour = machine.pushes(
        "neighbour",
        &[("wharf.toml", NEIGHBOUR), ("app.py", SERVER)],
    );
    neighbour.ok().has("main now serves r1");
    let mut listener = machine.begins(
        "exec python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX); s.bind(\"\\0wharf-probe\"); s.listen(); time.sleep(600)'",
    );
    machine.waits_for("grep --quiet @wharf-probe /proc/net/unix");
    let facts = machine.runs(FACTS).out;
    let hostile = [
        ("wharf.toml", HOSTILE),
        ("app.py", SERVER),
        ("facts", facts.as_str()),
    ];
    machine
        .pushes("hostile", &hostile)
        .ok()
        .has("main now serves r1");
    let shared = ["built", "deployed", "web"];
    opens_what_it_should(&machine, &shared, Network::Shared);

    // A build has the network that builds have.
    let private = format!("network = \"private\"\n{HOSTILE}");
    let pushed = machine.changes("hostile", &[("wharf.toml", &private)]);
    pushed.ok().has("main now serves r2");
    opens_what_it_should(&machine, &["built"], Network::Shared);
    opens_what_it_should(&machine, &["deployed", "web"], Network::Private);
    assert!(machine.gets("neighbour", "/app.py").contains("http.server"));
    drop(machine);
    listener.wait().unwrap();
}

/// What was found in these stages is what the list says.
fn opens_what_it_should(machine: &Machine, stages: &[&str], network: Network) {
    for stage in stages {
        assert_open_as_listed(&machine.gets("hostile", &format!("/{stage}")), network);
    }
}
