//! Where an activity begins: at its beginning, or where the death of the last daemon left it.

use wharf_wire::outcome::Kind;

use super::failure::Failure;
use super::route;
use super::sync;
use super::world::World;
use crate::disk;
use crate::plan::deployment::{Deployment, Event, Illegal, Phase};
use crate::plan::recovery::{self, Found};
use crate::store::activity::Task;
use crate::store::insist::insist;
use crate::store::log::Log;
use crate::store::release::ReleaseState;

/// Replays what is recorded, decides what becomes of it and records that.
///
/// # Errors
/// When the record holds what cannot have happened, or what is half made cannot be removed.
pub async fn resume(world: &World, task: Task, log: &Log) -> Result<(Deployment, Task), Failure> {
    let record = || world.recorder.activity(&task.id);
    let activity = insist(&task.id, "what was done", record).await;
    let steps = activity.map(|activity| activity.steps).unwrap_or_default();
    let rows: Vec<_> = steps
        .iter()
        .map(|step| (step.name.as_str(), step.result.as_deref()))
        .collect();
    let found = find(world, &task).await;
    let (mut deployment, decided) =
        recovery::resume(task.kind, &rows, found).map_err(|error| senseless(&error))?;
    if let Some(recovery) = decided {
        tracing::info!(
            WHARF_PROJECT = %task.key.project,
            WHARF_ENVIRONMENT = %task.key.id,
            WHARF_ACTIVITY = task.id,
            ?recovery,
            "taken up after a restart"
        );
        let record = || world.recorder.restart(&task.id, recovery.word());
        insist(&task.id, "what becomes of it", record).await;
    }
    if !rows.is_empty() && !deployment.is_committed() {
        discard(world, &task).await?;
        if !deployment.is_touched() {
            throw_away(world, &task, deployment.phase())?;
        }
    }
    if matches!(deployment.phase(), Phase::Waiting | Phase::Parked) {
        if !rows.is_empty() && deployment.phase() == Phase::Waiting {
            log.note("Wharf was restarted; this begins again.");
        }
        deployment = deployment
            .apply(&Event::Began)
            .map_err(|error| senseless(&error))?;
    }
    Ok((deployment, task))
}

/// What only the disk and the release can tell.
async fn find(world: &World, task: &Task) -> Found {
    let release = match task.release {
        Some(number) => {
            let record = || world.recorder.release(&task.key, number);
            insist(&task.id, "its release", record).await
        }
        None => None,
    };
    // One that is paused was so before it began.
    let table = route::read(&world.paths, &task.key);
    let table = table.filter(|route| !route::says_paused(route));
    let table = table.map(|route| route.release);
    // What serves before its data is swapped is what serves after it.
    let (project, environment) = (&task.key.project, &task.key.id);
    let arriving = world.paths.arriving_data(project, environment, &task.id);
    let is_arriving = task.kind.brings_data() && arriving.exists();
    Found {
        routed: !takes_down(task.kind)
            && !is_arriving
            && task.release.is_some()
            && table == task.release,
        repeatable: release.is_some_and(|release| release.application.deploy.repeatable),
    }
}

/// A release that was being made is no release.
async fn discard(world: &World, task: &Task) -> Result<(), Failure> {
    if let Some(half) = task.release.filter(|_| makes(task.kind)) {
        let failed = ReleaseState::Failed;
        let record = || world.recorder.set_release(&task.key, half, failed);
        insist(&task.id, "that its release failed", record).await;
        let (project, environment) = (&task.key.project, &task.key.id);
        let directory = world.paths.release(project, environment, half);
        tokio::task::block_in_place(|| disk::remove_tree(&directory))
            .map_err(|error| Failure::host("cannot remove a half-made release", &error))?;
    }
    Ok(())
}

/// Data that came, and whose swap has not begun, is begun anew or wanted by nobody. What a new environment begins
/// with may be whole: then it only has to take its place.
fn throw_away(world: &World, task: &Task, phase: Phase) -> Result<(), Failure> {
    let (project, environment) = (&task.key.project, &task.key.id);
    let arriving = world.paths.arriving_data(project, environment, &task.id);
    if !task.kind.brings_data() && phase == Phase::Waiting && sync::is_whole(&arriving) {
        return Ok(());
    }
    tokio::task::block_in_place(|| disk::remove_tree(&arriving))
        .map_err(|error| Failure::host("cannot remove data that was arriving", &error))
}

/// Whether its release is one that it makes; else it was there.
pub(super) fn makes(kind: Kind) -> bool {
    match kind {
        Kind::Rollback | Kind::Resume => false,
        kind => !kind.brings_data() || kind.deploys_anew(),
    }
}

fn takes_down(kind: Kind) -> bool {
    matches!(kind, Kind::Delete | Kind::Deactivate | Kind::Pause)
}

fn senseless(error: &Illegal) -> Failure {
    Failure::host("the record of its steps makes no sense", error)
}
