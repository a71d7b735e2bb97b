//! Which environments have had their sample data.

use rusqlite::Connection;

use super::environment::EnvironmentKey;
use super::{StoreError, now};

/// Whether an environment has had it.
///
/// # Errors
/// The database's.
pub fn is_seeded(connection: &Connection, key: &EnvironmentKey) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM seeded WHERE project = ?1 AND environment = ?2")?
        .exists((key.project.as_str(), key.id.as_str()))?)
}

/// Records that an activity brought it.
///
/// # Errors
/// The database's.
pub fn set(
    connection: &Connection,
    key: &EnvironmentKey,
    activity: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO seeded (project, environment, activity, done) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (project, environment) DO UPDATE SET activity = ?3, done = ?4",
        )?
        .execute((key.project.as_str(), key.id.as_str(), activity, now()))?;
    Ok(())
}
