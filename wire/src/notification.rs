//! What a webhook is sent, and what a try of a destination came to.

use serde::{Deserialize, Serialize};

use crate::view::Activity;

/// What a webhook is sent: a message of Standard Webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// `live`, `failed`, `recovered`, `rolled-back`, `waiting`, or `test`.
    pub r#type: String,
    /// When it happened, such as `2026-11-21T07:11:40Z`.
    pub timestamp: String,
    /// It in one line, for whoever shows one.
    pub text: String,
    /// What happened; none in a test.
    pub data: Option<Happened>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Happened {
    /// The activity, as `wharf activity show --json` prints it.
    pub activity: Activity,
    /// `production`, `staging`, `development`; none where the environment is gone.
    pub environment_type: Option<String>,
    /// What serves now, in one line.
    pub serves: String,
    /// Where it answers, if something went live.
    pub url: Option<String>,
}

/// What a try of a destination came to: `wharf notify test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// The destination's name.
    pub name: String,
    /// The project whose file names it; none for the host's.
    pub project: Option<String>,
    /// Where it leads: of an address scheme and host alone.
    pub to: String,
    /// Whether the other side took it.
    pub taken: bool,
    /// What it answered, or what is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// For how long that took.
    pub milliseconds: u64,
    /// How many notifications wait for it.
    pub waiting: u32,
}
