//! The application: what its developer wrote in `wharf.toml`, filled in by what was detected.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    files::Files,
    name::{CachePath, ProcessName, RelPath, VariableName},
    problem::{Problems, Spot},
};

mod parts;
mod read;
mod runtime;

pub use runtime::{Runtime, RuntimeName};

/// What is built, deployed and served.
///
/// It is stored with slugs and releases: fields are added with a default, never renamed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Application {
    /// What was read and what was detected, a plain line each.
    pub sources: Vec<String>,
    /// What its developer should know, a plain line each.
    pub warnings: Vec<String>,
    /// What must be there on the host.
    pub runtime: Option<Runtime>,
    /// Where the runtime is asked for, to point at when the host has none. Not stored.
    #[serde(skip)]
    pub runtime_at: Option<Spot>,
    /// Static files that are served; the router never serves dot files or `wharf.toml` of them,
    /// which matters where it is the top of the tree.
    pub public: Option<RelPath>,
    /// How the slug is made.
    pub build: Build,
    /// What happens around the switch.
    pub deploy: Deploy,
    /// The process that answers requests.
    pub web: Option<Process>,
    /// Processes beside it.
    pub workers: BTreeMap<ProcessName, Process>,
    /// Writable paths that outlive releases.
    pub mounts: BTreeMap<RelPath, Mount>,
    /// Variables.
    pub env: BTreeMap<VariableName, Value>,
}

/// How the slug is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Build {
    /// Commands, in order.
    pub steps: Vec<Step>,
    /// Directories that are kept between builds.
    pub cache: Vec<CachePath>,
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What people read: printable ASCII, at most 60 characters.
    pub name: String,
    /// What `/bin/sh -c` gets.
    pub run: String,
}

/// What happens around the switch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deploy {
    /// Commands before the new processes start.
    pub run: Vec<Step>,
    /// Commands once the site serves.
    pub after: Vec<Step>,
    /// When a new web process is good.
    pub health: Health,
    /// Whether `run` may be run again after it was interrupted.
    pub repeatable: bool,
}

/// When a new web process is good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// What to request, beginning with `/`; without it, that the process listens is enough.
    pub path: Option<String>,
    /// How long it may take to get there.
    pub within: Duration,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: None,
            within: Duration::from_secs(60),
        }
    }
}

/// A process that runs as long as its release serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What `/bin/sh -c` gets.
    pub start: String,
}

/// What a mount holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mount {
    /// The environment's own: never copied to another.
    Private,
    /// Cloned to children, part of snapshots.
    Data,
}

/// A variable's value, or where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// As written.
    Plain(String),
    /// A secret, made once per environment and never printed.
    Generate,
    /// Somebody must set it for the environment.
    Required {
        /// What it is.
        help: Option<String>,
    },
}

/// Reads the application that these files are.
pub fn read(files: &Files) -> Result<Application, Problems> {
    read::read(files)
}

#[cfg(test)]
mod tests;
