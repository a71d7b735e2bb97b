//! What data environments begin with.

use rusqlite::Connection;

use super::environment::EnvironmentKey;
use super::{Recorder, StoreError};
use crate::plan::beginning::Beginning;

/// Records what data an environment begins with.
///
/// # Errors
/// The database's.
pub fn set(
    connection: &Connection,
    key: &EnvironmentKey,
    beginning: Beginning,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE environment SET beginning = ?3 WHERE project = ?1 AND id = ?2")?
        .execute((key.project.as_str(), key.id.as_str(), beginning.word()))?;
    Ok(())
}

impl Recorder {
    /// Records what data an environment begins with.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_beginning(
        &self,
        key: &EnvironmentKey,
        to: Beginning,
    ) -> Result<(), StoreError> {
        let key = key.clone();
        self.write("first data", move |connection| set(connection, &key, to))
            .await
    }
}
