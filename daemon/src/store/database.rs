//! The database's thread: one connection, one owner, calls in order.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, mpsc};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::ballast::Ballast;
use super::fault::Fault;

/// Why the store did not do it. Failing to record is a failure.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite said no.
    #[error("the database refused")]
    Sqlite(#[source] rusqlite::Error),
    /// There is no room for the record.
    #[error("the host's disk is full")]
    Full,
    /// It was found damaged, now or before, and is not used any more.
    #[error(transparent)]
    Fault(Fault),
    /// A record does not hold what it should.
    #[error("the database holds an unreadable {what}: `{value}`")]
    Unreadable {
        /// Which field.
        what: &'static str,
        /// What stands there.
        value: String,
    },
    /// Another branch has the environment's id.
    #[error("environment {0} is another branch's by now")]
    Taken(String),
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
    path: PathBuf,
    fault: Arc<OnceLock<Fault>>,
}

impl Database {
    /// Starts the thread of a connection to the database at `path`.
    pub(super) fn start(
        mut connection: Connection,
        path: PathBuf,
        mut ballast: Ballast,
    ) -> Database {
        let (calls, inbox) = mpsc::channel::<Call>();
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Ok(call) = inbox.recv() {
                    ballast.balance();
                    call(&mut connection);
                }
            })
            .expect("a thread can be started");
        Database {
            calls,
            path,
            fault: Arc::default(),
        }
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
        let database = self.clone();
        let queued = self.calls.send(Box::new(move |connection| {
            // Whoever asked may have gone; the work is done all the same.
            drop(answer.send(database.careful(connection, work)));
        }));
        async move {
            queued.map_err(|_| StoreError::Closed)?;
            result.await.map_err(|_| StoreError::Closed)?
        }
    }

    /// What is wrong with the database, once that is known: nothing is read or written any more.
    pub fn fault(&self) -> Option<&Fault> {
        self.fault.get()
    }

    /// Says once that the database is not to be used any more.
    pub fn condemn(&self, fault: Fault) {
        if self.fault.set(fault.clone()).is_ok() {
            tracing::error!(
                WHARF_ERROR = fault.code(),
                "{fault}; pushes are refused, what serves goes on; see: wharf doctor"
            );
        }
    }

    /// Does it, unless the database is damaged: neither a page that is wrong is written on, nor an
    /// answer of it believed.
    fn careful<R>(
        &self,
        connection: &mut Connection,
        work: impl FnOnce(&mut Connection) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        if let Some(fault) = self.fault() {
            return Err(StoreError::Fault(fault.clone()));
        }
        work(connection).map_err(|error| match error {
            StoreError::Sqlite(error) if is_damage(&error) => {
                let (path, what) = (self.path.clone(), error.to_string());
                let fault = Fault::Damaged { path, what };
                self.condemn(fault.clone());
                StoreError::Fault(fault)
            }
            other => other,
        })
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
    )
}
