//! Activities and their steps: the record of all that was done.

use rusqlite::{Connection, OptionalExtension, Row, named_params, types::Type};
use wharf_config::name::BranchName;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Actor, Commit, Reason};

use super::environment::{EnvironmentKey, EnvironmentRecord, describe, forget_tip, key, touch};
use super::known::{self, Opened, Report};
use super::slug::{self, SlugRecord};
use super::snapshot::{self, SnapshotOrder};
use super::status::{self, Limits};
use super::variable::{self, Change};
use super::{StoreError, environment, now};
use crate::plan::parking::Leave;
use crate::plan::rename::Rename;

mod approve;
mod read;
mod steps;

pub use approve::{Approval, approve};
pub(super) use read::{VIEW, view};
pub use read::{find, list};
pub use steps::{park, restart, step_ended, step_started, steps, stopping};

/// The source of an actor whom nobody saw: the move was found by comparing tips.
pub const RECONCILE: &str = "reconcile";

/// What is recorded before anything is answered.
#[derive(Debug, Clone)]
pub struct NewActivity {
    /// Where.
    pub key: EnvironmentKey,
    /// The environment's branch.
    pub branch: BranchName,
    /// What started it.
    pub kind: Kind,
    /// Who.
    pub actor: Actor,
    /// What moved.
    pub commit: Commit,
    /// The environment's record as it is to be, where the activity makes or moves it.
    pub environment: Option<EnvironmentRecord>,
    /// Whether the environment is production: then it goes first.
    pub production: bool,
    /// A slug that is there may not be used.
    pub rebuild: bool,
    /// It waits for no deploy window.
    pub now: bool,
    /// The release to go back to.
    pub target: Option<u32>,
    /// The id of the environment that the code came from, where a command brought it; of an import, the name
    /// of the dump's place, which people are not told.
    pub source: Option<String>,
    /// Its environment was another branch's, which is called otherwise now.
    pub renames: Option<Rename>,
    /// The variable that it sets or takes away.
    pub variable: Option<Box<Change>>,
    /// The slug that it brings, whose directory is in the store.
    pub imported: Option<Box<SlugRecord>>,
    /// What it has to do with a snapshot.
    pub snapshot: Option<Box<SnapshotOrder>>,
}

/// What the executor needs to know of an activity.
#[derive(Debug, Clone)]
pub struct Task {
    /// The activity's id.
    pub id: String,
    /// Its place in the record.
    pub number: u64,
    /// Where.
    pub key: EnvironmentKey,
    /// The environment's branch.
    pub branch: BranchName,
    /// What started it.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Who wanted it; none where it is part of something else.
    pub actor: Option<Actor>,
    /// What moved.
    pub commit: Commit,
    /// A slug that is there may not be used.
    pub rebuild: bool,
    /// The release to go back to, or the one that was being made when the daemon died.
    pub release: Option<u32>,
    /// The id of the environment that the code came from, where a command brought it; of an import, the name
    /// of the dump's place, which people are not told.
    pub source: Option<String>,
    /// The slug that it made or found in an earlier attempt.
    pub slug: Option<String>,
    /// What is decided about its waiting.
    pub leave: Leave,
    /// Whether it is parked, and nobody has let it go on or stopped it.
    pub parked: bool,
}

/// How an activity ended.
#[derive(Debug, Clone)]
pub struct Ending {
    /// One of the ends.
    pub state: State,
    /// Why, unless it succeeded.
    pub reason: Option<Reason>,
    /// The release that serves now.
    pub live_after: Option<u32>,
}

impl Ending {
    /// Nothing was left to do.
    fn done(live: Option<u32>) -> Ending {
        Ending {
            state: State::Succeeded,
            reason: None,
            live_after: live,
        }
    }

    /// Another push to the same branch came later and was recorded first.
    pub(crate) fn overtaken(by: &str) -> Ending {
        Ending {
            state: State::Superseded,
            reason: Some(Reason {
                code: "superseded".into(),
                message: format!("superseded by {by} before it went live"),
                hint: Some(format!("follow the newer one: wharf log {by} -f")),
            }),
            live_after: None,
        }
    }
}

