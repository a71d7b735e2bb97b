//! A command of a stage: run in its sandbox, shown, kept, bounded.

mod stream;
mod together;
mod verdict;
mod voice;

use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wharf_config::application::At;
use wharf_wire::event::Event;

pub use self::stream::{Quiet, quietly};
pub use self::together::together;
pub(super) use self::verdict::said_of;

use self::stream::{Job, Printed};
pub(super) use self::verdict::signal;

use self::verdict::Verdict;
use self::voice::Voice;
use super::activity::{Act, milliseconds};
use super::bound::{Bound, OVER, granted};
use super::failure::Failure;
use crate::plan::step::Step;
use crate::report;
use crate::run::job::JobId;
use crate::run::sandbox::Sandbox;

/// Lines that are shown again when the step fails.
pub const LAST: usize = 30;

/// What to run.
#[derive(Debug)]
pub struct Command<'a> {
    /// The column on the left.
    pub label: &'a str,
    /// Its step in the record.
    pub step: Step,
    /// What people read.
    pub name: &'a str,
    /// The user's own text.
    pub text: &'a str,
    /// Where that is written.
    pub at: &'a At,
    /// What it may see and use.
    pub sandbox: Sandbox,
    /// What its stage may take.
    pub bound: &'a Bound,
    /// What failed, for the verdict: `build failed in step 2 of 3`.
    pub failed: String,
}

/// Runs a command as one recorded step.
///
/// # Errors
/// That it failed, with its last lines; that it was stopped; that it could not be run.
pub async fn run(act: &Act, command: Command<'_>) -> Result<(), Failure> {
    let step = command.step.clone();
    act.step(step, execute(act, &command)).await
}

/// Asks the application something as one recorded step: it says yes by ending with 0, and no by
/// ending with anything else. What it prints is for the raw log.
///
/// # Errors
/// That it gave no answer: it was not found, was stopped, or could not be run.
pub async fn probe(act: &Act, command: Command<'_>) -> Result<bool, Failure> {
    let step = command.step.clone();
    let ask = async {
        let id = job_id(act, &step.to_string());
        match perform(act, &command, id, Voice::unheard(act)?, &act.cancel).await {
            Ok(()) => Ok(true),
            // A shell's own words for what it cannot run, and for what a signal ended.
            Err(failure) if matches!(failure.exit_code, Some(1..=125)) => Ok(false),
            Err(failure) => Err(failure),
        }
    };
    act.step(step.clone(), ask).await
}

/// Runs a command whose step is recorded by the caller.
///
/// # Errors
/// As [`run`].
pub async fn execute(act: &Act, command: &Command<'_>) -> Result<(), Failure> {
    act.log.event(Event::StepStarted {
        label: command.label.into(),
        text: command.name.into(),
    });
    let id = job_id(act, &command.step.to_string());
    perform(act, command, id, Voice::alone(act)?, &act.cancel).await
}

/// Where the rest of an output is.
pub(super) fn rest(act: &Act) -> String {
    format!("all of its output: wharf log {} --raw", act.task.id)
}

/// The id of a job of this activity; its words are those of a step.
pub(super) fn job_id(act: &Act, words: &str) -> JobId {
    let id = format!("{}.{}", act.task.id, words.replace(' ', "-"));
    JobId::parse(&id).expect("activity ids and step names are safe")
}

/// Runs a command until it ends or `stop` says so, and says what came of it.
async fn perform(
    act: &Act,
    command: &Command<'_>,
    id: JobId,
    voice: Voice,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let began = Instant::now();
    let (who, heard) = (voice.who(), voice.is_heard());
    let ended = |text: &str| {
        if !heard {
            return;
        }
        act.log.event(Event::StepEnded {
            label: String::new(),
            text: format!("{who}{text}"),
            milliseconds: milliseconds(began),
        });
    };
    let mut sandbox = command.sandbox.clone();
    sandbox.limits = granted(sandbox.limits, command.bound.resources());
    let job = Job {
        id,
        sandbox,
        text: command.text,
        bound: command.bound,
    };
    let (exit, printed) = stream::stream(act, job, voice, stop).await?;
    match verdict::of(&exit, command.bound, printed.bytes) {
        None => {
            ended("done");
            Ok(())
        }
        Some(Verdict::Cancelled) => {
            if !who.is_empty() {
                ended("stopped");
            }
            Err(Failure::cancelled())
        }
        Some(Verdict::Over([why, hint])) => {
            let failure = failure(command, &printed, OVER, &why);
            // It may have waited for what it could not start.
            let hint = match met(command, &printed) {
                Some(met) => format!("{hint}; {met}"),
                None => hint,
            };
            Err(failure.hint(format!("{hint}; {}", rest(act))))
        }
        Some(Verdict::Failed { why, hint, code }) => {
            let failure = failure(command, &printed, command.bound.code(), &why).exit_code(code);
            // Asked before anything of the step is tidied up.
            let state = act.world.paths.state();
            if tokio::task::block_in_place(|| crate::disk::is_full(&state)) {
                let message = format!("the host's disk is full: {}", failure.reason.message);
                let full = Failure::full(message).exit_code(code);
                return Err(full.details(failure.details));
            }
            let rest = rest(act);
            Err(failure.hint(match hint.or_else(|| met(command, &printed)) {
                Some(hint) => format!("{hint}; {rest}"),
                None => rest,
            }))
        }
    }
}

/// A limit of which the command's last lines speak.
fn met(command: &Command<'_>, printed: &Printed) -> Option<String> {
    let mut lines = printed.tail.lines();
    lines.find_map(|line| command.bound.met(line))
}

/// What failed, with its last lines and where it is written.
fn failure(command: &Command<'_>, printed: &Printed, code: &str, why: &str) -> Failure {
    let tail = printed.tail.lines();
    let details = tail
        .map(|line| format!("{}{line}", report::TOOL))
        .chain(command.at.lines(report::WIDTH));
    let message = format!("{} ({}), {why}", command.failed, command.name);
    Failure::new(code, message).details(details)
}
