//! Notifications that were not delivered yet, and how destinations do.

use rusqlite::{Connection, OptionalExtension, Row};
use wharf_config::name::BranchName;
use wharf_config::notify::Occasion;
use wharf_config::project::Kind as Type;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use super::activity::{self, Ending};
use super::{Recorder, StoreError, now};
use crate::notify::{Audience, message};
use crate::plan::{notify as plan, parking};

/// One that waits for its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The same in each attempt: `webhook-id`.
    pub id: String,
    /// The project whose file names the destination; empty for the host's.
    pub scope: String,
    /// The destination's name.
    pub name: String,
    /// The activity that it tells of.
    pub activity: String,
    /// What is sent: JSON.
    pub body: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next: milliseconds since 1970-01-01 UTC.
    pub due: u64,
}

/// How a destination does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The project whose file names it; empty for the host's.
    pub scope: String,
    /// Its name.
    pub name: String,
    /// Since when nothing was taken; none where the last attempt went well.
    pub failing_since: Option<u64>,
    /// What was wrong at the last attempt.
    pub error: String,
    /// How many wait.
    pub waiting: u32,
    /// How many were given up, and when the last one.
    pub given_up: u32,
    /// See `given_up`.
    pub given_up_last: Option<u64>,
}

/// An attempt that went wrong.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Which.
    pub id: String,
    /// Why; nothing secret is in it.
    pub error: String,
    /// When it is tried again.
    pub due: u64,
    /// Whether all that waits for the destination is left until then.
    pub rests: bool,
}

/// Records an end and who is to be told of it, in one go.
///
/// # Errors
/// The database's; then nothing is recorded.
pub(super) fn end(
    connection: &mut Connection,
    id: &str,
    ending: &Ending,
    audience: &Audience,
) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    let is_first = activity::end(&transaction, id, ending)?;
    if is_first
        && !audience.listeners.is_empty()
        && let Some(activity) = activity::find(&transaction, id)?
    {
        let before = before(&transaction, &activity)?;
        let occasions = plan::ended(&activity, before);
        tell(&transaction, activity, &occasions, audience)?;
    }
    Ok(transaction.commit()?)
}

/// Records who is to be told that an activity waits for approval; once for an activity. Part of a
/// transaction.
///
/// # Errors
/// The database's.
pub(super) fn waits(
    connection: &Connection,
    id: &str,
    audience: &Audience,
) -> Result<(), StoreError> {
    let times: u32 = connection
        .prepare_cached(
            "SELECT count(*) FROM step WHERE activity = ?1 AND name = ?2 AND result = ?3",
        )?
        .query_row(
            (id, crate::plan::recovery::PARKED, parking::APPROVAL),
            |row| row.get(0),
        )?;
    let found = activity::find(connection, id)?;
    let waits = |activity: &Activity| {
        let reason = activity.reason.as_ref();
        reason.is_some_and(|reason| reason.code == parking::APPROVAL)
    };
    match found.filter(waits) {
        Some(activity) if times == 1 => tell(connection, activity, &[Occasion::Waiting], audience),
        _ => Ok(()),
    }
}

/// How the environment's deployment before this one ended; of a cron's run, its run before this one.
fn before(connection: &Connection, activity: &Activity) -> Result<Option<State>, StoreError> {
    if activity.kind == Kind::Cron {
        return last_run(connection, activity);
    }
    let mut statement = connection.prepare_cached(
        "SELECT kind, state, coalesce(reason_code, '') FROM activity
         WHERE project = ?1 AND environment = ?2 AND state IN ('succeeded', 'failed')
             AND number < (SELECT number FROM activity WHERE id = ?3)
         ORDER BY number DESC",
    )?;
    let key = (&activity.project, &activity.environment, &activity.id);
    let mut rows = statement.query(key)?;
    while let Some(row) = rows.next()? {
        let (kind, state): (Kind, State) = (activity::word(row, 0)?, activity::word(row, 1)?);
        let kept = row.get::<_, String>(2)? == crate::plan::limits::INACTIVE;
        if plan::deploys(kind) && !kept {
            return Ok(Some(state));
        }
    }
    Ok(None)
}

fn last_run(connection: &Connection, activity: &Activity) -> Result<Option<State>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT state FROM activity
         WHERE project = ?1 AND environment = ?2 AND subject = ?3 AND kind = 'cron'
             AND state IN ('succeeded', 'failed') AND id <> ?4
         ORDER BY ended DESC, number DESC LIMIT 1",
    )?;
    let run = (
        &activity.project,
        &activity.environment,
        &activity.commit.subject,
        &activity.id,
    );
    let state = statement.query_row(run, |row| activity::word(row, 0));
    Ok(state.optional()?)
}

