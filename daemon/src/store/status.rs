//! Which environments live: decided in the transaction that records who wants one to.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};
use wharf_config::name::ProjectName;
use wharf_config::project::{Kind as Type, MaxActive};
use wharf_wire::outcome::{Kind, State};

use super::activity::NewActivity;
use super::environment::{self, EnvironmentKey, EnvironmentRecord, key};
use super::known::Report;
use super::{StoreError, now};
use crate::plan::limits::{self, Counted, Full, Status, Wish};

/// The source of an actor that is the project's own rule.
pub const POLICY: &str = "policy";
/// The source of an actor who waits for a page.
pub const REQUEST: &str = "request";
/// So long after a failed attempt no visitor begins another one.
const PATIENCE: u64 = 60_000;

/// How many environments of each project may live.
pub type Limits = BTreeMap<ProjectName, MaxActive>;

/// What an environment is once this move of its branch is recorded.
pub(super) fn of_push(
    connection: &Connection,
    wanted: &EnvironmentRecord,
    limits: &Limits,
) -> Result<Status, StoreError> {
    let known = environment::find(connection, &wanted.key)?.map(|record| record.status());
    let none = MaxActive::default();
    let limits = limits.get(&wanted.key.project).unwrap_or(&none);
    let others = match *limits == none || known.is_some_and(Status::counts) {
        // The usual case, however many there are.
        true => Vec::new(),
        false => others(connection, &wanted.key)?,
    };
    let wish = Wish::of(&wanted.status);
    Ok(limits::decide(
        limits,
        wanted.type_of(),
        known,
        wish,
        &others,
    ))
}

/// Gives an inactive environment one of the plan's places, if one is free.
pub(super) fn activate(
    connection: &Connection,
    key: &EnvironmentKey,
    limits: &Limits,
) -> Result<Result<(), Full>, StoreError> {
    let record = environment::find(connection, key)?;
    let Some(record) = record.filter(|record| record.status() == Status::Inactive) else {
        return Ok(Ok(()));
    };
    let none = MaxActive::default();
    let limits = limits.get(&key.project).unwrap_or(&none);
    let room = |others: Vec<Counted>| limits::room(limits, record.type_of(), &others);
    if room(others(connection, key)?).is_err()
        && let Err(full) = room(counted(connection, key)?)
    {
        return Ok(Err(full));
    }
    set(connection, key, Status::Active)?;
    Ok(Ok(()))
}

