//! The supervisor of one process, in a program of its own, so that it outlives the daemon.
//!
//! `wharf-keeper JOBFILE MARK ISOLATION` says `ready` on its standard output once its socket listens.
//! It lives in a session of its own, with one thread, and another where it keeps a
//! door; when it is killed, its process dies with it.

mod child;
mod client;
mod output;
mod program;
mod restarts;
mod serve;

use std::{
    fs::File,
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::program::main;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::meter::Excess;

/// What the daemon says to a keeper, one frame each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToKeeper {
    /// Answered by one [`FromKeeper::State`].
    Status,
    /// Answered by [`FromKeeper::State`] now and at each change, until the keeper ends.
    Watch,
    /// The process is healthy: from now on it is started again when it ends. Answered by the state.
    Confirm,
    /// TERM to all processes, KILL after the grace, then the keeper ends. Answered by
    /// [`State::Stopped`] once nothing runs any more.
    Stop {
        /// How long the processes may take to end by themselves.
        grace: Duration,
    },
}

/// What a keeper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromKeeper {
    /// The first frame of every conversation: whose keeper this is.
    Keeper {
        /// The instance's id.
        instance: String,
        /// The keeper's own process id.
        pid: u32,
    },
    /// How its process is.
    State(State),
}

/// How a kept process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum State {
    /// It runs.
    Started {
        /// The sandbox's process id on the host.
        pid: u32,
        /// How often it was started again.
        restarts: u32,
    },
    /// It has ended.
    Exited {
        /// How.
        status: Ended,
        /// When it starts again; `None`: never, its first start failed.
        restart_in: Option<Duration>,
        /// How often it was started again.
        restarts: u32,
    },
    /// It was stopped and the keeper ends.
    Stopped,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ended {
    /// By itself, or by a signal inside the sandbox: then 128 and the signal's number.
    Code(i32),
    /// The sandbox was killed by this signal.
    Signal(i32),
    /// It took more than it may, and was killed.
    Exceeded(Excess),
}

/// The file at `Process::record`: the last end of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The instance's id.
    pub instance: String,
    /// How it ended.
    pub status: Ended,
    /// Seconds since 1970.
    pub at: u64,
    /// How long it had lived.
    pub lived: Duration,
    /// How often it had been started again before.
    pub restarts: u32,
    /// Whether it starts again.
    pub restart_in: Option<Duration>,
}

/// Where an instance's control socket is.
#[must_use]
pub fn socket(directory: &Path, instance: &super::job::JobId) -> PathBuf {
    directory.join(format!("{instance}.sock"))
}

/// A name for a socket's path that is short enough for the kernel's 108 bytes, as long as the
/// returned directory is open.
///
/// # Errors
/// When the directory cannot be opened.
pub(crate) fn reach(socket: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::options()
        .read(true)
        // Whoever may only pass through it may reach what is in it.
        .custom_flags(OFlags::PATH.bits().cast_signed())
        .open(socket.parent().unwrap_or(Path::new("/")))?;
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let path = Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(name);
    Ok((directory, path))
}
