//! Programs of the host's own that work for the daemon, and are nothing of a repository's: they give way
//! to what serves, and die with the daemon.

use std::convert::Infallible;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::Signal;

/// How far behind what serves.
const NICE: i32 = 10;

/// Becomes a program that ends when `parent` does. Returns only when that fails.
///
/// # Errors
/// That it cannot be, or the parent is gone already.
pub fn become_program(parent: &str, words: &[&str]) -> io::Result<Infallible> {
    let (program, words) = words
        .split_first()
        .ok_or_else(|| io::Error::other("no program is named"))?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if parent != now.to_string() {
        return Err(io::Error::other("the daemon is gone"));
    }
    // It is slower so, and works all the same where that is not to be had.
    if let Err(error) = rustix::process::nice(NICE) {
        eprintln!("wharf-keeper: nice: {error}");
    }
    Err(Command::new(program).args(words).exec())
}
