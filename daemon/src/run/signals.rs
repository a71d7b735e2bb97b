//! Signals to what runs inside a sandbox.
//!
//! bubblewrap is two processes: the outer one, whose id we know, and its only child, which is
//! process 1 of the sandbox. Neither passes signals on. What runs inside descends from process 1.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Sends TERM to every process inside, as a service manager does to a control group.
///
/// Where nothing is inside yet, the outer process is killed.
pub(super) fn terminate(outer: Pid) {
    let Some(init) = children(outer).first().copied() else {
        return kill(outer);
    };
    let mut waiting: Vec<(Pid, Pid)> = children(init).into_iter().map(|pid| (init, pid)).collect();
    if waiting.is_empty() {
        return kill(outer);
    }
    while let Some((parent, pid)) = waiting.pop() {
        waiting.extend(children(pid).into_iter().map(|child| (pid, child)));
        send(parent, pid, Signal::TERM);
    }
}

/// Kills everything inside: with process 1 the kernel ends all others before it is waited for.
pub(super) fn kill(outer: Pid) {
    match children(outer).first() {
        Some(init) => send(outer, *init, Signal::KILL),
        None => kill_outer(outer),
    }
}

/// Kills the outer process. Its death signal ends the rest, but a little later.
pub(super) fn kill_outer(outer: Pid) {
    // The caller has not waited for it yet, so the id is still its own.
    report(outer, rustix::process::kill_process(outer, Signal::KILL));
}

/// Signals `pid` if it is still a child of `parent`: an id may be used again.
fn send(parent: Pid, pid: Pid, signal: Signal) {
    let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    if children(parent).contains(&pid) {
        report(pid, pidfd_send_signal(&descriptor, signal));
    }
}

fn report(pid: Pid, result: rustix::io::Result<()>) {
    if let Err(error) = result
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(pid = pid.as_raw_nonzero().get(), %error, "cannot signal a process");
    }
}

/// The children of all threads of a process; none when it is gone.
fn children(pid: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else {
        return Vec::new();
    };
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok())
        .flat_map(|text| {
            let ids = text.split_ascii_whitespace();
            ids.filter_map(|id| Pid::from_raw(id.parse().ok()?))
                .collect::<Vec<_>>()
        })
        .collect()
}
