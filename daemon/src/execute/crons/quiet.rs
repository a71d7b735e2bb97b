//! Nothing of the release that serves works on the data in the background while a deployment's commands
//! change it: crons have ended, and workers where visitors are kept away, too.
//!
//! Crons begin again when the activity has ended, however it ended: what holds them goes with it, and
//! with a daemon that dies. Workers are missed then like any process that is gone, and start again.

use std::time::Instant;

use futures_util::future::join_all;
use wharf_config::application::OldWorkers;
use wharf_wire::view::Reason;

use super::{Drained, Held, Pace};
use crate::execute::activity::Act;
use crate::execute::commands::Work;
use crate::execute::failure::Failure;
use crate::execute::{launch, retire, route};
use crate::store::process::ProcessRecord;
use crate::store::release::ReleaseRecord;

/// Ends crons where there are commands: before visitors are kept away, who would wait for it.
///
/// # Errors
/// That somebody cancelled it meanwhile.
pub(in crate::execute) async fn crons(
    act: &Act,
    release: &ReleaseRecord,
    work: Work,
) -> Result<(), Failure> {
    if work.steps(release).is_empty() {
        return Ok(());
    }
    let what = "is being deployed, and its commands could wait no longer";
    tokio::select! {
        () = end_crons(act, what, Pace::Soon) => Ok(()),
        () = act.cancel.cancelled() => Err(Failure::cancelled()),
    }
}

/// Stops the workers of what serves where there are commands, once it is known whether visitors are kept
/// away.
///
/// # Errors
/// That somebody cancelled it meanwhile, or a worker may go on.
pub(in crate::execute) async fn workers(
    act: &Act,
    release: &ReleaseRecord,
    work: Work,
) -> Result<(), Failure> {
    if work.steps(release).is_empty() || !stops_workers(act, release) {
        return Ok(());
    }
    tokio::select! {
        done = stop_workers(act, release) => done,
        () = act.cancel.cancelled() => Err(Failure::cancelled()),
    }
}

/// Ends the crons of an environment; none begins there until the activity has ended.
pub(in crate::execute) async fn end_crons(act: &Act, what: &str, pace: Pace) {
    let began = Instant::now();
    let held: Held = act.world.crons.hold(act.key());
    let held = act.quiets(held);
    let reason = Reason {
        code: "cron-stopped".into(),
        message: format!("{} {what}", act.key().id),
        hint: Some("it runs again when it is due; its `grace` says how long it may take".into()),
    };
    let ended = held.drain(&reason, pace).await;
    if !ended.is_empty() {
        act.did("crons", said(&ended), began);
    }
}

/// What became of them: `waited for sweep (4f2a); stopped report (4f2b)`.
fn said(ended: &[Drained]) -> String {
    let said = ended.iter().map(|run| {
        let what = match run.stopped {
            true => "stopped",
            false => "waited for",
        };
        match &run.activity {
            Some(activity) => format!("{what} {} ({activity})", run.name),
            None => format!("{what} {}", run.name),
        }
    });
    said.collect::<Vec<_>>().join("; ")
}

/// Whether the serving release's workers end before the commands. Where visitors may meet it while
/// they run, its own requests write as well, and workers are no different.
fn stops_workers(act: &Act, release: &ReleaseRecord) -> bool {
    match release.application.deploy.workers {
        Some(OldWorkers::Stop) => true,
        Some(OldWorkers::Keep) => false,
        None => {
            let serving = route::read(&act.world.paths, act.key());
            serving.is_some_and(|route| route.maintenance.is_some())
        }
    }
}

async fn stop_workers(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    let began = Instant::now();
    let world = &act.world;
    let mut workers: Vec<ProcessRecord> = Vec::new();
    for record in retire::processes(act).await? {
        let is_own = record.release == release.number;
        if !is_own
            && !world.retiring.contains(&record.instance)
            && launch::worker_of(world, &record).await?.is_some()
        {
            workers.push(record);
        }
    }
    if workers.is_empty() {
        return Ok(());
    }
    let stopping = workers.iter().map(|record| async {
        let grace = launch::grace_of(world, record).await;
        launch::stop_instance(world, &record.instance, None, grace).await
    });
    join_all(stopping)
        .await
        .into_iter()
        .collect::<Result<(), _>>()?;
    let names: Vec<&str> = workers.iter().map(|record| record.name.as_str()).collect();
    let text = format!("stopped {} while commands run", names.join(", "));
    act.did("workers", text, began);
    Ok(())
}
