//! Data that a newer version of its server cannot read: the earlier one is started on it once more, where nobody but us
//! reaches it, and writes it out into a fresh place of the newer one, which takes the old one's by renames.
//!
//! From the moment at which applications are cut off until the renames nobody writes: what anybody was told is stored
//! comes along. Whatever fails before them leaves the old data, and the earlier server can go on.

use std::path::Path;
use std::time::Instant;

use wharf_config::name::ProcessName;

use super::beside::beside;
use super::command::Stand;
use super::{GRACE, One, fill, room, rows, start, stop};
use crate::disk::{self, DiskError};
use crate::execute::activity::Act;
use crate::execute::arrival;
use crate::execute::failure::Failure;
use crate::execute::launch;
use crate::fail;
use crate::plan::services::rows::Rows;
use crate::plan::services::{Recipe, Server};
use crate::report;
use crate::store::paths::Paths;
use crate::store::service::ServiceRecord;

/// Brings what a service holds from the version that made it to another. It does not run afterwards.
///
/// # Errors
/// That there is no room for it, or why it does not come whole: it is what it was then, and does not run either, unless
/// it is said before that anything was touched.
pub(super) async fn bring(
    act: &Act,
    one: &One<'_>,
    record: &ServiceRecord,
    earlier: Server,
) -> Result<(), Failure> {
    let began = Instant::now();
    insist_on_room(act, one)?;
    let [from, to] = [&earlier, &one.server].map(|server| server.version.clone());
    let (name, kind) = (one.name, one.service.kind.as_str());
    act.log.note(format!(
        "{name}: from {kind} {from} to {to}; nobody reaches it until its data is there"
    ));
    stop(&act.world, record.clone()).await?;
    fail::point(format_args!("upgrade: stopped"));
    let brought = Box::pin(dump_and_load(act, one, record, earlier)).await;
    let rows = brought.map_err(|failure| {
        let failure = room::or_full(&act.world.paths.state(), failure);
        throw_away(act, name);
        failure
    })?;
    take_place(act, name, &from)?;
    act.advice().only_a_snapshot_goes_back = true;
    let rows = rows.map_or_else(String::new, |rows| format!(": {}, as before", rows.said()));
    act.did(
        "service",
        format!("{name}: its data is {kind} {to}'s{rows}"),
        began,
    );
    arrival::say_kept(act);
    Ok(())
}

/// Refuses what cannot end well, while nothing is touched: the data is there twice at the end.
fn insist_on_room(act: &Act, one: &One<'_>) -> Result<(), Failure> {
    let place = Stand::own(act, one.name).data;
    let (has, free) =
        tokio::task::block_in_place(|| (disk::measure(&place), disk::free_space(&place)));
    let free = free.map_err(|error| Failure::host("cannot look at the disk", &error))?;
    let left = free
        .bytes
        .saturating_sub(act.settings.host.keep.min_free.size);
    if has <= left {
        return Ok(());
    }
    let [has, left] = [has, left].map(report::size);
    Err(Failure::full(format!(
        "service {}: there is no room to upgrade its data: it has {has}, and {left} are free",
        one.name
    )))
}

/// Makes the new data of the old; the rows that each has.
async fn dump_and_load(
    act: &Act,
    one: &One<'_>,
    record: &ServiceRecord,
    earlier: Server,
) -> Result<Option<Rows>, Failure> {
    let (project, id) = (&act.project.name, &act.key().id);
    let making = act.world.paths.making_service(project, id, one.name);
    let before = {
        let making = making.as_path();
        let work = async |stand: &Stand| {
            let before = rows::count_one(act, one, stand, "count").await?;
            let failed = format!("service {} cannot be written out", one.name);
            fill::pass_on((act, one, stand), (act, one, making), &failed).await?;
            Ok(before)
        };
        Box::pin(once_more(act, one, record, earlier, work)).await?
    };
    fail::point(format_args!("upgrade: loaded"));
    let all = [(one, making.clone())];
    let after = beside(act, &all, async |sockets| {
        let stand = Stand {
            data: making.clone(),
            sockets: sockets.to_owned(),
        };
        rows::count_one(act, one, &stand, "count-again").await
    });
    let after = Box::pin(after).await?;
    if let (Some(before), Some(after)) = (&before, &after)
        && before != after
    {
        let (name, changed) = (one.name, before.changed(after));
        let message = format!("service {name}: not all of its data came: {changed}");
        return Err(Failure::new("service-broken", message));
    }
    tokio::task::block_in_place(|| disk::sync_filesystem(&making)).map_err(failed)?;
    match act.cancel.is_cancelled() {
        true => Err(Failure::cancelled()),
        false => Ok(after),
    }
}

