//! Pushes that hooks left while they could not reach the daemon.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use wharf_config::name::{BranchName, ProjectName};
use wharf_wire::hook::{Push, RefUpdate};
use wharf_wire::view::Actor;

use crate::execute::World;
use crate::execute::failure::chain;
use crate::identity::{self, Account};
use crate::plan::admission;
use crate::plan::options::Options;
use crate::settings::Settings;

/// The most that is read of a spool file: more than any push can say.
const MAX_SPOOLED: u64 = 16 << 20;

/// A push that a hook left. It says where to look and who it was: the refs are the truth.
#[derive(Debug, Clone)]
pub(super) struct Spooled {
    file: PathBuf,
    /// Whose.
    pub(super) project: ProjectName,
    /// What it moved.
    pub(super) branches: Vec<BranchName>,
    updates: Vec<RefUpdate>,
    /// Who pushed: the file's owner stands for the hook, as the peer of a bell does.
    pub(super) actor: Actor,
    /// What they asked for beside.
    pub(super) options: Options,
}

impl Spooled {
    /// Whether a move of a branch is this push's.
    pub(super) fn has(&self, project: &ProjectName, moved: &RefUpdate) -> bool {
        let is_it = |update: &RefUpdate| update.name == moved.name && update.new == moved.new;
        self.project == *project && self.updates.iter().any(is_it)
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
        let Some(project) = settings.of_repository(push.repository.as_ref()) else {
            tracing::error!(file = %file.display(), "a spooled push of no project");
            continue;
        };
        let owner = match file.symlink_metadata() {
            Ok(metadata) => Account::of(metadata.uid()),
            // Taken away at this moment.
            Err(_) => continue,
        };
        found.push(Spooled {
            file,
            project: project.name.clone(),
            branches: admission::served(project, &push.updates),
            actor: identity::actor(&owner, &push.claims, &settings.host, project),
            options: Options::read(&push.options),
            updates: push.updates,
        });
    }
    found
}
