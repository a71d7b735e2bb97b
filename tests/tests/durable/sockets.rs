//! Callers that talk nonsense are answered or cut off; others are served meanwhile.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use wharf_tests::World;
use wharf_wire::{FromDaemon, Hello, ToDaemon, frame};

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
