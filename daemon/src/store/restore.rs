//! Puts a backup, or an empty database, in the database's place. What was there is put aside.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags};

use super::backup::{self, stamp};
use super::environment::{self, EnvironmentKey};
use super::fault::wharfd;
use super::migrate::{self, VERSION};
use super::open::{self, OpenError};
use super::paths::Paths;
use crate::disk::{self, DiskError, at};

/// What is to take the database's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The newest backup.
    Newest,
    /// This one.
    File(PathBuf),
    /// An empty record.
    Nothing,
}

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// The backup that is the database now; none: it is empty.
    pub from: Option<PathBuf>,
    /// Where the earlier database is; none where there was none.
    pub aside: Option<PathBuf>,
}

/// Why the database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is nothing to restore.
    #[error("no backup in {}", .0.display())]
    None(PathBuf),
    /// What was named, or its copy, is no good.
    #[error(transparent)]
    Bad(Box<OpenError>),
    /// It is not Wharf's, or of a newer one.
    #[error("{}: no backup that this Wharf can read (schema {found})", path.display())]
    Version {
        /// Which.
        path: PathBuf,
        /// What it says it is.
        found: usize,
    },
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl RestoreError {
    /// What to do, a sentence each.
    pub fn hints(&self, paths: &Paths) -> Vec<String> {
        let wharfd = wharfd(paths);
        match self {
            RestoreError::None(_) => vec![
                format!("restore one that you keep elsewhere: {wharfd} restore FILE"),
                format!("or begin with an empty record: {wharfd} restore --empty"),
            ],
            RestoreError::Bad(_) | RestoreError::Version { .. } => vec![format!(
                "name another: {wharfd} restore FILE; those of this host: ls {}",
                paths.backups().display()
            )],
            RestoreError::Disk(_) => Vec::new(),
        }
    }
}

/// Replaces the database. The caller holds the state directory's lock.
///
/// # Errors
/// [`RestoreError`]; up to the moves the old database is in its place, afterwards it is put aside.
pub fn restore(paths: &Paths, source: &Source) -> Result<Restored, RestoreError> {
    let next = paths.next_database();
    disk::remove_file(&next)?;
    let from = match source {
        Source::Nothing => None,
        Source::File(file) => Some(file.clone()),
        Source::Newest => {
            let newest = backup::list(paths).into_iter().next();
            let (_, newest) = newest.ok_or_else(|| RestoreError::None(paths.backups()))?;
            Some(newest)
        }
    };
    if let Err(error) = make(&next, from.as_deref()) {
        disk::remove_file(&next)?;
        return Err(error);
    }
    let aside = put_aside(paths)?;
    std::fs::rename(&next, paths.database()).map_err(at("rename", &next))?;
    disk::sync_directory(&paths.state())?;
    Ok(Restored { from, aside })
}

/// An environment whose release cannot serve, since its slug is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which.
    pub key: EnvironmentKey,
    /// Its branch.
    pub branch: String,
}

/// Makes a database that came from another host true here: releases whose slugs are not here cannot
/// serve, and branches that had one live are deployed again when the daemon starts, since their tips
/// are new to it. Says which.
///
/// # Errors
/// That it is no good.
pub fn without_slugs(
    database: &Path,
    is_there: impl Fn(&str) -> bool,
) -> Result<Vec<Lost>, RestoreError> {
    check(database, Some(database))?;
    let mut connection = open::connect(database, OpenFlags::empty())
        .map_err(|error| RestoreError::Bad(Box::new(error)))?;
    let done = forget_slugs(&mut connection, is_there);
    open::failing(database, done).map_err(|error| RestoreError::Bad(Box::new(error)))
}