/// Has the earlier server run on its data while the work goes on, reached by us alone. It is recorded, as two servers on
/// the same data would destroy it: whoever comes after a death ends it first.
async fn once_more<T>(
    act: &Act,
    one: &One<'_>,
    record: &ServiceRecord,
    earlier: Server,
    work: impl AsyncFnOnce(&Stand) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let own = Stand::own(act, one.name);
    // The newer version's clients understand the earlier server.
    let start = super::recipe(act, (one.name, one.service), &earlier, &own.data)
        .await?
        .start;
    let recipe = Recipe {
        start,
        ..one.recipe.clone()
    };
    let earlier = One {
        server: earlier,
        recipe,
        ..one.clone()
    };
    let id = start::instance(act, one)?;
    let sockets = act.world.paths.scratch_sockets(id.as_str());
    let recorder = &act.world.recorder;
    let runs = |instance: Option<String>| ServiceRecord {
        instance,
        settings: String::new(),
        ..record.clone()
    };
    recorder.set_service(runs(Some(id.to_string()))).await?;
    let stand = Stand { sockets, ..own };
    let worked = async {
        start::serve(act, &earlier, &id, &stand).await?;
        fail::point(format_args!("upgrade: once more"));
        work(&stand).await
    };
    let worked = worked.await;
    launch::stop_instance(&act.world, id.as_str(), None, GRACE).await?;
    recorder.set_service(runs(None)).await?;
    tokio::task::block_in_place(|| disk::remove_tree(&stand.sockets))
        .map_err(|error| Failure::host("cannot remove a socket directory", &error))?;
    worked
}

/// Gives what was made the place of what is there, which is kept.
fn take_place(act: &Act, name: &ProcessName, earlier: &str) -> Result<(), Failure> {
    let (paths, key) = (&act.world.paths, act.key());
    let making = paths.making_service(&key.project, &key.id, name);
    let made = paths.made_service(&key.project, &key.id, name);
    let place = paths.service(&key.project, &key.id, name);
    let kept = paths.kept(&act.task.id);
    let aside = paths.kept_service(&act.task.id, name, earlier);
    tokio::task::block_in_place(|| {
        disk::rename(&making, &made)?;
        fail::point(format_args!("upgrade: made"));
        arrival::keep_at(&kept)?;
        disk::make_directory(&Paths::services_of(&kept))?;
        disk::rename(&place, &aside)?;
        fail::point(format_args!("upgrade: put aside"));
        disk::rename(&made, &place)?;
        fail::point(format_args!("upgrade: replaced"));
        Ok(())
    })
    .map_err(failed)
}

/// What is half made does not take room until somebody makes it again.
fn throw_away(act: &Act, name: &ProcessName) {
    if let Err(failure) = settle(act, name) {
        let error = failure.reason.message;
        tracing::warn!(WHARF_ACTIVITY = act.task.id, service = %name, error, "it stays");
    }
}

/// Ends what a death left half done: what was made whole has the place that was made free for it, all else goes. Done
/// before anything looks at what a service is to run on.
///
/// # Errors
/// The disk's.
pub(super) fn settle(act: &Act, name: &ProcessName) -> Result<(), Failure> {
    let (paths, key) = (&act.world.paths, act.key());
    let place = paths.service(&key.project, &key.id, name);
    let made = paths.made_service(&key.project, &key.id, name);
    let making = paths.making_service(&key.project, &key.id, name);
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    tokio::task::block_in_place(|| {
        if is_there(&made) && !is_there(&place) {
            disk::rename(&made, &place)?;
        }
        // Somebody may have written to what is there since.
        disk::remove_tree(&made)?;
        disk::remove_tree(&making)
    })
    .map_err(failed)
}

fn failed(error: DiskError) -> Failure {
    Failure::host("cannot bring a service's data to another version", &error).or_full()
}
