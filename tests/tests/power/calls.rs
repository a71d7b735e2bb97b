//! The n-th system call of each thread of the daemon fails, for n spread over a whole deployment:
//! whatever is said is true, and the next daemon finds nothing amiss.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wharf_tests::{Kind, Sample, Strace, World, apart, pause};
use wharf_wire::outcome::State;

use crate::host::{self, Operation, SHOP};

/// What changes files. `write` is left out: the runtime wakes itself by one, which cannot fail, and
/// nothing says which is which.
const FILES: &str = "openat,pwrite64,fsync,fdatasync,syncfs,ftruncate,\
    rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,linkat";
/// What makes them larger.
const ROOM: &str = "openat,pwrite64,fsync,fdatasync,fallocate,mkdir,mkdirat,rename,renameat,linkat";
/// What a signal may interrupt. Opening is left out: only network file systems are interrupted in it,
/// and gix does not open its directory of packs again.
const INTERRUPTED: &str = "pread64,pwrite64,ftruncate";
/// What the daemon's conversations are made of: with hooks, people, keepers, the router, applications.
const SOCKETS: &str = "socket,connect,accept4,sendto,recvfrom,sendmsg,recvmsg,readv,writev";
/// So many places for each kind of failure.
const PLACES: usize = 12;
/// A push that is not over by then is not going to end: its daemon is ended.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn system_calls_that_fail() {
    if !apart("calls::system_calls_that_fail") {
        return;
    }
    let world = host::on_disk(Kind::Tmpfs, 200);
    let mut shop = host::warm(&world);
    for (calls, error) in [
        (INTERRUPTED, "EINTR"),
        (SOCKETS, "EINTR"),
        (FILES, "EIO"),
        (SOCKETS, "EIO"),
        (ROOM, "ENOSPC"),
        (SOCKETS, "ENOSPC"),
    ] {
        let most = most_of_a_thread(&world, &mut shop, calls);
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for place in 0..PLACES {
            // The first ones one by one: most threads make few.
            let n = if place < PLACES / 2 {
                place + 1
            } else {
                PLACES / 2 + (place - PLACES / 2 + 1) * most.saturating_sub(PLACES / 2) * 2 / PLACES
            };
            let outcome = fail(&world, &mut shop, calls, error, n);
            println!("{error} {n} of {calls}: {outcome}");
            assert!(
                error != "EINTR" || outcome == "succeeded",
                "EINTR is seen: {n} of {calls}: {outcome}\n{}",
                world.logs()
            );
            *outcomes.entry(outcome).or_default() += 1;
        }
        println!("{error}, up to {most} calls of a thread: {outcomes:?}");
    }
}

/// How many of these calls one thread makes at most during a push.
fn most_of_a_thread(world: &World, shop: &mut Sample<'_>, calls: &str) -> usize {
    let trace = format!("trace={calls}");
    let strace = Strace::attach(world.daemon_pid(), &["-e", &trace]);
    Operation::Push.begin(shop).0.end();
    let seen = strace.end();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for line in seen.lines() {
        *count.entry(line.split(' ').next().unwrap()).or_default() += 1;
    }
    host::judge_after_failures(world);
    count.into_values().max().unwrap_or(1)
}

/// Lets the n-th of these calls of each thread fail during a push; says what came of it.
fn fail(world: &World, shop: &mut Sample<'_>, calls: &str, error: &str, n: usize) -> String {
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:error={error}:when={n}");
    let strace = Strace::attach(world.daemon_pid(), &["-e", &trace, "-e", &inject]);
    let (mut push, version) = Operation::Push.begin(shop);
    let version = version.unwrap();
    let until = Instant::now() + PATIENCE;
    while !push.is_over() && Instant::now() < until {
        pause();
    }
    let seen = strace.end();
    world.kill_daemon();
    let said = push.end();
    world.start();
    let verdict = host::judge_after_failures(world);
    let injected: Vec<&str> = seen.lines().filter(|l| l.contains("(INJECTED)")).collect();
    let context = || format!("{n} of {calls}\n{injected:#?}\n{said}\n{}", world.logs());
    let Some(activity) = verdict.of(&version) else {
        // git's own refusal, before anything was accepted.
        assert!(
            !said.contains("wharf log "),
            "{version} is lost: {}",
            context()
        );
        assert!(said.contains("error: "), "{}", context());
        shop.tree.push(&["--force", "main"]).ok();
        return "refused".into();
    };
    let state = activity.state;
    if said.contains("success: ") {
        assert_eq!(state, State::Succeeded, "{}", context());
    }
    if said.contains(" still serves ") {
        assert_eq!(state, State::Failed, "{}", context());
    }
    if state != State::Succeeded {
        let reason = activity.reason.as_ref();
        let reason = reason.unwrap_or_else(|| panic!("{}", context()));
        println!("  {}\n  {}", reason.message, injected.join("\n  "));
        shop.tree.wharf(&["redeploy"]).ok();
    }
    let serves = world.get(&format!("main--{SHOP}.localhost"), "/").ok();
    assert_eq!(serves, format!("{version}\n"), "{}", context());
    state.word().into()
}
