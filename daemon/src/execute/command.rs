//! A command of a stage: run in its sandbox, shown, kept, bounded.

use std::time::Instant;

use wharf_wire::event::Event;

use super::activity::{Act, milliseconds};
use super::bound::Bound;
use super::failure::Failure;
use crate::plan::step::Step;
use crate::report;
use crate::run::job::{self, Job, JobId};
use crate::run::mask::Mask;
use crate::run::output::{Sink, Tail};
use crate::run::raw_log::RawLog;
use crate::run::runner::Exit;
use crate::run::sandbox::Sandbox;

/// Lines of one step that people are shown; the rest is in the raw log.
const SHOWN: u64 = 200;
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
    act.step(step, execute(act, command)).await
}

/// Asks the application something as one recorded step: it says yes by ending with 0, and no by
/// ending with anything else. What it prints is for the raw log.
///
/// # Errors
/// That it gave no answer: it was not found, was stopped, or could not be run.
pub async fn probe(act: &Act, command: Command<'_>) -> Result<bool, Failure> {
    let step = command.step.clone();
    let ask = async {
        match execute(act, command).await {
            Ok(()) => Ok(true),
            // A shell's own words for what it cannot run, and for what a signal ended.
            Err(failure) if matches!(failure.exit_code, Some(1..=125)) => Ok(false),
            Err(failure) => Err(failure),
        }
    };
    act.step(step, ask).await
}

async fn execute(act: &Act, command: Command<'_>) -> Result<(), Failure> {
    let began = Instant::now();
    let quiet = command.step.is_probe();
    if !quiet {
        act.log.event(Event::StepStarted {
            label: command.label.into(),
            text: command.name.into(),
        });
    }
    let id = format!(
        "{}.{}",
        act.task.id,
        command.step.to_string().replace(' ', "-")
    );
    let id = JobId::parse(&id).expect("activity ids and step names are safe");
    let job = Job {
        id: id.clone(),
        sandbox: command.sandbox.clone(),
        command: command.text.to_owned(),
        kind: job::Kind::Stage(job::Stage {
            limit: Some(command.bound.left()),
            silence: command.bound.silence(),
        }),
    };
    let jobs = act.world.jobs.clone();
    tokio::task::block_in_place(|| jobs.write(&job))
        .map_err(|error| Failure::host("cannot write a job", &error))?;
    let ran = stream(act, &command, &id).await;
    tokio::task::block_in_place(|| jobs.remove(&id))
        .map_err(|error| Failure::host("cannot remove a job", &error))?;
    let (exit, printed) = ran?;
    if printed.shown > SHOWN && !quiet {
        act.log.event(Event::Elided {
            lines: printed.shown - SHOWN,
        });
    }
    match why(&exit, &command, printed.bytes) {
        None if quiet => Ok(()),
        None => {
            act.log.event(Event::StepEnded {
                label: String::new(),
                text: "done".into(),
                milliseconds: milliseconds(began),
            });
            Ok(())
        }
        Some(Verdict::Cancelled) => Err(Failure::cancelled()),
        Some(Verdict::Failed { why, hint, code }) => {
            let details = printed
                .tail
                .lines()
                .map(|line| format!("{}{line}", report::TOOL));
            let message = format!("{} ({}), {why}", command.failed, command.name);
            // Asked before anything of the step is tidied up.
            let state = act.world.paths.state();
            if tokio::task::block_in_place(|| crate::disk::is_full(&state)) {
                let message = format!("the host's disk is full: {message}");
                return Err(Failure::full(message).details(details).exit_code(code));
            }
            let failure = Failure::new(command.bound.code(), message)
                .details(details)
                .exit_code(code);
            Err(failure.hint(
                hint.unwrap_or_else(|| {
                    format!("all of its output: wharf log {} --raw", act.task.id)
                }),
            ))
        }
    }
}

#[derive(Debug)]
struct Printed {
    bytes: u64,
    shown: u64,
    tail: Tail,
}

