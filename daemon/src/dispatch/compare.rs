//! What a repository's refs say against what is recorded of them.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::name::BranchName;
use wharf_config::project::Project;

use super::reconcile::served;
use crate::execute::refs::{self, HEADS};
use crate::execute::repository::RepositoryError;
use crate::plan::tips::{self, Facts, Known, Leftover, Moved, Scope, Tip};
use crate::store::baseline::Baseline;

/// What is recorded of a project's branches.
#[derive(Debug)]
pub(super) struct Record {
    /// Its environments.
    pub(super) known: Vec<Known>,
    /// What was there before Wharf was.
    pub(super) baseline: Baseline,
}

/// What is not as it is recorded.
#[derive(Debug)]
pub(super) struct Compared {
    /// The branches that moved without a bell.
    pub(super) moved: Vec<Moved>,
    /// Branches of the baseline that are not there any more.
    pub(super) gone: Vec<BranchName>,
}

type Tips = BTreeMap<BranchName, Tip>;

/// Compares the branches in scope. Blocks.
///
/// # Errors
/// When the refs cannot be read.
pub(super) fn compare(
    project: &Project,
    mut record: Record,
    scope: &Scope,
    leftover: Leftover,
) -> Result<Compared, RepositoryError> {
    // It follows production by itself, and has no environment.
    record
        .known
        .retain(|known| !project.is_mirror(&known.branch));
    record
        .baseline
        .retain(|branch, _| !project.is_mirror(branch));
    let tips = match scope {
        // Every push asks for its own: they are found by their names, however many others there are.
        Scope::Only(branches) => {
            record
                .baseline
                .retain(|branch, _| branches.contains(branch));
            // Production's tells whether this is the repository that the record knows.
            let counts = |known: &Known| known.production || branches.contains(&known.branch);
            record.known.retain(counts);
            let production = record.known.iter().map(|known| &known.branch);
            by_name(project, &branches.iter().chain(production).collect())?
        }
        Scope::AllBut(_) => at_a_glance(project)?,
    };
    confirmed(project, &record, tips, scope, leftover)
}

/// The comparison with tips that were read while git may have been packing them: whatever would be
/// done by them is looked at again by its name first.
fn confirmed(
    project: &Project,
    record: &Record,
    mut tips: Tips,
    scope: &Scope,
    leftover: Leftover,
) -> Result<Compared, RepositoryError> {
    let doubtful: BTreeSet<BranchName> = {
        let moved = moved(record, &tips, scope, leftover);
        let moved = moved.into_iter().map(|moved| moved.branch);
        let known = record.known.iter().map(|known| &known.branch);
        let recorded = known.chain(record.baseline.keys());
        let missing = recorded.filter(|branch| !tips.contains_key(branch));
        moved.chain(missing.cloned()).collect()
    };
    let found = by_name(project, &doubtful.iter().collect())?;
    tips.retain(|branch, _| !doubtful.contains(branch));
    tips.extend(found);

    let lost = |known: &&Known| known.production && !tips.contains_key(&known.branch);
    if let (Some(lost), Leftover::Again) = (record.known.iter().find(lost), leftover) {
        tracing::warn!(
            WHARF_PROJECT = %project.name,
            "production's branch {} is not in the repository: no branch is taken for deleted",
            lost.branch
        );
    }
    let gone = record.baseline.keys();
    let gone = gone.filter(|branch| !tips.contains_key(branch)).cloned();
    Ok(Compared {
        gone: gone.collect(),
        moved: moved(record, &tips, scope, leftover),
    })
}

fn moved(record: &Record, tips: &Tips, scope: &Scope, leftover: Leftover) -> Vec<Moved> {
    tips::moved(&Facts {
        tips,
        known: &record.known,
        baseline: &record.baseline,
        scope,
        leftover,
    })
}

/// All branches that can have an environment.
fn at_a_glance(project: &Project) -> Result<Tips, RepositoryError> {
    Ok(as_tips(project, refs::tips(&project.repository)?))
}

fn by_name(project: &Project, branches: &BTreeSet<&BranchName>) -> Result<Tips, RepositoryError> {
    let names = branches.iter().filter(|b| !project.is_mirror(b));
    let names: Vec<String> = names.map(|b| format!("{HEADS}{b}")).collect();
    if names.is_empty() {
        return Ok(Tips::new());
    }
    let found = refs::find_tips(&project.repository, names.iter().map(String::as_str))?;
    Ok(as_tips(project, found))
}

fn as_tips(project: &Project, found: Vec<refs::Tip>) -> Tips {
    let named = |tip: refs::Tip| Some((served(&tip)?, tip.commit.map_or(Tip::Unknown, Tip::At)));
    let named = found.into_iter().filter_map(named);
    named
        .filter(|(branch, _)| !project.is_mirror(branch))
        .collect()
}

#[cfg(test)]
mod tests;
