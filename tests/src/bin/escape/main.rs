//! Tries to get out of the sandbox that it runs in, and says of each way whether it is held or open.
//!
//! `escape FACTS [PROBE]`: the version of Landlock's interface, then one line a probe, `held NAME: why` or
//! `open NAME: why`, then `done`; or one probe alone, since one that gets out would change what the next
//! finds. The file has lines of `name=value`: where the things are that must not
//! be reached.

mod around;
mod facts;
mod files;
mod kernel;
mod limits;
mod raw;
mod sockets;

use std::{env, io, path::Path, process::ExitCode};

use facts::Facts;
use wharf_tests::PROBES;

/// Whether a way out is held, and by what one sees it.
#[derive(Debug)]
pub(crate) enum Verdict {
    Held(String),
    Open(String),
}

/// Something that must not succeed.
pub(crate) fn refused<T: std::fmt::Debug>(result: io::Result<T>) -> Verdict {
    match result {
        Ok(value) => Verdict::Open(format!("it gave {value:?}")),
        Err(error) => Verdict::Held(error.to_string()),
    }
}

/// Several things none of which must succeed: the first that does, or the last refusal.
pub(crate) fn none(verdicts: impl IntoIterator<Item = (&'static str, Verdict)>) -> Verdict {
    let mut last = Verdict::Held("there is nothing to try".into());
    for (name, verdict) in verdicts {
        match verdict {
            Verdict::Open(why) => return Verdict::Open(format!("{name}: {why}")),
            Verdict::Held(why) => last = Verdict::Held(format!("{name}: {why}")),
        }
    }
    last
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["as-x32"] => kernel::as_x32(),
        ["as-i386"] => kernel::as_i386(),
        [facts] => with(facts, all),
        [facts, probe] => with(facts, |facts| say(probe, facts)),
        _ => {
            eprintln!("usage: escape FACTS [PROBE]");
            ExitCode::FAILURE
        }
    }
}

fn with(facts: &str, attempt: impl FnOnce(&Facts)) -> ExitCode {
    match Facts::read(Path::new(facts)) {
        Ok(facts) => {
            attempt(&facts);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("escape: {facts}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(facts: &Facts) {
    println!("landlock {}", kernel::landlock());
    for probe in PROBES {
        say(probe.name, facts);
    }
    println!("done");
}

fn say(probe: &str, facts: &Facts) {
    match attempt(probe, facts) {
        Verdict::Held(why) => println!("held {probe}: {why}"),
        Verdict::Open(why) => println!("open {probe}: {why}"),
    }
}

fn attempt(name: &str, facts: &Facts) -> Verdict {
    match name {
        "neighbour-files" => around::neighbour_files(facts),
        "neighbour-process" => around::neighbour_process(facts),
        "neighbour-memory" => around::neighbour_memory(facts),
        "neighbour-signal" => around::neighbour_signal(facts),
        "neighbour-variables" => around::secret(facts, "secret"),
        "tracing" => around::tracing(),
        "daemon-socket" => around::daemon_socket(facts),
        "daemon-state" => around::listing(facts.path("state")),
        "daemon-variables" => around::secret(facts, "daemon_secret"),
        "host-processes" => around::host_processes(),
        "command-line" => around::command_line(),
        "descriptors" => around::descriptors(),
        "repository" => around::listing(facts.path("repository")),
        "hooks" => files::hooks(facts),
        "configuration" => files::configuration(),
        "run-directory" => files::run_directory(),
        "shared-memory" => files::shared_memory(facts),
        "terminal" => files::terminal(),
        "setuid-file" => files::setuid_file(),
        "setuid-otherwise" => files::setuid_otherwise(),
        "hard-link" => files::hard_link(),
        "symbolic-link" => files::symbolic_link(facts),
        "read-only" => files::read_only(),
        "devices" => files::devices(),
        "file-handle" => files::file_handle(),
        "low-port" => sockets::low_port(),
        "netlink" => sockets::netlink(),
        "packet-socket" => sockets::packets(),
        "other-sockets" => sockets::others(),
        "abstract-socket" => sockets::nameless(facts),
        "localhost" => sockets::localhost(facts),
        "forks" => limits::forks(),
        "big-file" => limits::big_file(),
        "scratch" => limits::scratch(),
        "core-file" => limits::core_file(),
        "memory" => limits::memory(),
        "disk" => limits::disk(facts),
        name => kernel::attempt(name)
            .unwrap_or_else(|| Verdict::Open("nobody knows how to try it".into())),
    }
}