async fn stream(act: &Act, command: &Command<'_>, id: &JobId) -> Result<(Exit, Printed), Failure> {
    let disk = |error: std::io::Error| Failure::host("cannot write the log", &error);
    let raw = act.world.paths.raw(&act.task.id);
    let mut raw = tokio::task::block_in_place(|| RawLog::open(&raw)).map_err(disk)?;
    let mut running = act
        .world
        .runner
        .start(id)
        .await
        .map_err(|error| Failure::host("cannot start the sandbox", &error))?;
    let mut printed = Printed {
        bytes: 0,
        shown: 0,
        tail: Tail::new(LAST),
    };
    let secrets = act.world.recorder.secrets(act.key()).await?;
    let mut mask = Mask::new(&secrets);
    let mut sink = Sink::default();
    let mut stopping = false;
    loop {
        let chunk = tokio::select! {
            chunk = running.next_output() => chunk,
            () = act.cancel.cancelled(), if !stopping => {
                stopping = true;
                act.world.runner.kill(id);
                continue;
            }
        };
        let Some(chunk) = chunk else { break };
        printed.bytes += chunk.len() as u64;
        let chunk = mask.push(&chunk);
        tokio::task::block_in_place(|| raw.push(&chunk)).map_err(disk)?;
        show(act, command, &mut printed, sink.push(&chunk));
        if printed.bytes > command.bound.output() && !stopping {
            stopping = true;
            act.world.runner.kill(id);
        }
    }
    let rest = mask.finish();
    tokio::task::block_in_place(|| raw.push(&rest)).map_err(disk)?;
    show(act, command, &mut printed, sink.push(&rest));
    show(
        act,
        command,
        &mut printed,
        sink.finish().into_iter().collect(),
    );
    tokio::task::block_in_place(|| raw.finish()).map_err(disk)?;
    Ok((running.wait().await, printed))
}

fn show(act: &Act, command: &Command<'_>, printed: &mut Printed, lines: Vec<String>) {
    for line in lines {
        tracing::debug!(
            target: "wharf-build",
            WHARF_PROJECT = %act.key().project,
            WHARF_ENVIRONMENT = %act.key().id,
            WHARF_ACTIVITY = act.task.id,
            "{line}"
        );
        printed.shown += 1;
        if printed.shown <= SHOWN && !command.step.is_probe() {
            act.log.event(Event::Output { text: line.clone() });
        }
        printed.tail.push(line);
    }
}

enum Verdict {
    Cancelled,
    Failed {
        why: String,
        hint: Option<String>,
        code: Option<i32>,
    },
}

fn why(exit: &Exit, command: &Command<'_>, bytes: u64) -> Option<Verdict> {
    let failed = |why: String, hint: Option<String>, code: Option<i32>| {
        Some(Verdict::Failed { why, hint, code })
    };
    let ended = |[why, hint]: [String; 2]| failed(format!("stopped: {why}"), Some(hint), None);
    if bytes > command.bound.output() {
        return ended(command.bound.loud());
    }
    match *exit {
        Exit::Code(0) => None,
        Exit::Code(127) => failed(
            "exit code 127: a command was not found".into(),
            Some("is it installed on the host below /usr, or by an earlier step?".into()),
            Some(127),
        ),
        Exit::Code(code) if code > 128 && code < 160 => {
            failed(format!("ended by signal {}", code - 128), None, Some(code))
        }
        Exit::Code(code) => failed(format!("exit code {code}"), None, Some(code)),
        Exit::Signal(signal) => failed(format!("ended by signal {signal}"), None, None),
        Exit::TimedOut(_) => ended(command.bound.late()),
        Exit::Silent(_) => ended(command.bound.silent()),
        Exit::Cancelled => Some(Verdict::Cancelled),
        Exit::Lost => failed("it ended, and how is not known".into(), None, None),
    }
}
