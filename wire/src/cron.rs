//! The crons of what serves, and how their last runs ended.

use serde::{Deserialize, Serialize};

use crate::{outcome::State, view::Reason};

/// A cron of an environment's live release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// Its project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// Its name.
    pub name: String,
    /// When it is due, as it is written.
    pub schedule: String,
    /// What runs, as it is written.
    pub run: String,
    /// What becomes of a run that is due while another one runs: `skip`, `queue`, `allow`.
    pub overlap: String,
    /// When it begins next: milliseconds since 1970-01-01 UTC; none while it is not to run there.
    pub next: Option<u64>,
    /// Why it is not to run there now; none where it is.
    pub why: Option<String>,
    /// Its runs that go on, oldest first.
    pub running: Vec<CronRun>,
    /// The run that ended last, as far as one is recorded.
    pub last: Option<CronRun>,
}

/// One run of a cron.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CronRun {
    /// The activity that it is: `wharf log` shows what it printed.
    pub activity: String,
    /// The release in which it runs, or ran.
    pub release: Option<u32>,
    /// How it stands, or ended.
    pub state: State,
    /// Why it ended so, unless it succeeded.
    pub reason: Option<Reason>,
    /// When it began: milliseconds since 1970-01-01 UTC.
    pub started: u64,
    /// When it ended.
    pub ended: Option<u64>,
}
