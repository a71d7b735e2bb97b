//! Pushes that hooks left while they could not reach the daemon, and moves that a daemon began.

use std::io;
use std::path::PathBuf;

use rustix::process::geteuid;
use wharf_config::name::{BranchName, ProjectName};
use wharf_wire::hook::{Push, RefUpdate};
use wharf_wire::view::Actor;

use super::moving::{self, Left};
use crate::disk;
use crate::execute::World;
use crate::execute::failure::chain;
use crate::identity::{self, Account};
use crate::plan::admission;
use crate::plan::beginning::Beginning;
use crate::plan::options::Options;
use crate::settings::Settings;
use crate::store::activity::NewActivity;

/// The most that is read of a spool file: more than any push can say.
const MAX_SPOOLED: u64 = 16 << 20;
/// So many files of it are looked at, at a time: as many as hooks leave.
const MOST: usize = 10_000;

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
    /// What else is known where a daemon moved the branches itself.
    left: Option<Left>,
}

impl Spooled {
    /// Whether a move of a branch is this push's.
    pub(super) fn has(&self, project: &ProjectName, moved: &RefUpdate) -> bool {
        let is_it = |update: &RefUpdate| update.name == moved.name && update.new == moved.new;
        self.project == *project && self.updates.iter().any(is_it)
    }

    /// Tells an activity that is this move's what only the daemon that began it knew.
    pub(super) fn tell(&self, activity: &mut NewActivity) {
        if let Some(left) = &self.left {
            tell_of(left, activity);
        }
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
    if let Some(environment) = activity
        .environment
        .as_mut()
        .filter(|_| left.kind.moves_branch())
    {
        activity.kind = left.kind;
        activity.source.clone_from(&left.source);
        environment.title.clone_from(&left.title);
        environment.choose(left.chosen_parent.clone());
        environment.beginning = Beginning::of(left.data);
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
    let files = entries.filter_map(Result::ok).map(|entry| entry.path());
    for file in files.take(MOST) {
        let extension = file.extension().and_then(|extension| extension.to_str());
        if !matches!(extension, Some("json" | moving::EXTENSION)) {
            continue;
        }
        let (bytes, uid) = match disk::read_left(&file, MAX_SPOOLED) {
            Ok(read) => read,
            // One that has ended at this moment is gone.
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::error!(error = chain(&error), "a spooled push cannot be read");
                continue;
            }
        };
        let read = match extension {
            // What is the daemon's own is believed.
            Some(moving::EXTENSION) if uid != geteuid().as_raw() => None,
            Some(moving::EXTENSION) => serde_json::from_slice::<Left>(&bytes)
                .ok()
                .map(|left| (left.push.clone(), Some(left))),
            _ => serde_json::from_slice::<Push>(&bytes)
                .ok()
                .map(|push| (push, None)),
        };
        let Some((push, left)) = read else {
            tracing::error!(file = %file.display(), "a spooled push cannot be read");
            continue;
        };
        let Some(project) = settings.of_repository(push.repository.as_ref()) else {
            tracing::error!(file = %file.display(), "a spooled push of no project");
            continue;
        };
        let owner = Account::of(uid);
        let actor = match &left {
            Some(left) => left.actor.clone(),
            None => identity::actor(&owner, &push.claims, &settings.host, project),
        };
        found.push(Spooled {
            file,
            project: project.name.clone(),
            branches: admission::served(project, &push.updates),
            actor,
            options: Options::read(&push.options),
            updates: push.updates,
            left,
        });
    }
    found
}
