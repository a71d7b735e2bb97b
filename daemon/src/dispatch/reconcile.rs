//! Bells that never rang: branch tips against the record.
//!
//! When a client goes away during pre-receive, git still moves the refs and never runs post-receive;
//! `git update-ref` and a mirror's fetch run no hook at all. So tips are compared at start, a little
//! after each accepted pre-receive, and when something changes on the disk. Whoever comes first, the
//! bell or this, is the only one: the store takes a move up once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use wharf_config::name::{BranchName, ProjectName};
use wharf_config::project::Project;
use wharf_wire::hook::RefUpdate;
use wharf_wire::view::Actor;

use super::compare::{self, Compared, Record};
use super::{Desk, Event, baseline, spool};
use crate::disk::DiskError;
use crate::execute::World;
use crate::execute::durable;
use crate::execute::failure::chain;
use crate::execute::refs::{self, HEADS};
use crate::execute::repository::RepositoryError;
use crate::order::{self, Pushed};
use crate::plan::options::Options;
use crate::plan::places::{Asked, Place, Places};
use crate::plan::rename;
use crate::plan::tips::{Known, Leftover, Moved, Scope};
use crate::report;
use crate::settings::Settings;
use crate::store::StoreError;
use crate::store::activity::{NewActivity, RECONCILE};
use crate::store::baseline::Baseline;

/// The bell rings within milliseconds of the refs' move; a chained hook may be slower.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// The longest wait before another attempt.
const LONGEST: Duration = Duration::from_secs(300);
/// An object id that stands for none.
const NONE: &str = "0000000000000000000000000000000000000000";

/// Whether the record holds what the refs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It does.
    Up,
    /// The host has a trouble that may pass, such as a full disk.
    NotYet,
    /// Nobody knows, and the next daemon looks after it: this one ends, or its record is damaged.
    GivenUp,
}

