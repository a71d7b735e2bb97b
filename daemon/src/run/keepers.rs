//! The daemon's side of the keepers: spawn, find again, watch, stop.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::Pid;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
    time::timeout,
};
use wharf_wire::frame;

use crate::connection::Connection;

use super::{
    isolation::Isolation,
    job::{JobError, JobId, Jobs, Kind},
    keeper::{self, FromKeeper, State, ToKeeper},
    orphans,
};

/// How long a keeper may take for what it does at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// So often a keeper is called that does not answer and is not known to be gone: what is taken for
/// gone is forgotten, and would run on.
const TRIES: u32 = 3;

/// All keepers of one daemon.
#[derive(Debug, Clone)]
pub struct Keepers {
    program: PathBuf,
    jobs: Jobs,
    sockets: PathBuf,
    isolation: String,
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
    /// A stage's job was given.
    #[error("job {0} is no process")]
    NotAProcess(JobId),
    /// The process's output file cannot be opened.
    #[error("cannot open {}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
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

impl KeeperError {
    /// Whether nobody is there. Any other error says nothing of the keeper, which may be at work.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Gone { source, .. } => is_gone(source),
            Self::Other { .. } => true,
            Self::Job(_)
            | Self::Spawn { .. }
            | Self::NotAProcess(_)
            | Self::Output { .. }
            | Self::NotReady { .. } => false,
        }
    }
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
pub struct Watch {
    instance: JobId,
    line: Line,
}

impl Keepers {
    /// Keepers of one daemon; `program` is `wharf-keeper`, `sockets` the directory of their sockets.
    #[must_use]
    pub fn new(program: PathBuf, jobs: Jobs, sockets: PathBuf, isolation: &Isolation) -> Self {
        Self {
            program,
            jobs,
            sockets,
            isolation: isolation.to_argument(),
        }
    }

    /// Where an instance's socket is: what belongs into its job.
    #[must_use]
    pub fn socket(&self, instance: &JobId) -> PathBuf {
        keeper::socket(&self.sockets, instance)
    }

    /// Starts the keeper of a process's job, waits until its socket listens, and removes the job's
    /// file. The process itself is started by then, or about to be: [`Keeper::watch`] tells.
    ///
    /// # Errors
    /// [`KeeperError`].
    pub async fn spawn(&self, id: &JobId) -> Result<Keeper, KeeperError> {
        let (jobs, name) = (self.jobs.clone(), id.clone());
        let job = tokio::task::spawn_blocking(move || jobs.open(&name).map(|(job, _)| job))
            .await
            .expect("reading a job does not panic")?;
        let Kind::Process(process) = job.kind else {
            return Err(KeeperError::NotAProcess(id.clone()));
        };
        let spawn = |source| KeeperError::Spawn {
            program: self.program.clone(),
            source,
        };
        let output = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&process.output)
            .map_err(|source| KeeperError::Output {
                path: process.output.clone(),
                source,
            })?;
        let mark = self.jobs.marks().map_err(spawn)?.mark(id);
        let mut child = Command::new(&self.program)
            .arg(self.jobs.path(id))
            .arg(mark.as_str())
            .arg(&self.isolation)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(output))
            .spawn()
            .map_err(spawn)?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut line = BufReader::new(stdout.take(4_096));
            match timeout(PATIENCE, line.read_line(&mut said)).await {
                Ok(read) => drop(read.map_err(spawn)?),
                Err(_) => {
                    said = format!("it was not ready within {} s", PATIENCE.as_secs());
                    child.start_kill().map_err(spawn)?;
                }
            }
        }
        // Reaped here as long as this daemon lives, by the system's first process afterwards.
        tokio::spawn(async move {
            if let Err(error) = child.wait().await {
                tracing::warn!(%error, "cannot wait for a keeper");
            }
        });
        self.jobs
            .remove(id)
            .map_err(|error| JobError::Read(self.jobs.path(id), error))?;
        if said.trim_end() != "ready" {
            return Err(KeeperError::NotReady {
                instance: id.clone(),
                said: said.trim().into(),
            });
        }
        self.connect(id).await
    }

    /// Finds a keeper again, by its socket, and checks that it is this instance's.
    ///
    /// # Errors
    /// [`KeeperError::Gone`] or [`KeeperError::Other`].
    pub async fn connect(&self, instance: &JobId) -> Result<Keeper, KeeperError> {
        let socket = self.socket(instance);
        let (_line, pid) = call(instance, &socket).await?;
        Ok(Keeper {
            instance: instance.clone(),
            pid,
            socket,
        })
    }

    /// Instances that have a socket, dead or alive, in the order of their names.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn instances(&self) -> io::Result<Vec<JobId>> {
        let mut found = Vec::new();
        for entry in crate::disk::entries(&self.sockets)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".sock"));
            found.extend(id.and_then(|id| JobId::parse(id).ok()));
        }
        found.sort();
        Ok(found)
    }

    /// Removes the socket that a dead keeper left.
    ///
    /// # Errors
    /// Of the file system.
    pub fn forget(&self, instance: &JobId) -> io::Result<()> {
        match std::fs::remove_file(self.socket(instance)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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
        self.ask(&ToKeeper::Status).await
    }

    /// The states from now on; the present one first.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn watch(&self) -> Result<Watch, KeeperError> {
        let line = self.say(&ToKeeper::Watch).await?;
        Ok(Watch {
            instance: self.instance.clone(),
            line,
        })
    }

    /// Says that the process is healthy: from now on it is started again when it ends.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn confirm(&self) -> Result<State, KeeperError> {
        self.ask(&ToKeeper::Confirm).await
    }

    /// Ends the process and its keeper; returns when nothing of them runs any more. A keeper that
    /// is gone already is no error: its process died with it.
    ///
    /// # Errors
    /// [`KeeperError::Gone`] when it does not end within the grace and some seconds.
    pub async fn stop(&self, grace: Duration) -> Result<(), KeeperError> {
        let process = self.hold().map_err(gone(&self.instance))?;
        let mut line = match self.say(&ToKeeper::Stop { grace }).await {
            Ok(line) => line,
            Err(KeeperError::Gone { source, .. }) if is_gone(&source) => return Ok(()),
            Err(error) => return Err(error),
        };
        let end = async {
            // It closes the line by its own end, after its last word and after tidying up.
            while let Ok(Some(FromKeeper::State(_))) = line.next().await {}
            // Its last word is not quite its end.
            if let Some(process) = process {
                orphans::end(process).await?;
            }
            Ok(())
        };
        timeout(grace + PATIENCE, end)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(gone(&self.instance))
    }

    /// A descriptor of the keeper's process; none once it is gone.
    fn hold(&self) -> io::Result<Option<OwnedFd>> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        pid.map_or(Ok(None), orphans::hold)
    }

    async fn say(&self, message: &ToKeeper) -> Result<Line, KeeperError> {
        let bytes = frame::encode(message).expect("a message to a keeper is small");
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let (mut line, _) = call(&self.instance, &self.socket).await?;
            match line.stream.write_all(&bytes).await {
                Ok(()) => return Ok(line),
                Err(error) if tries > 0 && !is_gone(&error) => {}
                Err(error) => return Err(gone(&self.instance)(error)),
            }
        }
    }

    async fn ask(&self, message: &ToKeeper) -> Result<State, KeeperError> {
        let mut watch = Watch {
            instance: self.instance.clone(),
            line: self.say(message).await?,
        };
        let answer = timeout(PATIENCE, watch.next())
            .await
            .map_err(|_| gone(&self.instance)(io::ErrorKind::TimedOut.into()))?;
        answer?.ok_or_else(|| gone(&self.instance)(io::ErrorKind::UnexpectedEof.into()))
    }
}

