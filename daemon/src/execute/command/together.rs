//! Commands that run at the same time, as one recorded step.

use std::sync::Mutex;

use futures_util::future::join_all;
use wharf_wire::event::Event;

use super::{Command, job_id, perform, voice::Voice};
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::plan::step::Step;

/// Runs commands at the same time, as one recorded step. The first that fails ends the others.
///
/// # Errors
/// That one failed: the first. That it was stopped; that one could not be run.
pub async fn together(act: &Act, step: Step, commands: &[Command<'_>]) -> Result<(), Failure> {
    act.step(step, side_by_side(act, commands)).await
}

async fn side_by_side(act: &Act, commands: &[Command<'_>]) -> Result<(), Failure> {
    let names: Vec<&str> = commands.iter().map(|command| command.name).collect();
    let voices = Voice::together(act, &names)?;
    let stop = act.cancel.child_token();
    let first = Mutex::new(None);
    let running = commands
        .iter()
        .zip(voices)
        .enumerate()
        .map(|(at, (command, voice))| {
            act.log.event(Event::StepStarted {
                label: command.label.into(),
                text: command.name.into(),
            });
            let id = job_id(act, &format!("{}-{}", command.step, at + 1));
            let (stop, first) = (&stop, &first);
            async move {
                let Err(failure) = perform(act, command, id, voice, stop).await else {
                    return;
                };
                let mut first = first.lock().expect("nothing panics while it holds this");
                first.get_or_insert(failure);
                stop.cancel();
            }
        });
    join_all(running).await;
    match first
        .into_inner()
        .expect("nothing panics while it holds this")
    {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
