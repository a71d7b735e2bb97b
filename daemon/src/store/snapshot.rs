//! Snapshots: copies of environments' data, and what activities do with them.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params};
use serde::{Deserialize, Serialize};

use super::environment::{EnvironmentKey, key};
use super::{Recorder, StoreError, now};
use crate::plan::snapshots::Why;

/// A snapshot's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRecord {
    /// Its id: the activity's that made it.
    pub id: String,
    /// Of which environment.
    pub key: EnvironmentKey,
    /// What that was: `production`, `staging`, `development`.
    pub kind: String,
    /// Where it stands.
    pub state: SnapshotState,
    /// Why it was taken.
    pub why: Why,
    /// What somebody says of it.
    pub title: String,
    /// The release that served.
    pub release: Option<u32>,
    /// Its commit, in hex.
    pub commit: Option<String>,
    /// The repository that holds it, as restic names it.
    pub repository: String,
    /// What it is made of.
    pub parts: Vec<PartRecord>,
    /// Bytes of all that it holds.
    pub bytes: u64,
    /// Bytes that the repository grew by.
    pub added: u64,
    /// When it was begun: milliseconds since 1970-01-01 UTC.
    pub created: u64,
    /// When it was done, or given up.
    pub ended: Option<u64>,
    /// When it was last seen that it can be restored.
    pub verified: Option<u64>,
    /// Why it is bad.
    pub error: String,
}

/// One copy of restic's that a snapshot is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRecord {
    /// `mounts`, or `service:NAME`.
    pub name: String,
    /// The id that restic gave it, whole.
    pub snapshot: String,
    /// Bytes of all that it holds.
    pub bytes: u64,
}

/// Where a snapshot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is being made, and is nothing yet.
    Making,
    /// All of it is in the repository, and was looked at.
    Good,
    /// It cannot be restored, or was never whole.
    Bad,
    /// It is on its way out.
    Deleting,
}

impl SnapshotState {
    const ALL: [SnapshotState; 4] = [
        SnapshotState::Making,
        SnapshotState::Good,
        SnapshotState::Bad,
        SnapshotState::Deleting,
    ];

    /// The word that people and the store use.
    pub fn word(self) -> &'static str {
        match self {
            SnapshotState::Making => "making",
            SnapshotState::Good => "good",
            SnapshotState::Bad => "bad",
            SnapshotState::Deleting => "deleting",
        }
    }
}

/// What an activity has to do with a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotOrder {
    /// It makes one.
    Make {
        /// The environment's type.
        kind: String,
        /// Why.
        why: Why,
        /// What somebody says of it.
        title: String,
    },
    /// It restores, tries or deletes this one.
    Use(String),
}

/// Records what a new activity has to do with a snapshot.
pub(super) fn order(
    connection: &Connection,
    activity: &str,
    key: &EnvironmentKey,
    order: &SnapshotOrder,
) -> Result<(), StoreError> {
    match order {
        SnapshotOrder::Make { kind, why, title } => {
            connection
                .prepare_cached(
                    "INSERT INTO snapshot (id, project, environment, type, state, why, title,
                         repository, parts, bytes, added, created, error)
                     VALUES (?1, ?2, ?3, ?4, 'making', ?5, ?6, '', '[]', 0, 0, ?7, '')",
                )?
                .execute((
                    activity,
                    key.project.as_str(),
                    key.id.as_str(),
                    kind,
                    why.word(),
                    title,
                    now(),
                ))?;
        }
        SnapshotOrder::Use(snapshot) => {
            connection
                .prepare_cached("INSERT INTO snapshot_use (activity, snapshot) VALUES (?1, ?2)")?
                .execute((activity, snapshot))?;
        }
    }
    Ok(())
}

/// Whether an activity of that id made one that is still there.
pub(super) fn is_known(connection: &Connection, id: &str) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM snapshot WHERE id = ?1")?;
    Ok(statement.exists([id])?)
}

