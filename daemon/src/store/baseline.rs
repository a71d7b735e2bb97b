//! What was in a repository before Wharf knew it: such branches are deployed once they move.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use wharf_config::name::{BranchName, ProjectName};

use super::{Recorder, StoreError, now};

/// A project's branches without an environment, as they were when Wharf first saw it, with their
/// tips in hex.
pub type Baseline = BTreeMap<BranchName, String>;

/// The baseline of a project, or as much of it as is about these branches; none where it was not taken
/// yet.
///
/// # Errors
/// The database's.
pub fn of(
    connection: &Connection,
    project: &ProjectName,
    only: Option<&BTreeSet<BranchName>>,
) -> Result<Option<Baseline>, StoreError> {
    let seen = connection
        .prepare_cached("SELECT 1 FROM project WHERE name = ?1")?
        .exists([project.as_str()])?;
    if !seen {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(
        "SELECT branch, tip FROM baseline WHERE project = ?1
         AND (?2 IS NULL OR branch IN (SELECT value FROM json_each(?2)))",
    )?;
    let only = only.map(|only| serde_json::to_string(only).expect("names are text"));
    let rows = statement.query_map((project.as_str(), only), |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?))
    })?;
    rows.map(|row| {
        let (branch, tip) = row?;
        match BranchName::parse(&branch) {
            Ok(branch) => Ok((branch, tip)),
            Err(_) => Err(StoreError::Unreadable {
                what: "branch",
                value: branch,
            }),
        }
    })
    .collect::<Result<_, _>>()
    .map(Some)
}

/// Records a project's baseline, in one go; one that was taken already stays. Branches that have
/// an environment meanwhile are left out.
///
/// # Errors
/// The database's.
pub fn take(
    connection: &mut Connection,
    project: &ProjectName,
    baseline: &Baseline,
) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let new = transaction.execute(
        "INSERT INTO project (name, seen) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        (project.as_str(), now()),
    )?;
    if new == 1 {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO baseline (project, branch, tip) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (SELECT 1 FROM environment WHERE project = ?1 AND branch = ?2)",
        )?;
        for (branch, tip) in baseline {
            insert.execute((project.as_str(), branch.as_str(), tip))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Forgets a branch that got an environment, or is gone.
///
/// # Errors
/// The database's.
pub fn drop_branch(
    connection: &Connection,
    project: &ProjectName,
    branch: &BranchName,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM baseline WHERE project = ?1 AND branch = ?2")?
        .execute((project.as_str(), branch.as_str()))?;
    Ok(())
}

impl Recorder {
    /// The baseline of a project, or as much of it as is about these branches; none where it was not
    /// taken yet.
    ///
    /// # Errors
    /// The database's.
    pub async fn baseline(
        &self,
        project: &ProjectName,
        only: Option<BTreeSet<BranchName>>,
    ) -> Result<Option<Baseline>, StoreError> {
        let project = project.clone();
        self.0
            .call(move |connection| of(connection, &project, only.as_ref()))
            .await
    }

    /// The projects whose baseline was taken.
    ///
    /// # Errors
    /// The database's.
    pub async fn known_projects(&self) -> Result<BTreeSet<String>, StoreError> {
        let read = self.0.call(|connection| {
            let mut statement = connection.prepare_cached("SELECT name FROM project")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        });
        read.await
    }

    /// Records a project's baseline, unless it was taken already.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_baseline(
        &self,
        project: &ProjectName,
        baseline: Baseline,
    ) -> Result<(), StoreError> {
        let project = project.clone();
        self.write("baseline", move |connection| {
            take(connection, &project, &baseline)
        })
        .await
    }

    /// Forgets branches of a baseline that are gone.
    ///
    /// # Errors
    /// The database's.
    pub async fn drop_baseline(
        &self,
        project: &ProjectName,
        branches: Vec<BranchName>,
    ) -> Result<(), StoreError> {
        let project = project.clone();
        self.0
            .call(move |connection| {
                branches
                    .iter()
                    .try_for_each(|branch| drop_branch(connection, &project, branch))
            })
            .await
    }
}
