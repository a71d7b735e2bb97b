//! Opens the database, or says why not: what is damaged or missing is never begun anew in silence.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::io::Errno;

use super::backup::{self, BackupError, Kind};
use super::ballast::Ballast;
use super::database::Database;
use super::fault::Fault;
use super::migrate::{self, VERSION};
use super::paths::Paths;

/// Up to this size the whole database is looked through before it is used: measured, 3 ms a MiB,
/// so less than a second. A larger one would keep pushes waiting, and is looked through while the
/// daemon serves.
pub const LOOKED_THROUGH: u64 = 256 << 20;

/// Why the database is not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Only a person can mend it.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// No backup could be made of what is to be upgraded.
    #[error("the database is not upgraded without a backup")]
    Backup(#[from] BackupError),
    /// Something that may pass: it is in use, or the disk is full.
    #[error("{}: SQLite failed", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// It cannot be looked at.
    #[error("{}: cannot be looked at", path.display())]
    Look {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Opens the database of a place: makes it where nothing was recorded yet, upgrades an older one
/// after a backup, and refuses what is no good.
///
/// # Errors
/// [`OpenError`]; the database is then as it was.
pub fn open(paths: &Paths) -> Result<Database, OpenError> {
    let (connection, ballast) = (connection(paths)?, Ballast::new(paths.ballast()));
    Ok(Database::start(connection, paths.database(), ballast))
}

/// The same, for whoever does without its thread.
///
/// # Errors
/// As [`open`].
pub(super) fn connection(paths: &Paths) -> Result<Connection, OpenError> {
    let path = paths.database();
    let connection = sound(paths, Look::Through)?;
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect(&path, OpenFlags::SQLITE_OPEN_CREATE)?,
    };
    keep_private(paths);
    let found = failing(&path, migrate::version(&connection))?;
    if (1..VERSION).contains(&found) {
        backup::take(paths, Kind::Upgrade(found))?;
    }
    failing(&path, configure(&connection))?;
    if found < VERSION {
        failing(&path, migrate::migrate(&mut connection))?;
        // Into the database itself: no loss of its second file may make it look like a new one.
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        failing(&path, connection.query_row(checkpoint, [], |_| Ok(())))?;
        tracing::info!(from = found, to = VERSION, "the database's schema is made");
    }
    Ok(connection)
}

/// Lets only its owner read the database, and so the files beside it: secrets are in it. The
/// directory lets nobody else in anyway.
fn keep_private(paths: &Paths) {
    use std::os::unix::fs::PermissionsExt;
    let beside = paths.beside_database().into_iter();
    for path in std::iter::once(paths.database()).chain(beside) {
        let private = std::fs::Permissions::from_mode(0o600);
        match std::fs::set_permissions(&path, private) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "{} may be read by others", path.display()),
        }
    }
}

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Everything, up to [`LOOKED_THROUGH`].
    Through,
    /// Everything.
    Whole,
}

/// Looks at the database without changing it; none where there is none and need not be.
///
/// # Errors
/// What is wrong with it.
pub fn sound(paths: &Paths, look: Look) -> Result<Option<Connection>, OpenError> {
    let path = paths.database();
    let size = match std::fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            nothing_recorded(paths, "is missing")?;
            return Ok(None);
        }
        Err(source) => return Err(OpenError::Look { path, source }),
    };
    let connection = connect(&path, OpenFlags::empty())?;
    if failing(&path, connection.is_readonly(rusqlite::MAIN_DB))? {
        let why = match std::fs::OpenOptions::new().write(true).open(&path) {
            Ok(_) => "read-only".to_owned(),
            Err(error) => error.to_string(),
        };
        return Err(Fault::ReadOnly { path, why }.into());
    }
    for file in paths.beside_database() {
        can_be_written(file)?;
    }
    let found = failing(&path, migrate::version(&connection))?;
    if found > VERSION {
        let by = migrate::made_by(&connection);
        return Err(Fault::Newer { path, found, by }.into());
    }
    let tables: usize = failing(
        &path,
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)),
    )?;
    match (found, tables) {
        (0, 0) => nothing_recorded(paths, "is empty")?,
        (0, _) => return Err(Fault::Foreign { path }.into()),
        _ => {
            let ours = connection.table_exists(None, "activity");
            if !failing(&path, ours)? {
                return Err(Fault::Foreign { path }.into());
            }
        }
    }
    if look == Look::Whole || size <= LOOKED_THROUGH {
        look_through(&connection, &path)?;
    }
    Ok(Some(connection))
}

/// SQLite opens a second file that it cannot write all the same, and fails at the first record.
/// Asked without opening it: closing it would let go of SQLite's own locks on it.
fn can_be_written(file: PathBuf) -> Result<(), Fault> {
    match rustix::fs::access(&file, rustix::fs::Access::WRITE_OK) {
        Err(error) if error != Errno::NOENT => Err(Fault::ReadOnly {
            path: file,
            why: std::io::Error::from(error).to_string(),
        }),
        _ => Ok(()),
    }
}

/// Reads every page and compares what belongs together; not what indexes say, for its time.
///
/// # Errors
/// [`Fault::Damaged`].
pub fn look_through(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let first: String = failing(
        path,
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)),
    )?;
    if first == "ok" {
        return Ok(());
    }
    // SQLite writes a heading and then the finding, each on a line.
    let what = first.lines().last().unwrap_or_default().to_owned();
    let path = path.to_owned();
    Err(Fault::Damaged { path, what }.into())
}

/// Opens an existing file, or also makes it with `SQLITE_OPEN_CREATE`.
///
/// # Errors
/// What is wrong with it.
pub fn connect(path: &Path, more: OpenFlags) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = failing(path, Connection::open_with_flags(path, flags))?;
    failing(
        path,
        connection.busy_timeout(std::time::Duration::from_secs(5)),
    )?;
    // Who only looks leaves both files as they are, above all when they do not fit together.
    failing(path, write_back_on_close(&connection, false))?;
    Ok(connection)
}

/// Whether the last to close the database writes the second file's content back.
fn write_back_on_close(connection: &Connection, on: bool) -> rusqlite::Result<()> {
    let off = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(off, !on).map(drop)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    write_back_on_close(connection, true)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
    )
}

/// A database may be made only where there is nothing yet that it would be the record of.
fn nothing_recorded(paths: &Paths, what: &'static str) -> Result<(), OpenError> {
    for trace in paths.recorded() {
        let mut entries = match crate::disk::entries(&trace) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(source) => {
                return Err(OpenError::Look {
                    path: trace,
                    source,
                });
            }
        };
        if entries.next().is_some() {
            let path = paths.database();
            return Err(Fault::Missing { path, what, trace }.into());
        }
    }
    Ok(())
}

/// Tells what only a person can mend from what may pass.
pub(super) fn failing<T>(path: &Path, result: rusqlite::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| {
        let (path, what) = (path.to_owned(), source.to_string());
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Fault::Damaged { path, what }.into()
            }
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Fault::ReadOnly { path, why: what }.into()
            }
            _ => OpenError::Sqlite { path, source },
        }
    })
}

#[cfg(test)]
mod tests;
