//! Where the branches of a project have their environments: the record's word, else the rule's.

mod asked;

use std::collections::BTreeSet;

use wharf_config::name::{BranchName, EnvironmentId};
use wharf_config::project::{Branchable, Environment, Kind, Project};

use super::rename::Rename;

pub use asked::{Asked, Records};

/// An environment that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its id: whoever had it first keeps it.
    pub id: EnvironmentId,
    /// Its branch.
    pub branch: BranchName,
    /// The id of its parent, chosen or by rule.
    pub parent: Option<String>,
    /// The release that serves.
    pub live: Option<u32>,
    /// Whether its branch is there; else it is being deleted.
    pub is_there: bool,
}

/// A project with what is recorded of it, as far as it was [`Asked`].
#[derive(Debug, Clone)]
pub struct Places<'a> {
    project: &'a Project,
    /// The branch that the repository's HEAD names.
    default: Option<&'a BranchName>,
    all: Vec<Place>,
}

/// Why a parent that somebody chose is not the one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoParent {
    /// There is none of that name.
    #[error("there is no environment `{0}` to be the parent")]
    Missing(String),
    /// The operator forbids it.
    #[error("{0} is not branchable, and so nobody's chosen parent")]
    NotBranchable(EnvironmentId),
    /// It would be its own ancestor.
    #[error("{0} hangs on this environment itself")]
    Ring(EnvironmentId),
    /// The root has none.
    #[error("production has no parent")]
    Root,
}

/// The id that a branch would get once so many others are taken.
fn id_in(branch: &BranchName, round: usize) -> EnvironmentId {
    match u32::try_from(round) {
        Ok(0) => EnvironmentId::from_branch(branch),
        Ok(round) => EnvironmentId::in_round(branch, round),
        Err(_) => unreachable!("there are more ids than environments"),
    }
}

impl<'a> Places<'a> {
    /// Puts together what is known.
    pub fn new(project: &'a Project, default: Option<&'a BranchName>, all: Vec<Place>) -> Self {
        Places {
            project,
            default,
            all,
        }
    }

    /// What is recorded of a branch.
    pub fn of(&self, branch: &BranchName) -> Option<&Place> {
        self.all.iter().find(|place| place.branch == *branch)
    }

    /// What is recorded of an environment.
    pub fn by_id(&self, id: &EnvironmentId) -> Option<&Place> {
        self.all.iter().find(|place| place.id == *id)
    }

    /// The id of a branch's environment, which it has or would get.
    pub fn id(&self, branch: &BranchName) -> EnvironmentId {
        if let Some(place) = self.of(branch) {
            return place.id.clone();
        }
        (0..)
            .map(|round| id_in(branch, round))
            .find(|id| self.all.iter().all(|place| place.id != *id))
            .expect("there are more ids than environments")
    }

    /// What a branch is, with the ids that are recorded.
    pub fn environment(&self, branch: &BranchName) -> Environment {
        let mut environment = self.project.environment(branch, self.default);
        environment.id = self.id(branch);
        let parent = environment.parent_branch.as_ref();
        environment.parent = parent.map(|parent| self.id(parent));
        environment
    }

    /// Takes in a branch that gets its environment with the same push.
    pub fn add(&mut self, branch: &BranchName) {
        if self.of(branch).is_none() {
            let environment = self.environment(branch);
            self.all.push(Place {
                id: environment.id,
                branch: branch.clone(),
                parent: environment.parent.map(|parent| parent.to_string()),
                live: None,
                is_there: true,
            });
        }
    }

    /// Takes in that a branch is called otherwise: its environment stays.
    pub fn rename(&mut self, rename: &Rename) {
        let renamed = self.all.iter_mut().find(|one| one.branch == rename.from);
        if let Some(place) = renamed {
            place.branch.clone_from(&rename.to);
        }
    }

    /// The environments that hang on one.
    pub fn children<'s>(&'s self, id: &EnvironmentId) -> impl Iterator<Item = &'s Place> {
        let children = self.all.iter();
        children.filter(move |place| place.is_there && place.parent.as_deref() == Some(id.as_str()))
    }

    /// The parent that somebody chose for a branch, by its id or its branch.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn parent(&self, branch: &BranchName, wanted: &str) -> Result<EnvironmentId, NoParent> {
        let own = self.environment(branch);
        if own.kind == Kind::Production {
            return Err(NoParent::Root);
        }
        let there = || self.all.iter().filter(|place| place.is_there);
        let found = there()
            .find(|place| place.id.as_str() == wanted)
            .or_else(|| there().find(|place| place.branch.as_str() == wanted));
        let parent = found.ok_or_else(|| NoParent::Missing(wanted.to_owned()))?;
        let policy = self.environment(&parent.branch).policy;
        if policy.branchable == Branchable::No || self.project.is_mirror(&parent.branch) {
            return Err(NoParent::NotBranchable(parent.id.clone()));
        }
        if self.hangs_on(parent, &own.id) {
            return Err(NoParent::Ring(parent.id.clone()));
        }
        Ok(parent.id.clone())
    }

    /// Whether an environment is another one or hangs on it, however far.
    fn hangs_on(&self, place: &Place, id: &EnvironmentId) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = Some(place);
        while let Some(place) = at.filter(|place| seen.insert(place.id.clone())) {
            if place.id == *id || place.parent.as_deref() == Some(id.as_str()) {
                return true;
            }
            let parent = place.parent.as_deref();
            at = self
                .all
                .iter()
                .find(|other| Some(other.id.as_str()) == parent);
        }
        false
    }
}

#[cfg(test)]
mod tests;
