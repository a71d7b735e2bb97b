//! Processes that keepers look after, so that a new daemon finds them again.

use rusqlite::Connection;

use super::StoreError;
use super::environment::{EnvironmentKey, key};

/// A process's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRecord {
    /// Names the keeper, its socket, its output.
    pub instance: String,
    /// Whose.
    pub key: EnvironmentKey,
    /// The release that it runs.
    pub release: u32,
    /// `web`, or a worker's name.
    pub name: String,
    /// The TCP port that it was given.
    pub port: u16,
}

/// Records a process before it is started.
///
/// # Errors
/// The database's.
pub fn add(connection: &Connection, process: &ProcessRecord) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO process (instance, project, environment, release, name, port)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            &process.instance,
            process.key.project.as_str(),
            process.key.id.as_str(),
            process.release,
            &process.name,
            process.port,
        ))?;
    Ok(())
}

/// Forgets a process once it is stopped.
///
/// # Errors
/// The database's.
pub fn forget(connection: &Connection, instance: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM process WHERE instance = ?1")?
        .execute([instance])?;
    Ok(())
}

/// Every recorded process.
///
/// # Errors
/// The database's.
pub fn list(connection: &Connection) -> Result<Vec<ProcessRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT instance, project, environment, release, name, port FROM process",
    )?;
    let rows = statement.query_map([], |row| {
        let project: String = row.get(1)?;
        let environment: String = row.get(2)?;
        Ok((
            key(&project, &environment),
            row.get(0)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
        ))
    })?;
    rows.map(|row| {
        let (key, instance, release, name, port) = row?;
        Ok(ProcessRecord {
            instance,
            key: key?,
            release,
            name,
            port,
        })
    })
    .collect()
}