/// With the end of its activity nobody makes it any more: what is not whole by then is bad.
pub(super) fn give_up(connection: &Connection, id: &str, why: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE snapshot SET state = 'bad', error = ?2, ended = ?3
             WHERE id = ?1 AND state = 'making'",
        )?
        .execute((id, why, now()))?;
    Ok(())
}

type Stored<T> = Result<T, StoreError>;

const COLUMNS: &str = "id, project, environment, type, state, why, title, release, commit_id, repository, parts, \
                       bytes, added, created, ended, verified, error";

fn record(row: &Row<'_>) -> Result<SnapshotRecord, StoreError> {
    let (project, environment): (String, String) = (row.get(1)?, row.get(2)?);
    let (state, why, parts): (String, String, String) = (row.get(4)?, row.get(5)?, row.get(10)?);
    let unreadable = |what, value: &str| StoreError::Unreadable {
        what,
        value: value.to_owned(),
    };
    let mut states = SnapshotState::ALL.into_iter();
    Ok(SnapshotRecord {
        id: row.get(0)?,
        key: key(&project, &environment)?,
        kind: row.get(3)?,
        state: states
            .find(|one| one.word() == state)
            .ok_or_else(|| unreadable("state of a snapshot", &state))?,
        why: Why::parse(&why).ok_or_else(|| unreadable("why of a snapshot", &why))?,
        title: row.get(6)?,
        release: row.get(7)?,
        commit: row.get(8)?,
        repository: row.get(9)?,
        parts: serde_json::from_str(&parts)
            .map_err(|_| unreadable("parts of a snapshot", &parts))?,
        bytes: row.get(11)?,
        added: row.get(12)?,
        created: row.get(13)?,
        ended: row.get(14)?,
        verified: row.get(15)?,
        error: row.get(16)?,
    })
}

