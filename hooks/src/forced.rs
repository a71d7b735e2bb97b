//! Which branches would move to what is no descendant: the new commits are in quarantine, so git says
//! it here, for the daemon.

use std::{io, io::Read, process::Stdio, time::Instant};

use wharf_wire::hook::{AskForced, Forced, Push, RefUpdate};

use crate::{
    quarantine::{Git, ReadError, git},
    timed::Timed,
};

/// Answers the daemon's question.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn forced(
    question: &AskForced,
    push: &Push,
    until: Instant,
) -> Result<Forced, ReadError> {
    let mut updates = Vec::new();
    for &asked in &question.updates {
        let update = usize::try_from(asked)
            .ok()
            .and_then(|n| push.updates.get(n));
        let update = update
            .filter(|update| !update.creates() && !update.deletes())
            .ok_or(ReadError::Question)?;
        let is_forced =
            is_forced(update, until).map_err(|error| ReadError::Git(update.new.clone(), error))?;
        if is_forced {
            updates.push(asked);
        }
    }
    Ok(Forced { updates })
}

/// Whether what was there is no ancestor of what comes.
fn is_forced(update: &RefUpdate, until: Instant) -> io::Result<bool> {
    let words = ["merge-base", "--is-ancestor", &update.old, &update.new];
    let mut git = Git(git().args(words).stdin(Stdio::null()).spawn()?);
    // It says nothing; its output ends when it does, or at the deadline.
    let said = Timed::new(git.output(), until).take(1).read(&mut [0])?;
    match (said, git.0.wait()?.code()) {
        (0, Some(0)) => Ok(false),
        (0, Some(1)) => Ok(true),
        _ => Err(io::Error::other("git merge-base failed")),
    }
}
