//! The daemon: what it sees, or why it cannot be asked and how it comes to answer.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::Command,
};

use wharf_config::place::Place;
use wharf_wire::{
    ask::Ask,
    outcome::Exit,
    view::{Finding, Item},
};

use crate::{ask, daemon, failure::Failure, git::bounded_by, hooks};

/// How long looking without a daemon may take: the whole database is read.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// What the daemon finds; that it does not answer is a finding as well.
pub(super) fn findings(place: &Place) -> Vec<Finding> {
    let failure = match daemon::records(place, Ask::Doctor) {
        Ok((items, _)) => {
            let mut found = vec![Finding::good("daemon", "the daemon answers")];
            found.extend(ask::pick(items, |item| match item {
                Item::Finding(finding) => Some(finding),
                _ => None,
            }));
            return found;
        }
        Err(failure) => failure,
    };
    if failure.exit == Exit::Refused {
        // What it names is not everybody's to know.
        let text = format!("the daemon answers, and not to you: {failure}");
        return vec![Finding::warning("daemon", text, "sudo wharf doctor")];
    }
    let connected = daemon::connect(&place.socket());
    if connected.as_ref().is_err_and(is_denied) {
        return vec![denied(place)];
    }
    let mut found = vec![away(place, &failure, connected.err().as_ref())];
    found.extend(without(place));
    found
}

fn is_denied(error: &io::Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied
}

/// Whoever asks is not in the daemon's group.
fn denied(place: &Place) -> Finding {
    let socket = place.socket();
    let meant = fs::metadata(&socket).or_else(|_| fs::metadata(&place.run));
    let gid = meant.map_or(0, |found| found.gid());
    let hint = match place.is_system() {
        true => "sudo wharf doctor\nfor good: sudo usermod --append --groups wharf $USER, and log in again".to_owned(),
        false => format!("ask as the user whose daemon it is, or as one of the group {gid}"),
    };
    let text = format!("you may not ask the daemon at {}", socket.display());
    Finding::error("daemon", text, hint)
}

/// Why nobody answers.
fn away(place: &Place, failure: &Failure, error: Option<&io::Error>) -> Finding {
    let socket = place.socket();
    let shown = socket.display();
    let start = match place.is_system() {
        true => "systemctl start wharfd\njournalctl --unit wharfd --lines 20",
        false => "wharf start",
    };
    let restart = |pid: u32| match place.is_system() {
        true => "systemctl restart wharfd.socket wharfd".to_owned(),
        false => format!("kill {pid}; wharf start"),
    };
    let runs = running(place);
    let (why, hint) = match (error.map(io::Error::kind), runs) {
        (Some(ErrorKind::NotFound), Some(pid)) => (
            format!("it runs (pid {pid}), and its socket is gone"),
            restart(pid),
        ),
        (Some(ErrorKind::ConnectionRefused), Some(pid)) => (
            format!("it runs (pid {pid}), and the socket is another's that is dead"),
            restart(pid),
        ),
        (Some(ErrorKind::NotFound), None) => {
            ("none runs, there is no socket".to_owned(), start.to_owned())
        }
        (Some(ErrorKind::ConnectionRefused), None) => (
            "none runs, and the socket is stale: one that died left it".to_owned(),
            start.to_owned(),
        ),
        (_, runs) => {
            let hint = match runs {
                Some(pid) => restart(pid),
                None => failure.first_hint().unwrap_or(start).to_owned(),
            };
            return Finding::error("daemon", failure.to_string(), hint);
        }
    };
    let text = format!("the daemon does not answer at {shown}: {why}");
    Finding::error("daemon", text, hint)
}

/// The process that holds the state directory, where it is a daemon.
fn running(place: &Place) -> Option<u32> {
    let pid: u32 = fs::read_to_string(place.state.join("lock"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "wharfd").then_some(pid)
}

/// What can be seen without one: `wharfd` itself can look.
fn without(place: &Place) -> Vec<Finding> {
    let Ok(directory) = hooks::binaries() else {
        return Vec::new();
    };
    let mut wharfd = Command::new(directory.join("wharfd"));
    if place.is_system() {
        wharfd.arg("--system");
    }
    let output = bounded_by(wharfd.args(["check", "--json"]), PATIENCE);
    let unseen = |why: String| {
        vec![Finding::error(
            "store",
            format!("wharfd cannot look: {why}"),
            "",
        )]
    };
    match output {
        Ok(output) => serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| unseen(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(cause) => unseen(cause.to_string()),
    }
}

/// Where the daemon is that is meant: as for every command, and the system's as well where nothing of it
/// runs and this user never had one.
///
/// # Errors
/// As [`daemon::place`].
pub(super) fn place() -> Result<Place, Failure> {
    let place = daemon::place()?;
    let system = Path::new(wharf_config::place::SYSTEM_STATE);
    if place.is_system() || place.state.exists() || !system.exists() {
        return Ok(place);
    }
    daemon::system_place()
}
