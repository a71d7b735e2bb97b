//! Processes that keepers look after, so that a new daemon finds them again.

use rusqlite::{Connection, Row};

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
    /// The TCP port of the host that it was given; 0 where its network is its own.
    pub port: u16,
}

impl ProcessRecord {
    /// Its port, where that is the host's; none where its network is its own.
    pub fn port_of_host(&self) -> Option<u16> {
        (self.port != 0).then_some(self.port)
    }
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

const COLUMNS: &str = "instance, project, environment, release, name, port";

fn record(row: &Row<'_>) -> Result<ProcessRecord, StoreError> {
    let project: String = row.get(1)?;
    let environment: String = row.get(2)?;
    Ok(ProcessRecord {
        key: key(&project, &environment)?,
        instance: row.get(0)?,
        release: row.get(3)?,
        name: row.get(4)?,
        port: row.get(5)?,
    })
}

/// Every recorded process.
///
/// # Errors
/// The database's.
pub fn list(connection: &Connection) -> Result<Vec<ProcessRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM process"))?;
    let rows = statement.query_map([], |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

/// The recorded processes of an environment.
///
/// # Errors
/// The database's.
pub fn of(connection: &Connection, key: &EnvironmentKey) -> Result<Vec<ProcessRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM process WHERE project = ?1 AND environment = ?2"
    ))?;
    let names = (key.project.as_str(), key.id.as_str());
    let rows = statement.query_map(names, |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}
