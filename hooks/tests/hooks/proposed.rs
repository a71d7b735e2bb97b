//! proc-receive: git holds the refs until the daemon has judged them.

use std::{
    os::unix::net::UnixListener,
    process::{Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use wharf_hooks::stub::{Stub, Unreachable};
use wharf_wire::{FromDaemon, Refusal, frame, outcome::Exit};

use crate::{
    fake::{self, Door},
    world::{POST, PROC, World, gits, remote, stderr},
};

/// Git's word for a ref that stays, with our reason.
fn rejected(output: &Output) -> Vec<String> {
    let lines = stderr(output);
    let lines = lines
        .lines()
        .filter(|line| line.contains("[remote rejected]"));
    lines.map(|line| line.trim().to_owned()).collect()
}

fn installed(world: &World, stub: &Stub) {
    world.install("proc-receive", PROC, stub);
    world.ok(
        "bare.git",
        &["config", "receive.procReceiveRefs", "refs/heads"],
    );
}

/// Answers one proposal, an answer for each of its updates by name.
fn answer(door: &Door, reasons: &[(&str, &str)]) -> wharf_wire::hook::Push {
    let mut caller = door.greet();
    assert_eq!(caller.name, "proc-receive");
    let push = caller.push();
    caller.line("  build");
    for (n, update) in push.updates.iter().enumerate() {
        let reason = reasons.iter().find(|(name, _)| *name == update.name);
        caller.judge(u32::try_from(n).unwrap(), reason.map(|(_, reason)| *reason));
    }
    caller.end();
    push
}

#[test]
fn what_is_judged_well_moves_and_then_rings_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        installed(&world, &world.stub());
        world.install("post-receive", POST, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| {
            let proposed = answer(&door, &[]);
            let mut caller = door.greet();
            let rung = caller.push();
            caller.queued(&["4f2a"]);
            caller.line("main now serves r1.");
            caller.end();
            (proposed, rung)
        });
        let output = world.push(&["-o", "x", "main"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(remote(&output), ["  build", "", "main now serves r1."]);
        let (proposed, rung) = daemon.join().unwrap();
        assert_eq!(proposed, rung);
        assert_eq!(proposed.options, ["x"]);
        let new = world.ok("work", &["rev-parse", "main"]);
        assert_eq!(world.tip("refs/heads/main"), Some(new));
    }
}

#[test]
fn a_refused_ref_stays_with_our_own_reason_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        installed(&world, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| {
            answer(&door, &[("refs/heads/main", "build failed in step 2 of 3")])
        });
        let output = world.push(&["main"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            rejected(&output),
            ["! [remote rejected] main -> main (build failed in step 2 of 3)"]
        );
        assert_eq!(world.tip("refs/heads/main"), None);
        daemon.join().unwrap();
    }
}

#[test]
fn each_ref_has_its_own_answer_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.ok(
            "work",
            &["push", "-q", "origin", "main", "main:old", "main:other"],
        );
        let first = world.tip("refs/heads/main");
        installed(&world, &world.stub());
        world.ok("work", &["commit", "-q", "--amend", "-m", "another one"]);
        world.ok("work", &["tag", "v1"]);
        let daemon = fake::daemon(&world.path("sock"), |door| {
            let push = answer(&door, &[("refs/heads/other", "no harbour")]);
            // What needs no build needs no daemon.
            (push, door)
        });
        let refs = ["+main", "+main:other", "main:new/a", "v1", ":old"];
        let output = world.push(&refs);
        assert_eq!(output.status.code(), Some(1));
        let said = "! [remote rejected] main -> other (no harbour)";
        assert_eq!(rejected(&output), [said], "{}", stderr(&output));
        let new = world.ok("work", &["rev-parse", "main"]);
        for (name, tip) in [
            ("refs/heads/main", Some(&new)),
            ("refs/heads/new/a", Some(&new)),
            ("refs/tags/v1", Some(&new)),
            ("refs/heads/other", first.as_ref()),
            ("refs/heads/old", None),
        ] {
            assert_eq!(world.tip(name).as_ref(), tip, "{name}");
        }
        let (push, door) = daemon.join().unwrap();
        let names: Vec<_> = push.updates.iter().map(|u| u.name.as_str()).collect();
        assert!(!names.contains(&"refs/tags/v1"), "{names:?}");

        let output = world.push(&[":new/a", ":other"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(world.tip("refs/heads/other"), None);
        drop(door);
    }
}

#[test]
fn an_atomic_push_moves_all_or_nothing_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        installed(&world, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), |door| {
            answer(&door, &[("refs/heads/other", "no harbour")]);
            answer(&door, &[]);
        });
        let refs = ["--atomic", "main", "main:other"];
        let output = world.push(&refs);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            rejected(&output),
            [
                "! [remote rejected] main -> main (another ref of this atomic push was refused)",
                "! [remote rejected] main -> other (no harbour)",
            ]
        );
        assert_eq!(world.tip("refs/heads/main"), None);
        assert!(world.push(&refs).status.success());
        assert!(world.tip("refs/heads/main").is_some());
        daemon.join().unwrap();
    }
}

