//! The application: what its developer wrote in `wharf.toml`, filled in by what was detected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    files::Files,
    name::{ProcessName, RelPath, VariableName},
    problem::{Problems, Spot},
};

mod at;
mod build;
pub mod committed;
mod crons;
mod deploy;
mod env;
mod locations;
mod mounts;
mod parts;
mod process;
mod read;
mod routes;
mod runtime;
mod seed;
mod services;
mod step;
mod visible;

pub use at::At;
pub(crate) use build::BUILD_NETWORK;
pub use build::{Build, BuildNetwork, PATCHES, Patches, PathPattern};
pub use crons::{Cron, CronSchedule, Overlap};
pub use deploy::{Assets, Deploy, Health, Install, Maintenance, OldWorkers, When};
pub use env::Value;
pub use locations::Location;
pub use mounts::Mount;
pub use process::{Network, Process, Protocol};
pub use routes::{Paths, Route, To};
pub use runtime::{Runtime, RuntimeName};
pub use seed::Seed;
pub use services::{Custom, Provider, Service, ServiceKind, prefix as service_prefix};
pub use step::Step;
pub(crate) use step::command;
pub use visible::{MAX_VALUE, Visible, check_value};

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
    /// The script below them that answers what is neither a file nor a script.
    pub front: Option<RelPath>,
    /// How the slug is made.
    pub build: Build,
    /// Static content, and where it is made.
    pub assets: Option<Assets>,
    /// What happens around the switch.
    pub deploy: Deploy,
    /// Commands that must end well against the new release before it serves.
    pub checks: Vec<Step>,
    /// The process that answers requests.
    pub web: Option<Process>,
    /// Other processes that answer requests; only routes lead to them.
    pub processes: BTreeMap<ProcessName, Process>,
    /// Processes beside it.
    pub workers: BTreeMap<ProcessName, Process>,
    /// Commands that run at times of their own while the release serves.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub crons: BTreeMap<ProcessName, Cron>,
    /// Which network deploy commands and processes have.
    #[serde(skip_serializing_if = "Network::is_shared")]
    pub network: Network,
    /// Writable paths that outlive releases.
    pub mounts: BTreeMap<RelPath, Mount>,
    /// Databases, caches and queues, which outlive releases too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<ProcessName, Service>,
    /// Bytes that a mount may hold, of those that say so.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<RelPath, u64>,
    /// Sample data for new environments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// What addresses lead to, beside the files and the web process.
    pub routes: Vec<Route>,
    /// What holds below paths of addresses.
    pub locations: BTreeMap<String, Location>,
    /// Variables.
    pub env: BTreeMap<VariableName, Value>,
    /// Variables that were set in an environment and committed: they win over what is set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub committed: committed::All,
}

/// Reads the application that these files are.
pub fn read(files: &Files) -> Result<Application, Problems> {
    read::read(files)
}

#[cfg(test)]
mod tests;
