//! Which records a decision about some branches rests on: however many others there are, nobody reads
//! them.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::name::{BranchName, EnvironmentId};
use wharf_config::project::{Accept, Project};
use wharf_wire::hook::RefUpdate;

use super::Place;

/// What a decision will ask of [`super::Places`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The branches that it is about, with their parents by rule.
    branches: BTreeSet<BranchName>,
    /// Those of which it matters what hangs on them.
    above: BTreeSet<BranchName>,
    /// Parents that somebody chose, by id or branch.
    chosen: BTreeSet<String>,
}

/// What is recorded, as far as somebody looks.
pub trait Records {
    /// Why it cannot be read.
    type Error;

    /// A branch's environment.
    ///
    /// # Errors
    /// That it cannot be read.
    fn of(&self, branch: &BranchName) -> Result<Option<Place>, Self::Error>;

    /// The environment of that id.
    ///
    /// # Errors
    /// That it cannot be read.
    fn by_id(&self, id: &str) -> Result<Option<Place>, Self::Error>;

    /// The environments whose parent is one of these.
    ///
    /// # Errors
    /// That they cannot be read.
    fn children(&self, of: &BTreeSet<EnvironmentId>) -> Result<Vec<Place>, Self::Error>;
}

impl Asked {
    /// What it takes to say what these branches are, and which ids they have or would get.
    pub fn of<'b>(
        project: &Project,
        default: Option<&BranchName>,
        branches: impl IntoIterator<Item = &'b BranchName>,
    ) -> Asked {
        let mut asked = Asked::default();
        for branch in branches {
            let parent = project.environment(branch, default).parent_branch;
            asked.branches.extend(parent);
            asked.branches.insert(branch.clone());
        }
        asked
    }

    /// The same of the branches that are to move.
    pub fn of_updates(
        project: &Project,
        default: Option<&BranchName>,
        updates: &[RefUpdate],
    ) -> Asked {
        Asked::of(
            project,
            default,
            &updates.iter().filter_map(branch).collect::<Vec<_>>(),
        )
    }

    /// And of what hangs on them, where the policy of a move asks for that.
    #[must_use]
    pub fn with_children(
        mut self,
        project: &Project,
        default: Option<&BranchName>,
        updates: &[RefUpdate],
    ) -> Asked {
        let matters = |update: &RefUpdate, branch: &BranchName| {
            let policy = project.environment(branch, default).policy;
            update.deletes() || policy.accept == Accept::Merge
        };
        let named = updates
            .iter()
            .filter_map(|update| Some((update, branch(update)?)));
        let above = named.filter(|(update, branch)| matters(update, branch));
        self.above.extend(above.map(|(_, branch)| branch));
        self
    }

    /// And of a parent that somebody chose for one of them.
    #[must_use]
    pub fn with_parent(mut self, chosen: Option<&str>) -> Asked {
        self.chosen.extend(chosen.map(str::to_owned));
        self
    }

    /// Reads what is asked, in the order of the ids. Whatever is decided with it about these branches
    /// is what would be decided with every record, whichever of them come to be with the same push, and
    /// in which order.
    ///
    /// # Errors
    /// The records'.
    pub fn read<R: Records>(&self, records: &R) -> Result<Vec<Place>, R::Error> {
        let mut found = Found::default();
        let mut new = Vec::new();
        for branch in &self.branches {
            match records.of(branch)? {
                Some(place) => found.put(place),
                None => new.push(branch),
            }
        }
        let ids = found.ids_of_new(records, &new)?;
        for wanted in &self.chosen {
            found.extend(records.by_id(wanted)?);
            if let Ok(branch) = BranchName::parse(wanted) {
                found.extend(records.of(&branch)?);
            }
        }
        if !self.chosen.is_empty() {
            found.ancestors(records)?;
        }
        if !self.above.is_empty() {
            let of = |branch: &BranchName| match found
                .0
                .values()
                .find(|place| place.branch == *branch)
            {
                Some(place) => vec![place.id.clone()],
                None => ids.get(branch).cloned().unwrap_or_default(),
            };
            let above = self.above.iter().flat_map(of).collect();
            found.extend(records.children(&above)?);
        }
        Ok(found.0.into_values().collect())
    }
}

/// The branch that an update is about, also where it is not served.
fn branch(update: &RefUpdate) -> Option<BranchName> {
    BranchName::parse(update.name.strip_prefix("refs/heads/")?).ok()
}

/// Records that were found, by their ids.
#[derive(Debug, Default)]
struct Found(BTreeMap<EnvironmentId, Place>);

impl Found {
    fn put(&mut self, place: Place) {
        self.0.insert(place.id.clone(), place);
    }

    fn extend(&mut self, places: impl IntoIterator<Item = Place>) {
        places.into_iter().for_each(|place| self.put(place));
    }

    /// Everything above what was found, once: a ring ends where it began.
    fn ancestors<R: Records>(&mut self, records: &R) -> Result<(), R::Error> {
        let mut waiting: Vec<String> = self.0.values().filter_map(|p| p.parent.clone()).collect();
        while let Some(parent) = waiting.pop() {
            if self.0.keys().any(|id| id.as_str() == parent) {
                continue;
            }
            if let Some(place) = records.by_id(&parent)? {
                waiting.extend(place.parent.clone());
                self.put(place);
            }
        }
        Ok(())
    }

    /// The ids that branches without a record may get, and whoever has such an id already. Each goes on
    /// until it has one that is nobody's and that no other of them may get: they may come to be in any
    /// order, and none needs a further one.
    fn ids_of_new<'b, R: Records>(
        &mut self,
        records: &R,
        new: &[&'b BranchName],
    ) -> Result<BTreeMap<&'b BranchName, Vec<EnvironmentId>>, R::Error> {
        let mut ids: BTreeMap<&BranchName, Vec<EnvironmentId>> = BTreeMap::new();
        let mut open = new.to_vec();
        while !open.is_empty() {
            for branch in open {
                let own = ids.entry(branch).or_default();
                let id = super::id_in(branch, own.len());
                if !self.0.contains_key(&id) {
                    self.extend(records.by_id(id.as_str())?);
                }
                own.push(id);
            }
            let mut wanted: BTreeMap<&EnvironmentId, usize> = BTreeMap::new();
            for id in ids.values().flatten() {
                *wanted.entry(id).or_default() += 1;
            }
            let sure = |id: &EnvironmentId| !self.0.contains_key(id) && wanted[id] == 1;
            let is_open = |branch: &&&BranchName| !ids[**branch].iter().any(sure);
            open = new.iter().filter(is_open).copied().collect();
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests;
