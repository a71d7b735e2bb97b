//! The crons of what serves, and their runs: activities whose subject is the cron's name.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};
use wharf_config::application::Cron;
use wharf_config::name::ProcessName;
use wharf_wire::cron::CronRun;
use wharf_wire::outcome::State;
use wharf_wire::view::Reason;

use super::activity::word;
use super::environment::{EnvironmentKey, key};
use super::{Recorder, StoreError};
use crate::plan::retention::Run;

/// The crons of an environment's live release, where they are to run.
#[derive(Debug, Clone)]
pub struct LiveCrons {
    /// Which environment.
    pub key: EnvironmentKey,
    /// Its type's word.
    pub kind: String,
    /// Its crons by name.
    pub crons: BTreeMap<ProcessName, Cron>,
}

impl Recorder {
    /// The crons of all environments that are active, and from which nobody keeps visitors away.
    ///
    /// # Errors
    /// The database's.
    pub async fn live_crons(&self) -> Result<Vec<LiveCrons>, StoreError> {
        self.0.call(|connection| live(connection)).await
    }

    /// The runs of one cron that have ended, newest first.
    ///
    /// # Errors
    /// The database's.
    pub async fn ended_runs(
        &self,
        key: &EnvironmentKey,
        name: &str,
    ) -> Result<Vec<Run>, StoreError> {
        let (key, name) = (key.clone(), name.to_owned());
        self.0
            .call(move |connection| ended(connection, &key, &name))
            .await
    }

    /// The runs of one cron that go on, oldest first, and the one that ended last.
    ///
    /// # Errors
    /// The database's.
    pub async fn runs(
        &self,
        key: &EnvironmentKey,
        name: &str,
    ) -> Result<(Vec<CronRun>, Option<CronRun>), StoreError> {
        let (key, name) = (key.clone(), name.to_owned());
        self.0
            .call(move |connection| runs(connection, &key, &name))
            .await
    }
}

fn live(connection: &Connection) -> Result<Vec<LiveCrons>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT e.project, e.id, e.type, json_extract(r.application, '$.crons')
         FROM environment e JOIN release r
              ON r.project = e.project AND r.environment = e.id AND r.number = e.live
         WHERE e.status = 'active' AND e.maintenance IS NULL
               AND json_extract(r.application, '$.crons') IS NOT NULL",
    )?;
    let rows = statement.query_map([], |row| Ok(read_live(row)))?;
    rows.map(|row| row?).collect()
}

fn read_live(row: &Row<'_>) -> Result<LiveCrons, StoreError> {
    let crons: String = row.get(3)?;
    Ok(LiveCrons {
        key: key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?,
        kind: row.get(2)?,
        crons: serde_json::from_str(&crons).map_err(|_| StoreError::Unreadable {
            what: "crons of a release",
            value: String::new(),
        })?,
    })
}

fn ended(
    connection: &Connection,
    key: &EnvironmentKey,
    name: &str,
) -> Result<Vec<Run>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, state = 'failed' FROM activity
         WHERE project = ?1 AND environment = ?2 AND subject = ?3 AND kind = 'cron'
               AND ended IS NOT NULL
         ORDER BY number DESC",
    )?;
    let rows = statement.query_map((key.project.as_str(), key.id.as_str(), name), |row| {
        Ok(Run {
            activity: row.get(0)?,
            failed: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

const RUN: &str = "id, release, state, reason_code, reason_message, reason_hint,
                   coalesce(started, created), ended";

fn runs(
    connection: &Connection,
    key: &EnvironmentKey,
    name: &str,
) -> Result<(Vec<CronRun>, Option<CronRun>), StoreError> {
    let names = (key.project.as_str(), key.id.as_str(), name);
    let select = |which: &str, order: &str| {
        format!(
            "SELECT {RUN} FROM activity
             WHERE project = ?1 AND environment = ?2 AND subject = ?3 AND kind = 'cron'
                   AND {which} ORDER BY {order}"
        )
    };
    let mut statement = connection.prepare_cached(&select("ended IS NULL", "number"))?;
    let running = statement.query_map(names, run)?;
    let running = running.collect::<Result<_, _>>()?;
    // The one that ended last need not have begun last.
    let last = connection
        .prepare_cached(&select(
            "ended IS NOT NULL",
            "ended DESC, number DESC LIMIT 1",
        ))?
        .query_row(names, run)
        .optional()?;
    Ok((running, last))
}

fn run(row: &Row<'_>) -> rusqlite::Result<CronRun> {
    let state: State = word(row, 2)?;
    let reason = match (row.get(3)?, row.get(4)?) {
        (Some(code), Some(message)) => Some(Reason {
            code,
            message,
            hint: row.get(5)?,
        }),
        _ => None,
    };
    Ok(CronRun {
        activity: row.get(0)?,
        release: row.get(1)?,
        state,
        reason,
        started: row.get(6)?,
        ended: row.get(7)?,
    })
}
