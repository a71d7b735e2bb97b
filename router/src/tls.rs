//! TLS for visitors: what the operator asks for, the certificates that are in use, and what is wrong
//! with those that are not.
//!
//! Everything is replaced while connections stay open: a handshake that begins takes what counts at
//! that moment. A pair of files that is no good leaves the one that was read before in use.

mod certificate;
mod choice;
mod eyes;
mod places;
mod policy;

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};
use tracing::{error, info};
use wharf_wire::{
    VERSION,
    secure::{self, Pair, Secured, Settings},
};

pub use certificate::{Certificate, CertificateError};
pub use eyes::look_after;
pub(crate) use policy::Policy;

use crate::table::chain;
use choice::Choice;

/// What is offered inside of TLS, the best first.
const PROTOCOLS: [&[u8]; 2] = [HTTP_2, b"http/1.1"];
/// HTTP/2's name there.
pub(crate) const HTTP_2: &[u8] = b"h2";
/// The longest text of one problem, in characters.
const TEXT: usize = 1000;

/// TLS as it counts now.
#[derive(Debug)]
pub struct Tls {
    file: PathBuf,
    choice: Arc<Choice>,
    pub(crate) server: Arc<ServerConfig>,
    policy: RwLock<Arc<Policy>>,
    door: watch::Sender<Door>,
    /// Directories whose changes may concern the certificates.
    watched: watch::Sender<BTreeSet<PathBuf>>,
    standing: Mutex<Standing>,
}

/// Where visitors come in by TLS, if they do.
pub(crate) type Door = Option<Arc<TcpListener>>;

/// What the present came from.
#[derive(Debug, Default)]
struct Standing {
    asked: Option<secure::Tls>,
    /// The address that was asked for, and the one that it became.
    listen: Option<(SocketAddr, SocketAddr)>,
    certificates: Vec<Certificate>,
    said: Secured,
}

/// Why settings cannot be read.
#[derive(Debug, thiserror::Error)]
enum SettingsError {
    #[error("{0} cannot be read")]
    Unreadable(PathBuf, #[source] io::Error),
    #[error("{0} holds no settings of this version of wharf-router")]
    Malformed(PathBuf, #[source] Option<serde_json::Error>),
}

impl Tls {
    /// TLS as that file will say; nothing is read yet.
    ///
    /// # Errors
    /// That the system has no randomness.
    pub fn new(file: PathBuf) -> Result<Self, rustls::Error> {
        let choice = Arc::new(Choice::default());
        let mut server = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&choice) as _);
        server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // Sessions go on without memory of ours; the key is made anew by itself.
        server.ticketer = ring::Ticketer::new()?;
        Ok(Self {
            file,
            choice,
            server: Arc::new(server),
            policy: RwLock::default(),
            door: watch::Sender::new(None),
            watched: watch::Sender::new(BTreeSet::new()),
            standing: Mutex::default(),
        })
    }

    /// Where plain HTTP is to be served, as far as the settings say.
    pub async fn listen(&self) -> Option<SocketAddr> {
        match self.settings().await {
            Ok(settings) => settings.listen,
            Err(error) => {
                error!(problem = chain(&error), "no address is known");
                None
            }
        }
    }

    /// How it stands.
    pub async fn status(&self) -> Secured {
        self.standing.lock().await.said.clone()
    }

    /// Reads settings and certificates again; says how it stands then.
    pub async fn renew(&self) -> Secured {
        let mut standing = self.standing.lock().await;
        let mut problems = Vec::new();
        match self.settings().await {
            Ok(settings) => standing.asked = settings.tls,
            Err(error) => problems.push(format!("{}; what was set before stays", chain(&error))),
        }
        let asked = standing.asked.clone();
        standing.listen = self
            .open(asked.as_ref(), standing.listen, &mut problems)
            .await;
        let pairs = asked.as_ref().map_or(&[][..], |asked| &asked.certificates);
        standing.certificates = take(pairs, &standing.certificates, &mut problems).await;
        self.choice.put(standing.certificates.iter());
        let policy = Policy::of(asked.as_ref(), standing.listen.map(|(_, real)| real));
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.watch(pairs);
        for problem in &problems {
            error!(problem, "TLS is not as it was asked for");
        }
        problems.truncate(Secured::MOST);
        standing.said = Secured {
            listen: standing.listen.map(|(_, real)| real),
            certificates: u32::try_from(standing.certificates.len()).unwrap_or(u32::MAX),
            problems: problems
                .iter()
                .map(|text| text.chars().take(TEXT).collect())
                .collect(),
        };
        standing.said.clone()
    }

