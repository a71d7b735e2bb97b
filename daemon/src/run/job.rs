//! What a runner is asked to start: a file named by an id. Only the id crosses to the runner.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{orphans::Marks, sandbox::Sandbox};
use crate::disk::{self, DiskError};
pub use wharf_sandbox::id::{BadId as BadJobId, Id as JobId};

/// One command in one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it may see and use.
    pub sandbox: Sandbox,
    /// Run as `/bin/sh -c TEXT`.
    pub command: String,
    /// What the text finds as `"$@"`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// A stage's step or a process.
    pub kind: Kind,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Port { host, port } => write!(f, "{host}, port {port}"),
        }
    }
}

impl Job {
    /// The door that is kept in place of a command.
    pub(super) fn door_alone(&self) -> Option<&Door> {
        self.door().filter(|_| self.command.is_empty())
    }

    /// The door that is kept beside the command.
    pub(super) fn door_beside(&self) -> Option<&Door> {
        self.door().filter(|_| !self.command.is_empty())
    }

    fn door(&self) -> Option<&Door> {
        match &self.kind {
            Kind::Process(process) => process.door.as_ref(),
            Kind::Stage(_) | Kind::Attended => None,
        }
    }
}

/// How long a job lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Kind {
    /// Ends by itself; its output goes to the daemon, and it dies with the daemon.
    Stage(Stage),
    /// Ends by itself; somebody has the other ends of its streams, and it dies with the daemon.
    Attended,
    /// Serves until it is stopped, under a keeper that outlives the daemon.
    Process(Process),
}

/// Limits of a stage's step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The longest it may take.
    pub limit: Option<Duration>,
    /// The longest it may print nothing.
    pub silence: Option<Duration>,
}

/// What a keeper needs to know about its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Where its output is appended. At 8 MiB it becomes `<output>.1`.
    pub output: PathBuf,
    /// Where the last exit is written, as JSON of [`super::keeper::Record`].
    pub record: PathBuf,
    /// The keeper's control socket.
    pub socket: PathBuf,
    /// When it is started again after its end.
    pub restart: Backoff,
    /// Until the daemon says that it is healthy, an end is final.
    pub first_start_fails_is_final: bool,
    /// Where its output goes to the journal, too: the values that are starred there.
    #[serde(default)]
    pub journal: Option<Vec<String>>,
    /// What is kept by the keeper itself beside the command; where that is empty, in place of it, and nothing of a
    /// repository's runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
}

/// Leads connections over the border of sandboxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// Where it is. The directory of a socket is there.
    pub from: End,
    /// Where it leads.
    pub to: End,
}

/// One side of a [`Door`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum End {
    /// A Unix socket: for those who see it.
    Socket(PathBuf),
    /// A port.
    Port {
        /// A name or an address.
        host: String,
        /// Its number.
        port: u16,
    },
}

/// How long a keeper waits before it starts a process again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backoff {
    /// The first wait; each further one is twice as long.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// A life of this length sets the wait back to the first.
    pub reset_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The wait after `failures` ends in a row, the first being 1.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        let factor = 1u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// The directory of job files.
#[derive(Debug, Clone)]
pub struct Jobs(PathBuf);

/// Why a job cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file cannot be written.
    #[error("cannot write job {0}")]
    Write(JobId, #[source] DiskError),
    /// The file cannot be read.
    #[error("cannot read job {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file holds something else.
    #[error("job {} is malformed", .0.display())]
    Malformed(PathBuf, #[source] serde_json::Error),
}

impl Jobs {
    /// Job files of `directory`, which exists.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Where a job's file is.
    #[must_use]
    pub fn path(&self, id: &JobId) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }

    /// The marks of the sandboxes of these jobs.
    ///
    /// # Errors
    /// When the directory is not there.
    pub fn marks(&self) -> io::Result<Marks> {
        Marks::of(&self.0)
    }

    /// Writes a job durably, readable by the daemon's user only: it holds variables.
    ///
    /// # Errors
    /// [`JobError::Write`].
    pub fn write(&self, job: &Job) -> Result<(), JobError> {
        let bytes = serde_json::to_vec(job).expect("a job has string keys and UTF-8 paths");
        disk::atomic_write(&self.path(&job.id), &bytes, 0o600)
            .map_err(|error| JobError::Write(job.id.clone(), error))
    }

    /// Opens and reads a job; the file is what a runner hands on.
    ///
    /// # Errors
    /// [`JobError::Read`] or [`JobError::Malformed`].
    pub fn open(&self, id: &JobId) -> Result<(Job, File), JobError> {
        let path = self.path(id);
        let mut file = File::open(&path).map_err(|error| JobError::Read(path.clone(), error))?;
        let job = read(&mut file, &path)?;
        io::Seek::rewind(&mut file).map_err(|error| JobError::Read(path, error))?;
        Ok((job, file))
    }

    /// Forgets a job. It need not be there.
    ///
    /// # Errors
    /// Of the file system.
    pub fn remove(&self, id: &JobId) -> io::Result<()> {
        match std::fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Reads a job and removes its file, which holds variables.
///
/// # Errors
/// As [`read`].
pub fn take(path: &Path) -> Result<Job, JobError> {
    let failed = |error| JobError::Read(path.into(), error);
    let mut file = File::open(path).map_err(failed)?;
    std::fs::remove_file(path).map_err(failed)?;
    read(&mut file, path)
}

/// Reads a job from a stream that `path` names in errors.
///
/// # Errors
/// [`JobError::Read`] or [`JobError::Malformed`].
pub fn read(stream: &mut impl io::Read, path: &Path) -> Result<Job, JobError> {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .map_err(|error| JobError::Read(path.into(), error))?;
    serde_json::from_slice(&bytes).map_err(|error| JobError::Malformed(path.into(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute() {
        let seconds =
            [1, 2, 3, 4, 5, 6, 7, 8, 40, u32::MAX].map(|n| Backoff::default().wait(n).as_secs());
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }
}
