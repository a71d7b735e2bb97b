//! post-receive: the bell, the lines, and leaving.

use std::{
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::{fs::OFlags, fs::fcntl_getfl};
use wharf_hooks::stub::Stub;
use wharf_wire::{FromDaemon, Refusal, ToDaemon, frame, outcome::Exit};

use crate::{
    fake,
    world::{POST, PRE, World, gits, remote, stderr},
};

#[test]
fn the_lines_of_a_deploy_are_printed_until_its_end_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.install("pre-receive", PRE, &world.stub());
        world.install("post-receive", POST, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| {
            let admitted = fake::admit(&door);
            let mut caller = door.greet();
            let rung = caller.push();
            caller.queued(&["4f2a"]);
            for line in ["wharf: shop", "", "  build", "success: main now serves r1"] {
                caller.line(line);
            }
            caller.end();
            (admitted, rung)
        });
        let output = world.push(&["-o", "x", "main"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = remote(&output);
        assert_eq!(
            said,
            ["wharf: shop", "", "  build", "success: main now serves r1"]
        );
        let (admitted, rung) = daemon.join().unwrap();
        assert_eq!(admitted, rung);
        assert_eq!(rung.options, ["x"]);
        assert!(world.spooled().is_empty());
    }
}

#[test]
fn a_daemon_that_dies_while_followed_is_named_with_the_log() {
    let world = World::new();
    world.install("post-receive", POST, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&["4f2a", "4f2b"]);
        caller.line("  build");
    });
    let output = world.push(&["main"]);
    assert!(output.status.success());
    assert_eq!(
        remote(&output),
        [
            "  build",
            "warning: the daemon went away; the deploy is recorded",
            "hint: see: wharf log 4f2a -f",
            "hint: see: wharf log 4f2b -f",
        ]
    );
    daemon.join().unwrap();
    assert!(world.spooled().is_empty());
}

#[test]
fn a_daemon_that_comes_back_is_asked_to_go_on() {
    let world = World::new();
    world.install("post-receive", POST, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        let push = caller.push();
        caller.queued(&["4f2a"]);
        caller.line("  build");
        drop(caller);
        let mut caller = door.greet();
        let ToDaemon::Watch(watch) = caller.receive() else {
            panic!("it was to go on");
        };
        assert_eq!(watch.activities, ["4f2a"]);
        assert_eq!(watch.claims, push.claims);
        assert!(watch.since > 1_700_000_000_000, "{}", watch.since);
        caller.line("success: main now serves r1");
        caller.end();
    });
    let output = world.push(&["main"]);
    assert!(output.status.success());
    assert_eq!(remote(&output), ["  build", "success: main now serves r1"]);
    daemon.join().unwrap();
}

#[test]
fn a_daemon_that_only_comes_back_is_left_in_the_end() {
    let world = World::new();
    world.install("post-receive", POST, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&["4f2a"]);
        drop(caller);
        for _ in 0..5 {
            let mut caller = door.greet();
            assert!(matches!(caller.receive(), ToDaemon::Watch(_)));
        }
    });
    let output = world.push(&["main"]);
    assert!(output.status.success());
    let said = [
        "warning: the daemon went away; the deploy is recorded",
        "hint: see: wharf log 4f2a -f",
    ];
    assert_eq!(remote(&output), said);
    daemon.join().unwrap();
}

#[test]
fn a_daemon_that_falls_silent_is_left() {
    let world = World::new();
    let stub = Stub {
        silence: Duration::from_millis(200),
        ..world.stub()
    };
    world.install("post-receive", POST, &stub);
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&["4f2a"]);
        frame::read::<wharf_wire::ToDaemon>(&mut caller.stream).unwrap()
    });
    let output = world.push(&["main"]);
    assert!(output.status.success());
    let said = [
        "warning: the daemon is silent; the deploy is recorded",
        "hint: see: wharf log 4f2a -f",
    ];
    assert_eq!(remote(&output), said);
    assert_eq!(daemon.join().unwrap(), None);
}

