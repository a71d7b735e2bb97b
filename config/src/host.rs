//! The host: what its operator set for all projects.

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;

use crate::{
    application::BuildNetwork,
    name::{Domain, VariableName},
    notify::{Mail, Notify},
    place::Place,
    problem::Problems,
    project::Previews,
};

mod keep;
mod limits;
mod metrics;
mod read;
mod services;
mod snapshots;
mod tls;
mod traces;

pub use keep::{Bounds, Keep, MinFree};
pub use limits::{Limits, Resources};
pub use metrics::Metrics;
pub use services::{Instance, Reach};
pub use snapshots::{SnapshotStore, Snapshots};
pub use tls::{Certificate, Tls};
pub use traces::Traces;

/// The host's configuration, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The domain that projects live under; none: `*.localhost`.
    pub domain: Option<Domain>,
    /// Where project files are.
    pub projects: PathBuf,
    /// What a failed build means for its push.
    pub on_failure: OnFailure,
    /// What a push gets while the daemon is down.
    pub unreachable: Unreachable,
    /// Users of this host whose word on who pushes or asks is believed: those of its git hosts.
    /// None: the daemon's own, and each repository's owner.
    pub accounts: Option<Vec<String>>,
    /// How many builds run at a time.
    pub parallel: u32,
    /// Variables that builds get from the daemon's own environment.
    pub pass: Vec<VariableName>,
    /// Which network builds have, whatever an application says.
    pub network: BuildNetwork,
    /// What a build may take.
    pub build: Limits,
    /// What deploy commands may take: those before the switch, and those after it.
    pub deploy: Limits,
    /// What each web process, worker and command that somebody runs in a release may take.
    pub processes: Resources,
    /// How many releases an environment keeps beside the serving one's own.
    pub keep_releases: u32,
    /// How many earlier releases' web processes an environment keeps running.
    pub keep_warm: u32,
    /// How much else stays on the host's disks, and for how long.
    pub keep: Keep,
    /// Where the router listens.
    pub listen: SocketAddr,
    /// How visitors come by TLS.
    pub tls: Tls,
    /// Instances of databases that the operator runs, in which environments have theirs.
    pub services: Vec<Instance>,
    /// Where snapshots are kept.
    pub snapshots: Snapshots,
    /// Where monitoring asks; none: nowhere.
    pub metrics: Option<Metrics>,
    /// Where a tracing system takes what activities took.
    pub traces: Traces,
    /// Proxies in front of the router, which say where a request comes from.
    pub proxies: Vec<IpNet>,
    /// Operators' addresses, which no maintenance keeps away.
    pub operators: Vec<IpNet>,
    /// Who may look at pages that are not public, in every project.
    pub previews: Previews,
    /// Who is told of what happens in every project.
    pub notify: Vec<Notify>,
    /// How mail leaves the host.
    pub mail: Mail,
    /// Every key with its value and where it came from.
    pub settings: Vec<Setting>,
}

/// What a failed build means for its push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is accepted first, then built: the branch has it, the old release serves.
    #[default]
    Keep,
    /// It is built first, and refused where that fails.
    Reject,
}

/// The words for it, in the host's and the projects' files.
pub(crate) const ON_FAILURE: [(&str, OnFailure); 2] =
    [("keep", OnFailure::Keep), ("reject", OnFailure::Reject)];

/// What a push gets while the daemon is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// It is refused.
    Refuse,
    /// It is accepted and deployed later.
    Accept,
}

/// One key, as `wharfd check` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name with dots: `build.parallel`.
    pub key: &'static str,
    /// Its value as TOML.
    pub value: String,
    /// The file that it came from; none: the default.
    pub from: Option<PathBuf>,
    /// The line of that file, from 1; none for a default.
    pub line: Option<usize>,
}

impl Host {
    /// Reads and merges all files of a place: defaults, the package's, the host's, its drop-ins in
    /// name order.
    pub fn load(place: &Place) -> Result<Self, Problems> {
        read::load(place)
    }

    /// What counts where nobody wrote anything.
    pub fn defaults(place: &Place) -> Self {
        read::defaults(place)
    }
}

#[cfg(test)]
mod tests;
