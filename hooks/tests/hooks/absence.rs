//! What a push gets while the daemon is away.

use std::{fs, os::unix::fs::PermissionsExt, os::unix::net::UnixListener, time::Duration};

use wharf_hooks::stub::{Stub, Unreachable};
use wharf_wire::{FromDaemon, Refusal, ToDaemon, frame, hook::Push, outcome::Exit};

use crate::{
    fake,
    world::{POST, PRE, World, gits, remote, stderr},
};

#[test]
fn a_push_is_refused_while_the_daemon_is_down_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.install("pre-receive", PRE, &world.stub());
        let output = world.push(&["main"]);
        assert!(!output.status.success());
        let said = remote(&output);
        assert_eq!(
            said[0],
            "error: Wharf is not running on this host; nothing was pushed"
        );
        assert!(said[1].contains("sock: No such file"), "{said:?}");
        assert_eq!(
            said[2],
            "hint: push again later; on the host, look with: wharf doctor"
        );
        assert_eq!(world.tip("refs/heads/main"), None);
    }
}

#[test]
fn a_push_is_taken_and_spooled_where_the_host_says_so_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        let stub = Stub {
            unreachable: Unreachable::Accept,
            ..world.stub()
        };
        world.install("pre-receive", PRE, &stub);
        world.install("post-receive", POST, &stub);
        // A socket that nobody listens on any more.
        drop(UnixListener::bind(world.path("sock")).unwrap());
        let output = world.push(&["-o", "x", "main", "main:refs/heads/other"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let said = remote(&output);
        assert_eq!(said[0], "warning: Wharf is not running on this host");
        assert!(said[1].contains("Connection refused"), "{said:?}");
        assert_eq!(
            said[2..],
            [
                "warning: the push is taken without its checks",
                "warning: Wharf is not running on this host; the push is recorded",
                "hint: it is deployed when Wharf is back; see: wharf activities",
            ]
        );
        let [file] = &world.spooled()[..] else {
            panic!("{:?}", world.spooled())
        };
        assert_eq!(file.extension().unwrap(), "json");
        assert_eq!(
            fs::metadata(file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let push: Push = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(push.options, ["x"]);
        let names: Vec<_> = push.updates.iter().map(|u| u.name.as_str()).collect();
        assert_eq!(names, ["refs/heads/main", "refs/heads/other"]);
    }
}

#[test]
fn a_dry_run_changes_nothing_whatever_the_host_says() {
    let world = World::new();
    let stub = Stub {
        unreachable: Unreachable::Accept,
        ..world.stub()
    };
    world.install("pre-receive", PRE, &stub);
    let output = world.push(&["-o", "dry-run", "main"]);
    assert!(!output.status.success());
    assert!(remote(&output)[0].ends_with("; nothing was pushed"));
    assert_eq!(world.tip("refs/heads/main"), None);
    assert!(world.push(&["main"]).status.success());
}

#[test]
fn a_push_that_cannot_be_spooled_is_not_called_recorded() {
    for spool in [Some("absent"), None] {
        let world = World::new();
        let stub = Stub {
            spool: spool.map(|name| world.path(name)),
            ..world.stub()
        };
        world.install("post-receive", POST, &stub);
        let output = world.push(&["main"]);
        assert!(output.status.success());
        let said = remote(&output);
        assert_eq!(
            said[..2],
            [
                "error: Wharf is not running on this host",
                "warning: the push is in git, and not recorded for Wharf"
            ]
        );
        assert_eq!(
            said[3],
            "hint: Wharf deploys it once it is back; see: wharf activities"
        );
    }
}

#[test]
fn a_daemon_that_accepts_and_never_answers_is_absent() {
    let world = World::new();
    let stub = Stub {
        answer: Duration::from_millis(200),
        ..world.stub()
    };
    world.install("pre-receive", PRE, &stub);
    let daemon = fake::daemon(&world.path("sock"), |door| (door.accept(), door));
    let output = world.push(&["main"]);
    assert!(!output.status.success());
    assert_eq!(
        remote(&output)[..2],
        [
            "error: Wharf does not answer on this host; nothing was pushed",
            "  no answer in time"
        ]
    );
    drop(daemon.join().unwrap());

    // The bell, without anybody at the door: the kernel accepts for a listener that sleeps.
    let world = World::new();
    let stub = Stub {
        answer: Duration::from_millis(200),
        ..world.stub()
    };
    world.install("post-receive", POST, &stub);
    let _door = UnixListener::bind(world.path("sock")).unwrap();
    let output = world.push(&["main"]);
    assert!(output.status.success());
    let said = remote(&output);
    assert_eq!(
        said[0],
        "warning: Wharf does not answer on this host; the push is recorded"
    );
    assert_eq!(world.spooled().len(), 1);
}

#[test]
fn a_daemon_of_another_version_refuses_and_the_bell_is_spooled() {
    let world = World::new();
    world.install("pre-receive", PRE, &world.stub());
    world.install("post-receive", POST, &world.stub());
    let daemon = fake::daemon(&world.path("sock"), |door| {
        fake::admit(&door);
        let mut stream = door.accept();
        let _hello: Option<ToDaemon> = frame::read(&mut stream).unwrap();
        let refusal = Refusal {
            code: "version".into(),
            message: "this hook speaks version 1".into(),
            hint: None,
            exit: Exit::Refused,
        };
        frame::write(&mut stream, &FromDaemon::Refused(refusal)).unwrap();
    });
    let output = world.push(&["main"]);
    assert!(output.status.success());
    let said = remote(&output);
    assert_eq!(
        said[0],
        "warning: Wharf has another version on this host; the push is recorded"
    );
    assert!(said.iter().all(|line| line.is_ascii() && line.len() <= 72));
    assert_eq!(world.spooled().len(), 1);
    daemon.join().unwrap();
}

#[test]
fn a_connect_to_a_full_backlog_has_its_deadline() {
    let world = World::new();
    let stub = Stub {
        connect: Duration::from_millis(200),
        ..world.stub()
    };
    world.install("pre-receive", PRE, &stub);
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let address = SocketAddrUnix::new(world.path("sock")).unwrap();
    let open = |flags| {
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap()
    };
    let door = open(SocketFlags::CLOEXEC);
    rustix::net::bind(&door, &address).unwrap();
    rustix::net::listen(&door, 0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let caller = open(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        match rustix::net::connect(&caller, &address) {
            Ok(()) => waiting.push(caller),
            Err(error) => break assert_eq!(error, rustix::io::Errno::AGAIN),
        }
    }
    let output = world.push(&["main"]);
    assert!(!output.status.success());
    let said = &remote(&output)[0];
    assert_eq!(
        said,
        "error: Wharf does not answer on this host; nothing was pushed"
    );
}

#[test]
fn a_daemon_that_talks_garbage_is_absent() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\0\0\0\x02{}",
        b"",
    ] {
        let world = World::new();
        world.install("pre-receive", PRE, &world.stub());
        let daemon = fake::daemon(&world.path("sock"), move |door| {
            let mut stream = door.accept();
            std::io::Write::write_all(&mut stream, garbage).unwrap();
        });
        let output = world.push(&["main"]);
        assert!(!output.status.success());
        let said = &remote(&output)[0];
        assert_eq!(
            said,
            "error: Wharf does not answer on this host; nothing was pushed"
        );
        daemon.join().unwrap();
    }
}

#[test]
fn a_broken_stub_refuses_and_says_how_to_mend_it() {
    let world = World::new();
    world.hook("pre-receive", &format!("#!{PRE}\nsocket = relative\n"));
    let output = world.push(&["main"]);
    assert!(!output.status.success());
    let said = remote(&output);
    assert!(
        said[0].ends_with("line 2: not a value for this key"),
        "{said:?}"
    );
    assert_eq!(
        said[1],
        "hint: mend it on the host with: wharf hook install"
    );
}
