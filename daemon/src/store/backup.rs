//! Copies of the database: each day, and before each upgrade.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::OpenFlags;

use super::fault::Fault;
use super::open::{self, OpenError};
use super::paths::Paths;
use crate::disk::{self, DiskError, at};

/// The time between two daily backups.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Daily backups that are kept.
const DAYS: usize = 7;
/// What daily backups' names begin with.
const DAILY: &str = "daily-";
/// What the names of backups before an upgrade begin with.
const UPGRADE: &str = "upgrade-";
/// What is not whole yet.
const UNFINISHED: &str = ".new-";

/// Why a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A day has passed.
    Daily,
    /// A newer Wharf is about to change this version of the schema.
    Upgrade(usize),
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read, or the copy not be written.
    #[error("cannot copy the database")]
    Copy(#[source] Box<OpenError>),
    /// The copy is no good.
    #[error("the copy of the database cannot be used")]
    Bad(#[source] Box<OpenError>),
    /// The disk said no.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl BackupError {
    /// The damage of the database itself, where that is why.
    pub fn damage(&self) -> Option<&Fault> {
        match self {
            BackupError::Copy(error) => match error.as_ref() {
                OpenError::Fault(fault @ Fault::Damaged { .. }) => Some(fault),
                _ => None,
            },
            BackupError::Bad(_) | BackupError::Disk(_) => None,
        }
    }
}

/// Copies the database, looks the copy through, makes it durable, and removes what is past keeping.
/// Writers go on meanwhile. Blocks.
///
/// # Errors
/// [`BackupError`]; nothing of the copy is left then, and no older one is removed.
pub fn take(paths: &Paths, kind: Kind) -> Result<PathBuf, BackupError> {
    let directory = paths.backups();
    clear(&directory)?;
    let stamp = stamp(SystemTime::now());
    let name = match kind {
        Kind::Daily => format!("{DAILY}{stamp}.db"),
        Kind::Upgrade(from) => format!("{UPGRADE}v{from}-{stamp}.db"),
    };
    let backup = directory.join(&name);
    let unfinished = directory.join(format!("{UNFINISHED}{name}"));
    let copied = copy(&paths.database(), &unfinished).and_then(|()| {
        std::fs::rename(&unfinished, &backup).map_err(at("rename", &unfinished))?;
        Ok(disk::sync_directory(&directory)?)
    });
    if let Err(error) = copied {
        clear(&directory)?;
        return Err(error);
    }
    prune(&directory)?;
    Ok(backup)
}

/// Copies a database with all that its second file holds; the copy is one file, sound and durable.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let unread = |error| BackupError::Copy(Box::new(error));
    let unsound = |error| BackupError::Bad(Box::new(error));
    // Before SQLite does, for its mode: secrets are in it.
    disk::create_private(to)?;
    let database = open::connect(from, OpenFlags::empty()).map_err(unread)?;
    let target = to.to_string_lossy();
    let copied = database.execute("VACUUM INTO ?1", [target.as_ref()]);
    open::failing(from, copied).map_err(unread)?;
    drop(database);
    let copy = open::connect(to, OpenFlags::empty()).map_err(unsound)?;
    open::look_through(&copy, to).map_err(unsound)?;
    drop(copy);
    Ok(disk::sync_file(to)?)
}

/// Every backup with its time, the newest first.
pub fn list(paths: &Paths) -> Vec<(SystemTime, PathBuf)> {
    list_in(&paths.backups())
}

/// The newest backup that an upgrade from this version, or an earlier one, took.
pub fn before_upgrade(paths: &Paths, version: usize) -> Option<PathBuf> {
    let upgrades = list(paths).into_iter().map(|(_, path)| path);
    { upgrades }.find(|path| upgraded_from(path).is_some_and(|from| from <= version))
}

/// The version that a backup before an upgrade has.
fn upgraded_from(path: &Path) -> Option<usize> {
    let name = path.file_name()?.to_str()?.strip_prefix(UPGRADE)?;
    name.strip_prefix('v')?.split('-').next()?.parse().ok()
}

fn list_in(directory: &Path) -> Vec<(SystemTime, PathBuf)> {
    let Ok(entries) = crate::disk::entries(directory) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((time(&entry.file_name().into_string().ok()?)?, entry.path())))
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// How long until the next daily backup is due; a clock that was set back delays it by a day at
/// most.
pub fn due(paths: &Paths, now: SystemTime) -> Duration {
    let daily = |(_, path): &(SystemTime, PathBuf)| starts(path, DAILY);
    let Some((newest, _)) = list(paths).into_iter().find(daily) else {
        return Duration::ZERO;
    };
    let next = newest + DAY;
    next.duration_since(now).unwrap_or_default().min(DAY)
}

/// Removes daily backups beyond [`DAYS`], and all but the newest of each version's upgrades.
fn prune(directory: &Path) -> Result<(), DiskError> {
    let all = list_in(directory);
    let daily = all.iter().filter(|(_, path)| starts(path, DAILY));
    let mut past: Vec<&PathBuf> = daily.skip(DAYS).map(|(_, path)| path).collect();
    let mut seen = Vec::new();
    for (_, path) in all.iter().filter(|(_, path)| starts(path, UPGRADE)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let version = name.split('-').nth(1).unwrap_or_default().to_owned();
        if seen.contains(&version) {
            past.push(path);
        }
        seen.push(version);
    }
    for path in past {
        disk::remove_file(path)?;
    }
    Ok(())
}

/// Removes what a killed backup left.
fn clear(directory: &Path) -> Result<(), DiskError> {
    let entries = crate::disk::entries(directory).map_err(at("read", directory))?;
    for entry in entries.filter_map(Result::ok) {
        if starts(&entry.path(), UNFINISHED) {
            disk::remove_file(&entry.path())?;
        }
    }
    Ok(())
}

fn starts(path: &Path, prefix: &str) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(prefix))
}

/// A time as part of a name: `2026-11-21T071140Z`.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time)
        .to_string()
        .replace(':', "")
}

/// The time in a backup's name; none where it is no backup's.
fn time(name: &str) -> Option<SystemTime> {
    let name = name.strip_suffix(".db")?;
    let stamp = match name.strip_prefix(DAILY) {
        Some(stamp) => stamp,
        None => name.strip_prefix(UPGRADE)?.split_once('-')?.1,
    };
    let (hours, rest) = (stamp.get(..13)?, stamp.get(13..)?);
    let (minutes, seconds) = (rest.get(..2)?, rest.get(2..)?);
    humantime::parse_rfc3339(&format!("{hours}:{minutes}:{seconds}")).ok()
}

#[cfg(test)]
mod tests;
