//! What goes: whole environments.

use std::path::Path;
use std::time::{Duration, Instant};

use super::activity::Act;
use super::failure::Failure;
use super::housekeeping;
use super::{launch, replaced};
use crate::disk;
use crate::plan::step::Step;
use crate::report;
use crate::store::process::ProcessRecord;

/// The recorded processes of the environment.
///
/// # Errors
/// When they cannot be read.
pub async fn processes(act: &Act) -> Result<Vec<ProcessRecord>, Failure> {
    Ok(act.world.recorder.processes_of(act.key()).await?)
}

/// Takes a deleted branch's environment down. Its data is put aside, not destroyed.
///
/// # Errors
/// What its user should read; it may then be half gone, and a second deletion goes on.
pub async fn delete(act: &Act) -> Result<Option<u32>, Failure> {
    let began = Instant::now();
    let (project, id) = (&act.project.name, &act.key().id);
    let paths = &act.world.paths;
    act.step(Step::Unroute, async {
        tokio::task::block_in_place(|| disk::remove_file(&paths.route(project, id)))
            .map_err(|error| Failure::host("cannot remove the route", &error))?;
        super::route::confirm(act)
            .await
            .map_err(|error| Failure::host("the router does not follow", &error))
    })
    .await?;
    act.step(Step::Stop, async {
        let processes = processes(act).await?;
        let upstreams = processes.iter();
        let upstreams = upstreams.flat_map(|record| launch::listens(&act.world, record));
        replaced::drain(&act.world, upstreams.collect()).await;
        for record in processes {
            launch::stop_instance(&act.world, &record.instance, None, launch::GRACE).await?;
        }
        Ok(())
    })
    .await?;
    act.did("stop", "processes are stopped, the route is gone", began);
    act.step(Step::PutAside, async {
        tokio::task::block_in_place(|| {
            let mounts = paths.mounts(project, id);
            let kept = paths.kept(&act.task.id);
            if mounts.exists() {
                put_aside(&mounts, &kept)
                    .map_err(|error| Failure::host("cannot put the data aside", &error))?;
                act.log.note(kept_note(act));
            }
            disk::remove_tree(&paths.releases(project, id))
                .map_err(|error| Failure::host("cannot remove the releases", &error))
        })
    })
    .await?;
    act.world.recorder.forget_environment(act.key()).await?;
    housekeeping::after(act).await;
    Ok(None)
}

/// Moves an environment's data to where it is kept. Its time says since when.
fn put_aside(mounts: &Path, kept: &Path) -> Result<(), disk::DiskError> {
    disk::make_directory(kept.parent().expect("below the state directory"))?;
    std::fs::File::open(mounts)
        .and_then(|mounts| mounts.set_modified(std::time::SystemTime::now()))
        .map_err(disk::at("put aside", mounts))?;
    disk::rename(mounts, kept)
}

fn kept_note(act: &Act) -> String {
    let days = |age: Duration| report::count(age.as_secs().div_ceil(24 * 60 * 60), "day");
    let long = match act.settings.host.keep.data {
        Some(age) => format!("for {}", days(age)),
        None => "until somebody removes it".to_owned(),
    };
    format!("its data is kept on the host as {}, {long}", act.task.id)
}
