//! How much there is, for monitoring: sums, never names.

use rusqlite::Connection;

use super::StoreError;

/// How much there is at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Activities that have not begun.
    pub waiting: u64,
    /// Activities that have begun and not ended.
    pub running: u64,
    /// Environments: type, status, how many.
    pub environments: Vec<(String, String, u64)>,
    /// Slugs.
    pub slugs: u64,
    /// What they hold.
    pub slug_bytes: u64,
}

/// Asks for all of it.
///
/// # Errors
/// The database's.
pub fn read(connection: &Connection) -> Result<Gauges, StoreError> {
    // By the index of those that have not ended, however many have.
    let open = "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'running')
                FROM activity WHERE state IN ('waiting', 'running')";
    let (waiting, running) = connection
        .prepare_cached(open)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kinds = "SELECT type, status, count(*) FROM environment GROUP BY type, status";
    let environments = connection
        .prepare_cached(kinds)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let held = "SELECT count(*), coalesce(sum(bytes), 0) FROM slug";
    let (slugs, slug_bytes) = connection
        .prepare_cached(held)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Gauges {
        waiting,
        running,
        environments,
        slugs,
        slug_bytes,
    })
}
