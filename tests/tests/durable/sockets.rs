//! Callers that talk nonsense are answered or cut off; others are served meanwhile.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use wharf_tests::{Watched, World};
use wharf_wire::route::{FromRouter, ToRouter};
use wharf_wire::{FromDaemon, Hello, ToDaemon, frame};

use rustix::process::{Signal, kill_process};

use crate::app::{deployed, host};
use crate::watching::wait_for_log;

fn call(world: &World, socket: &str) -> UnixStream {
    let stream = UnixStream::connect(world.home().join(socket)).unwrap();
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).unwrap();
    stream
}

fn hello(version: u32) -> ToDaemon {
    ToDaemon::Hello(Hello {
        wharf: version,
        client: "test".into(),
    })
}

/// Announces a length, sends some bytes and nothing more.
fn announce(stream: &mut UnixStream, length: u32, bytes: &[u8]) {
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(bytes).unwrap();
}

#[test]
fn the_daemon_says_what_is_wrong_with_a_message() {
    let world = World::new();
    let refused = |send: &dyn Fn(&mut UnixStream)| {
        let mut stream = call(&world, "run/wharfd.sock");
        send(&mut stream);
        match frame::read(&mut stream).unwrap() {
            Some(FromDaemon::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let version = refused(&|stream| frame::write(stream, &hello(99)).unwrap());
    assert_eq!(version.code, "version");
    let giant = refused(&|stream| announce(stream, u32::MAX, b""));
    assert!(giant.message.contains("is larger than"), "{giant:?}");
    let garbage = refused(&|stream| announce(stream, 4, b"\xff\xfe{}"));
    assert!(garbage.message.contains("no message"), "{garbage:?}");
    // The deadline for a first message is five seconds.
    let half = refused(&|stream| announce(stream, 10, b"{\"hel"));
    assert!(half.message.contains("in time"), "{half:?}");
}

#[test]
fn the_router_is_told_of_switches_beside_two_hundred_that_say_nothing() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let sockets = ["run/router.sock", "run/wharfd.sock"];
    let mut idle: Vec<UnixStream> = Vec::new();
    for socket in sockets {
        for (length, bytes) in [
            (u32::MAX, &b""[..]),
            (4, b"\xff\xfe{}"),
            (10, b"{\"hel"),
            (0, b""),
        ] {
            let mut stream = call(&world, socket);
            announce(&mut stream, length, bytes);
            idle.push(stream);
        }
        idle.extend((0..200).map(|_| call(&world, socket)));
    }
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(shop.get("/").ok(), "two\n");
    let mut router = call(&world, sockets[0]);
    frame::write(&mut router, &ToRouter::Status).unwrap();
    let status: FromRouter = frame::read(&mut router).unwrap().unwrap();
    assert!(matches!(status, FromRouter::Status { .. }), "{status:?}");
    // None of those was answered with a page of memory.
    for mut stream in idle.drain(..8) {
        let mut said = Vec::new();
        if let Err(error) = stream.read_to_end(&mut said) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        assert!(said.len() < 4096);
    }
}

#[test]
fn old_processes_live_until_the_router_follows_the_switch() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("version", "two\n");
    shop.commit("Second");
    let router = call(&world, "run/router.sock");
    let router = rustix::net::sockopt::socket_peercred(&router).unwrap().pid;
    kill_process(router, Signal::STOP).unwrap();
    let push = Watched::push(&shop, &["main"]);
    wait_for_log(&world, "the router does not follow");
    let keepers = std::fs::read_dir(world.home().join("run/keepers"));
    assert_eq!(keepers.unwrap().count(), 2, "old and new");
    kill_process(router, Signal::CONT).unwrap();
    let said = push.end();
    assert!(said.contains("main now serves r2 (was r1)."), "{said}");
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");
    wait_for_log(&world, "the processes of r1 have ended");
    let keepers = std::fs::read_dir(world.home().join("run/keepers"));
    assert_eq!(keepers.unwrap().count(), 1, "the old one is stopped");
}
