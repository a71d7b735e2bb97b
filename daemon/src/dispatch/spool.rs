//! Pushes that hooks left while they could not reach the daemon.

use std::path::PathBuf;

use wharf_config::name::{BranchName, ProjectName};
use wharf_wire::hook::Push;

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
        if let Some(actor) = order::claimed(&self.push) {
            activity.actor = actor;
        }
        activity.rebuild = Rebuild::of(&self.push.options) == Rebuild::Yes;
        order::take_wish(activity, &self.push.options);
    }

    /// Removes what is recorded now.
    pub(super) fn remove(&self) {
        let file = self.file.display();
        match crate::disk::remove_file(&self.file) {
            Ok(()) => tracing::info!(WHARF_PROJECT = %self.project, %file, "out of the spool"),
            Err(error) => tracing::error!(error = chain(&error), "a spooled push stays"),
        }
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
                push,
            }),
            None => tracing::error!(file = %file.display(), "a spooled push of no project"),
        }
    }
    found
}
