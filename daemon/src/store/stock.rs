//! What the record holds that may go, and forgetting it: always under a condition that is checked
//! in the same call, so that nothing goes that somebody came to need meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Row, named_params};

use super::StoreError;
use super::environment::{EnvironmentKey, key};
use super::slug::{ingredients_key, is_imported};
use crate::plan::retention::{Record, Release, Slug};

/// Who asks: an activity looks after its environment when it is done, housekeeping after all.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Only this environment's releases, and the slugs of its project that no other's holds: what is
    /// looked at does not grow with the number of environments.
    pub environment: Option<EnvironmentKey>,
    /// The activity that asks: what served before it is no longer needed by it.
    pub activity: Option<String>,
}

/// Why a release is held: it serves, a process of it lives, an activity wants it, or it served when
/// one began that has not ended.
const RELEASE_HELD: &str = "
    EXISTS (SELECT 1 FROM environment e WHERE e.project = release.project
        AND e.id = release.environment AND e.live = release.number)
    OR EXISTS (SELECT 1 FROM process p WHERE p.project = release.project
        AND p.environment = release.environment AND p.release = release.number)
    OR EXISTS (SELECT 1 FROM activity a WHERE a.state IN ('waiting', 'running')
        AND a.project = release.project AND a.environment = release.environment
        AND (a.release = release.number
             OR (a.previous = release.number AND a.id IS NOT :activity)))";

/// Why a slug is held, beside the releases that have served.
const SLUG_HELD: &str = "
    EXISTS (SELECT 1 FROM release r WHERE r.slug = slug.key AND r.state = 'making')
    OR EXISTS (SELECT 1 FROM activity a WHERE a.slug = slug.key
        AND a.state IN ('waiting', 'running'))";

/// The releases that have served.
///
/// # Errors
/// The database's.
pub fn releases(connection: &Connection, view: &View) -> Result<Vec<Release>, StoreError> {
    let select = format!(
        "SELECT project, environment, number, slug, {RELEASE_HELD} FROM release
         WHERE state = 'ready'"
    );
    let read = |row: &Row<'_>| Ok(release(row));
    match &view.environment {
        None => {
            let mut statement = connection.prepare_cached(&select)?;
            let rows = statement.query_map(named_params! { ":activity": view.activity }, read)?;
            rows.map(|row| row?).collect()
        }
        Some(key) => {
            let mut statement = connection.prepare_cached(&format!(
                "{select} AND project = :project AND environment = :environment"
            ))?;
            let names = named_params! {
                ":project": key.project.as_str(),
                ":environment": key.id.as_str(),
                ":activity": view.activity,
            };
            let rows = statement.query_map(names, read)?;
            rows.map(|row| row?).collect()
        }
    }
}

fn release(row: &Row<'_>) -> Result<Release, StoreError> {
    Ok(Release {
        key: key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?)?,
        number: row.get(2)?,
        slug: row.get(3)?,
        held: row.get(4)?,
    })
}

/// Which release numbers are in use, and which may be given yet.
#[derive(Debug)]
pub struct Numbers {
    /// Every release that serves or may serve, or is being made.
    standing: BTreeSet<(EnvironmentKey, u32)>,
    /// The next number of each environment.
    next: BTreeMap<EnvironmentKey, u32>,
}

impl Numbers {
    /// Whether a release of this number was and will not be again.
    pub fn is_over(&self, key: &EnvironmentKey, number: u32) -> bool {
        let given = self.next.get(key).is_some_and(|next| number < *next);
        given && !self.standing.contains(&(key.clone(), number))
    }
}

/// The numbers of all environments' releases.
///
/// # Errors
/// The database's.
pub fn numbers(connection: &Connection) -> Result<Numbers, StoreError> {
    let standing = numbered(
        connection,
        "SELECT project, environment, number FROM release WHERE state IN ('making', 'ready')",
    )?;
    let next = numbered(
        connection,
        "SELECT project, id, next_release FROM environment",
    )?;
    Ok(Numbers {
        standing: standing.into_iter().collect(),
        next: next.into_iter().collect(),
    })
}

fn numbered(connection: &Connection, sql: &str) -> Result<Vec<(EnvironmentKey, u32)>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let key = key(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
        Ok((key, row.get(2)?))
    })?;
    rows.map(|row| {
        let (key, number) = row?;
        Ok((key?, number))
    })
    .collect()
}