#[test]
fn a_refused_bell_is_told_and_the_push_stands() {
    let world = World::new();
    world.install("post-receive", POST, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.send(&FromDaemon::Refused(Refusal {
            code: "unknown-project".into(),
            message: "no project names this repository".into(),
            hint: Some("wharf project add".into()),
            exit: Exit::Refused,
        }));
    });
    let output = world.push(&["main"]);
    assert!(output.status.success());
    let said = [
        "error: no project names this repository",
        "hint: wharf project add",
    ];
    assert_eq!(remote(&output), said);
    assert!(world.tip("refs/heads/main").is_some());
    daemon.join().unwrap();
}

/// Starts post-receive with a pipe that the test holds, under a daemon that sends lines for as long
/// as the hook takes them.
fn flood(world: &World, output: impl Into<Stdio>) -> (std::process::Child, Duration) {
    let stub = Stub {
        write: Duration::from_millis(200),
        ..world.stub()
    };
    world.install("post-receive", POST, &stub);
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&["4f2a"]);
        let line = FromDaemon::Line("x".repeat(700));
        while frame::write(&mut caller.stream, &line).is_ok() {}
    });
    let began = Instant::now();
    let mut child = world
        .direct("post-receive")
        .stdin(Stdio::piped())
        .stderr(output)
        .spawn()
        .unwrap();
    let line = format!("{} {} refs/heads/main\n", "0".repeat(40), "a".repeat(40));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(line.as_bytes())
        .unwrap();
    let status = child.wait().unwrap();
    assert!(status.success());
    daemon.join().unwrap();
    (child, began.elapsed())
}

#[test]
fn a_pusher_that_stops_reading_is_left_with_the_pipe_as_it_was() {
    let world = World::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let shared = writer.try_clone().unwrap();
    let (_, took) = flood(&world, writer);
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(!fcntl_getfl(&shared).unwrap().contains(OFlags::NONBLOCK));
    drop(reader);
}

#[test]
fn a_pusher_that_is_gone_is_left() {
    let world = World::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    flood(&world, writer);
}

#[test]
fn a_pusher_whose_git_reads_nothing_any_more_is_left_also_where_little_is_said() {
    let world = World::new();
    let stub = Stub {
        write: Duration::from_millis(200),
        silence: Duration::from_secs(60),
        ..world.stub()
    };
    world.install("post-receive", POST, &stub);
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&["4f2a"]);
        caller.line("one line");
        // Until the hook hangs up.
        let soon = Some(Duration::from_secs(30));
        caller.stream.set_read_timeout(soon).unwrap();
        assert!(frame::read::<wharf_wire::ToDaemon>(&mut caller.stream).is_ok());
    });
    let (reader, writer) = std::io::pipe().unwrap();
    let mut hook = world.direct("post-receive");
    let mut child = hook.stdin(Stdio::piped()).stderr(writer).spawn().unwrap();
    let line = format!("{} {} refs/heads/main\n", "0".repeat(40), "a".repeat(40));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(line.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    daemon.join().unwrap();
    drop(reader);
}

#[test]
fn a_stopped_git_client_does_not_hold_the_hook() {
    // The client is stopped while the hook prints; the hook hangs up on the daemon, which is how
    // the daemon's script ends. Then the client goes on and reads what was printed before.
    let world = World::new();
    let stub = Stub {
        write: Duration::from_millis(200),
        ..world.stub()
    };
    world.install("post-receive", POST, &stub);
    let (tell, rung) = std::sync::mpsc::channel();
    let (go, stopped) = std::sync::mpsc::channel();
    let daemon = fake::daemon(&world.path("sock"), move |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&["4f2a"]);
        tell.send(()).unwrap();
        stopped.recv().unwrap();
        let line = FromDaemon::Line("x".repeat(700));
        while frame::write(&mut caller.stream, &line).is_ok() {}
    });
    let mut command = world.git("work");
    command
        .args(["push", "origin", "main"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let client = command.spawn().unwrap();
    rung.recv_timeout(Duration::from_secs(30)).unwrap();
    let id = client.id().to_string();
    let signal = |name: &str| {
        assert!(
            world
                .command("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    go.send(()).unwrap();
    daemon.join().unwrap();
    signal("-CONT");
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(world.tip("refs/heads/main").is_some());
}
