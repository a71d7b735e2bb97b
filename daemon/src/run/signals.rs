//! Signals to what runs inside a sandbox.
//!
//! bubblewrap is two processes: the outer one, whose id we know, and its only child, which is
//! process 1 of the sandbox. Neither passes signals on. What runs inside descends from process 1.

use std::{
    fs,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

/// Asks what runs inside to end, in two waves; returns who was asked in the first.
///
/// A shell that waits for an application has no handler for TERM and would die at once, and with
/// the command's first process the sandbox ends and kills the rest. So TERM goes to the processes
/// that handle it and to those without children. Once they have ended, it is time for
/// [`terminate_rest`]. Where nothing is inside yet, the outer process is killed.
pub(super) fn terminate(outer: Pid) -> Vec<OwnedFd> {
    match children(outer).first() {
        Some(init) => terminate_below(*init),
        None if is_holder(outer) => {
            let process = pidfd_open(outer, PidfdFlags::empty());
            report(outer, rustix::process::kill_process(outer, Signal::TERM));
            process.ok().into_iter().collect()
        }
        None => {
            kill_outer(outer);
            Vec::new()
        }
    }
}

/// The same for all that descends from `init`. Where nothing does yet, it is killed.
pub(super) fn terminate_below(init: Pid) -> Vec<OwnedFd> {
    let inside = inside(init);
    if inside.is_empty() {
        report(init, rustix::process::kill_process(init, Signal::KILL));
    }
    let first = inside
        .iter()
        .filter(|process| process.leaf || handles_term(process.pid));
    first
        .filter_map(|process| send(process.parent, process.pid, Signal::TERM))
        .collect()
}

/// Asks all that is left inside to end: the second wave.
pub(super) fn terminate_rest(outer: Pid) {
    if let Some(init) = children(outer).first() {
        terminate_all_below(*init);
    }
}

/// Asks all that descends from `init` to end.
pub(super) fn terminate_all_below(init: Pid) {
    for process in inside(init) {
        send(process.parent, process.pid, Signal::TERM);
    }
}

/// Whether a process stands for a job that runs elsewhere: bubblewrap heeds no TERM, and has a child
/// before long.
fn is_holder(outer: Pid) -> bool {
    handles_term(outer)
}

/// Waits until all of these have ended, or for `longest`.
pub(super) fn wait_for(processes: &[OwnedFd], longest: Duration) {
    let deadline = Instant::now() + longest;
    for process in processes {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a grace of seconds fits");
        if let Err(error) = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            tracing::debug!(%error, "cannot wait for a process");
        }
    }
}

struct Inside {
    parent: Pid,
    pid: Pid,
    leaf: bool,
}

/// Everything that descends from process 1 of the sandbox.
fn inside(init: Pid) -> Vec<Inside> {
    let mut found: Vec<Inside> = Vec::new();
    let mut waiting: Vec<(Pid, Pid)> = children(init).into_iter().map(|pid| (init, pid)).collect();
    while let Some((parent, pid)) = waiting.pop() {
        let below = children(pid);
        found.push(Inside {
            parent,
            pid,
            leaf: below.is_empty(),
        });
        waiting.extend(below.into_iter().map(|child| (pid, child)));
    }
    found
}

/// Whether a process has a handler for TERM.
fn handles_term(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()));
    let status = status.unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (Signal::TERM.as_raw() - 1)) != 0)
}

/// Kills everything inside: with process 1 the kernel ends all others before it is waited for.
pub(super) fn kill(outer: Pid) {
    match children(outer).first() {
        Some(init) => drop(send(outer, *init, Signal::KILL)),
        // It ends when all of its job has.
        None if is_holder(outer) => {
            report(outer, rustix::process::kill_process(outer, Signal::USR1));
        }
        None => kill_outer(outer),
    }
}

/// Kills the outer process. Its death signal ends the rest, but a little later.
pub(super) fn kill_outer(outer: Pid) {
    // The caller has not waited for it yet, so the id is still its own.
    report(outer, rustix::process::kill_process(outer, Signal::KILL));
}

/// Signals `pid` if it is still a child of `parent`: an id may be used again. What is returned is
/// readable at its end.
fn send(parent: Pid, pid: Pid, signal: Signal) -> Option<OwnedFd> {
    let descriptor = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    if !children(parent).contains(&pid) {
        return None;
    }
    report(pid, pidfd_send_signal(&descriptor, signal));
    Some(descriptor)
}

fn report(pid: Pid, result: rustix::io::Result<()>) {
    if let Err(error) = result
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(pid = pid.as_raw_nonzero().get(), %error, "cannot signal a process");
    }
}

/// The children of all threads of a process; none when it is gone.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
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
