//! Pushes that hooks left while they could not reach the daemon, and moves that a daemon began.

use std::path::PathBuf;

use wharf_config::name::{BranchName, ProjectName};
use wharf_wire::hook::Push;

use super::moving::{self, Left};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::execute::refs::HEADS;
use crate::order::{self, Rebuild};
use crate::plan::admission;
use crate::settings::Settings;
use crate::store::activity::NewActivity;

/// The most that is read of a spool file: more than any push can say.
const MAX_SPOOLED: u64 = 16 << 20;

/// A push that a hook left. It says where to look and who it was: the refs are the truth.
#[derive(Debug)]
pub(super) struct Spooled {
    file: PathBuf,
    /// Whose.
    pub(super) project: ProjectName,
    /// What it moved.
    pub(super) branches: Vec<BranchName>,
    push: Push,
    /// What else is known where a daemon moved the branches itself.
    left: Option<Left>,
}

impl Spooled {
    /// Takes an activity for this push's, where it is: with who pushed and what they asked for.
    pub(super) fn tell(&self, activity: &mut NewActivity) {
        let new = activity.commit.new.as_deref();
        let name = format!("{HEADS}{}", activity.branch);
        let mut updates = self.push.updates.iter();
        let is_its = updates.any(|update| {
            update.name == name && new.map_or(update.deletes(), |new| update.new == new)
        });
        if self.project != activity.key.project || !is_its {
            return;
        }
        if let Some(left) = &self.left {
            return tell_of(left, activity);
        }
        if let Some(actor) = order::claimed(&self.push) {
            activity.actor = actor;
        }
        activity.rebuild = Rebuild::of(&self.push.options) == Rebuild::Yes;
    }

    /// Whether this daemon is still at it.
    pub(super) fn is_own(&self) -> bool {
        moving::is_own(&self.file)
    }

    /// Removes what is recorded now; what is not ended yet goes when it is.
    pub(super) fn remove(&self) {
        if self.is_own() {
            return;
        }
        let file = self.file.display();
        match crate::disk::remove_file(&self.file) {
            Ok(()) => tracing::info!(WHARF_PROJECT = %self.project, %file, "out of the spool"),
            Err(error) => tracing::error!(error = chain(&error), "a spooled push stays"),
        }
    }
}

fn tell_of(left: &Left, activity: &mut NewActivity) {
    activity.actor = left.actor.clone();
    if let Some(environment) = activity
        .environment
        .as_mut()
        .filter(|_| left.kind.moves_branch())
    {
        activity.kind = left.kind;
        activity.source.clone_from(&left.source);
        environment.title.clone_from(&left.title);
        environment.chosen_parent.clone_from(&left.chosen_parent);
    }
}

/// The branches of a project that were pushed.
pub(super) fn pushed(
    spooled: &[Spooled],
    project: &ProjectName,
) -> impl Iterator<Item = BranchName> {
    let of_project = spooled.iter().filter(move |push| push.project == *project);
    of_project.flat_map(|push| push.branches.iter().cloned())
}

/// Everything that lies in the spool now. Blocks.
pub(super) fn read(world: &World, settings: &Settings) -> Vec<Spooled> {
    let Ok(entries) = crate::disk::entries(&world.paths.spool()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for file in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let extension = file.extension().and_then(|extension| extension.to_str());
        let bytes = match extension {
            Some("json" | moving::EXTENSION) => crate::disk::read_tail(&file, MAX_SPOOLED).ok(),
            Some(_) | None => continue,
        };
        let read = bytes.and_then(|bytes| match extension {
            Some(moving::EXTENSION) => {
                let left = serde_json::from_slice::<Left>(&bytes).ok()?;
                Some((left.push.clone(), Some(left)))
            }
            Some(_) | None => Some((serde_json::from_slice::<Push>(&bytes).ok()?, None)),
        });
        let Some((push, left)) = read else {
            // One that has ended at this moment is gone.
            if !file.exists() {
                continue;
            }
            tracing::error!(file = %file.display(), "a spooled push cannot be read");
            continue;
        };
        match settings.of_repository(push.repository.as_ref()) {
            Some(project) => found.push(Spooled {
                file,
                project: project.name.clone(),
                branches: admission::served(&push.updates),
                push,
                left,
            }),
            None => tracing::error!(file = %file.display(), "a spooled push of no project"),
        }
    }
    found
}
