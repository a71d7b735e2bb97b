//! Bells that never rang: branch tips against the record.
//!
//! When a client goes away during pre-receive, git still moves the refs and never runs post-receive.
//! So tips are compared a little after each accepted pre-receive, and at start for every environment
//! and for what hooks left in the spool. A tip that is recorded is never taken up again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wharf_config::name::{BranchName, ProjectName};
use wharf_config::project::Project;
use wharf_wire::hook::{Push, RefUpdate};
use wharf_wire::view::Actor;

use super::{Desk, Event};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::execute::repository;
use crate::order::{self, Rebuild};
use crate::plan::admission;
use crate::store::environment::EnvironmentRecord;

/// How an actor is known whom nobody saw.
pub const SOURCE: &str = "reconcile";
/// The bell rings within milliseconds of the refs' move; a chained hook may be slower.
const GRACE: Duration = Duration::from_secs(5);
/// The longest wait before another attempt.
const LONGEST: Duration = Duration::from_secs(300);
/// The most that is read of a spool file: more than any push can say.
const MAX_SPOOLED: u64 = 16 << 20;
/// An object id that stands for none.
const NONE: &str = "0000000000000000000000000000000000000000";

/// Looks after a push whose bell should have rung by now.
pub(super) async fn after_admission(
    world: &Arc<World>,
    desk: &Desk,
    project: ProjectName,
    branches: Vec<BranchName>,
) {
    let branches: BTreeSet<BranchName> = branches.into_iter().collect();
    let mut pause = GRACE;
    loop {
        tokio::time::sleep(pause).await;
        if make_up(world, desk, &project, &branches).await == Made::Up {
            return;
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Whether the record holds what the refs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Up,
    /// The host has a trouble that may pass, such as a full disk.
    NotYet,
}

/// Looks after everything that may have happened while no daemon was there.
pub(super) async fn at_start(world: &Arc<World>, desk: &Desk) {
    let mut due: BTreeMap<ProjectName, BTreeSet<BranchName>> = BTreeMap::new();
    match world.recorder.environments(None).await {
        Ok(records) => {
            for record in records {
                due.entry(record.key.project)
                    .or_default()
                    .insert(record.branch);
            }
        }
        Err(error) => tracing::error!(error = chain(&error), "cannot reconcile"),
    }
    let spooled = spooled(world);
    for push in &spooled {
        due.entry(push.project.clone())
            .or_default()
            .extend(push.branches.iter().cloned());
    }
    let mut late = BTreeSet::new();
    for (project, branches) in due {
        if make_up(world, desk, &project, &branches).await == Made::NotYet {
            let branches = branches.into_iter().collect();
            late.insert(project.clone());
            desk.send(Event::Admitted { project, branches }).await;
        }
    }
    for push in spooled {
        // What is not recorded stays, in case that this daemon ends before it is.
        if late.contains(&push.project) {
            continue;
        }
        if let Err(error) = crate::disk::remove_file(&push.file) {
            tracing::error!(error = chain(&error), "a spooled push stays");
        }
    }
}

/// A push that a hook left while no daemon was there. Only which branches to look at counts: the
/// refs are the truth.
struct Spooled {
    file: PathBuf,
    project: ProjectName,
    branches: Vec<BranchName>,
}

fn spooled(world: &World) -> Vec<Spooled> {
    let Ok(entries) = std::fs::read_dir(world.paths.spool()) else {
        return Vec::new();
    };
    let settings = world.settings();
    let mut found = Vec::new();
    for file in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if file.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let push = crate::disk::read_tail(&file, MAX_SPOOLED).ok();
        let push = push.and_then(|bytes| serde_json::from_slice::<Push>(&bytes).ok());
        let Some(push) = push else {
            tracing::error!(file = %file.display(), "a spooled push cannot be read");
            continue;
        };
        match settings.of_repository(push.repository.as_ref()) {
            Some(project) => found.push(Spooled {
                file,
                project: project.name.clone(),
                branches: admission::served(&push.updates),
            }),
            None => tracing::error!(file = %file.display(), "a spooled push of no project"),
        }
    }
    found
}

async fn make_up(
    world: &Arc<World>,
    desk: &Desk,
    name: &ProjectName,
    branches: &BTreeSet<BranchName>,
) -> Made {
    let settings = world.settings();
    let Some(project) = settings.projects.get(name).cloned() else {
        return Made::Up;
    };
    let records = match world.recorder.environments(Some(name.clone())).await {
        Ok(records) => records,
        Err(error) => {
            tracing::error!(error = chain(&error), "cannot reconcile");
            return Made::NotYet;
        }
    };
    let branches = branches.clone();
    let compared = tokio::task::spawn_blocking(move || {
        let updates = compare(&project, &records, &branches)?;
        let actor = Actor {
            name: "unknown".into(),
            source: SOURCE.into(),
        };
        let order = order::of_updates(&settings, &project, updates, &actor, Rebuild::No);
        Ok::<_, repository::RepositoryError>(order.activities)
    });
    let activities = match compared.await {
        Ok(Ok(activities)) => activities,
        Ok(Err(error)) => {
            tracing::error!(WHARF_PROJECT = %name, error = chain(&error), "cannot reconcile");
            return Made::NotYet;
        }
        Err(error) => {
            tracing::error!(WHARF_PROJECT = %name, %error, "cannot reconcile");
            return Made::NotYet;
        }
    };
    if activities.is_empty() {
        return Made::Up;
    }
    tracing::warn!(
        WHARF_PROJECT = %name,
        "{} branches moved without a bell; made up for",
        activities.len()
    );
    let ordered = desk.ask(|reply| Event::Order { activities, reply }).await;
    if let Some(Err(refusal)) = ordered {
        tracing::error!(WHARF_PROJECT = %name, error = refusal.message, "not made up for");
        return Made::NotYet;
    }
    Made::Up
}

/// The updates that the record has not seen. Production is never taken for deleted.
fn compare(
    project: &Project,
    records: &[EnvironmentRecord],
    branches: &BTreeSet<BranchName>,
) -> Result<Vec<RefUpdate>, repository::RepositoryError> {
    let tips: BTreeMap<Vec<u8>, String> = repository::tips(&project.repository)?
        .into_iter()
        .map(|tip| (tip.name, tip.commit))
        .collect();
    let mut updates = Vec::new();
    for branch in branches {
        let name = format!("refs/heads/{branch}");
        let tip = tips.get(name.as_bytes());
        let record = records.iter().find(|record| record.branch == *branch);
        let recorded = record.and_then(|record| record.tip.as_ref());
        let kept = tip.is_none() && record.is_none_or(|record| record.kind == "production");
        if tip == recorded || kept {
            continue;
        }
        let id = |id: Option<&String>| id.map_or_else(|| NONE.to_owned(), Clone::clone);
        updates.push(RefUpdate {
            name,
            lossy: false,
            old: id(recorded),
            new: id(tip),
        });
    }
    Ok(updates)
}