/// Records activities and their environments in one transaction, each move once, whoever reports it
/// first; says in order what became of them. No new id is one of those that are taken. Which of the
/// environments live is decided here, by `limits`: two at a time cannot both get the last place.
///
/// # Errors
/// The database's; then nothing is recorded.
pub fn open(
    connection: &mut Connection,
    activities: &[NewActivity],
    limits: &Limits,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Vec<Opened>, StoreError> {
    let transaction = connection.transaction()?;
    let mut opened = Vec::with_capacity(activities.len());
    for activity in activities {
        opened.push(match known::look(&transaction, activity)? {
            Report::New if changes_record(activity.kind) => {
                if let Some(environment) = &activity.environment {
                    describe(&transaction, environment)?;
                }
                if let Some(change) = &activity.variable {
                    let project = &activity.key.project;
                    if let Err(too_much) = variable::change(&transaction, project, change)? {
                        opened.push(Opened::TooMuch(too_much));
                        continue;
                    }
                }
                let (id, _) = insert(&transaction, activity, &is_taken)?;
                if let Some(imported) = &activity.imported {
                    slug::add(&transaction, imported)?;
                    set_slug(&transaction, &id, &imported.key, false)?;
                }
                let live = environment::find(&transaction, &activity.key)?;
                let ending = Ending::done(live.and_then(|environment| environment.live));
                start(&transaction, &id)?;
                end(&transaction, &id, &ending)?;
                Opened::Done(id, ending.live_after)
            }
            Report::New => {
                if let Some(rename) = &activity.renames {
                    environment::rename(&transaction, &activity.key, rename)?;
                }
                if let Some(wanted) = &activity.environment {
                    let status = status::of_push(&transaction, wanted, limits)?;
                    let status = status.word().to_owned();
                    let wanted = wanted.clone();
                    let is_new = environment::find(&transaction, &wanted.key)?.is_none();
                    touch(
                        &transaction,
                        &EnvironmentRecord {
                            status,
                            ..wanted.clone()
                        },
                    )?;
                    if let Some(parent) = wanted.parent_id().filter(|_| is_new) {
                        variable::inherit(&transaction, &wanted.key, parent)?;
                    }
                }
                if activity.kind == Kind::Activate
                    && let Err(full) = status::activate(&transaction, &activity.key, limits)?
                {
                    opened.push(Opened::NoRoom(full));
                    continue;
                }
                if activity.kind == Kind::Delete {
                    forget_tip(&transaction, &activity.key)?;
                }
                let (id, number) = insert(&transaction, activity, &is_taken)?;
                Opened::New(id, number)
            }
            Report::Known(id) => Opened::Known(id),
            Report::Overtaken(by) => {
                let (id, _) = insert(&transaction, activity, &is_taken)?;
                let mut ending = Ending::overtaken(&by);
                ending.live_after = environment::find(&transaction, &activity.key)?
                    .and_then(|environment| environment.live);
                end(&transaction, &id, &ending)?;
                Opened::Overtaken(id, by)
            }
            Report::Nothing => Opened::Nothing,
        });
    }
    transaction.commit()?;
    Ok(opened)
}

/// Records an activity that is not queued and begins at once; returns its id.
///
/// # Errors
/// The database's; then nothing is recorded.
pub fn begin(
    connection: &mut Connection,
    activity: &NewActivity,
    is_taken: impl Fn(&str) -> bool,
) -> Result<String, StoreError> {
    let transaction = connection.transaction()?;
    let (id, _) = insert(&transaction, activity, is_taken)?;
    start(&transaction, &id)?;
    transaction.commit()?;
    Ok(id)
}

/// Whether all that there is to do is done where it is recorded.
fn changes_record(kind: Kind) -> bool {
    matches!(kind, Kind::Info | Kind::Variable | Kind::Import)
}

fn insert(
    connection: &Connection,
    activity: &NewActivity,
    is_taken: impl Fn(&str) -> bool,
) -> Result<(String, u64), StoreError> {
    let id = fresh_id(connection, is_taken)?;
    let number = connection
        .prepare_cached(
            "INSERT INTO activity (id, project, environment, branch, kind, state, actor_name,
                 actor_source, commit_old, commit_new, subject, forced, rebuild, now, release,
                 source, previous, created)
             VALUES (:id, :project, :environment, :branch, :kind, 'waiting', :actor_name,
                 :actor_source, :commit_old, :commit_new, :subject, :forced, :rebuild, :at_once,
                 :release, :source,
                 (SELECT live FROM environment WHERE project = :project AND id = :environment),
                 :now) RETURNING number",
        )?
        .query_row(
            named_params! {
                ":id": id,
                ":project": activity.key.project.as_str(),
                ":environment": activity.key.id.as_str(),
                ":branch": activity.branch.as_str(),
                ":kind": activity.kind.word(),
                ":actor_name": activity.actor.name,
                ":actor_source": activity.actor.source,
                ":commit_old": activity.commit.old,
                ":commit_new": activity.commit.new,
                ":subject": activity.commit.subject,
                ":forced": activity.commit.forced,
                ":rebuild": activity.rebuild,
                ":at_once": activity.now,
                ":release": activity.target,
                ":source": activity.source,
                ":now": now(),
            },
            |row| row.get(0),
        )?;
    if let Some(order) = &activity.snapshot {
        snapshot::order(connection, &id, &activity.key, order)?;
    }
    Ok((id, number))
}

/// Four hex digits that no activity has yet; more once they grow scarce.
fn fresh_id(
    connection: &Connection,
    is_taken: impl Fn(&str) -> bool,
) -> Result<String, StoreError> {
    let mut exists = connection.prepare_cached("SELECT 1 FROM activity WHERE id = ?1")?;
    for attempt in 0_u32.. {
        let digits = 4 + (attempt / 4) as usize;
        let random: u64 = rand::random();
        let id = format!("{random:016x}")[..digits.min(16)].to_owned();
        let known = exists.exists([&id])? || snapshot::is_known(connection, &id)?;
        if !known && !is_taken(&id) {
            return Ok(id);
        }
    }
    unreachable!("the loop ends only by returning")
}

