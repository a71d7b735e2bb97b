//! `wharf-keeper within`: the first program in a sandbox. Sets what only counts from inside, then
//! becomes the command, or its parent where something is to be forwarded.

use std::{
    fs, io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Command, ExitCode},
};

use landlock::{Ruleset, RulesetAttr, RulesetError, Scope};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{descriptors, forwarder, sandbox::Forward};

/// In place of a number of processes.
pub const UNLIMITED: &str = "unlimited";

/// Why a command was not begun.
#[derive(Debug, thiserror::Error)]
pub enum WithinError {
    /// There is none.
    #[error("there is no command")]
    Nothing,
    /// The kernel knows scopes and refuses one.
    #[error("cannot keep it from the host's abstract sockets")]
    Scope(#[from] RulesetError),
    /// The system refused something.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
}

/// Runs the command in `words`, which with all that it starts may be so many processes and threads
/// at a time, and finds the variables that this descriptor, by its number, gives. Returns only when
/// that fails, or its exit code where something was forwarded meanwhile.
///
/// The variables are the project's: in this program's own environment `LD_PRELOAD` would run before
/// anything is set.
///
/// # Errors
/// [`WithinError`].
pub fn run_command(
    processes: Option<u64>,
    variables: &str,
    forwards: Vec<Forward>,
    words: &[&str],
) -> Result<ExitCode, WithinError> {
    let [program, arguments @ ..] = words else {
        return Err(WithinError::Nothing);
    };
    if let Some(processes) = processes {
        limit(processes).map_err(|error| WithinError::System("limit processes", error))?;
    }
    leave_abstract_sockets()?;
    let text = fs::read_to_string(format!("/proc/self/fd/{variables}"))
        .map_err(|error| WithinError::System("read the variables", error))?;
    // The descriptors of this program and the variables among them.
    descriptors::close_at_exec(&[])
        .map_err(|error| WithinError::System("close this program", error))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(
        text.split_terminator('\0')
            .filter_map(|pair| pair.split_once('=')),
    );
    if forwards.is_empty() {
        return Err(WithinError::System("start the command", command.exec()));
    }
    forwarder::aside(forwards)
        .map_err(|error| WithinError::System("forward connections", error))?;
    let status = command.status();
    let status = status.map_err(|error| WithinError::System("start the command", error))?;
    // As a shell would say it.
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Since Linux 5.14 processes are counted for each user namespace, so each sandbox has its own count;
/// but only where the limit is set inside. Set outside, it would count all of the user's on the host.
fn limit(processes: u64) -> io::Result<()> {
    let value = getrlimit(Resource::Nproc)
        .maximum
        .map_or(processes, |allowed| allowed.min(processes));
    let (current, maximum) = (Some(value), Some(value));
    Ok(setrlimit(Resource::Nproc, Rlimit { current, maximum })?)
}

/// Abstract Unix sockets belong to the network, which may be the host's. Since Linux 6.12 Landlock
/// keeps a program to those that it made; an older kernel does nothing here.
pub(super) fn leave_abstract_sockets() -> Result<(), RulesetError> {
    Ruleset::default()
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .restrict_self()?;
    Ok(())
}
