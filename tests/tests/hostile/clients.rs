//! Those who call the daemon and the router, and do not mean to talk; and pushers with strange
//! surroundings.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use wharf_tests::{Shop, Watched, World, run};
use wharf_wire::ask::{Ask, LogForm, Scope};
use wharf_wire::hook::{Push, RefUpdate};
use wharf_wire::route::{FromRouter, ToRouter};
use wharf_wire::{FromDaemon, Hello, ToDaemon, VERSION, frame};

use crate::app::{CONFIG, deployed};
use crate::{host::Host, says};

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
    // At once: who announces too much is hung up on.
    let bytes = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&bytes).unwrap();
}

#[test]
fn a_message_that_is_none() {
    let host = Host::new();
    let refused = |send: &dyn Fn(&mut UnixStream)| {
        let mut stream = call(&host, "run/wharfd.sock");
        send(&mut stream);
        match frame::read(&mut stream).unwrap() {
            Some(FromDaemon::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let version = refused(&|stream| frame::write(stream, &hello(99)).unwrap());
    assert_eq!(version.code, "version");
    let giant = refused(&|stream| announce(stream, u32::MAX, b""));
    let larger = says("clients::a_message_that_is_none");
    assert!(giant.message.contains(larger), "{giant:?}");
    // One byte more than fits.
    let giant = refused(&|stream| announce(stream, 64 * 1024 + 1, &[b' '; 4096]));
    assert!(giant.message.contains(larger), "{giant:?}");
    let garbage = refused(&|stream| announce(stream, 4, b"\xff\xfe{}"));
    assert!(garbage.message.contains("no message"), "{garbage:?}");
    // The deadline for a first message is five seconds.
    let half = refused(&|stream| announce(stream, 10, b"{\"hel"));
    assert!(half.message.contains("in time"), "{half:?}");
    host.still_serves();
}

#[test]
fn two_hundred_who_say_nothing() {
    let host = Host::new();
    let shop = deployed(&host, "shop");
    let sockets = ["run/router.sock", "run/wharfd.sock"];
    let mut idle: Vec<UnixStream> = Vec::new();
    for socket in sockets {
        for (length, bytes) in [
            (u32::MAX, &b""[..]),
            (4, b"\xff\xfe{}"),
            (10, b"{\"hel"),
            (0, b""),
        ] {
            let mut stream = call(&host, socket);
            announce(&mut stream, length, bytes);
            idle.push(stream);
        }
        idle.extend((0..200).map(|_| call(&host, socket)));
    }
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(shop.get("/").ok(), "two\n");
    let mut router = call(&host, sockets[0]);
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
    host.still_serves();
}

/// Sends so many messages that nobody asked for, one connection after the other: each is cut off
/// after those that the daemon has read.
fn chatter(world: &World, all: usize) {
    let zeros = "0".repeat(40);
    let update = RefUpdate {
        name: "refs/heads/x".into(),
        lossy: false,
        old: zeros.clone(),
        new: "1".repeat(40),
    };
    let push = Push {
        repository: world.repository("shop").display().to_string(),
        updates: vec![],
        options: vec![],
        claims: vec![],
    };
    let mut first = frame::encode(&hello(VERSION)).unwrap();
    first.extend(frame::encode(&ToDaemon::Admit(push)).unwrap());
    let small = frame::encode(&ToDaemon::More(vec![update])).unwrap();
    let batch = small.repeat(10_000);
    for _ in 0..all / 10_000 {
        let mut stream = call(world, "run/wharfd.sock");
        stream.write_all(&first).unwrap();
        // It may have hung up meanwhile.
        drop(stream.write_all(&batch));
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said));
        assert!(said.len() < 4096, "{} bytes", said.len());
    }
}

#[test]
fn a_million_messages() {
    let host = Host::new();
    let shop = Shop::open(&host);
    std::thread::scope(|scope| {
        let chatter = scope.spawn(|| chatter(&host, 1_000_000));
        shop.live();
        chatter.join().unwrap();
    });
    shop.live();
    host.still_serves();
}

#[test]
fn more_callers_than_there_are_places() {
    let host = Host::new();
    let shop = Shop::open(&host);
    // Who is silent for longest makes room.
    let silent: Vec<UnixStream> = (0..2_000).map(|_| call(&host, "run/wharfd.sock")).collect();
    shop.live();
    drop(silent);
    host.still_serves();
}

#[test]
fn more_watchers_than_there_are_places() {
    let host = Host::new();
    let shop = deployed(&host, "shop");
    // A build that goes on until it is cancelled, for all to watch.
    shop.git(&["switch", "--quiet", "--create", "long"]).ok();
    let build = "build = \"mkfifo /cache/gate; echo waits; read line < /cache/gate\"";
    shop.write("wharf.toml", &format!("{build}\n{}", CONFIG.1));
    shop.commit("Long");
    let mut long = Watched::push(&shop, &["long"]);
    long.until("| waits");
    let watch = |_| {
        let mut stream = call(&host, "run/wharfd.sock");
        frame::write(&mut stream, &hello(VERSION)).unwrap();
        let ask = ToDaemon::Ask(Ask::Log {
            activity: Some(long.id()),
            scope: Scope::default(),
            follow: true,
            form: LogForm::Text,
        });
        frame::write(&mut stream, &ask).unwrap();
        stream
    };
    let mut watching: Vec<UnixStream> = (0..600).map(watch).collect();
    shop.git(&["switch", "--quiet", "main"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    // Who has watched for longest is told.
    let mut said = std::iter::from_fn(|| {
        let message: Option<FromDaemon> = frame::read(&mut watching[0]).unwrap();
        message
    });
    let refused = said.find_map(|message| match message {
        FromDaemon::Refused(refusal) => Some(refusal),
        _ => None,
    });
    assert_eq!(refused.expect("a refusal").code, "too-many-watchers");
    drop(watching);
    shop.wharf(&["cancel", &long.id()]).ok();
    assert!(long.end().contains("cancelled"));
    host.still_serves();
}

#[test]
fn what_a_pusher_has_in_the_environment() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let script = "if env | grep -i owned; then echo OWNED; fi\n\
        for trace in /tmp/owned*; do if test -e $trace; then echo OWNED; fi; done\n";
    shop.tree.write("look.sh", script);
    let config = "public = \".\"\nbuild = \"sh look.sh\"\n[deploy]\nrun = \"sh look.sh\"\n";
    shop.tree.write("wharf.toml", config);
    shop.tree.commit("Look");
    let mut push = shop.tree.command("git");
    push.args(["push", "wharf", "main"]).envs([
        ("GIT_PUSH_OPTION_COUNT", "1000000000"),
        ("GIT_PUSH_OPTION_0", "nowait\nowned"),
        ("GIT_SSH_COMMAND", "touch /tmp/owned"),
        ("GIT_EXTERNAL_DIFF", "touch /tmp/owned"),
        ("LD_BIND_NOW", "owned"),
        ("SSH_ORIGINAL_COMMAND", "owned; touch /tmp/owned"),
        ("SSH_USER_AUTH", "/etc/passwd"),
        ("WHARF_VARIABLES", "owned"),
        ("IFS", "/owned"),
        ("BASH_ENV", "/tmp/owned"),
        ("ENV", "/tmp/owned"),
        ("PYTHONPATH", "/tmp/owned"),
        ("COLUMNS", "nowned"),
        ("TERM", "owned\u{1b}[31m"),
    ]);
    let said = run(&mut push).ok();
    said.has("main now serves r2").lacks("OWNED");
    host.still_serves();
}
