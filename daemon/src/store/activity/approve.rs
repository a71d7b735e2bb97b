//! Somebody's word for an activity that is built and waits: an activity itself, recorded with it.

use rusqlite::Connection;

use super::steps::unpark;
use super::{Ending, NewActivity, StoreError, end, environment, insert, start};
use crate::plan::parking::Word;

/// Somebody lets an activity go on.
#[derive(Debug, Clone)]
pub struct Approval {
    /// The id of the one that waits.
    pub activity: String,
    /// By what word.
    pub word: Word,
    /// The activity that this is itself, with who did it.
    pub by: NewActivity,
}

/// Records in one transaction that an activity may go on and whose act that was, which ends with it;
/// returns the id of that act and the release that serves. None, and nothing recorded, where the
/// activity does not wait for this word any more: of two who say it, one did it.
///
/// # Errors
/// The database's; then nothing is recorded.
pub fn approve(
    connection: &mut Connection,
    approval: &Approval,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Option<(String, Option<u32>)>, StoreError> {
    let Approval { activity, word, by } = approval;
    let transaction = connection.transaction()?;
    if !unpark(&transaction, activity, word)? {
        return Ok(None);
    }
    let (id, _) = insert(&transaction, by, is_taken)?;
    let live = environment::find(&transaction, &by.key)?.and_then(|found| found.live);
    start(&transaction, &id)?;
    let ending = Ending {
        reason: Some(word.reason(activity)),
        ..Ending::done(live)
    };
    end(&transaction, &id, &ending)?;
    transaction.commit()?;
    Ok(Some((id, live)))
}

#[cfg(test)]
mod tests;
