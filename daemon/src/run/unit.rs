//! `wharf-keeper unit`: the first program of a job that runs as a unit. Reads what it is to run, and
//! is to it what process 1 of a sandbox of bubblewrap's is, and more: it passes TERM on.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, getpid, set_child_subreaper, wait},
};
use serde::{Deserialize, Serialize};
use signal_hook::{
    consts::{SIGCHLD, SIGTERM},
    iterator::Signals,
};
use wharf_sandbox::{
    ask::JOB,
    sandbox::{Calls, Forward},
};

use super::{calls, forwarder, inside, job::Job, signals, within};

/// How long those may take that are asked first.
const FIRST_WAVE: Duration = Duration::from_secs(10);

/// What a job runs, as its own sandbox finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inside {
    command: String,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    calls: Calls,
    forwards: Vec<Forward>,
}

impl Inside {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            command: job.command.clone(),
            arguments: job.arguments.clone(),
            environment: job.sandbox.environment.clone(),
            calls: job.sandbox.calls,
            forwards: job.sandbox.forwards.clone(),
        }
    }
}

/// Why a command was not begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnitError {
    /// It cannot be read.
    #[error("cannot read {JOB}")]
    Job(#[source] io::Error),
    /// The kernel refuses a lock.
    #[error(transparent)]
    Within(#[from] within::WithinError),
    /// A filter cannot be made or set.
    #[error("cannot filter system calls: {0}")]
    Filter(String),
    /// The system refused something.
    #[error("cannot {0}")]
    System(&'static str, #[source] io::Error),
}

fn cannot<E: Into<io::Error>>(verb: &'static str) -> impl FnOnce(E) -> UnitError {
    move |error| UnitError::System(verb, error.into())
}

/// Runs the job's command to its end; the code to end with: 128 and a signal's number where one ended
/// it.
///
/// # Errors
/// [`UnitError`].
pub(super) fn live() -> Result<i32, UnitError> {
    let file = File::open(JOB).map_err(UnitError::Job)?;
    let inside: Inside =
        serde_json::from_reader(file).map_err(|error| UnitError::Job(error.into()))?;
    inside::give_way().map_err(cannot("set oom_score_adj"))?;
    // What its shell leaves behind is waited for here.
    set_child_subreaper(Some(getpid())).map_err(cannot("adopt processes"))?;
    let mut signals = Signals::new([SIGCHLD, SIGTERM]).map_err(cannot("hear signals"))?;
    within::leave_abstract_sockets().map_err(within::WithinError::from)?;
    for program in
        calls::filters(inside.calls).map_err(|error| UnitError::Filter(error.to_string()))?
    {
        seccompiler::apply_filter(&program)
            .map_err(|error| UnitError::Filter(error.to_string()))?;
    }
    forwarder::aside(inside.forwards).map_err(cannot("forward connections"))?;
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &inside.command]);
    if !inside.arguments.is_empty() {
        command.arg("sh").args(&inside.arguments);
    }
    command.env_clear().envs(&inside.environment);
    let child = command.spawn().map_err(cannot("start the command"))?;
    let main = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let main = main.expect("process ids are positive");
    for signal in signals.forever() {
        match signal {
            SIGTERM => terminate()?,
            _ => {
                if let Some(status) = reap(main)? {
                    let signal = status.signal().unwrap_or_default();
                    return Ok(status.code().unwrap_or(128 + signal));
                }
            }
        }
    }
    unreachable!("signals are heard as long as this program lives")
}

/// Waits for all that have ended; the status of the command, once it is among them.
fn reap(main: Pid) -> Result<Option<ExitStatus>, UnitError> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == main => {
                ended = Some(ExitStatus::from_raw(status.as_raw()));
            }
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(ended),
            Err(error) => return Err(cannot("wait for a process")(error)),
        }
    }
}

/// Asks all to end, in two waves.
fn terminate() -> Result<(), UnitError> {
    let asked: Vec<OwnedFd> = signals::terminate_below(getpid());
    thread::Builder::new()
        .name("second wave".into())
        .spawn(move || {
            signals::wait_for(&asked, FIRST_WAVE);
            signals::terminate_all_below(getpid());
        })
        .map(drop)
        .map_err(cannot("start a thread"))
}
