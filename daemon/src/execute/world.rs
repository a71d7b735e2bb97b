//! What every activity may use.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use wharf_config::place::Place;

use super::crons::Crons;
use super::distance::Distances;
use super::durable::Durable;
use super::forge::Pushes;
use super::hands::Hands;
use super::housekeeping::Caches;
use super::replaced::Retiring;
use super::router::Router;
use super::runtime::Runtimes;
use super::snapshots::Repositories;
use crate::metrics::Metrics;
use crate::run::isolation::Isolation;
use crate::run::job::Jobs;
use crate::run::keepers::Keepers;
use crate::run::runner::Runner;
use crate::settings::{FollowedHeads, Ports, Settings};
use crate::store::Recorder;
use crate::store::log::Logs;
use crate::store::paths::Paths;
use crate::traces::Traces;
use crate::watch::Watching;

/// The daemon's means, shared by all activities.
#[derive(Debug)]
pub struct World {
    /// Where configuration and state are.
    pub place: Place,
    /// Every path below them.
    pub paths: Paths,
    /// What is to be remembered.
    pub recorder: Recorder,
    /// What people follow.
    pub logs: Logs,
    /// What people wrote, as it counts now.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Job files.
    pub jobs: Jobs,
    /// What keeps repository code in, and what it cannot do here.
    pub isolation: Isolation,
    /// Starts the steps of stages.
    pub runner: Runner,
    /// Starts and finds the keepers of processes.
    pub keepers: Keepers,
    /// What monitoring is told.
    pub metrics: Metrics,
    /// What a tracing system is told.
    pub traces: Traces,
    /// The data plane's control.
    pub router: Router,
    /// What the host has of each runtime.
    pub runtimes: Runtimes,
    /// What is known to survive a power cut.
    pub durable: Durable,
    /// Processes that serve no more and are ending.
    pub retiring: Retiring,
    /// Commands that people run by hand.
    pub hands: Arc<Hands>,
    /// Runs of crons.
    pub crons: Arc<Crons>,
    /// Builds that are going on, by their ingredients.
    pub building: Turns,
    /// What build steps made, being kept or put back, by project and trust domain.
    pub layers: Turns,
    /// What is to be looked at on the disk.
    pub watching: Watching,
    /// How far branches are from their parents.
    pub distances: Arc<Distances>,
    /// The default branches that environments follow.
    pub heads: FollowedHeads,
    /// Routes that are being written, by their environment.
    pub routing: Turns,
    /// Pushes of the daemon's own to git hosts.
    pub pushes: Pushes,
    /// Repositories that are being tidied, by their project.
    pub collecting: Turns,
    /// Build caches, and which of them are in use.
    pub caches: Caches,
    /// Places for archives of slugs that are written or read.
    pub archives: tokio::sync::Semaphore,
    /// Repositories of snapshots, and which of them are in use.
    pub repositories: Repositories,
    /// Housekeeping goes on.
    pub keeping: tokio::sync::Mutex<()>,
    /// The daemon's events go to the journal, and what applications print does, too.
    pub has_journal: bool,
    /// Something was deployed, paused or resumed: another environment may be due for a pause first.
    pub pausing: tokio::sync::Notify,
    /// Something was deployed, or a snapshot taken: another environment's may be due first.
    pub snapshotting: tokio::sync::Notify,
    /// Somebody may have to be told of something.
    pub telling: tokio::sync::Notify,
}

/// One at a time of the same kind.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// The lock of that name.
    pub fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().expect("no holder of this lock panics");
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(name.to_owned()).or_default())
    }
}

impl World {
    /// The settings of this moment.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    /// Where visitors come in, as the operator says; as the router does where it is free to choose.
    pub fn ports(&self) -> Ports {
        let asked = self.settings.borrow().host.tls.listen;
        let https = asked.map(|listen| match listen.port() {
            0 => self.router.secure_port(),
            port => port,
        });
        Ports {
            http: self.router.port(),
            https,
        }
    }

    /// The address of a host name for people, with port 0 while nobody knows it.
    pub fn url(&self, host: &str) -> String {
        let ports = self.ports();
        ports
            .url(host)
            .unwrap_or_else(|| format!("http://{host}:0/"))
    }
}

/// A program that is installed beside this one.
///
/// # Errors
/// When this program's own path cannot be known.
pub fn sibling(name: &str) -> std::io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