fn forget_slugs(
    connection: &mut Connection,
    is_there: impl Fn(&str) -> bool,
) -> rusqlite::Result<Vec<Lost>> {
    let transaction = connection.transaction()?;
    let mut lost = Vec::new();
    let slugs: Vec<String> = transaction
        .prepare("SELECT key FROM slug UNION SELECT slug FROM release")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for slug in slugs.iter().filter(|slug| !is_there(slug)) {
        transaction.execute("DELETE FROM slug WHERE key = ?1", [slug])?;
        let live = "SELECT e.project, e.id, e.branch FROM environment e JOIN release r
                    ON r.project = e.project AND r.environment = e.id AND r.number = e.live
                    WHERE r.slug = ?1";
        let mut statement = transaction.prepare_cached(live)?;
        let mut rows = statement.query([slug])?;
        while let Some(row) = rows.next()? {
            let (project, id): (String, String) = (row.get(0)?, row.get(1)?);
            // One that no code of ours could have written has no route and no branch either.
            if let Ok(key) = environment::key(&project, &id) {
                let branch = row.get(2)?;
                lost.push(Lost { key, branch });
            }
        }
        transaction.execute(
            "UPDATE release SET state = 'pruned' WHERE slug = ?1 AND state = 'ready'",
            [slug],
        )?;
    }
    for one in &lost {
        transaction.execute(
            "UPDATE environment SET live = NULL, tip = NULL, status = 'active'
             WHERE project = ?1 AND id = ?2",
            (one.key.project.as_str(), one.key.id.as_str()),
        )?;
    }
    // They were another host's.
    transaction.execute("DELETE FROM process", [])?;
    transaction.commit()?;
    Ok(lost)
}

/// Makes what is to be the database: a copy that is sound, or an empty one; durable.
fn make(next: &Path, from: Option<&Path>) -> Result<(), RestoreError> {
    disk::create_private(next)?;
    if let Some(from) = from {
        // By content only: the copy keeps its own mode.
        let copied = std::fs::File::open(from).and_then(|mut source| {
            let mut target = std::fs::File::options().write(true).open(next)?;
            std::io::copy(&mut source, &mut target)
        });
        copied.map_err(at("copy", from))?;
    }
    check(next, from)?;
    Ok(disk::sync_file(next)?)
}

/// Looks a copy through before it counts; makes the schema of an empty one.
fn check(next: &Path, from: Option<&Path>) -> Result<(), RestoreError> {
    let path = || from.unwrap_or(next).to_owned();
    let bad = |error| RestoreError::Bad(Box::new(error));
    let mut connection = open::connect(next, OpenFlags::empty()).map_err(bad)?;
    open::look_through(&connection, &path()).map_err(bad)?;
    let sqlite = |source| OpenError::Sqlite {
        path: path(),
        source,
    };
    // Nothing is left beside it when it is closed.
    connection
        .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        .map_err(|error| bad(sqlite(error)))?;
    if from.is_none() {
        return migrate::migrate(&mut connection).map_err(|error| bad(sqlite(error)));
    }
    let found = migrate::version(&connection).map_err(|error| bad(sqlite(error)))?;
    let ours = connection.table_exists(None, "activity");
    let ours = ours.map_err(|error| bad(sqlite(error)))?;
    if !ours || !(1..=VERSION).contains(&found) {
        let path = path();
        return Err(RestoreError::Version { path, found });
    }
    Ok(())
}

/// Moves the database and what belongs to it away, the database first: half of this leaves a
/// database that is missing, never one without its newest part.
fn put_aside(paths: &Paths) -> Result<Option<PathBuf>, DiskError> {
    let aside = paths.replaced(&stamp(SystemTime::now()));
    let [wal, shm] = paths.beside_database();
    let mut moved = false;
    for file in [paths.database(), wal, shm] {
        if !file.exists() {
            continue;
        }
        std::fs::create_dir_all(&aside).map_err(at("make", &aside))?;
        let name = file.file_name().expect("a file of the state directory");
        std::fs::rename(&file, aside.join(name)).map_err(at("move", &file))?;
        disk::sync_directory(&paths.state())?;
        moved = true;
    }
    if moved {
        disk::sync_directory(&aside)?;
    }
    Ok(moved.then_some(aside))
}

#[cfg(test)]
mod tests;
