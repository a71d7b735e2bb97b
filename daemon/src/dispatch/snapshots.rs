//! Snapshots that nobody asks for: each environment's in its rhythm, and now and then a trial of the
//! newest one.
//!
//! One timer, for what is due first; nothing is looked at in between, and nothing at all where no
//! environment has data.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wharf_config::application::Mount;
use wharf_config::project::{Kind as Type, Rhythm};
use wharf_wire::outcome::Kind;
use wharf_wire::view::Actor;

use super::Desk;
use super::pausing::{activity, send};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::execute::refs::Defaults;
use crate::plan::limits::Status;
use crate::plan::services::lasts;
use crate::plan::snapshots::{TESTED_EVERY, Turn, Why, earliest, next_due, offset};
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::snapshot::{SnapshotOrder, SnapshotRecord, SnapshotState};
use crate::store::status::POLICY;
use crate::store::{StoreError, now};

/// The wait before another attempt where the record did not answer, and the longest between two looks
/// at the clock, which may be set meanwhile.
const AGAIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// What is due in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A snapshot.
    Take,
    /// A trial of this one.
    Try(String),
}

type Due = Turn<(EnvironmentKey, What)>;

/// Orders what is due, until told to stop.
pub async fn look_after(world: Arc<World>, desk: Desk, stop: CancellationToken) {
    let mut settings = world.settings.clone();
    // What could not be ordered, and a trial that told nothing, are not due again at once.
    let mut ordered: BTreeMap<(EnvironmentKey, What), u64> = BTreeMap::new();
    loop {
        let next = match next(&world, &ordered).await {
            Ok(next) => next.map(|turn| (left(turn.due), Some(turn))),
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot tell when snapshots are due");
                Some((AGAIN, None))
            }
        };
        let (wait, turn) = next.unzip();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = settings.changed() => if changed.is_err() { return },
            () = world.snapshotting.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                if let Some(turn) = turn.flatten().filter(|turn| turn.due <= now()) {
                    ordered.retain(|_, due| *due > now());
                    let (key, what) = turn.key.clone();
                    let is_taken = order(&world, &desk, key, what.clone()).await;
                    let again = match what {
                        What::Take if is_taken => continue,
                        What::Take => AGAIN,
                        What::Try(_) => LOOK_AGAIN,
                    };
                    let again = u64::try_from(again.as_millis()).unwrap_or(u64::MAX);
                    ordered.insert(turn.key, now().saturating_add(again));
                }
            }
        }
    }
}

/// From now until something is due, and never so long that a clock which was set is not noticed.
fn left(due: u64) -> Duration {
    Duration::from_millis(due.saturating_sub(now())).min(LOOK_AGAIN)
}

async fn next(
    world: &World,
    ordered: &BTreeMap<(EnvironmentKey, What), u64>,
) -> Result<Option<Due>, StoreError> {
    let records = world.recorder.environments(None).await?;
    let all = world.recorder.snapshots(None).await?;
    let mut of: BTreeMap<&EnvironmentKey, Vec<&SnapshotRecord>> = BTreeMap::new();
    for one in &all {
        of.entry(&one.key).or_default().push(one);
    }
    let busy: BTreeSet<EnvironmentKey> = world.recorder.copying().await?;
    let settings = world.settings();
    let mut defaults = Defaults::default();
    let mut due: Vec<Due> = Vec::new();
    for record in records {
        if record.status() != Status::Active || record.live.is_none() || busy.contains(&record.key)
        {
            continue;
        }
        let Some(project) = settings.projects.get(&record.key.project) else {
            continue;
        };
        let default = defaults.of(project);
        let environment = project.environment(&record.branch, default.as_ref());
        let production = environment.kind == Type::Production;
        let own = of.get(&record.key).map(Vec::as_slice).unwrap_or_default();
        if let Some(rhythm) = environment.policy.snapshots.rhythm(production)
            && let Some(since) = since(world, &record, own).await?
        {
            due.push(taken(&record, &rhythm, since));
        }
        due.extend(tried(&record, own));
    }
    for turn in &mut due {
        let not_before = ordered.get(&turn.key).copied().unwrap_or_default();
        turn.due = turn.due.max(not_before);
    }
    Ok(earliest(due))
}

fn taken(record: &EnvironmentRecord, rhythm: &Rhythm, since: u64) -> Due {
    let (project, id) = (record.key.project.as_str(), record.key.id.as_str());
    let offset = offset(project, id, rhythm.every);
    Turn {
        key: (record.key.clone(), What::Take),
        due: next_due(since, rhythm.every, offset),
    }
}

/// When the last one began in its turn, or the environment came to serve something with data; none
/// where it has none.
async fn since(
    world: &World,
    record: &EnvironmentRecord,
    own: &[&SnapshotRecord],
) -> Result<Option<u64>, StoreError> {
    let live = match record.live {
        Some(live) => world.recorder.release(&record.key, live).await?,
        None => None,
    };
    let has_data = live.is_some_and(|live| {
        let mut mounts = live.application.mounts.values();
        let mut services = live.application.services.values();
        mounts.any(|kind| *kind == Mount::Data) || services.any(|one| lasts(one.kind))
    });
    if !has_data {
        return Ok(None);
    }
    let last = own.iter().find(|one| one.why == Why::Scheduled);
    match last {
        Some(last) => Ok(Some(last.created)),
        None => world.recorder.environment_since(&record.key).await,
    }
}

/// The newest good one, where none of the environment's was tried for long.
fn tried(record: &EnvironmentRecord, own: &[&SnapshotRecord]) -> Option<Due> {
    let newest = own.iter().find(|one| one.state == SnapshotState::Good)?;
    let last = own.iter().filter_map(|one| one.verified).max();
    // From the oldest one on, where none was tried yet.
    let last = last.or_else(|| own.iter().map(|one| one.created).min())?;
    Some(Turn {
        key: (record.key.clone(), What::Try(newest.id.clone())),
        due: last.saturating_add(TESTED_EVERY),
    })
}

/// Orders it; false where that cannot be recorded.
async fn order(world: &World, desk: &Desk, key: EnvironmentKey, what: What) -> bool {
    let record = match world.recorder.environment(&key).await {
        Ok(Some(record)) => record,
        Ok(None) => return true,
        Err(error) => {
            tracing::error!(error = chain(&error), "no snapshot of {key}");
            return false;
        }
    };
    let actor = Actor {
        name: "wharf".into(),
        source: POLICY.into(),
    };
    let (kind, order) = match what {
        What::Take => (
            Kind::Snapshot,
            SnapshotOrder::Make {
                kind: record.kind.clone(),
                why: Why::Scheduled,
                title: String::new(),
            },
        ),
        What::Try(id) => (Kind::SnapshotTest, SnapshotOrder::Use(id)),
    };
    let mut activity = activity(record, kind, actor, None);
    activity.snapshot = Some(Box::new(order));
    send(desk, activity).await
}
