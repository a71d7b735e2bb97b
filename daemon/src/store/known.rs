//! Whether a move of a branch is recorded already: the bell and the comparison may both come.

use rusqlite::{Connection, OptionalExtension};
use wharf_wire::outcome::Kind;

use super::activity::{NewActivity, RECONCILE};
use super::{StoreError, environment, now, status};
use crate::plan::limits::Full;
use crate::plan::variables::TooMuch;

/// Bells of pushes that went on at the same time come in any order, but within this time.
const CONCURRENT: u64 = 10 * 60 * 1000;

/// What became of an activity that was to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It is recorded under this id and number.
    New(String, u64),
    /// The same move was taken up before its bell rang, under this id.
    Known(String),
    /// It is recorded under the first id, and ended: the second was a later push to the same branch
    /// whose bell came first.
    Overtaken(String, String),
    /// It is recorded under this id, and ended: nothing was left to do. This release serves.
    Done(String, Option<u32>),
    /// There is nothing to do.
    Nothing,
    /// It is not recorded: the project's plan leaves no room for it.
    NoRoom(Full),
    /// It is not recorded: a bound of variables stands against it.
    TooMuch(TooMuch),
}

/// What is known of a move that somebody reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// Nobody has reported it.
    New,
    /// It is recorded under this id.
    Known(String),
    /// This later one is recorded.
    Overtaken(String),
    /// There is nothing to do.
    Nothing,
}

/// Compares a move with the record; within the transaction that records it.
pub(super) fn look(connection: &Connection, activity: &NewActivity) -> Result<Report, StoreError> {
    let made_up = activity.actor.source == RECONCILE;
    if activity.renames.is_some() {
        // Nobody else takes one up; it is compared with the record where that changes its branch.
        return Ok(Report::New);
    }
    let record = environment::find(connection, &activity.key)?;
    match activity.kind {
        // Found before it was recorded that the branch is called otherwise.
        Kind::Push if made_up && is_elsewhere(connection, activity)? => Ok(Report::Nothing),
        Kind::Push if made_up => {
            let tip = record.and_then(|record| record.tip);
            Ok(match tip == activity.commit.new {
                true => Report::Nothing,
                false => Report::New,
            })
        }
        kind if kind.moves_branch() => {
            if let Some(id) = made_up_for(connection, activity)? {
                return Ok(Report::Known(id));
            }
            let tip = record.and_then(|record| record.tip);
            if tip.is_none() || tip == activity.commit.old {
                return Ok(Report::New);
            }
            Ok(match later(connection, activity)? {
                Some(id) => Report::Overtaken(id),
                None => Report::New,
            })
        }
        Kind::Delete => {
            if !made_up && let Some(id) = made_up_for(connection, activity)? {
                return Ok(Report::Known(id));
            }
            let begun = made_up && is_being_deleted(connection, activity)?;
            // Its environment may have another branch by now: one that was renamed.
            let own = record.filter(|record| record.branch == activity.branch);
            Ok(match own.is_none() || begun {
                true => Report::Nothing,
                false => Report::New,
            })
        }
        Kind::Pause | Kind::Resume => status::look(connection, activity),
        _ => Ok(Report::New),
    }
}

/// The activity that took the same move up, where it is the newest move of the branch that counts:
/// found by a comparison, or a command's own that the spool told of.
fn made_up_for(
    connection: &Connection,
    activity: &NewActivity,
) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT id FROM activity WHERE number =
                 (SELECT max(number) FROM activity
                  WHERE project = ?1 AND environment = ?2
                  AND kind IN ('push', 'branch', 'merge', 'promote', 'sync', 'delete')
                  AND state <> 'superseded')
             AND commit_new IS ?4
             AND ((actor_source = ?5 AND (kind = ?3 OR kind = 'push' AND ?3 <> 'delete'))
                 OR (kind = ?3 AND kind IN ('branch', 'merge', 'promote', 'sync'))
                 OR (kind = ?3 AND kind = 'delete' AND state IN ('waiting', 'running')))",
        )?
        .query_row(
            (
                activity.key.project.as_str(),
                activity.key.id.as_str(),
                activity.kind.word(),
                &activity.commit.new,
                RECONCILE,
            ),
            |row| row.get(0),
        )
        .optional()?)
}

/// A push that began where this one ends, or that stands for this one and what came after it.
fn later(connection: &Connection, activity: &NewActivity) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT id FROM activity
             WHERE project = ?1 AND environment = ?2 AND created >= ?3
             AND kind IN ('push', 'branch', 'merge', 'promote', 'sync')
             AND (commit_old IS ?4 OR (commit_old IS ?5 AND actor_source = ?6))
             ORDER BY number DESC LIMIT 1",
        )?
        .query_row(
            (
                activity.key.project.as_str(),
                activity.key.id.as_str(),
                now().saturating_sub(CONCURRENT),
                &activity.commit.new,
                &activity.commit.old,
                RECONCILE,
            ),
            |row| row.get(0),
        )
        .optional()?)
}

fn is_elsewhere(connection: &Connection, activity: &NewActivity) -> Result<bool, StoreError> {
    environment::is_elsewhere(connection, &activity.key, &activity.branch)
}

fn is_being_deleted(connection: &Connection, activity: &NewActivity) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT 1 FROM activity WHERE project = ?1 AND environment = ?2 AND kind = 'delete'
             AND state IN ('waiting', 'running')",
        )?
        .exists((activity.key.project.as_str(), activity.key.id.as_str()))?)
}

#[cfg(test)]
mod tests;
