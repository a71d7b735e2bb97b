//! The database's thread: one connection, one owner, calls in order.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

/// The schema's version, kept in SQLite's `user_version`.
const VERSION: i64 = 1;

/// Why the store did not do it. Failing to record is a failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("the database refused")]
    Sqlite(#[source] rusqlite::Error),
    /// There is no room for the record.
    #[error("the host's disk is full")]
    Full,
    /// A record does not hold what it should.
    #[error("the database holds an unreadable {what}: `{value}`")]
    Unreadable {
        /// Which field.
        what: &'static str,
        /// What stands there.
        value: String,
    },
    /// It was written by a newer Wharf.
    #[error("{}: written by a newer Wharf (schema {found}, this one knows {VERSION})", path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// It cannot be opened.
    #[error("{}: cannot be opened", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// Its thread is gone: the daemon is stopping.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
            _ => StoreError::Sqlite(error),
        }
    }
}

type Call = Box<dyn FnOnce(&mut Connection) + Send>;

/// A handle on the database's thread.
#[derive(Debug, Clone)]
pub struct Database {
    // Unbounded, but each caller waits for its answer: no more calls than callers.
    calls: mpsc::Sender<Call>,
}

impl Database {
    /// Opens or makes the database and starts its thread.
    ///
    /// # Errors
    /// [`StoreError::Open`], [`StoreError::Newer`], or the schema's.
    pub fn open(path: &Path) -> Result<Database, StoreError> {
        let mut connection = connect(path)?;
        migrate(&mut connection, path)?;
        let (calls, inbox) = mpsc::channel::<Call>();
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Ok(call) = inbox.recv() {
                    call(&mut connection);
                }
            })
            .expect("a thread can be started");
        Ok(Database { calls })
    }

    /// Runs `work` on the database's thread. The call is queued before this returns, so calls keep
    /// their order; the answer is awaited.
    ///
    /// # Errors
    /// Whatever `work` fails with, or [`StoreError::Closed`].
    pub fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<R, StoreError> + Send + 'static,
    ) -> impl Future<Output = Result<R, StoreError>> + Send + 'static {
        let (answer, result) = oneshot::channel();
        let queued = self.calls.send(Box::new(move |connection| {
            // Whoever asked may have gone; the work is done all the same.
            drop(answer.send(work(connection)));
        }));
        async move {
            queued.map_err(|_| StoreError::Closed)?;
            result.await.map_err(|_| StoreError::Closed)?
        }
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let opened = |source| StoreError::Open {
        path: path.to_owned(),
        source,
    };
    let connection = Connection::open(path).map_err(opened)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA busy_timeout = 5000;",
        )
        .map_err(opened)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > VERSION {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
        });
    }
    if found == 0 {
        let transaction = connection.transaction()?;
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(())
}