    /// What holds for each request.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where visitors come in, as that changes.
    pub(crate) fn door(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    /// Lets nobody in any more.
    pub(crate) fn close(&self) {
        self.door.send_replace(None);
    }

    async fn settings(&self) -> Result<Settings, SettingsError> {
        let bytes = match tokio::fs::read(&self.file).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
            read => read.map_err(|error| SettingsError::Unreadable(self.file.clone(), error))?,
        };
        let malformed = |source| SettingsError::Malformed(self.file.clone(), source);
        let settings: Settings =
            serde_json::from_slice(&bytes).map_err(|error| malformed(Some(error)))?;
        match settings.version {
            VERSION => Ok(settings),
            _ => Err(malformed(None)),
        }
    }

    /// Serves where it is asked for, and nowhere else. An address that cannot be had leaves the one
    /// that was there.
    async fn open(
        &self,
        asked: Option<&secure::Tls>,
        before: Option<(SocketAddr, SocketAddr)>,
        problems: &mut Vec<String>,
    ) -> Option<(SocketAddr, SocketAddr)> {
        let Some(asked) = asked.map(|asked| asked.listen) else {
            self.door.send_replace(None);
            return None;
        };
        if before.is_some_and(|(at, _)| at == asked) {
            return before;
        }
        let bound = async {
            let listener = TcpListener::bind(asked).await?;
            let real = listener.local_addr()?;
            Ok::<_, io::Error>((listener, real))
        };
        match bound.await {
            Ok((listener, real)) => {
                info!(listen = %real, "serving by TLS");
                self.door.send_replace(Some(Arc::new(listener)));
                Some((asked, real))
            }
            Err(error) => {
                problems.push(format!("cannot serve by TLS on {asked}: {error}"));
                before
            }
        }
    }

    fn watch(&self, pairs: &[Pair]) {
        let paths = pairs.iter().flat_map(|pair| [&pair.chain, &pair.key]);
        let directories = paths.flat_map(|path: &PathBuf| places::directories(Path::new(path)));
        let directories: BTreeSet<PathBuf> = directories.collect();
        self.watched.send_if_modified(|watched| {
            let is_new = *watched != directories;
            *watched = directories;
            is_new
        });
    }
}

/// Reads each pair; one that is no good is what it was before.
async fn take(
    pairs: &[Pair],
    before: &[Certificate],
    problems: &mut Vec<String>,
) -> Vec<Certificate> {
    let asked = pairs.to_vec();
    let read = move || asked.iter().map(Certificate::read).collect::<Vec<_>>();
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.expect("reading certificates does not panic");
    let mut taken = Vec::new();
    for (pair, read) in pairs.iter().zip(read) {
        let old = before.iter().find(|old| old.from == *pair);
        match (read, old) {
            (Ok(new), old) => {
                if !old.is_some_and(|old| old.is(&new)) {
                    let until = httpdate::fmt_http_date(new.until);
                    let (names, from) = (new.names.join(" "), pair.chain.display());
                    info!(names, until, %from, "certificate in use");
                }
                taken.push(new);
            }
            (Err(error), Some(old)) => {
                let said = chain(&error);
                problems.push(format!("{said}; the certificate read before stays in use"));
                taken.push(old.clone());
            }
            (Err(error), None) => problems.push(chain(&error)),
        }
    }
    taken
}
