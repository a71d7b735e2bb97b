//! Deaths of the daemon, the router, an application and the whole host.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use wharf_tests::{Tree, Watched, World, run};

use crate::app::{CONFIG, SERVER, deployed, host};
use crate::turns::open;

/// Processes of this world's applications: pids of keepers.
pub(crate) fn keepers(world: &World) -> Vec<Pid> {
    let sockets = std::fs::read_dir(world.home().join("run/keepers")).unwrap();
    let mut pids = Vec::new();
    for socket in sockets {
        let stream = UnixStream::connect(socket.unwrap().path()).unwrap();
        let pid = rustix::net::sockopt::socket_peercred(&stream).unwrap().pid;
        pids.push(pid);
    }
    pids
}

/// Ends a process without a word and waits until it is gone.
pub(crate) fn kill(pid: Pid) {
    use rustix::event::{PollFd, PollFlags, poll};
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    pidfd_send_signal(&process, Signal::KILL).unwrap();
    let mut wanted = [PollFd::new(&process, PollFlags::IN)];
    let limit = rustix::event::Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    assert_eq!(
        poll(&mut wanted, Some(&limit)).unwrap(),
        1,
        "{pid:?} does not die"
    );
}

pub(crate) fn router(world: &World) -> Pid {
    let stream = UnixStream::connect(world.home().join("run/router.sock")).unwrap();
    rustix::net::sockopt::socket_peercred(&stream).unwrap().pid
}

/// Waits until the daemon's log says it.
pub(crate) fn wait_for_log(world: &World, text: &str) {
    wait_for_line(world, "wharfd.log", text);
}

/// Waits until a file, which a pattern of the shell names, says it.
pub(crate) fn wait_for_line(world: &World, file: &str, text: &str) {
    let mut tail = world.command("sh");
    tail.args([
        "-c",
        &format!("exec timeout 120 tail -n +1 -F {file} 2>/dev/null"),
    ])
    .current_dir(world.path(""))
    .stdout(Stdio::piped());
    let mut tail = tail.spawn().unwrap();
    let lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.contains(text));
    tail.kill().unwrap();
    tail.wait().unwrap();
    assert!(found, "{}", world.logs());
}

#[test]
fn what_a_dead_daemon_left_is_killed_by_the_next() {
    let world = World::new();
    deployed(&world, "shop");
    let before = keepers(&world);
    world.kill_daemon();
    // Nobody's child, as a sandbox that was being set up when its daemon died.
    let mark = world.mark().unwrap();
    let left = |job: &str| {
        let mut sleep = world.command("sleep");
        sleep
            .arg0(format!("{mark}{job}"))
            .arg("1000")
            .spawn()
            .unwrap()
    };
    let mut left = ["main.a1.build-1", "main.r1.web.0badcafe"].map(left);
    world.start();
    for child in &mut left {
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::KILL.as_raw()));
    }
    assert_eq!(keepers(&world), before, "what has a keeper is adopted");
}

#[test]
fn applications_live_through_a_death_of_the_daemon() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let before = keepers(&world);
    let (port, host) = (world.port(), host("shop"));
    world.kill_daemon();
    assert_eq!(world.get(&host, "/").ok(), "one\n");
    shop.wharf(&["status"]).exits(4);
    world.start();
    assert_eq!(keepers(&world), before, "adopted, not started again");
    assert_eq!(world.port(), port);
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(keepers(&world).len(), 1, "the old one is stopped");
}

#[test]
fn a_second_daemon_refuses_and_names_the_first() {
    let world = World::new();
    let pid = std::fs::read_to_string(world.home().join("state/lock")).unwrap();
    run(&mut world.command("wharfd"))
        .exits(1)
        .has(&format!("another wharfd (pid {})", pid.trim()))
        .has("hint: ");
}

#[test]
fn the_router_comes_back_where_it_was() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let url = shop.url();
    kill(router(&world));
    wait_for_log(&world, "the router serves again");
    assert_eq!(shop.url(), url);
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn a_reload_does_not_wait_for_a_router_that_is_away() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:side"]).ok();
    let port = world.port();
    kill(router(&world));
    // It cannot come back as long as somebody has its port.
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    // One that is just starting might answer for a moment.
    wait_for_log(&world, "the router cannot be started");
    let file = world.home().join("config/projects.d/shop.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("domain = \"shop.example.org\"\n{text}")).unwrap();
    shop.wharf(&["reload"])
        .ok()
        .has("warning: the router is away; it follows once it is back");
    drop(taken);
    wait_for_log(&world, "the router serves again");
    assert_eq!(world.get("shop.example.org", "/").ok(), "one\n");
    // Known, and not everybody's: all routes were written, not only the first.
    let side = world.get("side.shop.example.org", "/");
    assert!(side.body.contains("not public"), "{side:?}");
}

#[test]
fn a_web_process_that_dies_is_started_again() {
    let world = World::new();
    let server = SERVER.1.replace(
        "    def do_GET(self):\n",
        "    def do_GET(self):\n        if self.path == \"/die\": os._exit(9)\n",
    );
    let shop = world.site("shop", &[CONFIG, ("app.py", &server), ("version", "one\n")]);
    shop.init();
    shop.push(&["main"]).ok();
    let dies = world.get(&host("shop"), "/die");
    assert_eq!(dies.status, 502, "{}", dies.body);
    wait_for_log(&world, "process web ended: exit code 9");
    wait_for_log(&world, "process web runs (started again 1 times)");
    shop.wharf(&["environments"])
        .ok()
        .has("restarted 1 times: exit code 9");
    // It listens a moment after it runs: a deployment waits for that.
    shop.wharf(&["redeploy"]).ok();
    assert_eq!(shop.get("/").ok(), "one\n");
}