impl Watch {
    /// The next state; `None` when the keeper has ended. May be cancelled, as in `select!`.
    ///
    /// # Errors
    /// [`KeeperError::Gone`].
    pub async fn next(&mut self) -> Result<Option<State>, KeeperError> {
        match self.line.next().await.map_err(gone(&self.instance))? {
            Some(FromKeeper::State(state)) => Ok(Some(state)),
            Some(FromKeeper::Keeper {
                instance: other, ..
            }) => Err(KeeperError::Other {
                instance: self.instance.clone(),
                other,
            }),
            None => Ok(None),
        }
    }
}

/// Connects, and checks who answers.
async fn call(instance: &JobId, socket: &Path) -> Result<(Line, u32), KeeperError> {
    let said = async {
        let mut tries = TRIES;
        loop {
            tries -= 1;
            match greet(socket).await {
                Err(error) if tries > 0 && !is_gone(&error) => {}
                done => return done,
            }
        }
    };
    let (line, first) = timeout(PATIENCE, said)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(gone(instance))?;
    match first {
        Some(FromKeeper::Keeper {
            instance: name,
            pid,
        }) if name == instance.as_str() => Ok((line, pid)),
        Some(FromKeeper::Keeper {
            instance: other, ..
        }) => Err(KeeperError::Other {
            instance: instance.clone(),
            other,
        }),
        Some(FromKeeper::State(_)) => Err(gone(instance)(io::ErrorKind::InvalidData.into())),
        None => Err(gone(instance)(io::ErrorKind::UnexpectedEof.into())),
    }
}

async fn greet(socket: &Path) -> io::Result<(Line, Option<FromKeeper>)> {
    let (_directory, path) = keeper::reach(socket)?;
    let mut line = Line {
        stream: Connection::to(&path).await?,
        inbox: Vec::new(),
    };
    let first = line.next().await?;
    Ok((line, first))
}

/// A connection to a keeper.
#[derive(Debug)]
struct Line {
    stream: Connection,
    inbox: Vec<u8>,
}

impl Line {
    /// The next message; `None` at the end, also when the keeper was killed. Loses nothing when it
    /// is cancelled.
    async fn next(&mut self) -> io::Result<Option<FromKeeper>> {
        loop {
            if let Some(message) = frame::take(&mut self.inbox).map_err(io::Error::other)? {
                return Ok(Some(message));
            }
            match self.stream.read_buf(&mut self.inbox).await {
                Ok(0) => return Ok(None),
                Err(error) if is_gone(&error) => return Ok(None),
                read => read?,
            };
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    let kinds = [
        BrokenPipe,
        ConnectionRefused,
        ConnectionReset,
        NotFound,
        UnexpectedEof,
    ];
    kinds.contains(&error.kind())
}

fn gone(instance: &JobId) -> impl FnOnce(io::Error) -> KeeperError + '_ {
    |source| KeeperError::Gone {
        instance: instance.clone(),
        source,
    }
}