/// Records one message for each listener that wants one: about the first of the occasions that it
/// listens to.
fn tell(
    connection: &Connection,
    activity: Activity,
    occasions: &[Occasion],
    audience: &Audience,
) -> Result<(), StoreError> {
    if occasions.is_empty() {
        return Ok(());
    }
    let kind: Option<String> = connection
        .prepare_cached("SELECT type FROM environment WHERE project = ?1 AND id = ?2")?
        .query_row((&activity.project, &activity.environment), |row| row.get(0))
        .optional()?;
    let branch = BranchName::parse(&activity.branch).map_err(|_| StoreError::Unreadable {
        what: "branch",
        value: activity.branch.clone(),
    })?;
    let is_type = kind.as_deref().and_then(Type::parse);
    for listener in &audience.listeners {
        let wants = |occasion: &&Occasion| listener.notify.wants(**occasion, &branch, is_type);
        let Some(occasion) = occasions.iter().find(wants) else {
            continue;
        };
        let said = message::of(
            *occasion,
            activity.clone(),
            kind.clone(),
            audience.url.clone(),
            now(),
        );
        let body = serde_json::to_string(&said).expect("a message is plain data");
        let (scope, name) = (listener.scope.as_str(), listener.notify.name.as_str());
        make_room(connection, scope, name)?;
        let id = format!("msg_{:032x}", rand::random::<u128>());
        connection
            .prepare_cached(
                "INSERT INTO notification (id, scope, name, occasion, activity, body, created, due)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, max(?7, coalesce((SELECT rests_until
                     FROM destination WHERE scope = ?2 AND name = ?3), 0)))",
            )?
            .execute((
                id,
                scope,
                name,
                occasion.as_str(),
                &activity.id,
                body,
                now(),
            ))?;
    }
    Ok(())
}

/// Gives the oldest up where as many wait for a destination as may.
fn make_room(connection: &Connection, scope: &str, name: &str) -> Result<(), StoreError> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM notification WHERE number IN (SELECT number FROM notification
                 WHERE scope = ?1 AND name = ?2 ORDER BY number DESC LIMIT -1 OFFSET ?3)",
        )?
        .execute((scope, name, plan::WAITING - 1))?;
    given_up(connection, scope, name, gone)
}

/// Counts what was given up.
fn given_up(
    connection: &Connection,
    scope: &str,
    name: &str,
    count: usize,
) -> Result<(), StoreError> {
    if count > 0 {
        connection
            .prepare_cached(
                "INSERT INTO destination (scope, name, given_up, given_up_last)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
                 SET given_up = given_up + ?3, given_up_last = ?4",
            )?
            .execute((scope, name, count, now()))?;
    }
    Ok(())
}

const NOTIFICATION: &str = "id, scope, name, activity, body, attempts, due";

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    Ok(Notification {
        id: row.get(0)?,
        scope: row.get(1)?,
        name: row.get(2)?,
        activity: row.get(3)?,
        body: row.get(4)?,
        attempts: row.get(5)?,
        due: row.get(6)?,
    })
}

/// What each destination is told next: of all that waits for it what is due first.
fn next(connection: &Connection) -> Result<Vec<Notification>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {NOTIFICATION} FROM notification AS one WHERE number =
             (SELECT number FROM notification WHERE scope = one.scope AND name = one.name
              ORDER BY due, number LIMIT 1)
         ORDER BY due, number"
    ))?;
    let rows = statement.query_map([], notification)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records that one was taken: what else waits for its destination is due now.
fn taken(connection: &mut Connection, one: &Notification) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    transaction.execute("DELETE FROM notification WHERE id = ?1", [&one.id])?;
    answers(&transaction, &one.scope, &one.name)?;
    Ok(transaction.commit()?)
}

/// Records that a destination answers again.
fn answers(connection: &Connection, scope: &str, name: &str) -> Result<(), StoreError> {
    let found = connection.execute(
        "UPDATE destination SET failing_since = NULL, rests_until = NULL, error = ''
         WHERE scope = ?1 AND name = ?2 AND failing_since IS NOT NULL",
        (scope, name),
    )?;
    if found > 0 {
        connection.execute(
            "UPDATE notification SET due = min(due, ?3) WHERE scope = ?1 AND name = ?2",
            (scope, name, now()),
        )?;
    }
    Ok(())
}

