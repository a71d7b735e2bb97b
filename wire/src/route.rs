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
    /// What requests of it are counted as.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// Whether search engines are told to stay away.
    pub noindex: bool,
    /// Static files that are tried first: an absolute directory.
    pub public: Option<PathBuf>,
    /// Directories that lie over the static files, by their path below them: data that outlives
    /// releases, and what a deployment made.
    #[serde(default)]
    pub over: BTreeMap<PathBuf, PathBuf>,
    /// The process that answers what is not a file.
    pub upstream: Option<Upstream>,
    /// What that process speaks.
    #[serde(default)]
    pub protocol: Protocol,
    /// Other processes that answer, by name.
    #[serde(default)]
    pub processes: BTreeMap<String, Process>,
    /// What else addresses lead to; what none of them names is answered as without any.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What holds below paths.
    #[serde(default)]
    pub locations: Vec<Location>,
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

/// The type of an environment, as far as the router needs to know one from another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// What the world sees.
    Production,
    /// What comes before it.
    Staging,
    /// Every other.
    Development,
    /// No environment is asked for, or its route was written by an earlier Wharf.
    #[default]
    None,
}

/// Requests that were answered alike, since the router started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// Of which environments.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The first digit of the status.
    pub class: u8,
    /// How many.
    pub requests: u64,
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

/// What a process speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// FastCGI, as php-fpm does.
    FastCgi(FastCgi),
}

/// Which scripts are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FastCgi {
    /// Where [`Route::public`] is for the process.
    pub root: PathBuf,
    /// The script below it that answers what is neither a file nor a script.
    pub front: Option<PathBuf>,
}

/// A process beside the one of [`Route::upstream`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Where it listens.
    pub upstream: Upstream,
    /// What it speaks.
    #[serde(default)]
    pub protocol: Protocol,
}

/// What some addresses lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What stands before the first of the route's hosts, without the dot; without it, every host
    /// that no other rule names.
    pub label: Option<String>,
    /// Which paths.
    pub path: Paths,
    /// Where they lead.
    pub to: To,
}

/// Which paths of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paths {
    /// All below this one, which begins and ends with a slash.
    Below(String),
    /// Those that this regular expression describes from their beginning to their end.
    Like(String),
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// The static files and the process of [`Route::upstream`].
    Web,
    /// A process of [`Route::processes`].
    Process(String),
    /// Another address.
    Redirect {
        /// It; `{default}` is the first of the route's hosts, `$1` what the first group matched.
        /// One that ends with a slash gets the rest of a path that is below another.
        to: String,
        /// 301, 302, 307 or 308.
        code: u16,
    },
}

/// What holds below a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// It begins and ends with a slash.
    pub path: String,
    /// For how many seconds browsers may keep a file; without it they ask each time.
    pub expires: Option<u64>,
    /// Whether what is no file goes on to the process.
    pub front: bool,
    /// Whether anything is answered there.
    pub allow: bool,
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
    /// Read the settings and the certificates again, or only say how that stands.
    Secure {
        /// Whether they are read.
        again: bool,
    },
    /// How many requests were answered how?
    Count,
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
        /// The address on which it really serves plain HTTP; none where it could not have one.
        listen: Option<SocketAddr>,
        /// What is wrong with where it serves.
        #[serde(default)]
        problems: Vec<String>,
        /// Routes in the table.
        routes: u32,
        /// Requests that wait for the end of a maintenance.
        #[serde(default)]
        held: u32,
    },
    /// See [`ToRouter::Used`].
    Used {
        /// Whole seconds since then, or since the router started where there was none. Zero while
        /// one is in flight.
        seconds: u64,
    },
    /// See [`ToRouter::Secure`].
    Secured(crate::secure::Secured),
    /// See [`ToRouter::Count`]: every type with every class, also those without requests.
    Counted(Vec<Answered>),
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