/// Looks after a push whose bell should have rung by now.
pub(super) async fn after_admission(
    world: &Arc<World>,
    desk: &Desk,
    project: ProjectName,
    branches: Vec<BranchName>,
) {
    let scope = Scope::Only(branches.into_iter().collect());
    let mut pause = GRACE;
    loop {
        tokio::time::sleep(pause).await;
        // One of the daemon's own that is not recorded yet is told apart by its word.
        let spooled = read_spool(world).await;
        match make_up(world, desk, &project, &scope, Leftover::Left, &spooled).await {
            Made::Up | Made::GivenUp => return,
            Made::NotYet => {}
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Looks after a repository in which something changed. A branch that a hook has asked for just now
/// is left to its bell, which knows who pushed.
pub async fn after_change(world: &Arc<World>, desk: &Desk, project: &ProjectName) -> Made {
    let question = |reply| Event::Asked {
        project: project.clone(),
        reply,
    };
    let Some(asked) = desk.ask(question).await else {
        return Made::GivenUp;
    };
    make_up(
        world,
        desk,
        project,
        &Scope::AllBut(asked),
        Leftover::Left,
        &[],
    )
    .await
}

/// Looks after branches that moved, as [`after_change`] does after all of them.
pub async fn after_moves(
    world: &Arc<World>,
    desk: &Desk,
    project: &ProjectName,
    branches: &BTreeSet<BranchName>,
) -> Made {
    let question = |reply| Event::Asked {
        project: project.clone(),
        reply,
    };
    let Some(asked) = desk.ask(question).await else {
        return Made::GivenUp;
    };
    let moved: BTreeSet<BranchName> = branches.difference(&asked).cloned().collect();
    let scope = match names_production(world, project, &moved).await {
        // While it was away no branch was taken for deleted: those that are come to light now.
        Ok(true) => Scope::AllBut(asked),
        Ok(false) => Scope::Only(moved),
        Err(error) => {
            tracing::error!(WHARF_PROJECT = %project, error = chain(&error), "cannot reconcile");
            return Made::NotYet;
        }
    };
    make_up(world, desk, project, &scope, Leftover::Left, &[]).await
}

/// Whether production's branch is among these.
async fn names_production(
    world: &World,
    project: &ProjectName,
    branches: &BTreeSet<BranchName>,
) -> Result<bool, StoreError> {
    if branches.is_empty() {
        return Ok(false);
    }
    let known = world.recorder.known(project, branches.clone()).await?;
    let is_one = |known: &Known| known.production && branches.contains(&known.branch);
    Ok(known.iter().any(is_one))
}

/// Looks after everything that may have happened while no daemon was there.
pub(super) async fn at_start(world: &Arc<World>, desk: &Desk) {
    let spooled = read_spool(world).await;
    let everything = Scope::AllBut(BTreeSet::new());
    let mut recorded = BTreeSet::new();
    for project in world.settings().projects.keys() {
        match make_up(world, desk, project, &everything, Leftover::Again, &spooled).await {
            Made::Up => drop(recorded.insert(project.clone())),
            Made::NotYet => world.watching.again(project.clone()),
            Made::GivenUp => {}
        }
    }
    // What is not recorded stays, in case that this daemon ends before it is.
    let recorded = |push: &&spool::Spooled| recorded.contains(&push.project);
    for push in spooled.iter().filter(recorded) {
        tokio::task::block_in_place(|| push.remove());
    }
}

/// Takes up what hooks have left in the spool.
pub async fn after_spooling(world: &Arc<World>, desk: &Desk) -> Made {
    let mut made = Made::Up;
    let spooled = read_spool(world).await;
    for push in spooled.iter().filter(|push| !push.is_own()) {
        let scope = Scope::Only(push.branches.iter().cloned().collect());
        match make_up(world, desk, &push.project, &scope, Leftover::Left, &spooled).await {
            Made::Up => tokio::task::block_in_place(|| push.remove()),
            left => made = left,
        }
    }
    made
}

async fn read_spool(world: &Arc<World>) -> Vec<spool::Spooled> {
    let settings = world.settings();
    tokio::task::block_in_place(|| spool::read(world, &settings))
}

/// Compares, and orders what is missing in the record, with what the spool tells of it.
async fn make_up(
    world: &Arc<World>,
    desk: &Desk,
    name: &ProjectName,
    scope: &Scope,
    leftover: Leftover,
    spooled: &[spool::Spooled],
) -> Made {
    if *scope == Scope::Only(BTreeSet::new()) {
        return Made::Up;
    }
    if world.recorder.fault().is_some() {
        // Said once where it was found. The next daemon looks after everything.
        return Made::GivenUp;
    }
    let activities = match unrecorded(world, name, scope, leftover, spooled).await {
        Ok(activities) => activities,
        Err(error) => {
            tracing::error!(WHARF_PROJECT = %name, error = chain(&error), "cannot reconcile");
            return Made::NotYet;
        }
    };
    if activities.is_empty() {
        return Made::Up;
    }
    match desk.ask(|reply| Event::Order { activities, reply }).await {
        Some(Err(refusal)) => {
            tracing::error!(WHARF_PROJECT = %name, error = refusal.message, "not made up for");
            return Made::NotYet;
        }
        None => return Made::GivenUp,
        // Else somebody else was quicker.
        Some(Ok(ids)) => {
            if !ids.is_empty() {
                let moves = report::count(ids.len() as u64, "move");
                tracing::warn!(
                    WHARF_PROJECT = %name,
                    "made up for {moves} whose bell did not ring"
                );
            }
        }
    }
    Made::Up
}

/// Why record and refs could not be compared.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refs(#[from] RepositoryError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error("the comparison broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// What the record does not hold of the refs in scope.
async fn unrecorded(
    world: &Arc<World>,
    name: &ProjectName,
    scope: &Scope,
    leftover: Leftover,
    spooled: &[spool::Spooled],
) -> Result<Vec<NewActivity>, Trouble> {
    let settings = world.settings();
    let Some(project) = settings.projects.get(name).cloned() else {
        return Ok(Vec::new());
    };
    let record = Record {
        known: known(world, name, scope).await?,
        baseline: baseline_of(world, &settings, &project, scope).await?,
    };
    let (of, in_scope) = (project.clone(), scope.clone());
    let compared =
        tokio::task::spawn_blocking(move || compare::compare(&of, record, &in_scope, leftover));
    let Compared { moved, gone } = compared.await??;
    if !gone.is_empty() {
        world.recorder.drop_baseline(name, gone).await?;
    }
    if moved.is_empty() {
        return Ok(Vec::new());
    }
    let updates: Vec<RefUpdate> = moved.into_iter().map(update).collect();
    let repository = project.repository.clone();
    let activities = ordered(world, project, updates, spooled).await?;
    if !activities.is_empty() {
        durable::make(world, repository, &activities).await?;
    }
    Ok(activities)
}

/// The recorded tips of the branches in scope.
async fn known(world: &World, name: &ProjectName, scope: &Scope) -> Result<Vec<Known>, StoreError> {
    match scope {
        Scope::Only(branches) => world.recorder.known(name, branches.clone()).await,
        Scope::AllBut(_) => {
            let records = world.recorder.environments(Some(name.clone())).await?;
            Ok(records.into_iter().map(Known::from).collect())
        }
    }
}

/// The activities of moves, with what is recorded of their branches.
async fn ordered(
    world: &World,
    project: Project,
    updates: Vec<RefUpdate>,
    spooled: &[spool::Spooled],
) -> Result<Vec<NewActivity>, Trouble> {
    let repository = project.repository.clone();
    let default = tokio::task::spawn_blocking(move || refs::head(&repository)).await?;
    let mut asked = Asked::of_updates(&project, default.as_ref(), &updates);
    for push in spooled {
        asked = asked.with_parent(push.options.parent.as_deref());
    }
    let places = world.recorder.places(&project.name, asked).await?;
    let spooled = spooled.to_vec();
    let made = tokio::task::spawn_blocking(move || {
        activities(&project, default.as_ref(), places, &updates, &spooled)
    });
    Ok(made.await?)
}

/// What the moves ask for, with what the spool tells of each: who pushed, and what they asked for.
fn activities(
    project: &Project,
    default: Option<&BranchName>,
    mut places: Vec<Place>,
    updates: &[RefUpdate],
    spooled: &[spool::Spooled],
) -> Vec<NewActivity> {
    let (nobody, nothing) = (
        Actor {
            name: "unknown".into(),
            source: RECONCILE.into(),
        },
        Options::read(&[]),
    );
    let mut activities = Vec::new();
    for own in together(project, default, &places, updates, spooled) {
        let update = &own[0];
        let push = spooled.iter().rfind(|push| push.has(&project.name, update));
        let pushed = Pushed {
            project,
            default,
            places: &places,
            actor: push.map_or(&nobody, |push| &push.actor),
            options: push.map_or(&nothing, |push| &push.options),
        };
        let mut order = order::of_updates(pushed, &own);
        if let Some(push) = push {
            order.activities.iter_mut().for_each(|one| push.tell(one));
        }
        let made = order
            .activities
            .iter()
            .filter_map(|a| a.environment.clone());
        // The next one must not take the same id.
        places.extend(made.map(Place::from));
        activities.extend(order.activities);
    }
    activities
}

/// Each move alone, but the two of a rename that a spooled push tells of.
fn together(
    project: &Project,
    default: Option<&BranchName>,
    places: &[Place],
    updates: &[RefUpdate],
    spooled: &[spool::Spooled],
) -> Vec<Vec<RefUpdate>> {
    let places = Places::new(project, default, places.to_vec());
    let mut groups: Vec<Vec<RefUpdate>> = Vec::new();
    for push in spooled {
        let own = updates
            .iter()
            .filter(|update| push.has(&project.name, update));
        let own: Vec<RefUpdate> = own.cloned().collect();
        if let Some(rename) = rename::of(project, &places, &own) {
            let is_its = |update: &RefUpdate| rename.is_of(project, update);
            let pair: Vec<RefUpdate> = own.into_iter().filter(is_its).collect();
            if !groups.contains(&pair) {
                groups.push(pair);
            }
        }
    }
    let paired: Vec<&RefUpdate> = groups.iter().flatten().collect();
    let alone = updates.iter().filter(|update| !paired.contains(update));
    let alone: Vec<Vec<RefUpdate>> = alone.map(|update| vec![update.clone()]).collect();
    groups.extend(alone);
    groups
}

/// The project's baseline; taken now where its repository could not be read when it was first seen.
async fn baseline_of(
    world: &World,
    settings: &Settings,
    project: &Project,
    scope: &Scope,
) -> Result<Baseline, StoreError> {
    let only = match scope {
        Scope::Only(branches) => Some(branches.clone()),
        Scope::AllBut(_) => None,
    };
    let read = || world.recorder.baseline(&project.name, only.clone());
    if let Some(baseline) = read().await? {
        return Ok(baseline);
    }
    // Those whose bell may ring this moment are somebody's push as well.
    let (Scope::Only(pushed) | Scope::AllBut(pushed)) = scope;
    let mut pushed = pushed.clone();
    let spooled = tokio::task::block_in_place(|| spool::read(world, settings));
    pushed.extend(spool::pushed(&spooled, &project.name));
    baseline::take(world, settings, project, &pushed).await?;
    Ok(read().await?.unwrap_or_default())
}

/// The branch of a tip, where it can have an environment.
pub(super) fn served(tip: &refs::Tip) -> Option<BranchName> {
    let name = std::str::from_utf8(&tip.name).ok()?;
    BranchName::parse(name.strip_prefix(HEADS)?).ok()
}

fn update(moved: Moved) -> RefUpdate {
    let id = |id: Option<String>| id.unwrap_or_else(|| NONE.to_owned());
    RefUpdate {
        name: format!("{HEADS}{}", moved.branch),
        lossy: false,
        old: id(moved.old),
        new: id(moved.new),
    }
}
