//! Activities as people read them.

use rusqlite::{Connection, OptionalExtension, Row};
use wharf_wire::outcome::Kind;
use wharf_wire::view::{Activity, Actor, Commit, Reason};

use super::{StoreError, steps, word};
use crate::plan::kept_away::kept_away;

/// What people read of an activity.
pub(in crate::store) const VIEW: &str = "id, project, environment, branch, kind, state, actor_name, actor_source, \
                    commit_old, commit_new, subject, forced, slug, slug_reused, release, previous, \
                    live_after, reason_code, reason_message, reason_hint, created, started, ended, \
                    source, due, approved_by";

/// Reads [`VIEW`], whose first column is this one.
pub(in crate::store) fn view(row: &Row<'_>, first: usize) -> rusqlite::Result<Activity> {
    let code: Option<String> = row.get(first + 17)?;
    let message: Option<String> = row.get(first + 18)?;
    let kind: Kind = word(row, first + 4)?;
    // Of an import it is the name of a directory.
    let source: Option<String> = row.get(first + 23)?;
    Ok(Activity {
        id: row.get(first)?,
        project: row.get(first + 1)?,
        environment: row.get(first + 2)?,
        branch: row.get(first + 3)?,
        kind,
        state: word(row, first + 5)?,
        actor: Actor {
            name: row.get(first + 6)?,
            source: row.get(first + 7)?,
        },
        commit: Commit {
            old: row.get(first + 8)?,
            new: row.get(first + 9)?,
            subject: row.get(first + 10)?,
            forced: row.get(first + 11)?,
        },
        source: source.filter(|_| kind != Kind::DatabaseImport),
        due: row.get(first + 24)?,
        approved_by: row.get(first + 25)?,
        slug: row.get(first + 12)?,
        slug_reused: row.get(first + 13)?,
        release: row.get(first + 14)?,
        previous: row.get(first + 15)?,
        live_after: row.get(first + 16)?,
        steps: Vec::new(),
        maintenance_ms: None,
        reason: match (code, message) {
            (Some(code), Some(message)) => Some(Reason {
                code,
                message,
                hint: row.get(first + 19)?,
            }),
            _ => None,
        },
        created: row.get(first + 20)?,
        started: row.get(first + 21)?,
        ended: row.get(first + 22)?,
    })
}

/// One activity with its steps, as people read it.
///
/// # Errors
/// The database's.
pub fn find(connection: &Connection, id: &str) -> Result<Option<Activity>, StoreError> {
    let found = connection
        .prepare_cached(&format!("SELECT {VIEW} FROM activity WHERE id = ?1"))?
        .query_row([id], |row| view(row, 0))
        .optional()?;
    found
        .map(|activity| with_steps(connection, activity))
        .transpose()
}

/// Activities with their steps, newest first, of a project or an environment as far as named. Of
/// crons only what goes on: their runs would leave no room for anything else.
///
/// # Errors
/// The database's.
pub fn list(
    connection: &Connection,
    project: Option<&str>,
    environment: Option<&str>,
    limit: u32,
) -> Result<Vec<Activity>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {VIEW} FROM activity
         WHERE (?1 IS NULL OR project = ?1) AND (?2 IS NULL OR environment = ?2)
               AND (kind <> 'cron' OR ended IS NULL)
         ORDER BY number DESC LIMIT ?3"
    ))?;
    let found: Vec<Activity> = statement
        .query_map((project, environment, limit), |row| view(row, 0))?
        .collect::<Result<_, _>>()?;
    found
        .into_iter()
        .map(|activity| with_steps(connection, activity))
        .collect()
}

fn with_steps(connection: &Connection, mut activity: Activity) -> Result<Activity, StoreError> {
    activity.steps = steps(connection, &activity.id)?;
    activity.maintenance_ms = kept_away(activity.kind, &activity.steps, activity.ended);
    Ok(activity)
}
