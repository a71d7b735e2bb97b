//! One environment as requests meet it: a route that was read, checked and made ready.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use http::HeaderValue;
use tokio_util::sync::CancellationToken;
use wharf_wire::route::{Route, Unavailable, Upstream};

use crate::{
    doors::Doors,
    files::Files,
    guard::Root,
    host,
    last_use::LastUse,
    name::Name,
    upstream::{Pool, Upstreams},
};

/// The largest route file.
const MAX_FILE: u64 = 64 * 1024;
/// The most hosts of an environment.
const MAX_HOSTS: usize = 100;

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
    pub(crate) last_use: LastUse,
    /// Cancelled when another route has taken its place, or none.
    pub(crate) replaced: CancellationToken,
    pub(crate) files: Option<Files>,
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) unavailable: Option<Unavailable>,
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
        let doors = match Doors::new(route.access, name) {
            Ok(doors) => doors,
            Err(what) => return Err(SiteError::Wrong { path, what }),
        };
        let files = match route.public {
            None => None,
            Some(public) => match Root::open(&public, &route.overlays) {
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
            hosts: route.hosts,
            doors,
            last_use: LastUse::default(),
            replaced: CancellationToken::new(),
            robots: route.noindex.then(|| HeaderValue::from_static("noindex")),
            files,
            pool: route
                .upstream
                .as_ref()
                .map(|upstream| upstreams.pool(upstream)),
            unavailable: route.unavailable,
        })
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
    let is_below = |part: &String| {
        let mut parts = Path::new(part).components();
        !part.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    let mut overlays = route.overlays.iter();
    if !overlays.all(|(part, instead)| is_below(part) && instead.is_absolute()) {
        return Some("what covers static files is not absolute, or covers nothing of them");
    }
    match &route.upstream {
        Some(Upstream::Tcp(address)) if !address.ip().is_loopback() => {
            Some("the process is not on the loopback interface")
        }
        Some(Upstream::Unix(path)) if !path.is_absolute() => {
            Some("the path of the process's socket is not absolute")
        }
        _ => None,
    }
}
