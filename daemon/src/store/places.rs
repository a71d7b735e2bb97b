//! What is recorded of some branches: by their names and ids, however many others there are.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Params};
use wharf_config::name::{BranchName, EnvironmentId, ProjectName};

use super::environment::{COLUMNS, EnvironmentRecord, record};
use super::{Recorder, StoreError};
use crate::plan::places::{Asked, Place, Records};
use crate::plan::tips::Known;

/// The records of one project.
struct Recorded<'c> {
    connection: &'c Connection,
    project: &'c ProjectName,
}

impl Recorded<'_> {
    fn one(&self, which: &str, value: &str) -> Result<Option<Place>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM environment WHERE project = ?1 AND {which} = ?2");
        let found = self
            .connection
            .prepare_cached(&sql)?
            .query_row((self.project.as_str(), value), |row| Ok(record(row)))
            .optional()?
            .transpose()?;
        Ok(found.map(Place::from))
    }
}

impl Records for Recorded<'_> {
    type Error = StoreError;

    fn of(&self, branch: &BranchName) -> Result<Option<Place>, StoreError> {
        self.one("branch", branch.as_str())
    }

    fn by_id(&self, id: &str) -> Result<Option<Place>, StoreError> {
        self.one("id", id)
    }

    fn children(&self, of: &BTreeSet<EnvironmentId>) -> Result<Vec<Place>, StoreError> {
        let found = among(self.connection, self.project, "parent", of)?;
        Ok(found.into_iter().map(Place::from).collect())
    }
}

/// The environments of a project of which this column is one of these.
fn among<T: serde::Serialize>(
    connection: &Connection,
    project: &ProjectName,
    column: &str,
    these: &BTreeSet<T>,
) -> Result<Vec<EnvironmentRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM environment
         WHERE project = ?1 AND {column} IN (SELECT value FROM json_each(?2)) ORDER BY id"
    );
    let these = serde_json::to_string(these).expect("names are text");
    read(connection, &sql, (project.as_str(), these))
}

fn read(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<Vec<EnvironmentRecord>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

/// What is recorded of what is asked; see [`Asked::read`].
///
/// # Errors
/// The database's.
pub fn places(
    connection: &Connection,
    project: &ProjectName,
    asked: &Asked,
) -> Result<Vec<Place>, StoreError> {
    asked.read(&Recorded {
        connection,
        project,
    })
}

/// The tips that are recorded of these branches, and production's.
///
/// # Errors
/// The database's.
pub fn known(
    connection: &Connection,
    project: &ProjectName,
    branches: &BTreeSet<BranchName>,
) -> Result<Vec<Known>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM environment WHERE project = ?1 AND type = 'production'");
    let mut found = among(connection, project, "branch", branches)?;
    found.extend(
        read(connection, &sql, [project.as_str()])?
            .into_iter()
            .filter(|record| !branches.contains(&record.branch)),
    );
    Ok(found.into_iter().map(Known::from).collect())
}

impl From<EnvironmentRecord> for Place {
    fn from(record: EnvironmentRecord) -> Place {
        Place {
            id: record.key.id,
            branch: record.branch,
            parent: record.parent,
            live: record.live,
            is_there: record.tip.is_some(),
        }
    }
}

impl From<EnvironmentRecord> for Known {
    fn from(record: EnvironmentRecord) -> Known {
        Known {
            production: record.kind == "production",
            branch: record.branch,
            tip: record.tip,
        }
    }
}

impl Recorder {
    /// What is recorded of what is asked; see [`Asked::read`].
    ///
    /// # Errors
    /// The database's.
    pub async fn places(
        &self,
        project: &ProjectName,
        asked: Asked,
    ) -> Result<Vec<Place>, StoreError> {
        let project = project.clone();
        let read = self
            .0
            .call(move |connection| places(connection, &project, &asked));
        read.await
    }

    /// The tips that are recorded of these branches, and production's.
    ///
    /// # Errors
    /// The database's.
    pub async fn known(
        &self,
        project: &ProjectName,
        branches: BTreeSet<BranchName>,
    ) -> Result<Vec<Known>, StoreError> {
        let project = project.clone();
        let read = self
            .0
            .call(move |connection| known(connection, &project, &branches));
        read.await
    }
}