#[test]
fn a_daemon_that_is_away_means_what_the_host_says_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        installed(&world, &world.stub());
        let output = world.push(&["main"]);
        assert_eq!(output.status.code(), Some(1));
        let said = remote(&output);
        assert_eq!(
            said[0],
            "error: Wharf is not running on this host; nothing was pushed"
        );
        assert_eq!(
            rejected(&output),
            ["! [remote rejected] main -> main (Wharf is not running on this host)"]
        );
        assert_eq!(world.tip("refs/heads/main"), None);

        let accepting = Stub {
            unreachable: Unreachable::Accept,
            ..world.stub()
        };
        installed(&world, &accepting);
        // A socket that nobody listens on any more.
        drop(UnixListener::bind(world.path("sock")).unwrap());
        let output = world.push(&["main"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = remote(&output);
        assert_eq!(said[2], "warning: the push is taken without its checks");
        assert!(world.tip("refs/heads/main").is_some());
    }
}

#[test]
fn a_daemon_that_dies_or_falls_silent_in_the_middle_is_away() {
    for (accepts, silent) in [(false, false), (true, false), (false, true)] {
        let world = World::new();
        let stub = Stub {
            silence: Duration::from_millis(300),
            unreachable: match accepts {
                true => Unreachable::Accept,
                false => Unreachable::Refuse,
            },
            ..world.stub()
        };
        installed(&world, &stub);
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut caller = door.greet();
            caller.push();
            caller.line("  build");
            if silent {
                // Until the hook hangs up.
                frame::read::<wharf_wire::ToDaemon>(&mut caller.stream).unwrap();
            }
        });
        let output = world.push(&["main"]);
        assert_eq!(output.status.success(), accepts, "{}", stderr(&output));
        assert!(remote(&output)[1].contains("Wharf does not answer on this host"));
        assert_eq!(world.tip("refs/heads/main").is_some(), accepts);
        daemon.join().unwrap();
    }
}

#[test]
fn a_refusal_of_the_whole_push_and_a_ref_without_a_judgement() {
    let world = World::new();
    installed(&world, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.send(&FromDaemon::Refused(Refusal {
            code: "unknown-repository".into(),
            message: "no project names this repository".into(),
            hint: Some("wharf project add".into()),
            exit: Exit::NotFound,
        }));
        let mut caller = door.greet();
        caller.push();
        caller.end();
        let mut caller = door.greet();
        caller.push();
        caller.judge(7, None);
    });
    let output = world.push(&["main"]);
    let said = [
        "error: no project names this repository",
        "hint: wharf project add",
    ];
    assert_eq!(remote(&output), said);
    for said in [
        "no project names",
        "Wharf did not judge it",
        "Wharf does not answer",
    ] {
        let output = match said {
            "no project names" => output.clone(),
            _ => world.push(&["main"]),
        };
        assert!(!output.status.success());
        assert!(rejected(&output)[0].contains(said), "{}", stderr(&output));
    }
    assert_eq!(world.tip("refs/heads/main"), None);
    daemon.join().unwrap();
}

