//! What git knows about the directory that somebody stands in.

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use wharf_wire::outcome::Exit;

use crate::failure::Failure;

/// A `git` command in a directory, with the user's own surroundings and nothing to read.
pub fn command(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(directory)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    git
}

/// How long git may take where somebody else's files say what it reads.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a command to its end, but no longer than git may take to look at something: a repository's
/// configuration can name a pipe that nobody writes to.
///
/// # Errors
/// It cannot be run, or took too long.
pub fn bounded(command: &mut Command) -> io::Result<Output> {
    bounded_by(command, PATIENCE)
}

/// The same, no longer than this.
///
/// # Errors
/// As [`bounded`].
pub fn bounded_by(command: &mut Command, patience: Duration) -> io::Result<Output> {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Held by a descriptor: nobody else's process has its number when it is ended.
    let held = Pid::from_raw(child.id().cast_signed())
        .ok_or(io::ErrorKind::NotFound)
        .map_err(io::Error::from)
        .and_then(|pid| Ok(pidfd_open(pid, PidfdFlags::empty())?));
    let (tell, told) = mpsc::channel();
    let waiting = thread::spawn(move || {
        // Nobody listens any more once it took too long.
        drop(tell.send(child.wait_with_output()));
    });
    if let Ok(output) = told.recv_timeout(patience) {
        return output;
    }
    // What it started may hold its output still, so this does not wait for that.
    pidfd_send_signal(held?, Signal::KILL)?;
    drop(waiting);
    let program = command.get_program().to_string_lossy().into_owned();
    let text = format!("{program} took longer than {} s", patience.as_secs());
    Err(io::Error::new(io::ErrorKind::TimedOut, text))
}

/// Runs git and returns its output without the line end; `None` when it exits with anything but 0.
///
/// # Errors
/// git cannot be started, or prints what is not text.
pub fn ask<S: AsRef<OsStr>>(
    directory: &Path,
    words: impl IntoIterator<Item = S>,
) -> Result<Option<String>, Failure> {
    let output = command(directory)
        .args(words)
        .stderr(Stdio::null())
        .output()
        .map_err(cannot_run)?;
    if !output.status.success() {
        return Ok(None);
    }
    let mut text = String::from_utf8(output.stdout)
        .map_err(|error| Failure::new(Exit::Failed, "git printed no text").because(error))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Some(text))
}

/// Runs git for its effect.
///
/// # Errors
/// git cannot be started, or fails: its own words are the cause.
pub fn run<S: AsRef<OsStr>>(
    directory: &Path,
    what: &str,
    words: impl IntoIterator<Item = S>,
) -> Result<(), Failure> {
    let output = command(directory)
        .args(words)
        .output()
        .map_err(cannot_run)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .trim()
        .trim_start_matches("fatal: ")
        .trim_start_matches("error: ");
    Err(Failure::new(Exit::Failed, format!("cannot {what}")).because(said.to_owned()))
}

fn cannot_run(error: std::io::Error) -> Failure {
    Failure::new(Exit::Failed, "cannot run git")
        .because(error)
        .hint("install git 2.39 or newer")
}

/// A directory that belongs to git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Home {
    /// The top of a work tree.
    WorkTree(PathBuf),
    /// A bare repository.
    Bare(PathBuf),
}

/// What the directory belongs to, if git knows it.
///
/// # Errors
/// As [`ask`].
pub fn home(directory: &Path) -> Result<Option<Home>, Failure> {
    if let Some(top) = ask(directory, ["rev-parse", "--show-toplevel"])? {
        return Ok(Some(Home::WorkTree(top.into())));
    }
    let bare = ask(
        directory,
        ["rev-parse", "--is-bare-repository", "--absolute-git-dir"],
    )?;
    Ok(bare
        .as_deref()
        .and_then(|lines| lines.strip_prefix("true\n"))
        .map(|path| Home::Bare(path.into())))
}

/// The branch that is checked out; `None` on a detached head.
///
/// # Errors
/// As [`ask`].
pub fn branch(top: &Path) -> Result<Option<String>, Failure> {
    ask(top, ["symbolic-ref", "--quiet", "--short", "HEAD"])
}

/// One value of the configuration.
///
/// # Errors
/// As [`ask`].
pub fn config(directory: &Path, key: &str) -> Result<Option<String>, Failure> {
    Ok(ask(directory, ["config", "--get", key])?.filter(|value| !value.is_empty()))
}
