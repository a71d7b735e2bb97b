//! Starts the steps of stages. Only ids cross this interface: the runner reads the job's file itself.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::{oneshot, watch},
};

use super::{
    isolation::Isolation,
    job::{Job, JobError, JobId, Jobs, Kind, Stage},
    meter::{Excess, Meter},
    orphans::Mark,
    running::{Bounds, Running},
    streams::Near,
};

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The job cannot be read.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A job of one kind was given where another is needed.
    #[error("job {0} is of another kind")]
    OtherKind(JobId),
    /// A job of this id runs already.
    #[error("job {0} still runs")]
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
    /// It took more than it may.
    Exceeded(Excess),
    /// It was killed on request.
    Cancelled,
    /// It ended, and how cannot be known.
    Lost,
}

/// Runs stages as children of this process.
#[derive(Debug)]
pub struct Runner {
    jobs: Jobs,
    program: PathBuf,
    isolation: String,
    spawner: mpsc::Sender<Order>,
    table: Table,
}

/// The jobs that run, each with a way to cancel it.
pub(super) type Table = Arc<Mutex<HashMap<JobId, watch::Sender<bool>>>>;

#[derive(Debug)]
struct Order {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

impl Runner {
    /// A runner with its permanent thread, inside a tokio runtime. `keeper` is the program
    /// `wharf-keeper`.
    ///
    /// What it started dies with it: the death signal of a child follows the *thread* that made it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(jobs: Jobs, keeper: PathBuf, isolation: &Isolation) -> io::Result<Self> {
        let (spawner, orders) = mpsc::channel::<Order>();
        let runtime = Handle::current();
        thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                let _entered = runtime.enter();
                for Order { mut command, reply } in orders {
                    if let Err(Ok(mut child)) = reply.send(command.spawn()) {
                        // Nobody waits for it any more.
                        child
                            .start_kill()
                            .unwrap_or_else(|error| tracing::warn!(%error, "kill"));
                    }
                }
            })?;
        Ok(Self {
            jobs,
            program: keeper,
            isolation: isolation.to_argument(),
            spawner,
            table: Table::default(),
        })
    }

    /// Starts the job in the file of this id, and removes the file.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn start(&self, id: &JobId) -> Result<Running, RunError> {
        let (job, file) = self.open(id).await?;
        let jobs = self.jobs.clone();
        let removed = jobs.remove(id);
        removed.map_err(|error| JobError::Read(jobs.path(id), error))?;
        let Kind::Stage(stage) = job.kind else {
            return Err(RunError::OtherKind(id.clone()));
        };
        let meter = Meter::of(&job.sandbox);
        let spawn = |source| self.not_spawned(source);
        let mark = self.jobs.marks().map_err(spawn)?.mark(id);
        let (output, input) = io::pipe().map_err(spawn)?;
        let mut command = self.command(&mark);
        command
            .stdin(Stdio::from(file))
            .stderr(Stdio::from(input.try_clone().map_err(spawn)?))
            .stdout(Stdio::from(input));
        let output = Some(output.into());
        let bounds = Bounds {
            stage,
            limits: job.sandbox.limits,
            meter,
        };
        self.run(id, mark, command, output, bounds).await
    }

    /// Starts the job in the file of this id with streams whose other ends somebody has. The file
    /// goes when the job is read.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn attach(&self, id: &JobId, streams: Near) -> Result<Running, RunError> {
        let spawn = |source| self.not_spawned(source);
        let (job, _) = self.open(id).await?;
        let meter = Meter::of(&job.sandbox);
        let mark = self.jobs.marks().map_err(spawn)?.mark(id);
        let mut command = self.command(&mark);
        command
            .arg(self.jobs.path(id))
            .stdin(streams.input)
            .stdout(streams.output)
            .stderr(streams.errors);
        let stage = Stage {
            limit: None,
            silence: None,
        };
        let bounds = Bounds {
            stage,
            limits: job.sandbox.limits,
            meter,
        };
        self.run(id, mark, command, None, bounds).await
    }

    async fn open(&self, id: &JobId) -> Result<(Job, File), JobError> {
        let (jobs, name) = (self.jobs.clone(), id.clone());
        let opened = tokio::task::spawn_blocking(move || jobs.open(&name)).await;
        opened.expect("reading a job does not panic")
    }

    fn not_spawned(&self, source: io::Error) -> RunError {
        RunError::Spawn {
            program: self.program.clone(),
            source,
        }
    }

    /// Our program that becomes the sandbox.
    fn command(&self, mark: &Mark) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["exec", &std::process::id().to_string()])
            .args([mark.as_str(), &self.isolation])
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    async fn run(
        &self,
        id: &JobId,
        mark: Mark,
        command: Command,
        output: Option<OwnedFd>,
        bounds: Bounds,
    ) -> Result<Running, RunError> {
        let spawn = |source| self.not_spawned(source);
        let (cancel, cancelled) = watch::channel(false);
        {
            let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
            if table.contains_key(id) {
                return Err(RunError::Running(id.clone()));
            }
            table.insert(id.clone(), cancel);
        }
        let entry = TableEntry {
            table: Arc::clone(&self.table),
            id: id.clone(),
            mark,
        };
        let child = self.spawn(command).await.map_err(spawn)?;
        Running::new(child, output, bounds, cancelled, entry).map_err(spawn)
    }

    async fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the spawning thread is gone");
        let (reply, answer) = oneshot::channel();
        self.spawner
            .send(Order { command, reply })
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// A program of the host's own, which gives way to what serves and dies with this daemon. Its
    /// environment is empty; it leads a process group.
    pub fn host_program(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["host", &std::process::id().to_string()])
            .arg(program)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Starts what [`host_program`](Self::host_program) made.
    ///
    /// # Errors
    /// That it cannot be started.
    pub async fn start_host(&self, command: Command) -> io::Result<Child> {
        self.spawn(command).await
    }

    /// Ends a job with everything that it started: TERM, 500 ms, KILL. False when it does not run.
    pub fn kill(&self, id: &JobId) -> bool {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table
            .get(id)
            .is_some_and(|cancel| cancel.send_replace(true) || cancel.receiver_count() > 0)
    }
}

/// A job's place in the table; leaves it when dropped.
#[derive(Debug)]
pub(super) struct TableEntry {
    table: Table,
    id: JobId,
    mark: Mark,
}

impl TableEntry {
    /// Kills what is left of the job where bubblewrap was killed itself: its child may not have been
    /// so far that it dies with it.
    pub(super) async fn kill_orphans(&self) {
        let mark = self.mark.clone();
        let killed = tokio::task::spawn_blocking(move || mark.kill()).await;
        if let Err(error) = killed.map_err(io::Error::other).flatten() {
            tracing::error!(job = %self.id, %error, "something of a step may be left");
        }
    }
}

impl Drop for TableEntry {
    fn drop(&mut self) {
        self.table
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}