#[test]
fn a_broken_stub_answers_too() {
    let world = World::new();
    installed(&world, &world.stub());
    world.hook("proc-receive", &format!("#!{PROC}\nsocket = relative\n"));
    let output = world.push(&["main"]);
    assert_eq!(output.status.code(), Some(1));
    let hint = "hint: mend it on the host with: wharf hook install";
    assert_eq!(remote(&output)[1], hint);
    assert!(rejected(&output)[0].ends_with("(Wharf's hook on this host is broken)"));
}

#[test]
fn of_two_pushes_at_once_git_takes_one_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        installed(&world, &world.stub());
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut slow = door.greet();
            slow.push();
            tell.send(()).unwrap();
            answer(&door, &[]);
            gone.recv().unwrap();
            slow.judge(0, None);
            slow.end();
        });
        let slow = world
            .git("work")
            .args(["push", "origin", "main"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        world.commit("two");
        let quick = world.push(&["main"]);
        assert!(quick.status.success(), "{}", stderr(&quick));
        go.send(()).unwrap();
        let slow = slow.wait_with_output().unwrap();
        assert_eq!(slow.status.code(), Some(1));
        assert_eq!(rejected(&slow).len(), 1, "{}", stderr(&slow));
        let two = world.ok("work", &["rev-parse", "main"]);
        assert_eq!(world.tip("refs/heads/main"), Some(two));
        daemon.join().unwrap();
    }
}

#[test]
fn a_client_that_is_killed_in_the_middle_moves_nothing_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        let stub = Stub {
            write: Duration::from_millis(300),
            ..world.stub()
        };
        installed(&world, &stub);
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut caller = door.greet();
            caller.push();
            tell.send(()).unwrap();
            gone.recv().unwrap();
            // The first line tells git that its client is gone, a later one stays unread, and the
            // hook hangs up.
            let pause = Some(Duration::from_millis(100));
            caller.stream.set_read_timeout(pause).unwrap();
            let line = FromDaemon::Line("  build".to_owned());
            let hung_up = (0..300).any(|_| {
                frame::write(&mut caller.stream, &line).is_err()
                    || frame::read::<wharf_wire::ToDaemon>(&mut caller.stream).is_ok()
            });
            assert!(hung_up, "the hook stays where nobody reads");
        });
        let mut client = world
            .git("work")
            .args(["push", "origin", "main"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stderr = client.stderr.take().unwrap();
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        client.kill().unwrap();
        client.wait().unwrap();
        go.send(()).unwrap();
        daemon.join().unwrap();
        // The host's git holds the other end until it is done.
        std::io::copy(&mut stderr, &mut std::io::sink()).unwrap();
        assert_eq!(world.tip("refs/heads/main"), None);
        // The repository is as usable as before.
        assert!(world.ok("bare.git", &["for-each-ref"]).is_empty());
    }
}

#[test]
fn a_client_that_left_before_the_judgement_moves_nothing_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        let stub = Stub {
            write: Duration::from_millis(300),
            ..world.stub()
        };
        installed(&world, &stub);
        let (tell, told) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut caller = door.greet();
            caller.push();
            tell.send(()).unwrap();
            gone.recv().unwrap();
            // All that is said fits into one reading of git's, which only then finds nobody there.
            caller.line("  build");
            caller.judge(0, None);
            caller.end();
        });
        let mut push = world.git("work");
        push.args(["push", "origin", "main"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut client = push.spawn().unwrap();
        let mut stderr = client.stderr.take().unwrap();
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        client.kill().unwrap();
        client.wait().unwrap();
        go.send(()).unwrap();
        daemon.join().unwrap();
        // The host's git holds the other end until it is done.
        std::io::copy(&mut stderr, &mut std::io::sink()).unwrap();
        assert_eq!(world.tip("refs/heads/main"), None);
    }
}
