//! Removing what is past retention: after each deployment for its environment, once a day and on
//! request for the whole host, and whenever there is no room for another deployment.

mod caches;
mod gather;
mod leftovers;
mod remove;
mod room;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

pub use caches::{Caches, Hold};
pub(super) use gather::names;
pub use gather::{KeptData, kept_data};
pub use leftovers::sweep;
pub use room::{file_systems, is_short, lacks};

use super::activity::Act;
use super::failure::{Failure, chain};
use super::services;
use super::world::World;
use crate::disk;
use crate::plan::retention::{Removal, Stock, Thing, Why, decide, for_room, runs_to_forget};
use crate::report;
use crate::settings::Settings;
use crate::store::environment::EnvironmentKey;
use crate::store::now;
use crate::store::stock::View;
use gather::Sizes;
use remove::Went;

/// The whole host is looked after so often.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the whole host is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its day has come, or somebody asked: everything that is past retention goes.
    Order,
    /// There is no room for a deployment: what nobody needs goes too, until there is.
    Room,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// What went.
    pub removed: Vec<Removal>,
    /// What should have gone and did not, a line each.
    pub failed: Vec<String>,
}

/// Removes what is past retention in the activity's environment, which has done its work.
pub async fn after(act: &Act) {
    let view = View {
        environment: Some(act.key().clone()),
        activity: Some(act.task.id.clone()),
    };
    let (project, environment) = (act.key().project.as_str(), act.key().id.as_str());
    if act.world.router.load(project, environment).await.is_err() {
        // It may still serve the files of what served before.
        return;
    }
    look_after(&act.world, view, &format!("after {}", act.task.id)).await;
}

/// Removes what is past retention in an environment whose replaced processes have ended: what they
/// needed was not to go before.
pub async fn after_retiring(world: &World, key: &EnvironmentKey) {
    let why = format!("in {}@{}", key.project, key.id);
    let view = View {
        environment: Some(key.clone()),
        activity: None,
    };
    look_after(world, view, &why).await;
}

/// Forgets the runs of a cron that tell nothing new any more. Their logs go first: a record without its
/// log says so, and a log without a record is nobody's.
pub async fn after_cron(world: &World, key: &EnvironmentKey, name: &str) {
    let runs = match world.recorder.ended_runs(key, name).await {
        Ok(runs) => runs,
        Err(error) => {
            return tracing::warn!(error = chain(&error), "housekeeping after cron {name}");
        }
    };
    let view = View::default();
    for activity in runs_to_forget(runs) {
        for thing in [Thing::Log(activity.clone()), Thing::Record(activity)] {
            let removal = Removal {
                thing,
                why: Why::Count,
                bytes: 0,
            };
            if let Err(failure) = remove::remove(world, &removal, &view).await {
                tracing::warn!("housekeeping: {}", failure.reason.message);
            }
        }
    }
}

async fn look_after(world: &World, view: View, why: &str) {
    let mut report = Report::default();
    match gather::releases(world, &view).await {
        Ok(stock) => {
            let gone = decided(&stock, &world.settings());
            report.remove(world, gone, &view).await;
        }
        Err(failure) => report.failed.push(failure.reason.message),
    }
    if !report.removed.is_empty() || !report.failed.is_empty() {
        report.say(why);
    }
}

/// What would go from the whole host now.
///
/// # Errors
/// When the record or a directory cannot be read.
pub async fn look(world: &World) -> Result<Vec<Removal>, Failure> {
    let stock = gather::all(world, Sizes::Measured).await?;
    let mut gone = decided(&stock, &world.settings());
    tokio::task::block_in_place(|| {
        for removal in &mut gone {
            if let Thing::Data(activity) = &removal.thing {
                removal.bytes = disk::measure(&world.paths.kept(activity));
            }
        }
    });
    Ok(gone)
}

/// Looks after the whole host where there is no room for another deployment.
pub async fn make_room(world: &World) {
    if room::is_short(world) {
        keep(world, Wanted::Room).await;
    }
}

