//! The schema, step by step: each version is made from the one before, in one transaction.

use rusqlite::Connection;

use super::now;
use crate::fail;

/// How version N is made from version N-1. A step that was shipped never changes.
pub(super) const STEPS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    include_str!("schema/6.sql"),
];

/// The version that this program reads and writes; kept in SQLite's `user_version`.
pub const VERSION: usize = STEPS.len();

/// The first version that keeps a history.
const HISTORY: usize = 2;

/// The version of a database; 0 where nothing was made yet.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a database to [`VERSION`]. Whoever is killed meanwhile leaves one version or the next.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = version(connection)?;
    for (step, sql) in STEPS.iter().enumerate().skip(found) {
        let version = step + 1;
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", version)?;
        if version >= HISTORY {
            transaction.execute(
                "INSERT INTO history (version, program, made) VALUES (?1, ?2, ?3)",
                (version, env!("CARGO_PKG_VERSION"), now()),
            )?;
        }
        fail::point(format_args!("record schema {version}: before"));
        transaction.commit()?;
        fail::point(format_args!("record schema {version}: after"));
    }
    Ok(())
}

/// Which Wharf made the newest version of a database, where it says so.
pub(super) fn made_by(connection: &Connection) -> Option<String> {
    connection
        .query_row(
            "SELECT program FROM history ORDER BY version DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .ok()
}

#[cfg(test)]
mod tests;
