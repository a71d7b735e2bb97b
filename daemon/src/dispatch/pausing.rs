//! Environments that nobody uses are paused by the project's rule, `pause_after`.
//!
//! One timer, for the one that is due first. When it rings, the router is asked when that one was
//! last used; nothing is looked at in between, and nothing at all where no project has such a rule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wharf_config::name::BranchName;
use wharf_config::project::{Kind as Type, Project};
use wharf_wire::outcome::Kind;
use wharf_wire::view::{Actor, Commit};

use super::{Desk, Event};
use crate::execute::failure::chain;
use crate::execute::refs::Defaults;
use crate::execute::{World, refs};
use crate::plan::limits::Status;
use crate::plan::pausing::{Idle, earliest};
use crate::settings::Settings;
use crate::store::activity::NewActivity;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::status::POLICY;
use crate::store::{StoreError, now};

/// The wait before another attempt where record or router did not answer.
const AGAIN: Duration = Duration::from_secs(60);

/// When environments were last asked for, as the router said.
type Used = BTreeMap<EnvironmentKey, u64>;

/// Pauses what is due, until told to stop.
pub async fn look_after(world: Arc<World>, desk: Desk, stop: CancellationToken) {
    let mut settings = world.settings.clone();
    let mut used = Used::new();
    loop {
        let next = match next(&world, &mut used).await {
            Ok(next) => next.map(|idle| (until(&idle), Some(idle))),
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot tell what is to be paused");
                Some((AGAIN, None))
            }
        };
        let (wait, idle) = next.unzip();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = settings.changed() => if changed.is_err() { return },
            () = world.pausing.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {
                if let Some(idle) = idle.flatten() {
                    ask_and_pause(&world, &desk, idle, &mut used).await;
                }
            }
        }
    }
}

/// From now until it is due.
fn until<K>(idle: &Idle<K>) -> Duration {
    Duration::from_millis(idle.due().saturating_sub(now()))
}

/// The environment that is due first.
async fn next(world: &World, used: &mut Used) -> Result<Option<Idle<EnvironmentKey>>, StoreError> {
    let settings = world.settings();
    if !has_rule(&settings) {
        return Ok(None);
    }
    let deployed = world.recorder.deployed().await?;
    let records = world.recorder.environments(None).await?;
    let mut defaults = Defaults::default();
    used.retain(|key, _| deployed.contains_key(key));
    let idle = records.into_iter().filter_map(|record| {
        let project = settings.projects.get(&record.key.project)?;
        let default = defaults.of(project);
        let after = after(project, default.as_ref(), &record)?;
        let of_record = deployed.get(&record.key).copied().unwrap_or_default();
        let of_router = used.get(&record.key).copied().unwrap_or_default();
        Some(Idle {
            used: of_record.max(of_router),
            after,
            key: record.key,
        })
    });
    Ok(earliest(idle.collect()))
}

/// Whether any environment may be paused by a rule.
fn has_rule(settings: &Settings) -> bool {
    settings.projects.values().any(|project| {
        let declared = project.environments.iter().map(|one| &one.policy);
        let mut policies = declared.chain(project.patterns.iter().map(|one| &one.policy));
        policies.any(|policy| policy.pause_after.is_some())
    })
}

/// How many milliseconds an environment may go unused; none where it may for good. `default` is the
/// branch that the repository's HEAD names, where the project's file names no production: where that
/// cannot be told, anything may be production.
fn after(
    project: &Project,
    default: Option<&BranchName>,
    record: &EnvironmentRecord,
) -> Option<u64> {
    if record.status() != Status::Active || record.live.is_none() || record.production() {
        return None;
    }
    project.production(default)?;
    let environment = project.environment(&record.branch, default);
    if environment.kind == Type::Production {
        return None;
    }
    let after = environment.policy.pause_after?;
    Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}

/// Orders the pause, unless somebody has asked for it meanwhile.
async fn ask_and_pause(world: &World, desk: &Desk, idle: Idle<EnvironmentKey>, used: &mut Used) {
    let key = idle.key;
    let (project, id) = (key.project.as_str(), key.id.as_str());
    let last = match world.router.used(project, id).await {
        Ok(seconds) => now().saturating_sub(seconds.saturating_mul(1000)),
        Err(error) => {
            tracing::error!(
                WHARF_PROJECT = project,
                WHARF_ENVIRONMENT = id,
                error = chain(&error),
                "cannot tell when it was last used"
            );
            // As if it were used so that it is due again in a while.
            let again = u64::try_from(AGAIN.as_millis()).unwrap_or(u64::MAX);
            now().saturating_add(again).saturating_sub(idle.after)
        }
    };
    used.insert(key.clone(), last);
    if last.saturating_add(idle.after) > now() {
        return;
    }
    // Whatever becomes of the order, the next one comes a while later.
    used.insert(key.clone(), now());
    order(world, desk, key).await;
}

/// Whether the rules of this moment have it paused: they, or HEAD, may have changed since it was
/// found to be due.
fn may_be_paused(world: &World, record: &EnvironmentRecord) -> bool {
    let settings = world.settings();
    let project = settings.projects.get(&record.key.project);
    project.is_some_and(|project| {
        let default = tokio::task::block_in_place(|| refs::default_of(project));
        after(project, default.as_ref(), record).is_some()
    })
}

async fn order(world: &World, desk: &Desk, key: EnvironmentKey) {
    let record = match world.recorder.environment(&key).await {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(error) => {
            return tracing::error!(error = chain(&error), "{key} is not paused");
        }
    };
    if !may_be_paused(world, &record) {
        return;
    }
    let actor = Actor {
        name: "wharf".into(),
        source: POLICY.into(),
    };
    let activity = activity(record, Kind::Pause, actor, None);
    send(desk, activity).await;
}

/// An activity that no person asked for.
pub(super) fn activity(
    record: EnvironmentRecord,
    kind: Kind,
    actor: Actor,
    target: Option<u32>,
) -> NewActivity {
    NewActivity {
        production: record.production(),
        key: record.key,
        branch: record.branch,
        kind,
        actor,
        commit: Commit::default(),
        environment: None,
        now: false,
        source: None,
        renames: None,
        variable: None,
        imported: None,
        snapshot: None,
        rebuild: false,
        target,
    }
}

/// Orders it; whoever follows its log sees what comes of it. False where it is not recorded.
pub(super) async fn send(desk: &Desk, activity: NewActivity) -> bool {
    let (key, kind) = (activity.key.clone(), activity.kind.word());
    let activities = vec![activity];
    let ordered = desk.ask(|reply| Event::Order { activities, reply }).await;
    match ordered {
        Some(Err(refusal)) => {
            tracing::error!(error = refusal.message, "no {kind} of {key}");
            false
        }
        Some(Ok(_)) => true,
        None => false,
    }
}

#[cfg(test)]
mod tests;
