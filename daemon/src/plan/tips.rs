//! Branch tips against the record: which branches moved without a bell.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::name::BranchName;

/// Where a branch points to, as the repository says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tip {
    /// To this commit, in hex.
    At(String),
    /// It is there and cannot be followed: nothing is decided by it.
    Unknown,
}

/// What is recorded of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its branch.
    pub branch: BranchName,
    /// The recorded tip, in hex; none once the branch's deletion is recorded.
    pub tip: Option<String>,
    /// Whether it is production's.
    pub production: bool,
}

/// Which branches count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// These.
    Only(BTreeSet<BranchName>),
    /// All but these, whose bell may ring this moment.
    AllBut(BTreeSet<BranchName>),
}

impl Scope {
    fn holds(&self, branch: &BranchName) -> bool {
        match self {
            Scope::Only(branches) => branches.contains(branch),
            Scope::AllBut(branches) => !branches.contains(branch),
        }
    }
}

/// Whether an environment that outlived its recorded deletion is deleted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftover {
    /// At start: the last attempt failed or was cut short.
    Again,
    /// Else it is left to the activity that is recorded.
    Left,
}

/// All that the comparison needs.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The repository's branches.
    pub tips: &'a BTreeMap<BranchName, Tip>,
    /// The project's environments.
    pub known: &'a [Known],
    /// Branches that were there before Wharf was, with their tips then.
    pub baseline: &'a BTreeMap<BranchName, String>,
    /// Which branches count.
    pub scope: &'a Scope,
    /// What becomes of half-deleted environments.
    pub leftover: Leftover,
}

/// A branch that the record has not seen like this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub branch: BranchName,
    /// Where it was; none: it is new.
    pub old: Option<String>,
    /// Where it is; none: it is gone.
    pub new: Option<String>,
}

/// The branches that moved, in the order of their names: pushes, then deletions.
///
/// Production is never taken for deleted; and where its branch is gone nothing is: git refuses to
/// delete it, so this is not the repository that the record knows.
pub fn moved(facts: &Facts<'_>) -> Vec<Moved> {
    let named = facts.known.iter().map(|known| (&known.branch, known));
    let recorded: BTreeMap<&BranchName, &Known> = named.collect();
    let mut moved = Vec::new();
    for (branch, tip) in facts.tips {
        let Tip::At(tip) = tip else { continue };
        let known = recorded.get(branch);
        let old = match known {
            Some(known) => known.tip.as_ref(),
            None => facts.baseline.get(branch),
        };
        if facts.scope.holds(branch) && old != Some(tip) {
            moved.push(Moved {
                branch: branch.clone(),
                // What was there before is no push of anybody's.
                old: known.and_then(|known| known.tip.clone()),
                new: Some(tip.clone()),
            });
        }
    }
    let gone = |known: &&Known| !facts.tips.contains_key(&known.branch);
    let gone: Vec<&Known> = facts.known.iter().filter(gone).collect();
    if gone.iter().any(|known| known.production) {
        return moved;
    }
    for known in gone {
        let due = known.tip.is_some() || facts.leftover == Leftover::Again;
        if due && facts.scope.holds(&known.branch) {
            moved.push(Moved {
                branch: known.branch.clone(),
                old: known.tip.clone(),
                new: None,
            });
        }
    }
    moved
}

#[cfg(test)]
mod tests;
