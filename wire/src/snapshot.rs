//! Snapshots as people and scripts read them.

use serde::{Deserialize, Serialize};

/// A copy of an environment's data at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Its id, which is the activity's that made it.
    pub id: String,
    /// Its project's name.
    pub project: String,
    /// The id of the environment that it is of.
    pub environment: String,
    /// `good`, `making`, `bad`, `deleting`: only a good one can be restored.
    pub state: String,
    /// `scheduled`, `manual`, `before-deploy`.
    pub why: String,
    /// What somebody says of it.
    pub title: String,
    /// The release that served.
    pub release: Option<u32>,
    /// Its commit, in hex.
    pub commit: Option<String>,
    /// What it is made of.
    pub parts: Vec<Part>,
    /// Bytes of all that it holds.
    pub bytes: u64,
    /// Bytes by which the repository grew.
    pub added: u64,
    /// When it was begun: milliseconds since 1970-01-01 UTC.
    pub created: u64,
    /// When it was last seen that it can be restored.
    pub verified: Option<u64>,
    /// Why it is bad.
    pub error: Option<String>,
}

/// A part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// `mounts`, or `service:NAME`.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
}

/// A part of a snapshot that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// The snapshot's id.
    pub id: String,
    /// The part's name.
    pub part: String,
    /// How many bytes were written.
    pub size: u64,
}
