//! What a neighbour would miss.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use rustix::fs::statvfs;

use crate::{
    Verdict,
    facts::{Facts, work},
    none,
};

/// More than a sandbox may have, and fewer than the host can.
const THREADS: usize = 6_000;
/// Bytes that nobody needs in one file.
const LARGE: u64 = 1_000_000_000_000;
/// Bytes that `/tmp` and its kin may have.
const SCRATCH: u64 = 1 << 30;

pub(crate) fn forks() -> Verdict {
    let held = Arc::new(Mutex::new(()));
    let lock = held.lock().expect("nobody panics with it");
    let mut threads = Vec::new();
    let mut verdict = Verdict::Open(format!("there are {THREADS} threads"));
    for count in 0..THREADS {
        let held = Arc::clone(&held);
        let wait = move || drop(held.lock());
        match thread::Builder::new().stack_size(16 * 1024).spawn(wait) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                verdict = Verdict::Held(format!("{error} after {count}"));
                break;
            }
        }
    }
    drop(lock);
    for thread in threads {
        thread.join().expect("a thread that waits does not panic");
    }
    verdict
}

pub(crate) fn big_file() -> Verdict {
    let path = work().join("big");
    let file = File::create(&path).expect("the work directory can be written");
    // A process that passes the limit gets a signal, which would end it; so another one tries.
    let truncate = Command::new("truncate")
        .args(["--size", &LARGE.to_string()])
        .arg(&path)
        .output();
    let size = file.metadata().expect("an open file has a size").len();
    fs::remove_file(&path).expect("an own file can be removed");
    if size == LARGE {
        return Verdict::Open(format!("it has {size} bytes"));
    }
    let output = truncate.expect("there is a truncate");
    Verdict::Held(format!("{}, {size} bytes", output.status))
}

pub(crate) fn scratch() -> Verdict {
    none(["/tmp", "/dev/shm", "/home/app"].map(|path| {
        let system = match statvfs(path) {
            Ok(system) => system,
            Err(error) => return (path, Verdict::Held(error.to_string())),
        };
        let size = system.f_blocks * system.f_frsize;
        let verdict = match size <= SCRATCH {
            true => Verdict::Held(format!("it has {size} bytes")),
            false => Verdict::Open(format!("it has {size} bytes")),
        };
        (path, verdict)
    }))
}

pub(crate) fn core_file() -> Verdict {
    limit("Max core file size", |limit| limit == "0")
}

pub(crate) fn memory() -> Verdict {
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max");
    if group.is_ok_and(|most| most.trim_end() != "max") {
        return Verdict::Held("its control group has a limit".into());
    }
    limit("Max address space", |limit| limit != "unlimited")
}

/// Whether a soft limit of this process is good.
fn limit(name: &str, good: impl Fn(&str) -> bool) -> Verdict {
    let text = fs::read_to_string("/proc/self/limits").expect("there is a /proc");
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.expect("the kernel names it");
    let value = line[name.len()..]
        .split_whitespace()
        .next()
        .unwrap_or_default();
    match good(value) {
        true => Verdict::Held(format!("{name}: {value}")),
        false => Verdict::Open(format!("{name}: {value}")),
    }
}

pub(crate) fn disk(facts: &Facts) -> Verdict {
    // A quota shows as a smaller disk.
    let system = statvfs(Path::new(&work())).expect("it is there");
    let size = system.f_blocks * system.f_frsize;
    match size < facts.number("disk") as u64 {
        true => Verdict::Held(format!("there are {size} bytes")),
        false => Verdict::Open(format!("all {size} bytes are to be had")),
    }
}