fn all(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<SnapshotRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM snapshot WHERE {condition} ORDER BY created DESC, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(parameters, |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

impl Recorder {
    /// A snapshot; none where there is none of that id.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot(&self, id: &str) -> Stored<Option<SnapshotRecord>> {
        let id = id.to_owned();
        let find = move |connection: &mut Connection| Ok(all(connection, "id = ?1", [&id])?.pop());
        self.0.call(find).await
    }

    /// All snapshots, the newest first: of one project, or of all.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshots(&self, project: Option<String>) -> Stored<Vec<SnapshotRecord>> {
        self.0
            .call(move |connection| all(connection, "?1 IS NULL OR project = ?1", [&project]))
            .await
    }

    /// The snapshot that an activity has to do with and did not make.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot_of(&self, activity: &str) -> Stored<Option<SnapshotRecord>> {
        let id = activity.to_owned();
        let condition = "id = (SELECT snapshot FROM snapshot_use WHERE activity = ?1)";
        let find = move |connection: &mut Connection| Ok(all(connection, condition, [&id])?.pop());
        self.0.call(find).await
    }

    /// The environments in which a snapshot is being taken or tried, or waits for that.
    ///
    /// # Errors
    /// The database's.
    pub async fn copying(&self) -> Stored<BTreeSet<EnvironmentKey>> {
        self.0
            .call(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT DISTINCT project, environment FROM activity
                     WHERE state IN ('waiting', 'running') AND kind IN ('snapshot', 'snapshot-test')",
                )?;
                let rows = statement
                    .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
                rows.map(|row| row.map_err(StoreError::from).and_then(|(project, id)| key(&project, &id)))
                    .collect()
            })
            .await
    }

    /// When an environment was made: milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// The database's.
    pub async fn environment_since(&self, of: &EnvironmentKey) -> Stored<Option<u64>> {
        let of = of.clone();
        self.0
            .call(move |connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT created FROM environment WHERE project = ?1 AND id = ?2",
                )?;
                let made = statement
                    .query_row((of.project.as_str(), of.id.as_str()), |row| row.get(0))
                    .optional()?;
                Ok(made)
            })
            .await
    }

    /// Records that a snapshot is being made, from its beginning, and of what.
    ///
    /// # Errors
    /// The database's.
    pub async fn make_snapshot(&self, made: SnapshotRecord) -> Stored<()> {
        self.write("snapshot", move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO snapshot (id, project, environment, type, state, why, title,
                         release, commit_id, repository, parts, bytes, added, created, error)
                     VALUES (:id, :project, :environment, :type, 'making', :why, :title,
                         :release, :commit, :repository, '[]', 0, 0, :created, '')
                     ON CONFLICT (id) DO UPDATE SET state = 'making', release = :release,
                         commit_id = :commit, repository = :repository, parts = '[]',
                         bytes = 0, added = 0, created = :created, error = ''",
                )?
                .execute(named_params! {
                    ":id": made.id,
                    ":project": made.key.project.as_str(),
                    ":environment": made.key.id.as_str(),
                    ":type": made.kind,
                    ":why": made.why.word(),
                    ":title": made.title,
                    ":release": made.release,
                    ":commit": made.commit,
                    ":repository": made.repository,
                    ":created": made.created,
                })?;
            Ok(())
        })
        .await
    }

    /// Records that every part of a snapshot is in the repository. It is not good yet.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot_stored(&self, id: &str, parts: &[PartRecord], added: u64) -> Stored<()> {
        let id = id.to_owned();
        let bytes = parts.iter().map(|part| part.bytes).sum::<u64>();
        let parts = serde_json::to_string(parts).expect("names and numbers are JSON");
        self.write("parts of snapshot", move |connection| {
            connection
                .prepare_cached(
                    "UPDATE snapshot SET parts = ?2, bytes = ?3, added = ?4 WHERE id = ?1",
                )?
                .execute((&id, &parts, bytes, added))?;
            Ok(())
        })
        .await
    }

    /// Records that a snapshot is whole and was looked at.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot_good(&self, id: &str) -> Stored<()> {
        self.change("good snapshot", id, "state = 'good', ended = ?2")
            .await
    }

    /// Records that a snapshot was restored, and is as it should be.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot_verified(&self, id: &str) -> Stored<()> {
        self.change("verified snapshot", id, "verified = ?2").await
    }

    /// Records that a snapshot cannot be restored, and why.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot_bad(&self, id: &str, why: &str) -> Stored<()> {
        let (id, why) = (id.to_owned(), why.to_owned());
        self.write("bad snapshot", move |connection| {
            connection
                .prepare_cached(
                    "UPDATE snapshot SET state = 'bad', error = ?2, ended = coalesce(ended, ?3)
                     WHERE id = ?1 AND state <> 'deleting'",
                )?
                .execute((&id, &why, now()))?;
            Ok(())
        })
        .await
    }

    /// Records that a snapshot goes: from now on nobody restores it.
    ///
    /// # Errors
    /// The database's.
    pub async fn snapshot_goes(&self, id: &str) -> Stored<()> {
        self.change(
            "going snapshot",
            id,
            "state = 'deleting', ended = coalesce(ended, ?2)",
        )
        .await
    }

    /// Forgets a snapshot that is gone from its repository.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_snapshot(&self, id: &str) -> Stored<()> {
        let id = id.to_owned();
        self.write("no snapshot", move |connection| {
            connection
                .prepare_cached("DELETE FROM snapshot WHERE id = ?1")?
                .execute([&id])?;
            Ok(())
        })
        .await
    }

    async fn change(&self, what: &'static str, id: &str, changes: &'static str) -> Stored<()> {
        let id = id.to_owned();
        self.write(what, move |connection| {
            connection
                .prepare_cached(&format!("UPDATE snapshot SET {changes} WHERE id = ?1"))?
                .execute((&id, now()))?;
            Ok(())
        })
        .await
    }
}
