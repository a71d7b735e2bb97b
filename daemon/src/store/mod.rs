//! MEMORY: the database, every path under the state directory, activity logs.

pub mod activity;
pub mod database;
pub mod environment;
pub mod insist;
pub mod log;
pub mod paths;
pub mod process;
pub mod recorder;
pub mod release;
pub mod slug;

pub use database::{Database, StoreError};
pub use recorder::Recorder;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC: how the store, the logs and the wire tell the time.
pub fn now() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
