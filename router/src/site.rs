//! One environment as requests meet it: a route that was read, checked and made ready.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use http::HeaderValue;
use tokio_util::sync::CancellationToken;
use wharf_wire::route::{self, Kind, Protocol, Route, Unavailable, Upstream};

use crate::{
    doors::Doors,
    files::Files,
    guard::{Root, Scripts},
    host,
    last_use::LastUse,
    locations::{Keeps, Locations},
    maintenance::Maintenance,
    name::Name,
    upstream::{Process, Upstreams},
    ways::Ways,
};

/// The largest route file.
const MAX_FILE: u64 = 64 * 1024;
/// The most hosts of an environment.
const MAX_HOSTS: usize = 100;
/// The most processes beside the one of the web.
const MAX_PROCESSES: usize = 32;
/// The most directories over its static files.
const MAX_OVER: usize = 128;

/// What answers for an environment.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: Name,
    /// Tells its file from every other that the environment had.
    pub(crate) stamp: (SystemTime, u64),
    pub(crate) generation: u64,
    pub(crate) hosts: Vec<String>,
    pub(crate) doors: Doors,
    pub(crate) robots: Option<HeaderValue>,
    /// What its requests are counted as.
    pub(crate) kind: Kind,
    pub(crate) last_use: LastUse,
    /// Cancelled when another route has taken its place, or none.
    pub(crate) replaced: CancellationToken,
    pub(crate) files: Option<Files>,
    /// The process that answers what is not a file.
    pub(crate) web: Option<Arc<Process>>,
    /// Those that only rules lead to, by name.
    pub(crate) processes: BTreeMap<String, Arc<Process>>,
    pub(crate) ways: Ways,
    pub(crate) locations: Locations,
    pub(crate) unavailable: Option<Unavailable>,
    pub(crate) maintenance: Option<Maintenance>,
}

/// Why a route's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// It cannot be read.
    #[error("cannot read the route {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a route.
    #[error("{path} is not a route")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        source: serde_json::Error,
    },
    /// It says something that no route can say.
    #[error("{path}: {what}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The directory of its static files is not there.
    #[error("{path}: no directory {public} of static files")]
    NoPublic {
        /// The file.
        path: PathBuf,
        /// The directory.
        public: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Site {
    /// Reads an environment's file; `None` when there is none. Blocks.
    pub(crate) fn read(
        routes: &Path,
        name: &Name,
        upstreams: &Upstreams,
    ) -> Result<Option<Self>, SiteError> {
        let path = name.file(routes);
        match read(&path) {
            Ok(None) => Ok(None),
            Ok(Some((bytes, written))) => {
                Self::parse(name, path, &bytes, written, upstreams).map(Some)
            }
            Err(source) => Err(SiteError::Read { path, source }),
        }
    }

    fn parse(
        name: &Name,
        path: PathBuf,
        bytes: &[u8],
        written: SystemTime,
        upstreams: &Upstreams,
    ) -> Result<Self, SiteError> {
        let route: Route = match serde_json::from_slice(bytes) {
            Ok(route) => route,
            Err(source) => return Err(SiteError::Malformed { path, source }),
        };
        if let Some(what) = problem(&route, name) {
            return Err(SiteError::Wrong { path, what });
        }
        let wrong = |what| SiteError::Wrong {
            path: path.clone(),
            what,
        };
        let doors = Doors::new(route.access, name).map_err(wrong)?;
        let maintenance = route.maintenance.map(Maintenance::new);
        let maintenance = maintenance.transpose().map_err(wrong)?;
        let keeps = match doors.is_open() {
            true => Keeps::Everybody,
            false => Keeps::Visitor,
        };
        let locations = Locations::new(route.locations, keeps).map_err(wrong)?;
        let ready = |process: route::Process| {
            Arc::new(Process {
                pool: upstreams.pool(&process.upstream),
                protocol: process.protocol,
            })
        };
        let processes = route.processes.into_iter();
        let processes = processes.map(|(name, one)| (name, ready(one))).collect();
        let ways = Ways::new(route.rules, &route.hosts, &processes).map_err(wrong)?;
        let scripts = match &route.protocol {
            Protocol::Http => Scripts::Shown,
            Protocol::FastCgi(_) => Scripts::Run,
        };
        let web = route.upstream.map(|upstream| {
            ready(route::Process {
                upstream,
                protocol: route.protocol,
            })
        });
        let mut hosts = route.hosts;
        for host in ways.hosts() {
            if !hosts.iter().any(|own| own == host) {
                hosts.push(host.to_owned());
            }
        }
        let files = match route.public {
            None => None,
            Some(public) => match Root::open(&public, route.over, scripts) {
                Ok(root) => Some(Files::new(root, written)),
                Err(source) => {
                    return Err(SiteError::NoPublic {
                        path,
                        public,
                        source,
                    });
                }
            },
        };
        Ok(Self {
            name: name.clone(),
            stamp: (written, hash(bytes)),
            generation: route.generation,
            hosts,
            doors,
            last_use: LastUse::default(),
            replaced: CancellationToken::new(),
            kind: route.kind,
            robots: route.noindex.then(|| HeaderValue::from_static("noindex")),
            files,
            web,
            processes,
            ways,
            locations,
            unavailable: route.unavailable,
            maintenance,
        })
    }
}

impl Site {
    /// Whether a request is in flight to one of its processes.
    pub(crate) fn is_busy(&self) -> bool {
        let mut processes = self.web.iter().chain(self.processes.values());
        processes.any(|process| process.pool.is_busy())
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The bytes, and when they were written; `None` without a file.
fn read(path: &Path) -> io::Result<Option<(Vec<u8>, SystemTime)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let written = file.metadata()?.modified()?;
    let mut bytes = Vec::new();
    if file.take(MAX_FILE + 1).read_to_end(&mut bytes)? as u64 > MAX_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 64 KiB",
        ));
    }
    Ok(Some((bytes, written)))
}

