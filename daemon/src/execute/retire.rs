//! What goes: whole environments.

use std::path::Path;
use std::time::{Duration, Instant};

use wharf_wire::event::Event;
use wharf_wire::view::Reason;

use super::activity::Act;
use super::crons::Pace;
use super::crons::quiet::end_crons;
use super::failure::Failure;
use super::hands::Closed;
use super::housekeeping;
use super::{launch, replaced, services};
use crate::disk;
use crate::plan::step::Step;
use crate::report;
use crate::store::insist::insist;
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
/// What its user should read; it may then be half gone, and the next daemon goes on.
pub async fn delete(act: &Act) -> Result<Option<u32>, Failure> {
    let _closed = end_hands(act, "is deleted").await;
    end_crons(act, "is deleted", Pace::AtOnce).await;
    take_down(act).await?;
    let forget = || act.world.recorder.forget_environment(act.key());
    insist(&act.task.id, "that it is gone", forget).await;
    housekeeping::after(act).await;
    Ok(None)
}

/// Takes an environment down whose branch stays: it is inactive then.
///
/// # Errors
/// As [`delete`]; deactivating it again goes on.
pub async fn deactivate(act: &Act) -> Result<Option<u32>, Failure> {
    let _closed = end_hands(act, "is deactivated").await;
    end_crons(act, "is deactivated", Pace::AtOnce).await;
    take_down(act).await?;
    let rest = || act.world.recorder.rest(act.key());
    insist(&act.task.id, "that it is inactive", rest).await;
    housekeeping::after(act).await;
    Ok(None)
}

/// Ends what people run there by hand, and lets nobody begin until what is returned is dropped.
async fn end_hands(act: &Act, what: &str) -> Closed {
    let key = act.key();
    let reason = Reason {
        code: "environment-ends".into(),
        message: format!("{} {what}, and what runs there ends first", key.id),
        hint: None,
    };
    act.world.hands.close(key, reason).await
}

async fn take_down(act: &Act) -> Result<(), Failure> {
    let began = Instant::now();
    let (project, id) = (&act.project.name, &act.key().id);
    let paths = &act.world.paths;
    act.step(Step::Unroute, async {
        super::route::remove(&act.world, act.key()).await?;
        // A router that is away reads what is there when it starts.
        if super::route::confirm(act).await.is_err() {
            let text = "the router does not answer: what is deleted may be seen until it does";
            act.log.event(Event::Warning { text: text.into() });
        }
        let gone = || act.world.recorder.set_live(act.key(), None);
        insist(&act.task.id, "that nothing serves", gone).await;
        Ok(())
    })
    .await?;
    act.step(Step::Stop, stop_processes(act)).await?;
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
            disk::remove_tree(&paths.service_sockets(project, id))
                .map_err(|error| Failure::host("cannot remove the services' sockets", &error))?;
            disk::remove_tree(&paths.releases(project, id))
                .map_err(|error| Failure::host("cannot remove the releases", &error))
        })
    })
    .await
}

/// Ends all processes of an environment, once no request is in flight to them, and its services.
///
/// # Errors
/// That one may go on.
pub async fn stop_processes(act: &Act) -> Result<(), Failure> {
    stop_applications(act).await?;
    services::stop_all(&act.world, act.key()).await
}

/// The same without its services.
///
/// # Errors
/// That one may go on.
pub(super) async fn stop_applications(act: &Act) -> Result<(), Failure> {
    let processes = processes(act).await?;
    let upstreams = processes.iter();
    let upstreams = upstreams.flat_map(|record| launch::listens(&act.world, record));
    replaced::drain(&act.world, upstreams.collect()).await;
    for record in processes {
        let grace = launch::grace_of(&act.world, &record).await;
        launch::stop_instance(&act.world, &record.instance, None, grace).await?;
    }
    Ok(())
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
    format!(
        "its data is kept on the host as {}{}",
        act.task.id,
        kept_for(act)
    )
}

/// For how long data is kept that something else takes the place of.
pub(super) fn kept_for(act: &Act) -> String {
    let days = |age: Duration| report::count(age.as_secs().div_ceil(24 * 60 * 60), "day");
    match act.settings.host.keep.data {
        Some(age) => format!(", for {}", days(age)),
        None => ", until somebody removes it".to_owned(),
    }
}
