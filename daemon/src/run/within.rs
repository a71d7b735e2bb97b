//! `wharf-keeper within`: the first program in a sandbox. Sets what only counts from inside, then
//! becomes the command.

use std::{convert::Infallible, io, os::unix::process::CommandExt, process::Command};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::descriptors;

/// Becomes the command in `words`, which with all that it starts may be so many processes and
/// threads at a time. Returns only when that fails.
///
/// Since Linux 5.14 they are counted for each user namespace, so each sandbox has its own count; but
/// only where the limit is set inside. Set outside, it would count all of the user's on the host.
///
/// # Errors
/// Of the system.
pub fn become_command(processes: u64, words: &[&str]) -> io::Result<Infallible> {
    let [program, arguments @ ..] = words else {
        return Err(io::Error::other("there is no command"));
    };
    let value = getrlimit(Resource::Nproc)
        .maximum
        .map_or(processes, |allowed| allowed.min(processes));
    setrlimit(
        Resource::Nproc,
        Rlimit {
            current: Some(value),
            maximum: Some(value),
        },
    )?;
    // That of this program among them.
    descriptors::close_at_exec(&[])?;
    Err(Command::new(program).args(arguments).exec())
}
