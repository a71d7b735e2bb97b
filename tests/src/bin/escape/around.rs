//! Neighbours, the daemon and the host.

use std::{env, fs, io, os::unix::net::UnixStream, path::PathBuf};

use crate::{
    Verdict,
    facts::Facts,
    kernel::permitted,
    none,
    raw::{at, call},
    refused,
};

pub(crate) fn neighbour_files(facts: &Facts) -> Verdict {
    refused(fs::read_to_string(facts.path("neighbour_file")))
}

pub(crate) fn neighbour_process(facts: &Facts) -> Verdict {
    let line = fs::read_to_string(format!("/proc/{}/cmdline", facts.text("neighbour_pid")));
    refused(line)
}

pub(crate) fn neighbour_memory(facts: &Facts) -> Verdict {
    let buffer = [0u8; 8];
    let local = [at(&buffer), buffer.len()];
    // Where programs have their data without random addresses; where there is nothing it is EFAULT,
    // and that would mean that the process is within reach.
    let remote = [0x1000usize, 8];
    let pid = facts.number("neighbour_pid");
    let result = call(
        libc::SYS_process_vm_readv,
        [pid, at(&local), 1, at(&remote), 1, 0],
    );
    match result {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {
            Verdict::Open("the process is within reach".into())
        }
        result => refused(result),
    }
}

pub(crate) fn neighbour_signal(facts: &Facts) -> Verdict {
    let pid = facts.number("neighbour_pid");
    none([
        ("kill", refused(call(libc::SYS_kill, [pid, 0]))),
        ("pidfd_send_signal", refused(by_descriptor(pid))),
    ])
}

/// A process without a namespace of its own can hold a stranger's, which is worth nothing by itself.
fn by_descriptor(pid: usize) -> io::Result<i64> {
    let number = call(libc::SYS_pidfd_open, [pid, 0])?;
    let number = usize::try_from(number).expect("a descriptor is positive");
    let sent = call(libc::SYS_pidfd_send_signal, [number, 0, 0, 0]);
    call(libc::SYS_close, [number])?;
    sent
}

/// Looks for a text in its own and in everybody's variables.
pub(crate) fn secret(facts: &Facts, name: &str) -> Verdict {
    let secret = facts.text(name);
    if env::vars_os().any(|(_, value)| value.to_string_lossy().contains(secret)) {
        return Verdict::Open("it is among the own variables".into());
    }
    for entry in processes() {
        let text = fs::read(entry.join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains(secret) {
            return Verdict::Open(format!("it is in {}", entry.display()));
        }
    }
    Verdict::Held("it is nowhere".into())
}

fn processes() -> Vec<PathBuf> {
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let entries = entries.map_while(Result::ok).map(|entry| entry.path());
    let numbered = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.bytes().all(|byte| byte.is_ascii_digit())
    };
    entries.filter(numbered).collect()
}

pub(crate) fn tracing() -> Verdict {
    // PTRACE_ATTACH to nobody: where it is looked for, somebody else could be found.
    permitted(call(libc::SYS_ptrace, [16, 0x3fff_fff0, 0, 0]))
}

pub(crate) fn daemon_socket(facts: &Facts) -> Verdict {
    none([
        (
            "the daemon's",
            refused(UnixStream::connect(facts.path("socket"))),
        ),
        (
            "the router's",
            refused(UnixStream::connect(facts.path("router"))),
        ),
    ])
}

pub(crate) fn listing(path: PathBuf) -> Verdict {
    refused(fs::read_dir(path).map(Iterator::count))
}

pub(crate) fn host_processes() -> Verdict {
    // Process 1 is bubblewrap's, under the name of the job; or it is not to be seen.
    let first = fs::read_to_string("/proc/1/cmdline").unwrap_or_default();
    if !first.is_empty() && !first.starts_with("wharf:") {
        return Verdict::Open(format!("process 1 is {first:?}"));
    }
    for process in processes() {
        let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
        let name = name.trim_end();
        let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        // The first program of a unit is the sandbox's own.
        if line.ends_with("wharf-keeper\0unit\0") {
            continue;
        }
        if ["wharfd", "wharf-router", "wharf-keeper", "systemd"].contains(&name) {
            return Verdict::Open(format!("{} is {name}", process.display()));
        }
    }
    Verdict::Held("there are only the sandbox's own".into())
}

pub(crate) fn command_line() -> Verdict {
    for process in processes() {
        let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
        if line.contains("--setenv") {
            return Verdict::Open(format!("{}: {line:?}", process.display()));
        }
    }
    Verdict::Held("nothing is said there".into())
}

pub(crate) fn descriptors() -> Verdict {
    let entries = fs::read_dir("/proc/self/fd").expect("there is a /proc");
    let paths: Vec<PathBuf> = entries
        .map_while(Result::ok)
        .map(|entry| entry.path())
        .collect();
    // By now the one that listed them is closed.
    for path in paths {
        let Ok(target) = fs::read_link(&path) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let known = ["pipe:[", "/dev/null"];
        if !known.iter().any(|start| target.starts_with(start)) {
            return Verdict::Open(format!("{} leads to {target}", path.display()));
        }
    }
    Verdict::Held("there are the standard three".into())
}