/// The slugs; of one environment's view those that no other environment's release holds.
///
/// # Errors
/// The database's.
pub fn slugs(connection: &Connection, view: &View) -> Result<Vec<Slug>, StoreError> {
    let select = format!("SELECT key, base, project, bytes, used, created, {SLUG_HELD} FROM slug");
    match &view.environment {
        None => {
            let mut statement = connection.prepare_cached(&select)?;
            let rows = statement.query_map([], slug)?;
            Ok(rows.collect::<Result<_, _>>()?)
        }
        Some(key) => {
            let mut statement = connection.prepare_cached(&format!(
                "{select} WHERE project = :project AND NOT EXISTS (SELECT 1 FROM release r
                     WHERE r.slug = slug.key AND r.state = 'ready'
                     AND NOT (r.project = :project AND r.environment = :environment))"
            ))?;
            let names = named_params! {
                ":project": key.project.as_str(),
                ":environment": key.id.as_str(),
            };
            let rows = statement.query_map(names, slug)?;
            Ok(rows.collect::<Result<_, _>>()?)
        }
    }
}

fn slug(row: &Row<'_>) -> rusqlite::Result<Slug> {
    let base: String = row.get(1)?;
    let created = row.get(5)?;
    Ok(Slug {
        key: row.get(0)?,
        base: ingredients_key(&base).to_owned(),
        project: row.get(2)?,
        bytes: row.get(3)?,
        used: row.get(4)?,
        imported: is_imported(&base).then_some(created),
        held: row.get(6)?,
    })
}

/// Records of activities that ended before `before`.
///
/// # Errors
/// The database's.
pub fn records(connection: &Connection, before: u64) -> Result<Vec<Record>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, ended,
             a.kind NOT IN ('run', 'cron', 'upload', 'download', 'snapshot',
                 'snapshot-test', 'snapshot-delete') AND (
             EXISTS (SELECT 1 FROM environment e WHERE e.project = a.project
                 AND e.id = a.environment) AND NOT EXISTS (SELECT 1 FROM activity b
                 WHERE b.project = a.project AND b.environment = a.environment
                 AND b.number > a.number
                 AND b.kind NOT IN ('run', 'cron', 'upload', 'download', 'snapshot',
                 'snapshot-test', 'snapshot-delete'))
             OR EXISTS (SELECT 1 FROM release r WHERE r.project = a.project
                 AND r.environment = a.environment AND r.number = a.release
                 AND r.state IN ('making', 'ready')))
         FROM activity a WHERE ended < ?1 ORDER BY number",
    )?;
    let rows = statement.query_map([before], |row| {
        Ok(Record {
            activity: row.get(0)?,
            ended: row.get(1)?,
            held: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Records that a release cannot serve again, unless it is held meanwhile; says whether it is so.
///
/// # Errors
/// The database's.
pub fn prune_release(
    connection: &Connection,
    key: &EnvironmentKey,
    number: u32,
    view: &View,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(&format!(
            "UPDATE release SET state = 'pruned', variables = '{{}}'
             WHERE project = :project AND environment = :environment AND number = :number
                 AND state = 'ready' AND NOT ({RELEASE_HELD})"
        ))?
        .execute(named_params! {
            ":project": key.project.as_str(),
            ":environment": key.id.as_str(),
            ":number": number,
            ":activity": view.activity,
        })?;
    Ok(changed > 0)
}

/// Forgets a slug before its directory is removed, unless something needs it; says whether it is
/// forgotten.
///
/// # Errors
/// The database's.
pub fn forget_slug(connection: &Connection, slug: &str) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(&format!(
            "DELETE FROM slug WHERE key = ?1 AND NOT ({SLUG_HELD}) AND NOT EXISTS (
                 SELECT 1 FROM release r WHERE r.slug = slug.key AND r.state = 'ready')"
        ))?
        .execute([slug])?;
    Ok(changed > 0)
}

/// Forgets an activity that has ended, with its steps and the releases of it that cannot serve.
///
/// # Errors
/// The database's.
pub fn forget_activity(connection: &mut Connection, id: &str) -> Result<bool, StoreError> {
    let transaction = connection.transaction()?;
    let changed = transaction
        .prepare_cached("DELETE FROM activity WHERE id = ?1 AND ended IS NOT NULL")?
        .execute([id])?;
    if changed > 0 {
        transaction
            .prepare_cached(
                "DELETE FROM release WHERE activity = ?1 AND state IN ('failed', 'pruned')",
            )?
            .execute([id])?;
    }
    transaction.commit()?;
    Ok(changed > 0)
}

#[cfg(test)]
mod tests;