/// Looks after the whole host; one at a time.
pub async fn keep(world: &World, wanted: Wanted) -> Report {
    let _turn = world.keeping.lock().await;
    let mut report = Report::default();
    let (done, why) = match wanted {
        Wanted::Order => (keep_order(world, &mut report).await, "in order"),
        Wanted::Room => (keep_room(world, &mut report).await, "for room"),
    };
    if let Err(failure) = done {
        report.failed.push(failure.reason.message);
    }
    report.say(why);
    report
}

/// Looks after the host once a day, also where the daemon is restarted more often.
pub async fn daily(world: &World) {
    loop {
        let last = world.paths.housekeeping().metadata();
        let last = last.and_then(|metadata| metadata.modified()).ok();
        let since = last.and_then(|last| SystemTime::now().duration_since(last).ok());
        if let Some(left) = since.and_then(|since| EVERY.checked_sub(since)) {
            // A full day where the clock was set back.
            tokio::time::sleep(left).await;
        } else if last.is_some_and(|last| last > SystemTime::now()) {
            tokio::time::sleep(EVERY).await;
        }
        keep(world, Wanted::Order).await;
        let stamp = world.paths.housekeeping();
        let stamped = tokio::task::block_in_place(|| disk::atomic_write(&stamp, b"", 0o600));
        if let Err(error) = stamped {
            tracing::warn!(error = chain(&error), "housekeeping");
            tokio::time::sleep(EVERY).await;
        }
    }
}

async fn keep_order(world: &World, report: &mut Report) -> Result<(), Failure> {
    let stock = gather::all(world, Sizes::Measured).await?;
    let gone = decided(&stock, &world.settings());
    report.remove(world, gone, &View::default()).await;
    services::external::sweep(world).await;
    leftovers::tidy(world).await
}

async fn keep_room(world: &World, report: &mut Report) -> Result<(), Failure> {
    // Whoever waited for its turn may find that there is room by now.
    if !room::is_short(world) {
        return Ok(());
    }
    let view = View::default();
    let stock = gather::all(world, Sizes::Unknown).await?;
    let gone = decided(&stock, &world.settings());
    report.remove(world, gone, &view).await;
    let stock = gather::all(world, Sizes::Unknown).await?;
    for removal in for_room(&stock) {
        if !room::is_short(world) {
            return Ok(());
        }
        report.remove(world, vec![removal], &view).await;
    }
    Ok(())
}

fn decided(stock: &Stock, settings: &Settings) -> Vec<Removal> {
    let host = &settings.host;
    decide(stock, host.keep_releases as usize, &host.keep, now())
}

impl Report {
    /// Removes one after the other: what cannot be removed keeps nothing else.
    async fn remove(&mut self, world: &World, gone: Vec<Removal>, view: &View) {
        for removal in gone {
            match remove::remove(world, &removal, view).await {
                Ok(Went::Away(bytes)) => self.removed.push(Removal { bytes, ..removal }),
                Ok(Went::Not) => {}
                Err(failure) => self.failed.push(failure.reason.message),
            }
        }
    }

    /// All bytes that were made free.
    pub fn bytes(&self) -> u64 {
        self.removed.iter().map(|removal| removal.bytes).sum()
    }

    fn say(&self, why: &str) {
        for message in &self.failed {
            tracing::warn!("housekeeping: {message}");
        }
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for removal in &self.removed {
            *kinds.entry(word(&removal.thing)).or_default() += 1;
        }
        let kinds = kinds.into_iter().map(|(kind, count)| match kind {
            // The plural of data is data.
            "data" => format!("{count} data"),
            kind => report::count(count, kind),
        });
        let what = match kinds.collect::<Vec<_>>() {
            none if none.is_empty() => "nothing".to_owned(),
            kinds => kinds.join(", "),
        };
        tracing::info!(
            WHARF_REMOVED = self.removed.len(),
            WHARF_BYTES = self.bytes(),
            "housekeeping {why}: removed {what}, {}",
            report::size(self.bytes())
        );
    }
}

/// What a thing is called in `--json` and in the journal.
pub fn word(thing: &Thing) -> &'static str {
    match thing {
        Thing::Release { .. } => "release",
        Thing::Slug(_) => "slug",
        Thing::Cache(_) => "cache",
        Thing::Log(_) => "log",
        Thing::Data(_) => "data",
        Thing::Record(_) => "record",
    }
}
