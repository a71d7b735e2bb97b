//! How far branches are from their parents, in commits.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, TryLockError};
use std::time::Instant;

use gix::ObjectId;

use super::repository::{RepositoryError, object_id, open, reading};

/// Distances that are remembered, at most: two for each branch of a large host.
const REMEMBERED: usize = 50_000;
/// Commits that are counted on one side, at most.
const MOST: u32 = 9_999;
/// Bytes of a repository's objects that are kept while distances are counted.
const OBJECTS: usize = 16 << 20;

/// How far one commit is from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// Commits that only the first one has, at most 9,999.
    pub ahead: u32,
    /// Commits that only the second one has, at most 9,999.
    pub behind: u32,
}

/// A branch's tip and its parent's, in hex.
pub type Pair = (String, String);

/// Distances that were counted. Commits never change, so neither do these.
#[derive(Debug, Default)]
pub struct Distances {
    known: Mutex<HashMap<(ObjectId, ObjectId), Distance>>,
    counting: Mutex<()>,
}

impl Distances {
    /// What is known of pairs already, in their order.
    pub fn known(&self, pairs: &[Pair]) -> Vec<Option<Distance>> {
        let known = self.known.lock().expect("no holder panics");
        let find = |pair: &Pair| known.get(&ids(pair).ok()?).copied();
        pairs.iter().map(find).collect()
    }

    /// Counts what is not known yet, until the time is over; whoever finds somebody at it already
    /// leaves it to them. Blocks.
    ///
    /// # Errors
    /// When the repository or a commit cannot be read.
    pub fn count(
        &self,
        repository: &Path,
        pairs: &[Pair],
        until: Option<Instant>,
    ) -> Result<(), RepositoryError> {
        let _counting = match self.counting.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
        };
        let mut opened: Option<gix::Repository> = None;
        for (pair, known) in pairs.iter().zip(self.known(pairs)) {
            if known.is_some() {
                continue;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(());
            }
            let repository = match &mut opened {
                Some(repository) => repository,
                none => {
                    let repository = none.insert(open(repository)?);
                    repository.object_cache_size(OBJECTS);
                    repository
                }
            };
            let (own, parent) = ids(pair)?;
            let distance = Distance {
                ahead: only(repository, own, parent)?,
                behind: only(repository, parent, own)?,
            };
            let mut known = self.known.lock().expect("no holder panics");
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert((own, parent), distance);
        }
        Ok(())
    }
}

fn ids((own, parent): &Pair) -> Result<(ObjectId, ObjectId), RepositoryError> {
    Ok((object_id(own)?, object_id(parent)?))
}

/// How many commits one has and the other has not. Where commits are dated before their parents, and
/// git has not written a commit-graph yet, gix may count some that both have.
fn only(
    repository: &gix::Repository,
    one: ObjectId,
    other: ObjectId,
) -> Result<u32, RepositoryError> {
    if one == other {
        return Ok(0);
    }
    let walk = repository.rev_walk([one]).with_hidden([other]).all();
    let walk = walk.map_err(reading("the history of", one))?;
    let mut count = 0;
    for commit in walk {
        commit.map_err(reading("the history of", one))?;
        count += 1;
        if count == MOST {
            break;
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
