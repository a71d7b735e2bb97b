//! Streams of a job that somebody attends: the job has the near ends, its caller the far ones.
//!
//! Both are made here. A descriptor of the caller's own never gets into a sandbox: through one of a
//! terminal, what runs there could type into the caller's shell.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    process::Stdio,
};

use rustix::{
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{InputModes, OptionalActions, Winsize, tcgetattr, tcsetattr, tcsetwinsize},
};
use wharf_wire::{ask::Terminal, passed::Passed};

/// What a job begins with. All of it is closed when the job ends and this is dropped.
#[derive(Debug)]
pub struct Near {
    pub(super) input: Stdio,
    pub(super) output: Stdio,
    pub(super) errors: Stdio,
}

impl Near {
    /// Streams of any kind.
    #[must_use]
    pub fn new(input: Stdio, output: Stdio, errors: Stdio) -> Near {
        Near {
            input,
            output,
            errors,
        }
    }
}

/// What its caller gets, each end with what it is good for.
pub type Far = Vec<(Passed, OwnedFd)>;

/// Three pipes.
///
/// # Errors
/// When there are no descriptors left.
pub fn pipes() -> io::Result<(Near, Far)> {
    let (input, far_input) = io::pipe()?;
    let (far_output, output) = io::pipe()?;
    let (far_errors, errors) = io::pipe()?;
    let near = Near {
        input: input.into(),
        output: output.into(),
        errors: errors.into(),
    };
    let far = vec![
        (Passed::Input, far_input.into()),
        (Passed::Output, far_output.into()),
        (Passed::Errors, far_errors.into()),
    ];
    Ok((near, far))
}

/// A pseudo terminal of this size. It becomes nobody's controlling terminal by being opened here.
///
/// # Errors
/// When the system has none left.
pub fn terminal(size: &Terminal) -> io::Result<(Near, Far)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let slave = ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = tcgetattr(&slave)?;
    // Erasing what was typed takes away a character, not a byte of it.
    modes.input_modes |= InputModes::IUTF8;
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&slave, size)?;
    let again = || slave.as_fd().try_clone_to_owned();
    let near = Near {
        output: again()?.into(),
        errors: again()?.into(),
        input: slave.into(),
    };
    Ok((near, vec![(Passed::Terminal, master)]))
}
