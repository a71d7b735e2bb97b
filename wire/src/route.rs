//! Where requests go: one file an environment, and the router's control socket.
//!
//! The daemon writes `<routes>/<project>.<environment>.json` by one rename, the commit point of a
//! deployment, and then tells the router to load that file. A router that starts reads all files, so
//! the table survives every restart, and the cost of a switch does not grow with the table.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Where one environment's requests go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Always [`crate::VERSION`].
    pub version: u32,
    /// The project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// The release that serves.
    pub release: u32,
    /// Grows by one at each switch of this environment.
    pub generation: u64,
    /// Host names, lower case, without a port.
    pub hosts: Vec<String>,
    /// The page's address for people.
    pub url: String,
    /// Whether search engines are told to stay away.
    pub noindex: bool,
    /// Static files that are tried first: an absolute directory.
    pub public: Option<PathBuf>,
    /// Directories that cover those of `public`, by their path below it: what a release made itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overlays: BTreeMap<String, PathBuf>,
    /// The process that answers what is not a file.
    pub upstream: Option<Upstream>,
    /// Who may look. A route that an earlier Wharf wrote is everybody's, as it was.
    #[serde(default)]
    pub access: Access,
    /// Set while nothing can answer: the router says so with 503 and `Retry-After`.
    #[serde(default)]
    pub unavailable: Option<Unavailable>,
    /// Set while visitors must not meet the site, which may answer all the same.
    #[serde(default)]
    pub maintenance: Option<Maintenance>,
}

/// Visitors wait, then see a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// The activity that needs it; none where somebody switched it on.
    pub activity: Option<String>,
    /// Until when requests wait, in milliseconds since 1970-01-01 UTC: who comes later sees the page
    /// at once.
    pub hold_until: u64,
    /// What they see: an absolute path of a file; without it the router's own page.
    pub page: Option<PathBuf>,
    /// Whom it does not concern: operators' addresses.
    pub pass: Vec<IpNet>,
}

/// Who may look at an environment's pages, with all that the router needs to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Who needs no link.
    pub who: Who,
    /// The key that links are checked with, in Base64; see [`crate::grant`]. Without one, and where
    /// networks are asked for, no link opens.
    pub key: Option<String>,
    /// Who is believed about where a request comes from: proxies in front of the router.
    pub proxies: Vec<IpNet>,
}

/// Who needs no link.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Everybody.
    #[default]
    Everyone,
    /// Visitors of this machine.
    Machine,
    /// Who has a name and its password: the names, each with a bcrypt hash. None: nobody.
    Names(BTreeMap<String, String>),
    /// Who comes from one of these networks.
    Networks(Vec<IpNet>),
}

/// Why an environment cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// Its processes are being started, after a reboot.
    Starting,
    /// It is paused.
    Paused {
        /// Whether a request that may look starts it again, and waits for it.
        wake: bool,
    },
}

/// Where a process listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Upstream {
    /// A TCP address on the loopback interface.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// What the daemon tells the router. Each but [`ToRouter::Watch`] is answered by one [`FromRouter`],
/// in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToRouter {
    /// Read this environment's file again; when it is gone, forget its route.
    Load {
        /// The project's name.
        project: String,
        /// The environment's id.
        environment: String,
    },
    /// Answer when no request is in flight to a process any more, or after the time.
    Drain {
        /// The process.
        upstream: Upstream,
        /// The longest wait.
        milliseconds: u64,
    },
    /// How are you?
    Status,
    /// How long ago was the last request that somebody let in?
    Used {
        /// The project's name.
        project: String,
        /// The environment's id.
        environment: String,
    },
    /// The last message of a conversation: from now on the router sends a [`FromRouter::Wanted`]
    /// for each environment that a request waits for.
    Watch,
}

/// What the router answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromRouter {
    /// New requests follow this generation; `None` when there is no route any more.
    Loaded {
        /// As in [`Route::generation`].
        generation: Option<u64>,
    },
    /// So many requests are left in flight.
    Drained {
        /// Zero unless the time ran out.
        left: u32,
    },
    /// The router's own state.
    Status {
        /// Its process id.
        pid: u32,
        /// The address on which it really listens.
        listen: SocketAddr,
        /// Routes in the table.
        routes: u32,
    },
    /// See [`ToRouter::Used`].
    Used {
        /// Whole seconds since then, or since the router started where there was none. Zero while
        /// one is in flight.
        seconds: u64,
    },
    /// A request waits for a paused environment. Said once until its route is loaded anew.
    Wanted {
        /// The project's name.
        project: String,
        /// The environment's id.
        environment: String,
    },
    /// It could not be done; the table is as it was.
    Failed {
        /// Why.
        message: String,
    },
}