/// The directory of the only mount of `main`.
pub(crate) fn mount(world: &World) -> PathBuf {
    let mounts = world.home().join("state/mounts/shop/main");
    let mut mounts = std::fs::read_dir(mounts).unwrap();
    mounts.next().unwrap().unwrap().path()
}

/// An application whose start waits for a line in a fifo of a mount.
pub(crate) fn slow_starter(world: &World) -> Tree<'_> {
    let config = "web = \"test -p data/gate && read line < data/gate; exec python3 app.py\"\n\
        [deploy]\nhealth = { path = \"/\", within = \"60s\" }\n[mounts]\ndata = \"private\"\n";
    let shop = world.site(
        "shop",
        &[("wharf.toml", config), SERVER, ("version", "one\n")],
    );
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1.");
    shop
}

#[test]
fn after_a_reboot_everything_serves_again_and_not_before_it_is_healthy() {
    let world = World::new();
    let shop = slow_starter(&world);
    let mount = mount(&world);
    run(world.command("mkfifo").arg(mount.join("gate"))).ok();

    world.kill_daemon();
    kill(router(&world));
    for keeper in keepers(&world) {
        kill(keeper);
    }
    world.start();
    let page = world.get(&host("shop"), "/");
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.body.contains("starting"), "{}", page.body);

    // Opening it for writing waits until the application reads it.
    let mut gate = std::fs::File::options()
        .write(true)
        .open(mount.join("gate"))
        .unwrap();
    gate.write_all(b"go\n").unwrap();
    drop(gate);
    wait_for_log(&world, "r1 serves again after a restart");
    assert_eq!(shop.get("/").ok(), "one\n");
    shop.wharf(&["environments"]).ok().has("healthy");
}

/// A command that never ends the first time, and the second time once somebody writes to its fifo:
/// the first is dying with its daemon at that moment, and must not take what is meant for the
/// second.
fn endless_at_first(directory: &str) -> String {
    format!(
        "if mkdir {directory}/begun; then mkfifo {directory}/gate; echo at work; \
         exec sleep 31536000; fi; read line <{directory}/gate"
    )
}

#[test]
fn a_build_that_the_daemon_died_in_is_done_by_the_next() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("version", "two\n");
    let build = format!("build = \"{}\"\n{}", endless_at_first("/cache"), CONFIG.1);
    shop.write("wharf.toml", &build);
    shop.commit("Second");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| at work");
    world.kill_daemon();
    let rest = push.end();
    assert!(
        rest.contains("the daemon went away; the deploy is recorded"),
        "{rest}"
    );
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    world.start();
    open(&world, "protected", "gate");
    shop.wharf(&["log", "--follow"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
}

#[test]
fn deploy_commands_are_not_run_again_unasked() {
    for (repeatable, end) in [("false", "interrupted"), ("true", "succeeded")] {
        let world = World::new();
        let shop = deployed(&world, "shop");
        shop.write(
            "wharf.toml",
            &format!(
                "{}run = [\"echo first\", {{ name = \"long\", run = \"{}\" }}]\nrepeatable = {repeatable}\n[mounts]\ndata = \"private\"\n",
                CONFIG.1,
                endless_at_first("data")
            ),
        );
        shop.commit("Second");
        let mut push = Watched::push(&shop, &["main"]);
        push.until("| at work");
        world.kill_daemon();
        push.end();
        world.start();
        if repeatable == "true" {
            let mut gate = std::fs::File::options()
                .write(true)
                .open(mount(&world).join("gate"))
                .unwrap();
            gate.write_all(b"go\n").unwrap();
        }
        let followed = shop.wharf(&["log", "--follow"]);
        let activity = shop.wharf(&["activities", "--json"]).ok();
        activity.has(end);
        if end == "interrupted" {
            followed
                .exits(3)
                .has("  ran to its end: echo first")
                .has("  stopped in: long")
                .has("  data may have changed in data")
                .has("main still serves r1; deploy commands may have changed");
        } else {
            followed.ok().has("main now serves r");
        }
    }
}

#[test]
fn a_bell_that_never_rang_is_made_up_for_once() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    // As if the client had gone between the two hooks, while no daemon was there.
    shop.write("version", "two\n");
    shop.commit("Second");
    world.kill_daemon();
    let repository = world.repository("shop");
    let commit = shop.git(&["rev-parse", "HEAD"]).ok().out;
    shop.git(&[
        "-c",
        "core.hooksPath=/dev/null",
        "bundle",
        "create",
        "--quiet",
        "b",
        "main",
    ])
    .ok();
    let mut fetch = world.command("git");
    fetch
        .current_dir(&repository)
        .arg("fetch")
        .arg("--quiet")
        .arg(shop.path().join("b"));
    run(fetch.arg("main")).ok();
    let mut update = world.command("git");
    update
        .current_dir(&repository)
        .args(["update-ref", "refs/heads/main", commit.trim()]);
    run(&mut update).ok();
    world.start();
    wait_for_log(&world, "main now serves r2");
    assert_eq!(shop.get("/").ok(), "two\n");
    world.kill_daemon();
    world.start();
    let activities = shop.wharf(&["activities", "--json"]).ok().out;
    assert_eq!(
        activities.matches("\"state\": \"succeeded\"").count(),
        2,
        "{activities}"
    );
}
