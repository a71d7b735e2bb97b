//! The daemon's side of the keepers: spawn, find again, watch, stop.

use std::{io, path::PathBuf, time::Duration};

use super::{
    job::{JobError, JobId, Jobs},
    keeper::State,
};

/// All keepers of one daemon.
#[derive(Debug, Clone)]
pub struct Keepers {
    /// The program `wharf-keeper`.
    pub program: PathBuf,
    /// Where job files are.
    pub jobs: Jobs,
    /// Where control sockets are.
    pub sockets: PathBuf,
}

/// Why a keeper cannot be had or does not do as it is told.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Its job cannot be read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The program cannot be started.
    #[error("cannot start {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It ended before its socket was ready.
    #[error("the keeper of {instance} did not start: {said}")]
    NotReady {
        /// The instance.
        instance: JobId,
        /// What it said.
        said: String,
    },
    /// Nothing answers on its socket.
    #[error("the keeper of {instance} does not answer")]
    Gone {
        /// The instance.
        instance: JobId,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another one answers.
    #[error("the socket of {instance} is answered by {other}")]
    Other {
        /// The wanted instance.
        instance: JobId,
        /// Who answers.
        other: String,
    },
}

/// A keeper that answered on its socket.
#[derive(Debug, Clone)]
pub struct Keeper {
    instance: JobId,
    pid: u32,
    socket: PathBuf,
}

/// The states of a kept process, as they come.
#[derive(Debug)]
pub struct Watch;

impl Keepers {
    /// Starts the keeper of a process's job and waits until its socket listens.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn spawn(&self, _id: &JobId) -> Result<Keeper, KeeperError> {
        unimplemented!()
    }

    /// Finds a keeper again, by its socket, and checks that it is this instance's.
    ///
    /// # Errors
    /// [`KeeperError::Gone`] or [`KeeperError::Other`].
    pub async fn connect(&self, _instance: &JobId) -> Result<Keeper, KeeperError> {
        unimplemented!()
    }

    /// Instances that have a socket, dead or alive.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn instances(&self) -> io::Result<Vec<JobId>> {
        unimplemented!()
    }
}

impl Keeper {
    /// Whose keeper it is.
    #[must_use]
    pub fn instance(&self) -> &JobId {
        &self.instance
    }

    /// The keeper's own process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How its process is now.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn status(&self) -> Result<State, KeeperError> {
        unimplemented!()
    }

    /// The states from now on; the present one first.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn watch(&self) -> Result<Watch, KeeperError> {
        unimplemented!()
    }

    /// Says that the process is healthy: from now on it is started again when it ends.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn confirm(&self) -> Result<State, KeeperError> {
        unimplemented!()
    }

    /// Ends the process and its keeper; returns when nothing of them runs any more.
    ///
    /// # Errors
    /// [`KeeperError::Gone`] when it does not end within the grace and some seconds.
    pub async fn stop(&self, _grace: Duration) -> Result<(), KeeperError> {
        unimplemented!()
    }
}

impl Watch {
    /// The next state; `None` when the keeper has ended.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn next(&mut self) -> Result<Option<State>, KeeperError> {
        unimplemented!()
    }
}