/// What the executor needs, or none if there is no such activity.
///
/// # Errors
/// The database's.
pub fn task(connection: &Connection, id: &str) -> Result<Option<Task>, StoreError> {
    connection
        .prepare_cached(&format!("SELECT {TASK} FROM activity WHERE id = ?1"))?
        .query_row([id], |row| Ok(read_task(row)))
        .optional()?
        .transpose()
}

/// Activities that wait or run, oldest first: what a new daemon finds.
///
/// # Errors
/// The database's.
pub fn unfinished(connection: &Connection) -> Result<Vec<Task>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {TASK} FROM activity WHERE state IN ('waiting', 'running') ORDER BY number"
    ))?;
    let rows = statement.query_map([], |row| Ok(read_task(row)))?;
    rows.map(|row| row?).collect()
}

const TASK: &str = "id, project, environment, branch, kind, state, commit_old, commit_new, subject, \
                    forced, rebuild, release, number, slug, due, approved_by, now, \
                    state = 'waiting' AND coalesce(reason_code IN ('approval', 'window'), 0) \
                    AND NOT EXISTS (SELECT 1 FROM step \
                    WHERE step.activity = activity.id AND step.name = 'cancel'), source, \
                    actor_name, actor_source";

fn read_task(row: &Row<'_>) -> Result<Task, StoreError> {
    let branch: String = row.get(3)?;
    Ok(Task {
        id: row.get(0)?,
        key: key(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?)?,
        branch: BranchName::parse(&branch).map_err(|_| StoreError::Unreadable {
            what: "branch",
            value: branch.clone(),
        })?,
        kind: word(row, 4)?,
        state: word(row, 5)?,
        commit: Commit {
            old: row.get(6)?,
            new: row.get(7)?,
            subject: row.get(8)?,
            forced: row.get(9)?,
        },
        rebuild: row.get(10)?,
        release: row.get(11)?,
        number: row.get(12)?,
        slug: row.get(13)?,
        leave: Leave {
            due: row.get(14)?,
            approved_by: row.get(15)?,
            now: row.get(16)?,
        },
        parked: row.get(17)?,
        source: row.get(18)?,
        actor: Some(Actor {
            name: row.get(19)?,
            source: row.get(20)?,
        }),
    })
}

/// Reads one of our own words, as serde spells it.
pub(super) fn word<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// Records that the activity left the queue.
///
/// # Errors
/// The database's.
pub fn start(connection: &Connection, id: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE activity SET state = 'running', started = coalesce(started, ?2),
                 reason_code = NULL, reason_message = NULL, reason_hint = NULL WHERE id = ?1",
        )?
        .execute((id, now()))?;
    Ok(())
}

/// Records what it deploys, where that is known only when it begins, and what is decided about that.
///
/// # Errors
/// The database's.
pub fn set_commit(
    connection: &Connection,
    id: &str,
    commit: &Commit,
    leave: &Leave,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE activity SET commit_new = ?2, subject = ?3, due = ?4, approved_by = ?5, now = ?6
             WHERE id = ?1",
        )?
        .execute((
            id,
            &commit.new,
            &commit.subject,
            leave.due,
            &leave.approved_by,
            leave.now,
        ))?;
    Ok(())
}

/// Records which release it starts, where that is known only when it begins.
///
/// # Errors
/// The database's.
pub fn set_target(connection: &Connection, id: &str, release: u32) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE activity SET release = ?2 WHERE id = ?1")?
        .execute((id, release))?;
    Ok(())
}

/// Records the slug that it uses.
///
/// # Errors
/// The database's.
pub fn set_slug(
    connection: &Connection,
    id: &str,
    slug: &str,
    reused: bool,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE activity SET slug = ?2, slug_reused = ?3 WHERE id = ?1")?
        .execute((id, slug, reused))?;
    Ok(())
}

/// Records how it ended. An activity ends once: a second end changes nothing, and false says so.
///
/// # Errors
/// The database's.
pub fn end(connection: &Connection, id: &str, ending: &Ending) -> Result<bool, StoreError> {
    let reason = ending.reason.as_ref();
    let changed = connection
        .prepare_cached(
            "UPDATE activity SET state = ?2, reason_code = ?3, reason_message = ?4,
                 reason_hint = ?5, live_after = ?6, ended = ?7
             WHERE id = ?1 AND ended IS NULL",
        )?
        .execute((
            id,
            ending.state.word(),
            reason.map(|r| &r.code),
            reason.map(|r| &r.message),
            reason.and_then(|r| r.hint.as_ref()),
            ending.live_after,
            now(),
        ))?;
    let why = reason.map_or("it was not finished", |reason| &reason.message);
    snapshot::give_up(connection, id, why)?;
    Ok(changed > 0)
}
