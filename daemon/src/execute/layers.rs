//! What a build step made, kept for the next build in which its declared inputs are as they were.
//!
//! A *layer* is the difference that the step made to the work directory. Its key is everything that
//! the step may depend on by its own word: its command, the variables it sees, the runtimes, the
//! content of its inputs. So that a layer never brings back what has changed since, a step that
//! changes or removes what is neither an input nor its own is not kept, and a layer is not used
//! where something new is in its way.

mod keep;
mod key;
mod manifest;
mod restore;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Instant;

use wharf_config::application::Step;
use wharf_config::name::RelPath;
use wharf_wire::event::Event;

use super::activity::Act;
use super::command::{self, Command};
use super::failure::{Failure, chain};
use crate::disk::DiskError;
use crate::report;

/// Grows when the layout changes, so that no earlier layer is taken for a new one.
const FORMAT: u32 = 1;
/// The most files, links and directories of a tree that is looked at.
const MOST_ENTRIES: usize = 500_000;
/// The most bytes of a layer.
const MOST_BYTES: u64 = 2 << 30;
/// Layers that are kept of a project and trust domain: those that were used last.
const MOST_LAYERS: usize = 16;

/// Why a layer is not made or not used.
#[derive(Debug, thiserror::Error)]
enum LayerError {
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Somebody wanted it to end.
    #[error("it was stopped")]
    Stopped,
    /// It cannot be, and nothing is wrong.
    #[error("{0}")]
    Unfit(String),
    /// What was kept is not what it was.
    #[error("what it made before is damaged")]
    Damaged,
}

impl LayerError {
    fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LayerError + use<> {
        let path = path.to_owned();
        move |error| crate::disk::at(verb, &path)(error).into()
    }
}

/// Runs a step with declared inputs, or puts back what it made when they were as they are.
///
/// # Errors
/// As [`command::execute`]; that a layer cannot be put back whole.
pub(super) async fn run(
    act: &Act,
    command: &Command<'_>,
    step: &Step,
    runtimes: &BTreeMap<String, String>,
    work: &Path,
) -> Result<(), Failure> {
    let began = Instant::now();
    let name = command.name;
    let about = key::About {
        run: step.run.clone(),
        environment: command.sandbox.environment.clone(),
        runtimes: runtimes.clone(),
        inputs: step.inputs.clone(),
    };
    let top = work.to_owned();
    let looked = act.blocking("looking at inputs", command.bound, move |stop| {
        key::key(&about, &top, stop).map_err(host)
    });
    let key::Key { key, absent } = looked.await?;
    for path in absent {
        let text = format!("{name}: its input {path} is not there");
        act.log.event(Event::Warning { text });
    }
    let paths = &act.world.paths;
    let store = paths.layers(&act.project.name, act.trust_domain());
    let layer = paths.layer(&act.project.name, act.trust_domain(), &key);
    if !act.task.rebuild && put_back(act, command, step, &layer, work).await? {
        act.log.event(Event::StepStarted {
            label: command.label.into(),
            text: name.into(),
        });
        act.did("", as_they_were(&step.inputs), began);
        return Ok(());
    }
    let top = work.to_owned();
    let looked = act.blocking("looking at the tree", command.bound, move |stop| {
        Ok(walk::walk(&top, stop))
    });
    let before = looked.await?;
    command::execute(act, command).await?;
    let kept = match before {
        Ok(before) => keep(act, command, step, before, [&store, &layer], work).await?,
        Err(error) => Err(error),
    };
    match kept {
        Ok(()) => {}
        Err(LayerError::Stopped) => return Err(Failure::cancelled()),
        // What it made is there all the same.
        Err(error) => {
            let text = format!("{name} runs again next time: {}", chain(&error));
            act.log.event(Event::Note { text });
        }
    }
    Ok(())
}

fn host(error: LayerError) -> Failure {
    match error {
        LayerError::Stopped => Failure::cancelled(),
        other => Failure::host("cannot look at the work directory", &other),
    }
}

/// What is said of a step that is skipped.
fn as_they_were(inputs: &[RelPath]) -> String {
    let names: Vec<&str> = inputs.iter().map(RelPath::as_str).collect();
    let (shown, more) = names.split_at(names.len().min(4));
    let more = match more.len() as u64 {
        0 => String::new(),
        more => format!(" and {} more", report::count(more, "input")),
    };
    let are = match names.len() {
        1 => "is as it was",
        _ => "are as they were",
    };
    format!("skipped: {}{more} {are}", shown.join(", "))
}

/// Puts a layer back where there is one that fits.
async fn put_back(
    act: &Act,
    command: &Command<'_>,
    step: &Step,
    layer: &Path,
    work: &Path,
) -> Result<bool, Failure> {
    let turn = turn(act);
    let _turn = tokio::select! {
        turn = turn.lock() => turn,
        () = act.cancel.cancelled() => return Err(Failure::cancelled()),
    };
    let (layer, work) = (layer.to_owned(), work.to_owned());
    let inputs = step.inputs.clone();
    let restored = act.blocking("putting back a layer", command.bound, move |stop| {
        restore::restore(&layer, &work, &inputs, stop).map_err(|error| match error {
            LayerError::Stopped => Failure::cancelled(),
            // It may be half put back.
            other => Failure::host("cannot put back what a step made", &other),
        })
    });
    match restored.await? {
        restore::Restored::Whole => Ok(true),
        restore::Restored::None => Ok(false),
        restore::Restored::Unfit(why) => {
            let text = format!("{} runs: {why}", command.name);
            act.log.event(Event::Note { text });
            Ok(false)
        }
    }
}

async fn keep(
    act: &Act,
    command: &Command<'_>,
    step: &Step,
    before: walk::Tree,
    [store, layer]: [&Path; 2],
    work: &Path,
) -> Result<Result<(), LayerError>, Failure> {
    let turn = turn(act);
    let _turn = tokio::select! {
        turn = turn.lock() => turn,
        () = act.cancel.cancelled() => return Err(Failure::cancelled()),
    };
    let (store, layer, work) = (store.to_owned(), layer.to_owned(), work.to_owned());
    let (inputs, paths) = (step.inputs.clone(), act.world.paths.clone());
    act.blocking("keeping what a step made", command.bound, move |stop| {
        let kept = keep::keep(&keep::Keep {
            before: &before,
            work: &work,
            store: &store,
            layer: &layer,
            inputs: &inputs,
            stop,
        });
        let going = |path: &Path| paths.going(path);
        Ok(kept.and_then(|()| keep::forget_old(&store, MOST_LAYERS, going)))
    })
    .await
}

/// Whoever puts back or keeps layers of this project does it alone: none goes while it is read.
fn turn(act: &Act) -> std::sync::Arc<tokio::sync::Mutex<()>> {
    let name = format!("{} {}", act.project.name, act.trust_domain());
    act.world.layers.turn(&name)
}
