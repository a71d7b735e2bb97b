//! The steps of an activity, and what else is told among them.

use rusqlite::Connection;
use wharf_wire::event::Stage;
use wharf_wire::view::{Reason, Step};

use super::super::{StoreError, notification, now};
use crate::notify::Audience;
use crate::plan::deployment::Outcome;
use crate::plan::parking::{Leave, Word};
use crate::plan::recovery::{CANCEL, PARKED, RESTART};

/// Records that a step began, before its effect; returns its number.
///
/// # Errors
/// The database's.
pub fn step_started(
    connection: &Connection,
    id: &str,
    stage: Stage,
    name: &str,
) -> Result<u32, StoreError> {
    Ok(connection
        .prepare_cached(
            "INSERT INTO step (activity, number, stage, name, started)
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4 FROM step WHERE activity = ?1
             RETURNING number",
        )?
        .query_row((id, stage.word(), name, now()), |row| row.get(0))?)
}

/// Records that a step ended, after its effect.
///
/// # Errors
/// The database's.
pub fn step_ended(
    connection: &Connection,
    id: &str,
    number: u32,
    result: &str,
    exit_code: Option<i32>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE step SET ended = ?3, result = ?4, exit_code = ?5
             WHERE activity = ?1 AND number = ?2",
        )?
        .execute((id, number, now(), result, exit_code))?;
    Ok(())
}

/// Records that the daemon died in the activity's middle and what becomes of it.
///
/// # Errors
/// The database's.
pub fn restart(connection: &mut Connection, id: &str, decision: &str) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let interrupted = Outcome::Interrupted.word();
    transaction
        .prepare_cached(
            "UPDATE step SET ended = ?2, result = ?3 WHERE activity = ?1 AND ended IS NULL",
        )?
        .execute((id, now(), interrupted))?;
    mark(&transaction, id, RESTART, decision)?;
    Ok(transaction.commit()?)
}

/// Records that somebody wants the activity stopped.
///
/// # Errors
/// The database's.
pub fn stopping(connection: &Connection, id: &str) -> Result<(), StoreError> {
    mark(connection, id, CANCEL, "asked")
}

/// Records in one go that it is built and waits, for what, what people read of that, and who is told.
///
/// # Errors
/// The database's.
pub fn park(
    connection: &mut Connection,
    id: &str,
    leave: &Leave,
    reason: &Reason,
    audience: &Audience,
) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    mark(&transaction, id, PARKED, &reason.code)?;
    transaction
        .prepare_cached(
            "UPDATE activity SET state = 'waiting', due = ?2, approved_by = ?3, reason_code = ?4,
                 reason_message = ?5, reason_hint = ?6 WHERE id = ?1 AND ended IS NULL",
        )?
        .execute((
            id,
            leave.due,
            &leave.approved_by,
            &reason.code,
            &reason.message,
            &reason.hint,
        ))?;
    notification::waits(&transaction, id, audience)?;
    Ok(transaction.commit()?)
}

/// Records by whose word a parked activity goes on; false where it does not wait for such a word now.
///
/// # Errors
/// The database's.
pub(super) fn unpark(connection: &Connection, id: &str, word: &Word) -> Result<bool, StoreError> {
    let (approved_by, now) = match word {
        Word::Approved { by, now } => (Some(by), *now),
        Word::Now { .. } => (None, true),
    };
    let changed = connection
        .prepare_cached(
            "UPDATE activity SET now = now OR ?3,
                 approved_by = CASE approved_by WHEN '' THEN coalesce(?2, '') ELSE approved_by END,
                 reason_code = NULL, reason_message = NULL, reason_hint = NULL
             WHERE id = ?1 AND state = 'waiting' AND reason_code = ?4",
        )?
        .execute((id, approved_by, now, word.answers()))?;
    Ok(changed > 0)
}

/// A row among the steps that is none.
fn mark(connection: &Connection, id: &str, name: &str, result: &str) -> Result<(), StoreError> {
    let number = step_started(connection, id, Stage::Deploy, name)?;
    step_ended(connection, id, number, result, None)
}

/// The steps of an activity, in order.
///
/// # Errors
/// The database's.
pub fn steps(connection: &Connection, id: &str) -> Result<Vec<Step>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT stage, name, started, ended, result, exit_code FROM step
         WHERE activity = ?1 ORDER BY number",
    )?;
    let rows = statement.query_map([id], |row| {
        Ok(Step {
            stage: match row.get::<_, String>(0)?.as_str() {
                "build" => Stage::Build,
                "deploy" => Stage::Deploy,
                _ => Stage::PostDeploy,
            },
            name: row.get(1)?,
            started: row.get(2)?,
            ended: row.get(3)?,
            result: row.get(4)?,
            exit_code: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
