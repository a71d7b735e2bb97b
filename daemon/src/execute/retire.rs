//! What goes: old processes after a switch, releases and slugs past retention, whole environments.

use std::time::{Duration, Instant};

use wharf_wire::event::{Event, Stage};
use wharf_wire::route::Upstream;

use super::activity::Act;
use super::failure::{Failure, chain};
use super::launch::{self, Launched};
use crate::disk;
use crate::plan::retention::{Kept, releases_to_prune};
use crate::store::process::ProcessRecord;
use crate::store::release::ReleaseState;

/// The old processes stay at least this long after the switch: a request may be between the
/// router's look at the table and its first byte. Measured: 50 ms are enough.
const LINGER: Duration = Duration::from_millis(50);
/// The longest wait for requests that are in flight to the old processes.
const DRAIN: Duration = Duration::from_secs(30);
/// Slugs of a project that no release holds, kept for a next push of the same.
const SPARE_SLUGS: usize = 5;

/// The recorded processes of the environment.
///
/// # Errors
/// When they cannot be read.
pub async fn processes(act: &Act) -> Result<Vec<ProcessRecord>, Failure> {
    Ok(act.world.recorder.processes_of(act.key()).await?)
}

/// Waits until nothing is in flight to the old processes and stops them. The new release serves
/// already, so nothing here fails the activity.
pub async fn drain_and_stop(
    act: &Act,
    old: Vec<ProcessRecord>,
    upstream: Option<Upstream>,
    launched: &Launched,
) {
    if old.is_empty() {
        return;
    }
    let began = Instant::now();
    let drained = act.finishing_step(Stage::Deploy, "drain", async {
        if let Some(upstream) = upstream.filter(|old| Some(old) != launched.upstream.as_ref()) {
            tokio::time::sleep(LINGER).await;
            match act.world.router.drain(upstream, DRAIN).await {
                Ok(0) => {}
                Ok(left) => {
                    let text = format!("{left} requests to the old release were cut off");
                    act.log.event(Event::Warning { text });
                }
                Err(error) => tracing::warn!(error = chain(&error), "not drained"),
            }
        }
        for record in &old {
            launch::stop_instance(&act.world, &record.instance, None, launch::GRACE).await?;
        }
        Ok(())
    });
    match drained.await {
        Ok(()) => act.did("drain", "the old release is stopped", began),
        Err(failure) => tracing::warn!(error = failure.reason.message, "old processes stay"),
    }
}

/// Removes releases past `keep.releases`, and slugs that nobody holds. Never what serves.
pub async fn prune(act: &Act) {
    if let Err(failure) = try_prune(act).await {
        tracing::warn!(error = failure.reason.message, "retention");
    }
}

async fn try_prune(act: &Act) -> Result<(), Failure> {
    let recorder = &act.world.recorder;
    let live = recorder
        .environment(act.key())
        .await?
        .and_then(|record| record.live);
    let kept: Vec<Kept> = recorder
        .releases(act.key())
        .await?
        .into_iter()
        .map(|release| Kept {
            number: release.number,
            ready: release.state == ReleaseState::Ready,
            live: Some(release.number) == live,
        })
        .collect();
    let keep = act.settings.host.keep_releases as usize;
    for number in releases_to_prune(&kept, keep) {
        recorder
            .set_release(act.key(), number, ReleaseState::Pruned)
            .await?;
        let directory = act
            .world
            .paths
            .release(&act.project.name, &act.key().id, number);
        remove(&directory)?;
    }
    let unheld = recorder.unheld_slugs(act.project.name.as_str()).await?;
    let surplus = unheld.len().saturating_sub(SPARE_SLUGS);
    for key in &unheld[..surplus] {
        // Forgotten first: a slug that is recorded is whole.
        recorder.forget_slug(key).await?;
        remove(&act.world.paths.slugs().join(key))?;
    }
    Ok(())
}

fn remove(path: &std::path::Path) -> Result<(), Failure> {
    tokio::task::block_in_place(|| disk::remove_tree(path))
        .map_err(|error| Failure::host("cannot remove what is past retention", &error))
}

/// Takes a deleted branch's environment down. Its data is put aside, not destroyed.
///
/// # Errors
/// What its user should read; it may then be half gone, and a second deletion goes on.
pub async fn delete(act: &Act) -> Result<Option<u32>, Failure> {
    let began = Instant::now();
    let (project, id) = (&act.project.name, &act.key().id);
    let paths = &act.world.paths;
    act.step(Stage::Deploy, "route", async {
        tokio::task::block_in_place(|| disk::remove_file(&paths.route(project, id)))
            .map_err(|error| Failure::host("cannot remove the route", &error))?;
        super::route::confirm(act)
            .await
            .map_err(|error| Failure::host("the router does not follow", &error))
    })
    .await?;
    act.finishing_step(Stage::Deploy, "stop", async {
        for record in processes(act).await? {
            launch::stop_instance(&act.world, &record.instance, None, launch::GRACE).await?;
        }
        Ok(())
    })
    .await?;
    act.did("stop", "processes are stopped, the route is gone", began);
    act.finishing_step(Stage::Deploy, "put aside", async {
        tokio::task::block_in_place(|| {
            let mounts = paths.mounts(project, id);
            let kept = paths.kept(&act.task.id);
            if mounts.exists() {
                let parent = kept.parent().expect("below the state directory");
                std::fs::create_dir_all(parent)
                    .and_then(|()| std::fs::rename(&mounts, &kept))
                    .map_err(|error| Failure::host("cannot put the data aside", &error))?;
                act.log
                    .note(format!("its data is kept on the host as {}", act.task.id));
            }
            disk::remove_tree(&paths.releases(project, id))
                .map_err(|error| Failure::host("cannot remove the releases", &error))
        })
    })
    .await?;
    act.world.recorder.forget_environment(act.key()).await?;
    prune(act).await;
    Ok(None)
}
