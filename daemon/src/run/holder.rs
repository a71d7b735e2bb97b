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
    sync::{Arc, Mutex, PoisonError},
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
/// What this program says of one that was not begun.
const NOT_BEGUN: i32 = 125;
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
    /// Nothing hears signals.
    #[error("cannot hear signals")]
    Signals(#[source] io::Error),
    /// Nobody listens.
    #[error("wharf-helper does not answer at {SOCKET}: systemctl status wharf-helper")]
    Helper(#[source] io::Error),
    /// It does not speak as it should.
    #[error("wharf-helper does not speak as it should")]
    Speech(#[from] FrameError),
    /// It will not.
    #[error("wharf-helper: {0}")]
    Refused(String),
    /// It did, and does not know of it any more.
    #[error("wharf-helper lost it: {0}")]
    Lost(String),
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
    let start = Start::new(&job.id, &job.sandbox, Path::new(STATE))?;
    let file = Path::new(STATE).join(ask::job_file(&job.id));
    let written = write(&file, &Inside::of(job));
    written.map_err(|error| HoldError::File(file.clone(), error))?;
    let begun = begin(ToHelper::Start(start));
    if begun.is_err() {
        forget(&file)?;
    }
    follow(begun?, &job.id, || forget(&file))
}

/// Has git do something in a project's repository with this process's standard streams, and ends as it
/// ends.
///
/// # Errors
/// [`HoldError`].
pub(super) fn hold_git(asked: &str) -> Result<Infallible, HoldError> {
    let asked: Git = serde_json::from_str(asked).map_err(FrameError::Malformed)?;
    let job = asked.job.clone();
    let line = begin(ToHelper::Git(asked)).unwrap_or_else(|error| not_asked(&error));
    match follow(line, &job, || Ok(())) {
        Err(error @ HoldError::Refused(_)) => not_asked(&error),
        done => done,
    }
}

/// Ends where git was not begun.
fn not_asked(error: &HoldError) -> ! {
    eprintln!("{}", chain(error));
    std::process::exit(NOT_ASKED)
}

/// Whether nobody knows what git did that ended so.
pub fn is_broken(exit: Option<i32>) -> bool {
    matches!(exit, None | Some(NOT_BEGUN | KILLED))
}

fn follow(
    mut line: Line,
    job: &JobId,
    settled: impl Fn() -> Result<(), HoldError>,
) -> Result<Infallible, HoldError> {
    let mut is_begun = false;
    let mut refusals = None;
    loop {
        match frame::read::<FromHelper>(&mut &*line.stream()) {
            // The unit has it mounted.
            Ok(Some(FromHelper::Started)) => {
                if !is_begun {
                    refusals = Refusals::of(&job.id);
                }
                is_begun = true;
                settled()?;
            }
            Ok(Some(FromHelper::Refused { why })) if is_begun => return Err(HoldError::Lost(why)),
            Ok(Some(FromHelper::Refused { why })) => {
                settled()?;
                return Err(HoldError::Refused(why));
            }
            Ok(Some(FromHelper::Ended(ended))) => end(&ended, &job.kind, refusals.as_ref()),
            // It was restarted; the job goes on.
            Ok(None) | Err(FrameError::Io(_)) if is_begun => line.renew(job)?,
            Ok(None) => {
                settled()?;
                return Err(HoldError::Refused("it ended before it answered".into()));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn begin(asked: ToHelper) -> Result<Line, HoldError> {
    let line = Line::to_helper()?;
    line.pass_signals_on().map_err(HoldError::Signals)?;
    line.start(asked)?;
    Ok(line)
}

/// Ends as the job did.
fn end(end: &End, kind: &Kind, refusals: Option<&Refusals>) -> ! {
    let code = match end {
        End::Exited(0) => 0,
        // Whoever runs a command by hand sees what it says, and gets its own code.
        End::Exited(_) | End::Killed
            if *kind != Kind::Attended && refusals.is_some_and(Refusals::were) =>
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
            NOT_BEGUN
        }
    };
    std::process::exit(code)
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
struct Line(Arc<Mutex<Arc<UnixStream>>>);

impl Line {
    fn to_helper() -> Result<Self, HoldError> {
        let stream = UnixStream::connect(SOCKET).map_err(HoldError::Helper)?;
        Ok(Self(Arc::new(Mutex::new(Arc::new(stream)))))
    }

    fn stream(&self) -> Arc<UnixStream> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
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
        let stream = UnixStream::connect(SOCKET).map_err(HoldError::Helper)?;
        let hold = ToHelper::Hold { job: job.clone() };
        (&stream)
            .write_all(&frame::encode(&hold)?)
            .map_err(HoldError::Helper)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(stream);
        Ok(())
    }

    fn pass_signals_on(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGTERM, SIGUSR1])?;
        let line = Line(Arc::clone(&self.0));
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    let message = match signal {
                        SIGTERM => ToHelper::Terminate,
                        _ => ToHelper::Kill,
                    };
                    let sent = frame::encode(&message)
                        .map_err(io::Error::other)
                        .and_then(|bytes| (&*line.stream()).write_all(&bytes));
                    if let Err(error) = sent {
                        eprintln!("wharf: cannot tell the helper: {error}");
                    }
                }
            })
            .map(drop)
    }
}
