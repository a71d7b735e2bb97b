//! What must be recorded is recorded, if need be later: a full disk gets room again.

use std::time::Duration;

use super::database::StoreError;
use crate::execute::failure::chain;

/// The wait before the second attempt; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);
/// See [`FIRST`].
const LONGEST: Duration = Duration::from_secs(5);

/// Tries until it is recorded. Whoever is stopped meanwhile is taken up by the next daemon, which
/// finds the record as it was.
pub async fn insist<T, R>(activity: &str, what: &'static str, mut record: impl FnMut() -> R) -> T
where
    R: Future<Output = Result<T, StoreError>>,
{
    let mut pause = FIRST;
    loop {
        let error = match record().await {
            Ok(recorded) => return recorded,
            // Said once where it was found. No attempt helps, and nothing may go on as if it were
            // recorded: the next daemon takes the activity up when the database is mended.
            Err(StoreError::Fault(_)) => std::future::pending().await,
            Err(error) => error,
        };
        tracing::error!(
            WHARF_ACTIVITY = activity,
            what,
            error = chain(&error),
            "the store did not take or tell it; trying again in {} ms",
            pause.as_millis()
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}