/// Records that one was not taken; true where it is given up: it is too old by then.
fn not_taken(
    connection: &mut Connection,
    one: &Notification,
    failed: &Failed,
) -> Result<bool, StoreError> {
    let (scope, name) = (one.scope.as_str(), one.name.as_str());
    let transaction = connection.transaction()?;
    transaction
        .prepare_cached(
            "INSERT INTO destination (scope, name, failing_since, error) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET failing_since = coalesce(failing_since, ?3), error = ?4",
        )?
        .execute((scope, name, now(), &failed.error))?;
    let age = u64::try_from(plan::AGE.as_millis()).unwrap_or(u64::MAX);
    let gone = transaction.execute(
        "DELETE FROM notification WHERE id = ?1 AND created + ?2 < ?3",
        (&failed.id, age, failed.due),
    )?;
    given_up(&transaction, scope, name, gone)?;
    transaction.execute(
        "UPDATE notification SET attempts = attempts + 1, due = ?2 WHERE id = ?1",
        (&failed.id, failed.due),
    )?;
    if failed.rests {
        transaction.execute(
            "UPDATE destination SET rests_until = ?3 WHERE scope = ?1 AND name = ?2",
            (scope, name, failed.due),
        )?;
        transaction.execute(
            "UPDATE notification SET due = max(due, ?3) WHERE scope = ?1 AND name = ?2",
            (scope, name, failed.due),
        )?;
    }
    transaction.commit()?;
    Ok(gone > 0)
}

/// Forgets a destination that is not configured any more, and what waits for it; says how many did.
fn forget(connection: &mut Connection, scope: &str, name: &str) -> Result<usize, StoreError> {
    let transaction = connection.transaction()?;
    let delete = |table| format!("DELETE FROM {table} WHERE scope = ?1 AND name = ?2");
    let gone = transaction.execute(&delete("notification"), (scope, name))?;
    transaction.execute(&delete("destination"), (scope, name))?;
    transaction.commit()?;
    Ok(gone)
}

/// How every destination does that something waits for, or that failed.
fn standings(connection: &Connection) -> Result<Vec<Standing>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT scope, name, failing_since, error, given_up, given_up_last,
             (SELECT count(*) FROM notification
              WHERE notification.scope = one.scope AND notification.name = one.name)
         FROM (SELECT scope, name, failing_since, error, given_up, given_up_last FROM destination
               UNION ALL SELECT DISTINCT scope, name, NULL, '', 0, NULL FROM notification
               WHERE NOT EXISTS (SELECT 1 FROM destination WHERE destination.scope =
                   notification.scope AND destination.name = notification.name)) AS one
         ORDER BY scope, name",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Standing {
            scope: row.get(0)?,
            name: row.get(1)?,
            failing_since: row.get(2)?,
            error: row.get(3)?,
            given_up: row.get(4)?,
            given_up_last: row.get(5)?,
            waiting: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[allow(
    missing_docs,
    reason = "each is the function of that name, on the store's thread"
)]
impl Recorder {
    /// Its end, and in the same transaction who is to be told of it.
    pub async fn end_and_tell(
        &self,
        id: &str,
        ending: Ending,
        audience: Audience,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write("end", move |connection| {
            end(connection, &id, &ending, &audience)
        })
        .await
    }

    pub async fn next_notifications(&self) -> Result<Vec<Notification>, StoreError> {
        self.0.call(|connection| next(connection)).await
    }

    pub async fn notification_taken(&self, one: Notification) -> Result<(), StoreError> {
        self.write("notification", move |connection| taken(connection, &one))
            .await
    }

    pub async fn notification_failed(
        &self,
        one: Notification,
        failed: Failed,
    ) -> Result<bool, StoreError> {
        self.write("no notification", move |connection| {
            not_taken(connection, &one, &failed)
        })
        .await
    }

    pub async fn destination_answers(&self, scope: &str, name: &str) -> Result<(), StoreError> {
        let (scope, name) = (scope.to_owned(), name.to_owned());
        self.write("destination", move |connection| {
            answers(connection, &scope, &name)
        })
        .await
    }

    pub async fn forget_destination(&self, scope: &str, name: &str) -> Result<usize, StoreError> {
        let (scope, name) = (scope.to_owned(), name.to_owned());
        self.write("no destination", move |connection| {
            forget(connection, &scope, &name)
        })
        .await
    }

    pub async fn destinations(&self) -> Result<Vec<Standing>, StoreError> {
        self.0.call(|connection| standings(connection)).await
    }
}

#[cfg(test)]
mod tests;
