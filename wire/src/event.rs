//! The log of an activity, as people follow it: one event a line of a file, rendered by the daemon.

use serde::{Deserialize, Serialize};

use crate::outcome::{Kind, State};

/// A part of a deployment, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The slug is made or found.
    Build,
    /// The release is made and its deploy commands run.
    Deploy,
    /// It serves; commands that may come late.
    PostDeploy,
}

impl Stage {
    /// The word that people, the store and the journal use.
    pub fn word(self) -> &'static str {
        match self {
            Stage::Build => "build",
            Stage::Deploy => "deploy",
            Stage::PostDeploy => "post_deploy",
        }
    }
}

/// One moment of an activity, with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Event {
    /// The activity was recorded.
    Opened {
        /// What started it.
        kind: Kind,
        /// The project's name.
        project: String,
        /// The branch's name.
        branch: String,
        /// The environment's id.
        environment: String,
        /// The activity's id.
        activity: String,
    },
    /// A line of our own, such as the queue's reason.
    Note {
        /// At most 72 columns.
        text: String,
    },
    /// A line of our own that must be seen.
    Warning {
        /// Without `warning:`.
        text: String,
    },
    /// A step began.
    StepStarted {
        /// The column on the left: `build`, `release`, `deploy`, `health`, `route`, `after`.
        label: String,
        /// What it does.
        text: String,
    },
    /// A line that a command printed: printable, no escapes, without its line end.
    Output {
        /// The line.
        text: String,
    },
    /// The step printed more lines than are shown.
    Elided {
        /// How many lines follow in the raw log only, as far as known.
        lines: u64,
    },
    /// A step ended.
    StepEnded {
        /// As in `StepStarted`.
        label: String,
        /// What came of it.
        text: String,
        /// How long it took.
        milliseconds: u64,
    },
    /// It is built and waits before anything of its environment changes; it goes on later.
    Parked(Box<Parked>),
    /// The activity ended. Always the last event.
    Ended(Box<Ended>),
}

/// What a deployment waits for once it is built, as the pusher reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parked {
    /// In one line, such as `built; waits for approval`.
    pub verdict: String,
    /// What lets it go on, each a line without `hint:`.
    pub hints: Vec<String>,
    /// The last line: what serves meanwhile.
    pub serves: String,
}

/// The end of an activity, as the pusher reads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// One of the ends.
    pub state: State,
    /// The verdict in one line, without `success:` or `error:`.
    pub verdict: String,
    /// The last lines of what failed, or a configuration's problem with its place.
    pub details: Vec<String>,
    /// What to do next, each a line without `hint:`.
    pub hints: Vec<String>,
    /// Where the environment answers, when it does.
    pub url: Option<String>,
    /// The last line: what serves now.
    pub serves: String,
    /// How long all of it took.
    pub milliseconds: u64,
    /// For how many milliseconds it kept visitors away, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_ms: Option<u64>,
}