fn problem(route: &Route, name: &Name) -> Option<&'static str> {
    let is_ready = |name: &String| host::parse(name).is_ok_and(|host| host == name.as_str());
    if route.version != wharf_wire::VERSION {
        return Some("written for another version of the router");
    }
    if Name::new(&route.project, &route.environment).as_ref() != Ok(name) {
        return Some("names another environment than the file's own name");
    }
    if route.hosts.len() > MAX_HOSTS {
        return Some("has more than 100 hosts");
    }
    if !route.hosts.iter().all(is_ready) {
        return Some("a host is not a lower-case name without a port");
    }
    if route
        .public
        .as_ref()
        .is_some_and(|public| !public.is_absolute())
    {
        return Some("the directory of static files is not absolute");
    }
    if route.over.len() > MAX_OVER || route.processes.len() > MAX_PROCESSES {
        return Some("has too many processes, or directories over its files");
    }
    let inside = |path: &Path| {
        let is_plain = |part| matches!(part, std::path::Component::Normal(_));
        path.components().next().is_some() && path.components().all(is_plain)
    };
    let mut over = route.over.iter();
    if !over.all(|(path, directory)| inside(path) && directory.is_absolute()) {
        return Some("a directory over its static files is nowhere");
    }
    let web = route
        .upstream
        .as_ref()
        .map(|upstream| (upstream, &route.protocol));
    let others = route.processes.values();
    let others = others.map(|process| (&process.upstream, &process.protocol));
    web.into_iter()
        .chain(others)
        .find_map(|(upstream, protocol)| process_problem(upstream, protocol))
}

fn process_problem(upstream: &Upstream, protocol: &Protocol) -> Option<&'static str> {
    match upstream {
        Upstream::Tcp(address) if !address.ip().is_loopback() => {
            return Some("the process is not on the loopback interface");
        }
        Upstream::Unix(path) if !path.is_absolute() => {
            return Some("the path of the process's socket is not absolute");
        }
        Upstream::Tcp(_) | Upstream::Unix(_) => {}
    }
    match protocol {
        Protocol::FastCgi(said) if !said.root.is_absolute() => {
            Some("the directory of the process's scripts is not absolute")
        }
        Protocol::FastCgi(_) | Protocol::Http => None,
    }
}
