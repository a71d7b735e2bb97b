//! A command's output on its way to people and to the log.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wharf_wire::event::Event;

use super::{LAST, job_id, voice::Voice};
use crate::execute::activity::Act;
use crate::execute::bound::Bound;
use crate::execute::failure::Failure;
use crate::journal;
use crate::run::job::{self, JobId};
use crate::run::mask::Mask;
use crate::run::output::{Sink, Tail};
use crate::run::runner::Exit;
use crate::run::sandbox::Sandbox;

/// Lines of one command that people are shown; the rest is in the raw log.
const SHOWN: u64 = 200;

/// One start of a command.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) id: JobId,
    pub(super) sandbox: Sandbox,
    pub(super) text: &'a str,
    pub(super) bound: &'a Bound,
}

/// What a command printed.
#[derive(Debug)]
pub(super) struct Printed {
    /// Of it and of the others of its step.
    pub(super) bytes: u64,
    pub(super) tail: Tail,
    shown: u64,
}

/// A command of our own, of which people see only what we make of it.
#[derive(Debug)]
pub struct Quiet<'a> {
    /// The job's words, as those of a step.
    pub words: &'a str,
    /// What `/bin/sh -c` gets.
    pub text: &'a str,
    /// What the text finds as `"$@"`.
    pub arguments: Vec<String>,
    /// What it may see and use.
    pub sandbox: Sandbox,
    /// The longest that it may take.
    pub limit: Duration,
    /// Bytes of its output that are read; it is stopped where it prints more.
    pub most: usize,
}

/// Runs a command of our own and returns what it printed.
///
/// # Errors
/// That it was stopped, or could not be run. That it failed is none.
pub async fn quietly(act: &Act, quiet: Quiet<'_>) -> Result<(Exit, Vec<u8>), Failure> {
    let id = job_id(act, quiet.words);
    let stage = job::Stage {
        limit: Some(quiet.limit),
        silence: None,
    };
    let done = async {
        let words = (quiet.text, quiet.arguments);
        let mut running = start(act, &id, quiet.sandbox, words, stage).await?;
        let mut printed = Vec::new();
        let mut stopping = false;
        loop {
            let chunk = tokio::select! {
                chunk = running.next_output() => chunk,
                () = act.cancel.cancelled(), if !stopping => {
                    stopping = true;
                    act.world.runner.kill(&id);
                    continue;
                }
            };
            let Some(chunk) = chunk else { break };
            printed.extend_from_slice(&chunk);
            if printed.len() > quiet.most && !stopping {
                stopping = true;
                act.world.runner.kill(&id);
            }
            printed.truncate(quiet.most);
        }
        Ok((running.wait().await, printed))
    };
    let done: Result<_, Failure> = done.await;
    forget(act, &id)?;
    let (exit, printed) = done?;
    match act.cancel.is_cancelled() {
        true => Err(Failure::cancelled()),
        false => Ok((exit, printed)),
    }
}

/// Runs a command to its end, or until `stop` says so.
pub(super) async fn stream(
    act: &Act,
    job: Job<'_>,
    voice: Voice,
    stop: &CancellationToken,
) -> Result<(Exit, Printed), Failure> {
    let (id, heard) = (job.id.clone(), voice.is_heard());
    let ran = read(act, job, voice, stop).await;
    forget(act, &id)?;
    let (exit, printed) = ran?;
    if printed.shown > SHOWN {
        let lines = printed.shown - SHOWN;
        if heard {
            act.log.event(Event::Elided { lines });
        }
        let all = format!("all of them: wharf log --raw {}", act.task.id);
        note(
            act,
            &format!("... {lines} more lines; {all}; the last ones:"),
        );
        let last = usize::try_from(lines).unwrap_or(usize::MAX);
        let seen = LAST.saturating_sub(last);
        printed
            .tail
            .lines()
            .skip(seen)
            .for_each(|line| note(act, line));
    }
    Ok((exit, printed))
}

async fn read(
    act: &Act,
    job: Job<'_>,
    mut voice: Voice,
    stop: &CancellationToken,
) -> Result<(Exit, Printed), Failure> {
    let disk = |error: std::io::Error| Failure::host("cannot write the log", &error);
    let stage = job::Stage {
        limit: Some(job.bound.left()),
        silence: job.bound.silence(),
    };
    let words = (job.text, Vec::new());
    let mut running = start(act, &job.id, job.sandbox, words, stage).await?;
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
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                act.world.runner.kill(&job.id);
                continue;
            }
        };
        let Some(chunk) = chunk else { break };
        printed.bytes = voice.count(chunk.len());
        let chunk = mask.push(&chunk);
        tokio::task::block_in_place(|| voice.push(&chunk)).map_err(disk)?;
        show(act, &mut printed, &voice, sink.push(&chunk));
        if printed.bytes > job.bound.output() && !stopping {
            stopping = true;
            act.world.runner.kill(&job.id);
        }
    }
    let rest = mask.finish();
    tokio::task::block_in_place(|| voice.push(&rest)).map_err(disk)?;
    show(act, &mut printed, &voice, sink.push(&rest));
    show(
        act,
        &mut printed,
        &voice,
        sink.finish().into_iter().collect(),
    );
    tokio::task::block_in_place(|| voice.finish()).map_err(disk)?;
    Ok((running.wait().await, printed))
}

async fn start(
    act: &Act,
    id: &JobId,
    sandbox: Sandbox,
    (text, arguments): (&str, Vec<String>),
    stage: job::Stage,
) -> Result<crate::run::running::Running, Failure> {
    let job = job::Job {
        id: id.clone(),
        sandbox,
        command: text.to_owned(),
        arguments,
        kind: job::Kind::Stage(stage),
    };
    tokio::task::block_in_place(|| act.world.jobs.write(&job))
        .map_err(|error| Failure::host("cannot write a job", &error))?;
    let started = act.world.runner.start(id).await;
    started.map_err(|error| Failure::host("cannot start the sandbox", &error))
}

fn forget(act: &Act, id: &JobId) -> Result<(), Failure> {
    tokio::task::block_in_place(|| act.world.jobs.remove(id))
        .map_err(|error| Failure::host("cannot remove a job", &error))
}

/// A line for the journal, where operators read what a build printed beside what became of it. Only those
/// that people are shown, and the last ones: a flood of them would push out what the journal has of others.
fn note(act: &Act, line: &str) {
    tracing::debug!(
        target: journal::BUILD,
        WHARF_PROJECT = %act.key().project,
        WHARF_ENVIRONMENT = %act.key().id,
        WHARF_ENVIRONMENT_TYPE = act.environment.kind.as_str(),
        WHARF_ACTIVITY = act.task.id,
        "{line}"
    );
}

fn show(act: &Act, printed: &mut Printed, voice: &Voice, lines: Vec<String>) {
    for line in lines {
        let line = voice.line(line);
        printed.shown += 1;
        if printed.shown <= SHOWN {
            note(act, &line);
            if voice.is_heard() {
                act.log.event(Event::Output { text: line.clone() });
            }
        }
        printed.tail.push(line);
    }
}
