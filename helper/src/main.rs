//! `wharf-helper`: the only program of Wharf that is root.
//!
//! `wharfd` decides and has no privileges; this program starts what it names, each job as a unit of
//! systemd's with a user of its own, and git as the owner of a project's repository. What it can be
//! asked for is [`wharf_sandbox::ask`], and nothing that it is told becomes a path of the host, an
//! option, a program or a property that lets somebody do more: ids name its own files and the
//! operator's, places of the daemon's are opened beneath the daemon's directory, through no link, and
//! the few texts of git's are one line for its records. The daemon's files keep their owner on the disk;
//! in a sandbox an idmapped mount shows them as its user's. So nothing is ever copied or given away by
//! root.

mod idmap;
mod message;
mod mounts;
mod quota;
mod repository;
mod root;
mod serve;
mod systemd;
mod users;

use std::{error::Error, fmt::Display, io, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => serve::run(),
        // Lives in a user namespace until its input ends: the namespace needs a process to begin with.
        ["namespace"] => io::copy(&mut io::stdin(), &mut io::sink())
            .map(drop)
            .map_err(Into::into),
        _ => Err("usage: wharf-helper".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wharf-helper: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What goes wrong: told to the operator, in words.
type AnyError = Box<dyn Error + Send + Sync>;

/// Says what an error is about.
fn at<E: Display>(what: impl Display) -> impl FnOnce(E) -> AnyError {
    move |error| format!("{what}: {error}").into()
}

/// An error with its causes, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