/// The other environments of the project that take a place; not when they were deployed.
fn others(connection: &Connection, own: &EnvironmentKey) -> Result<Vec<Counted>, StoreError> {
    // However many inactive ones there are, nobody makes records of them.
    let mut statement = connection.prepare_cached(
        "SELECT id, type, status, id IN (SELECT parent FROM environment WHERE project = ?1 AND parent IS NOT NULL)
         FROM environment WHERE project = ?1 AND id <> ?2 AND status <> ?3 ORDER BY id",
    )?;
    let inactive = Status::Inactive.word();
    let names = (own.project.as_str(), own.id.as_str(), inactive);
    let rows = statement.query_map(names, |row| {
        Ok(Counted {
            id: row.get(0)?,
            kind: type_of(&row.get::<_, String>(1)?),
            status: Status::of(&row.get::<_, String>(2)?),
            deployed: 0,
            is_parent: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The other environments of the project that take a place.
///
/// # Errors
/// The database's.
pub fn counted(connection: &Connection, own: &EnvironmentKey) -> Result<Vec<Counted>, StoreError> {
    let mut others = others(connection, own)?;
    let mut deployed: BTreeMap<String, u64> = deployed(connection, Some(&own.project))?
        .into_iter()
        .map(|(key, at)| (key.id.to_string(), at))
        .collect();
    for other in &mut others {
        other.deployed = deployed.remove(&other.id).unwrap_or_default();
    }
    Ok(others)
}

/// When somebody last deployed or resumed each environment, or tried to.
///
/// # Errors
/// The database's.
pub fn deployed(
    connection: &Connection,
    project: Option<&ProjectName>,
) -> Result<BTreeMap<EnvironmentKey, u64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT project, id, coalesce(
             (SELECT ended FROM activity
              WHERE activity.project = environment.project
              AND activity.environment = environment.id AND ended IS NOT NULL
              AND kind NOT IN ('pause', 'deactivate', 'delete', 'check', 'info', 'approve',
                               'variable', 'run', 'cron', 'upload', 'download', 'seed', 'maintenance-on',
                               'maintenance-off', 'snapshot', 'snapshot-test', 'snapshot-delete')
              ORDER BY number DESC LIMIT 1), created)
         FROM environment WHERE ?1 IS NULL OR project = ?1",
    )?;
    let rows = statement.query_map([project.map(ProjectName::as_str)], |row| {
        let (project, id): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((key(&project, &id), row.get(2)?))
    })?;
    rows.map(|row| {
        let (key, at) = row?;
        Ok((key?, at))
    })
    .collect()
}

/// Records what an environment is; one that is to be deleted stays so.
///
/// # Errors
/// The database's.
pub fn set(
    connection: &Connection,
    key: &EnvironmentKey,
    status: Status,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE environment SET status = ?3
             WHERE project = ?1 AND id = ?2 AND status <> 'deleting'",
        )?
        .execute((key.project.as_str(), key.id.as_str(), status.word()))?;
    Ok(())
}

/// Forgets what a deactivated environment had; its branch stays, and with it its record.
///
/// # Errors
/// The database's.
pub fn rest(connection: &mut Connection, key: &EnvironmentKey) -> Result<(), StoreError> {
    environment::forget(connection, key)?;
    set(connection, key, Status::Inactive)
}

/// Whether nobody's own wish is to be recorded: a rule's or a visitor's gives way to what is going
/// on, and is recorded once.
pub(super) fn look(connection: &Connection, activity: &NewActivity) -> Result<Report, StoreError> {
    let source = activity.actor.source.as_str();
    if source != POLICY && source != REQUEST {
        return Ok(Report::New);
    }
    let open = newest(connection, &activity.key, "state IN ('waiting', 'running')")?;
    let record = environment::find(connection, &activity.key)?;
    let status = record.map(|record| record.status());
    let wanted = match (activity.kind, open) {
        // Whoever waits came while it was being paused.
        (Kind::Resume, Some(open)) => open.kind == Kind::Pause.word(),
        (Kind::Resume, None) => {
            let last = newest(connection, &activity.key, "TRUE")?;
            let in_vain = |last: Newest| {
                last.source == REQUEST
                    && last.state == State::Failed.word()
                    && last.ended.unwrap_or_default().saturating_add(PATIENCE) > now()
            };
            status == Some(Status::Paused) && !last.is_some_and(in_vain)
        }
        (_, open) => open.is_none() && status == Some(Status::Active),
    };
    Ok(match wanted {
        true => Report::New,
        false => Report::Nothing,
    })
}

/// What counts of an environment's newest activity that neither runs beside nor is a copy.
struct Newest {
    kind: String,
    state: String,
    source: String,
    ended: Option<u64>,
}

fn newest(
    connection: &Connection,
    key: &EnvironmentKey,
    which: &'static str,
) -> Result<Option<Newest>, StoreError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT kind, state, actor_source, ended FROM activity
             WHERE project = ?1 AND environment = ?2 AND kind NOT IN ('run', 'cron', 'upload', 'download',
                 'snapshot', 'snapshot-test', 'snapshot-delete') AND {which}
             ORDER BY number DESC LIMIT 1"
        ))?
        .query_row((key.project.as_str(), key.id.as_str()), |row| {
            Ok(Newest {
                kind: row.get(0)?,
                state: row.get(1)?,
                source: row.get(2)?,
                ended: row.get(3)?,
            })
        })
        .optional()?)
}

/// The type of a record's word. One that nobody knows is given the greatest care.
fn type_of(word: &str) -> Type {
    Type::parse(word).unwrap_or(Type::Production)
}

impl EnvironmentRecord {
    /// What it is.
    pub fn status(&self) -> Status {
        Status::of(&self.status)
    }

    /// Its type. A word that nobody knows is given the greatest care.
    pub fn type_of(&self) -> Type {
        type_of(&self.kind)
    }

    /// Whether it is the root of its project's tree.
    pub fn production(&self) -> bool {
        self.type_of() == Type::Production
    }
}

#[cfg(test)]
mod tests;
