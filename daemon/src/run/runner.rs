//! Starts, streams and ends the steps of stages. Only ids cross this interface.

use std::{io, path::PathBuf, time::Duration};

use super::job::{JobError, JobId, Jobs};

/// What a runner can be asked. The helper of a later day answers the same three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Start the job in the file of this id.
    Start(JobId),
    /// End it, with everything that it started.
    Kill(JobId),
    /// Is nothing of it left, so that its result may be taken?
    Import(JobId),
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The job cannot be read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The sandbox's program is not there.
    #[error("bubblewrap is not installed (apt install bubblewrap)")]
    NoBubblewrap,
    /// A process's job was given where a stage's is needed.
    #[error("job {0} is no stage")]
    NotAStage(JobId),
    /// A job of this id runs already.
    #[error("job {0} runs already")]
    Running(JobId),
    /// The child cannot be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself; 128 and a signal's number when a signal ended its main process.
    Code(i32),
    /// The sandbox was killed by this signal.
    Signal(i32),
    /// It took longer than this.
    TimedOut(Duration),
    /// It printed nothing for this long.
    Silent(Duration),
    /// It was killed on request.
    Cancelled,
    /// It ended, and how cannot be known.
    Lost,
}

/// Runs stages as children of this process.
#[derive(Debug)]
pub struct Runner {
    _jobs: Jobs,
}

/// A step that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running;

impl Runner {
    /// A runner with its permanent thread. `keeper` is the program `wharf-keeper`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(jobs: Jobs, _keeper: PathBuf) -> io::Result<Self> {
        Ok(Self { _jobs: jobs })
    }

    /// Starts the job in the file of this id.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn start(&self, _id: &JobId) -> Result<Running, RunError> {
        unimplemented!()
    }

    /// Ends a job with everything that it started: TERM, 500 ms, KILL. False when it does not run.
    pub fn kill(&self, _id: &JobId) -> bool {
        unimplemented!()
    }

    /// Checks that nothing of a job is left, so that its result may be taken.
    ///
    /// # Errors
    /// [`RunError::Running`].
    pub fn import(&self, _id: &JobId) -> Result<(), RunError> {
        unimplemented!()
    }
}

impl Running {
    /// The next bytes of its output, both streams in one; `None` at the end.
    pub async fn next_output(&mut self) -> Option<Vec<u8>> {
        unimplemented!()
    }

    /// How it ended; call it after the last output.
    pub async fn wait(self) -> Exit {
        unimplemented!()
    }
}
