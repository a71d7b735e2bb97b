//! MEMORY: the database, every path under the state directory, activity logs.

pub mod activity;
pub mod backup;
pub mod ballast;
pub mod baseline;
pub mod beginning;
pub mod crons;
pub mod database;
pub mod environment;
pub mod fault;
pub mod findings;
pub mod gauges;
pub mod insist;
pub mod known;
pub mod log;
pub mod migrate;
pub mod notification;
pub mod open;
pub mod overview;
pub mod paths;
pub mod places;
pub mod process;
pub mod recorder;
pub mod release;
pub mod restore;
pub mod seeded;
pub mod service;
pub mod slug;
pub mod snapshot;
pub mod status;
pub mod stock;
pub mod variable;

pub use database::{Database, StoreError};
pub use fault::Fault;
pub use recorder::Recorder;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC: how the store, the logs and the wire tell the time.
pub fn now() -> u64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
