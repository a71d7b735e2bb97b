//! Stands for a job that runs as a unit: a process that lives as long, and ends as it ends.
//!
//! So the rest of the daemon has a child, as with bubblewrap. TERM asks the job to end, USR1 ends it;
//! and when this process is killed, the helper sees the connection close and ends the job.

use std::{
    convert::Infallible,
    fs,
    io::{self, IoSlice, Write as _},
    mem::MaybeUninit,
    os::unix::{fs::OpenOptionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::{
    cmsg_space,
    net::{SendAncillaryBuffer, SendAncillaryMessage::ScmRights, SendFlags, sendmsg},
    process::{Signal, getpid, kill_process},
    stdio::{stderr, stdin, stdout},
};
use signal_hook::{
    consts::{SIGTERM, SIGUSR1},
    iterator::Signals,
};
use wharf_sandbox::{
    ask::{self, End, FromHelper, SOCKET, STATE, Start, ToHelper},
    git::Git,
};
use wharf_wire::frame::{self, FrameError};

use super::{
    job::{Job, JobId, Kind},
    meter::{Excess, Resource},
    refusals::Refusals,
    sandbox::Limits,
    unit::Inside,
};
use crate::execute::failure::chain;

/// What a shell says of a program that KILL ended.
const KILLED: i32 = 137;
/// The signal by which this program ends where its job took more memory than it may. Nobody else sends
/// it: what is inside a sandbox reaches no process outside.
const OUT_OF_MEMORY: Signal = Signal::USR2;
/// The same, where its job failed and the kernel had refused it another process.
const OUT_OF_TASKS: Signal = Signal::PROF;
/// The signal by which the program ends that was to become a sandbox and could not, or does not know what
/// became of it: a code of its own could be the command's, and a probe's answer. Nobody else sends it,
/// either.
pub(super) const LOST: i32 = Signal::VTALARM.as_raw();
/// What this program ends with where git was not begun, and nothing was done.
const NOT_ASKED: i32 = 126;

/// Why a job was not begun.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// Something of its sandbox is not to be had.
    #[error("the helper cannot be asked for this sandbox")]
    Ask(#[from] ask::AskError),
    /// What it is to run cannot be written.
    #[error("cannot write {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// Nobody could end it.
    #[error("cannot hear signals")]
    Signals(#[source] io::Error),
    /// Nobody listens.
    #[error("wharf-helper does not answer at {SOCKET}: systemctl status wharf-helper")]
    Helper(#[source] io::Error),
    /// It does not speak as it should.
    #[error("wharf-helper does not speak as it should")]
    Speech(#[from] FrameError),
    /// It was restarted.
    #[error("wharf-helper was restarted while it was asked; whether this began is not known")]
    Lost,
    /// It will not.
    #[error("wharf-helper: {0}")]
    Refused(String),
    /// It did, and does not know of it any more.
    #[error("wharf-helper lost it: {0}")]
    Gone(String),
}

/// What it means that this program was ended by a signal: the kernel kept the job to a limit, and lets
/// nobody have more.
#[must_use]
pub(super) fn kept_to(signal: i32, limits: Limits) -> Option<Excess> {
    let (resource, limit) = if signal == OUT_OF_MEMORY.as_raw() {
        (Resource::Memory, limits.memory?)
    } else if signal == OUT_OF_TASKS.as_raw() {
        (Resource::Tasks, limits.processes?)
    } else {
        return None;
    };
    Some(Excess {
        resource,
        limit,
        used: limit,
    })
}

/// Starts the job with this process's standard streams, and ends as it ends.
///
/// # Errors
/// [`HoldError`].
pub(super) fn hold(job: &Job) -> Result<Infallible, HoldError> {
    let mut line = Line::to_helper()?;
    let passed = line.pass_signals_on();
    passed.map_err(HoldError::Signals)?;
    match attempt(job, &mut line) {
        // What serves may begin twice, as its keeper lets it when it ends: its unit is gone.
        Err(HoldError::Lost | HoldError::Helper(_))
            if matches!(job.kind, Kind::Process(_)) && line.asked().is_none() =>
        {
            line.connect()?;
            attempt(job, &mut line)
        }
        done => done,
    }
}

/// Starts the job over this connection.
fn attempt(job: &Job, line: &mut Line) -> Result<Infallible, HoldError> {
    let start = Start::new(&job.id, &job.sandbox, Path::new(STATE))?;
    let file = Path::new(STATE).join(ask::job_file(&job.id));
    let written = write(&file, &Inside::of(job));
    written.map_err(|error| HoldError::File(file.clone(), error))?;
    let begun = line.start(ToHelper::Start(start));
    if begun.is_err() {
        forget(&file)?;
    }
    begun?;
    follow(line, &job.id, Some(job), || forget(&file))
}

/// Has git do something in a project's repository with this process's standard streams, and ends as it
/// ends.
///
/// # Errors
/// [`HoldError`].
pub(super) fn hold_git(asked: &str) -> Result<Infallible, HoldError> {
    let asked: Git = serde_json::from_str(asked)
        .unwrap_or_else(|error| not_asked(&FrameError::Malformed(error).into()));
    let job = asked.job.clone();
    let mut line = begin(ToHelper::Git(asked)).unwrap_or_else(|error| not_asked(&error));
    match follow(&mut line, &job, None, || Ok(())) {
        Err(error @ HoldError::Refused(_)) => not_asked(&error),
        done => done,
    }
}

fn begin(asked: ToHelper) -> Result<Line, HoldError> {
    let line = Line::to_helper()?;
    line.pass_signals_on().map_err(HoldError::Signals)?;
    line.start(asked)?;
    Ok(line)
}

/// Ends where git was not begun.
fn not_asked(error: &HoldError) -> ! {
    eprintln!("{}", chain(error));
    std::process::exit(NOT_ASKED)
}

/// Whether nobody knows what git did that ended so.
pub fn is_broken(exit: Option<i32>) -> bool {
    matches!(exit, None | Some(KILLED))
}

/// Follows what was asked for to its end, and ends as it does; `settled` once the helper has all of it.
/// `own` is none of git.
fn follow(
    line: &mut Line,
    job: &JobId,
    own: Option<&Job>,
    settled: impl Fn() -> Result<(), HoldError>,
) -> Result<Infallible, HoldError> {
    let mut is_begun = false;
    let mut is_asked_again = false;
    let mut refusals = None;
    loop {
        match frame::read::<FromHelper>(&mut &*line.stream()) {
            // The unit has it mounted.
            Ok(Some(FromHelper::Started)) => {
                if !is_begun {
                    refusals = own.and_then(Refusals::of);
                }
                is_begun = true;
                settled()?;
            }
            Ok(Some(FromHelper::Refused { why })) if is_begun => return Err(HoldError::Gone(why)),
            Ok(Some(FromHelper::Refused { why })) => {
                settled()?;
                return Err(HoldError::Refused(why));
            }
            // As good as an answer: nobody asks a second time for what may have run.
            Ok(Some(FromHelper::Ended(End::Failed(_)))) if is_asked_again => {
                return Err(HoldError::Lost);
            }
            Ok(Some(FromHelper::Ended(ended))) => {
                end(&ended, own.map(|job| &job.kind), refusals.as_ref())
            }
            // It was restarted; the job goes on.
            Ok(None) | Err(FrameError::Io(_)) if is_begun => line.renew(job)?,
            // It may have been restarted between the unit's start and its answer: then the unit runs, and
            // would be nobody's.
            Ok(None) | Err(FrameError::Io(_)) if !is_asked_again => {
                is_asked_again = true;
                line.renew(job)?;
            }
            Ok(None) => {
                settled()?;
                return Err(HoldError::Refused("it ended before it answered".into()));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Ends as the job did.
fn end(end: &End, kind: Option<&Kind>, refusals: Option<&Refusals>) -> ! {
    let code = match end {
        End::Exited(0) => 0,
        // Whoever runs a command by hand sees what it says, and gets its own code.
        End::Exited(_) | End::Killed
            if kind != Some(&Kind::Attended) && refusals.is_some_and(Refusals::were) =>
        {
            by(OUT_OF_TASKS)
        }
        End::Exited(code) => *code,
        // As whoever waits for it would see.
        End::Killed => by(Signal::KILL),
        End::Memory => by(OUT_OF_MEMORY),
        End::Time => {
            eprintln!("wharf: it took longer than it may");
            KILLED
        }
        End::Failed(word) => {
            eprintln!("wharf: systemd could not run it: {word}");
            lost()
        }
    };
    std::process::exit(code)
}

/// Ends as one of which nobody knows whether its command ran.
pub(super) fn lost() -> i32 {
    by(Signal::VTALARM)
}

/// Ends by a signal.
fn by(signal: Signal) -> i32 {
    if let Err(error) = kill_process(getpid(), signal) {
        eprintln!("wharf: cannot end: {error}");
    }
    KILLED
}

/// Writes what it is to run, which holds variables.
fn write(path: &Path, inside: &Inside) -> io::Result<()> {
    let bytes = serde_json::to_vec(inside)?;
    let file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path);
    file?.write_all(&bytes)
}

fn forget(path: &Path) -> Result<(), HoldError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HoldError::File(path.into(), error))
        }
        _ => Ok(()),
    }
}

/// The connection to the helper, which a signal may need at any time.
#[derive(Clone)]
struct Line {
    stream: Arc<Mutex<Arc<UnixStream>>>,
    /// What was asked for last by a signal: a helper that dies may not have done it.
    asked: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Line {
    fn to_helper() -> Result<Self, HoldError> {
        let stream = UnixStream::connect(SOCKET).map_err(HoldError::Helper)?;
        Ok(Self {
            stream: Arc::new(Mutex::new(Arc::new(stream))),
            asked: Arc::default(),
        })
    }

    fn stream(&self) -> Arc<UnixStream> {
        let stream = self.stream.lock();
        Arc::clone(&stream.unwrap_or_else(PoisonError::into_inner))
    }

    /// The first message, with the streams beside it.
    fn start(&self, asked: ToHelper) -> Result<(), HoldError> {
        let bytes = frame::encode(&asked)?;
        let streams = [stdin(), stdout(), stderr()];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(3))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(ScmRights(&streams)), "there is room for three");
        let stream = self.stream();
        let sent = sendmsg(
            &*stream,
            &[IoSlice::new(&bytes)],
            &mut beside,
            SendFlags::NOSIGNAL,
        );
        let sent = sent.map_err(|error| HoldError::Helper(error.into()))?;
        (&*stream)
            .write_all(&bytes[sent..])
            .map_err(HoldError::Helper)
    }

    /// Takes the job up again with a helper that was restarted.
    fn renew(&mut self, job: &JobId) -> Result<(), HoldError> {
        self.connect()?;
        let hold = ToHelper::Hold { job: job.clone() };
        let said = (&*self.stream()).write_all(&frame::encode(&hold)?);
        said.map_err(HoldError::Helper)?;
        match &*self.asked() {
            Some(asked) => (&*self.stream())
                .write_all(asked)
                .map_err(HoldError::Helper),
            None => Ok(()),
        }
    }

    fn asked(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something, and for the same after a restart.
    fn ask(&self, message: &ToHelper) -> io::Result<()> {
        let bytes = frame::encode(message).map_err(io::Error::other)?;
        // First of all, and the connection after it: one of both sees the other.
        *self.asked() = Some(bytes.clone());
        (&*self.stream()).write_all(&bytes)
    }

    /// Takes another connection.
    fn connect(&mut self) -> Result<(), HoldError> {
        let stream = UnixStream::connect(SOCKET).map_err(HoldError::Helper)?;
        let now = self.stream.lock();
        *now.unwrap_or_else(PoisonError::into_inner) = Arc::new(stream);
        Ok(())
    }

    fn pass_signals_on(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGUSR1])?;
        let line = self.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    let message = match signal {
                        SIGTERM => ToHelper::Terminate,
                        _ => ToHelper::Kill,
                    };
                    if let Err(error) = line.ask(&message) {
                        eprintln!("wharf: cannot tell the helper: {error}");
                    }
                }
            })
            .map(drop)
    }
}
