//! Releases: a slug with an environment's variables and mounts, numbered.

use rusqlite::{Connection, OptionalExtension, Row};
use wharf_config::application::Application;

use super::environment::EnvironmentKey;
use super::{StoreError, now, variable};
use crate::plan::variables::Given;

/// A release's record.
#[derive(Debug, Clone)]
pub struct ReleaseRecord {
    /// Its number, from 1.
    pub number: u32,
    /// `making`, `ready` (it has served, so it may serve again), `failed`, `pruned`.
    pub state: ReleaseState,
    /// The slug's key.
    pub slug: String,
    /// The commit, in hex.
    pub commit: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// The configuration at that commit.
    pub application: Application,
    /// What was set when it was made: its own, whatever is set later.
    pub variables: Given,
    /// The activity that made it.
    pub activity: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created: u64,
}

/// Where a release stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseState {
    /// Its activity runs.
    Making,
    /// It has served, so it may serve again.
    Ready,
    /// It never served.
    Failed,
    /// Retention removed it.
    Pruned,
}

impl ReleaseState {
    /// The word in the store and in `--json`.
    pub fn word(self) -> &'static str {
        match self {
            ReleaseState::Making => "making",
            ReleaseState::Ready => "ready",
            ReleaseState::Failed => "failed",
            ReleaseState::Pruned => "pruned",
        }
    }

    fn parse(word: &str) -> Result<ReleaseState, StoreError> {
        Ok(match word {
            "making" => ReleaseState::Making,
            "ready" => ReleaseState::Ready,
            "failed" => ReleaseState::Failed,
            "pruned" => ReleaseState::Pruned,
            other => {
                return Err(StoreError::Unreadable {
                    what: "release state",
                    value: other.into(),
                });
            }
        })
    }
}

const COLUMNS: &str =
    "number, state, slug, commit_id, subject, application, activity, created, variables";

fn record(row: &Row<'_>) -> Result<ReleaseRecord, StoreError> {
    let application: String = row.get(5)?;
    Ok(ReleaseRecord {
        number: row.get(0)?,
        state: ReleaseState::parse(&row.get::<_, String>(1)?)?,
        slug: row.get(2)?,
        commit: row.get(3)?,
        subject: row.get(4)?,
        application: serde_json::from_str(&application).map_err(|_| StoreError::Unreadable {
            what: "release",
            value: application,
        })?,
        activity: row.get(6)?,
        created: row.get(7)?,
        variables: variable::given(row.get(8)?)?,
    })
}

/// Records a release that is being made.
///
/// # Errors
/// The database's.
pub fn make(
    connection: &mut Connection,
    key: &EnvironmentKey,
    release: &ReleaseRecord,
) -> Result<(), StoreError> {
    let application = serde_json::to_string(&release.application)
        .expect("an application is plain data with string keys");
    let variables = serde_json::to_string(&release.variables).expect("maps with string keys");
    let transaction = connection.transaction()?;
    transaction
        .prepare_cached(
            "INSERT INTO release (project, environment, number, state, slug, commit_id, subject,
                 application, activity, created, variables)
             VALUES (?1, ?2, ?3, 'making', ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            key.project.as_str(),
            key.id.as_str(),
            release.number,
            &release.slug,
            &release.commit,
            &release.subject,
            application,
            &release.activity,
            release.created,
            variables,
        ))?;
    transaction
        .prepare_cached("UPDATE activity SET release = ?2 WHERE id = ?1")?
        .execute((&release.activity, release.number))?;
    transaction
        .prepare_cached("UPDATE slug SET used = ?2 WHERE key = ?1")?
        .execute((&release.slug, now()))?;
    transaction.commit()?;
    Ok(())
}

/// Records where a release stands.
///
/// # Errors
/// The database's.
pub fn set_state(
    connection: &Connection,
    key: &EnvironmentKey,
    number: u32,
    state: ReleaseState,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE release SET state = ?4,
                 variables = CASE ?4 WHEN 'failed' THEN '{}' ELSE variables END
             WHERE project = ?1 AND environment = ?2 AND number = ?3",
        )?
        .execute((key.project.as_str(), key.id.as_str(), number, state.word()))?;
    Ok(())
}

/// One release.
///
/// # Errors
/// The database's.
pub fn find(
    connection: &Connection,
    key: &EnvironmentKey,
    number: u32,
) -> Result<Option<ReleaseRecord>, StoreError> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM release
             WHERE project = ?1 AND environment = ?2 AND number = ?3"
        ))?
        .query_row((key.project.as_str(), key.id.as_str(), number), |row| {
            Ok(record(row))
        })
        .optional()?
        .transpose()
}

/// The releases of an environment, newest first.
///
/// # Errors
/// The database's.
pub fn list(
    connection: &Connection,
    key: &EnvironmentKey,
) -> Result<Vec<ReleaseRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM release WHERE project = ?1 AND environment = ?2
         ORDER BY number DESC"
    ))?;
    let rows = statement.query_map((key.project.as_str(), key.id.as_str()), |row| {
        Ok(record(row))
    })?;
    rows.map(|row| row?).collect()
}
