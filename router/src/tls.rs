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
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::{Mutex, watch};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};
use tracing::{error, info};
use wharf_wire::{
    VERSION,
    secure::{self, Pair, Secured, Settings},
};

pub use certificate::{Certificate, CertificateError};
pub use eyes::look_after;
pub(crate) use policy::Policy;

use crate::{LISTEN, entrance::Entrance, table::chain};
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
    pub(crate) entrance: Entrance,
    /// Plain HTTP's, where the settings say where that is.
    plain: Option<Arc<Entrance>>,
    /// Directories whose changes may concern the certificates.
    watched: watch::Sender<BTreeSet<PathBuf>>,
    standing: Mutex<Standing>,
}

/// What the present came from.
#[derive(Debug, Default)]
struct Standing {
    asked: Settings,
    certificates: Vec<Certificate>,
    /// What was wrong the last time.
    problems: Vec<String>,
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
    /// TLS as that file will say, and where plain HTTP is, if it is to say that; nothing is read yet.
    ///
    /// # Errors
    /// That the system has no randomness.
    pub fn new(
        file: PathBuf,
        entrance: Entrance,
        plain: Option<Arc<Entrance>>,
    ) -> Result<Self, rustls::Error> {
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
            entrance,
            plain,
            watched: watch::Sender::new(BTreeSet::new()),
            standing: Mutex::default(),
        })
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
            Ok(settings) => standing.asked = settings,
            Err(error) => problems.push(format!("{}; what was set before stays", chain(&error))),
        }
        let asked = standing.asked.clone();
        self.open_plain(&asked).await;
        let asked = asked.tls;
        self.open(asked.as_ref(), &mut problems).await;
        let pairs = asked.as_ref().map_or(&[][..], |asked| &asked.certificates);
        standing.certificates = take(pairs, &standing.certificates, &mut problems).await;
        self.choice.put(standing.certificates.iter());
        let policy = Policy::of(asked.as_ref(), self.entrance.address());
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        self.watch(pairs);
        for problem in &problems {
            // An address that is not to be had is tried again and again.
            if !standing.problems.contains(problem) {
                error!(problem, "TLS is not as it was asked for");
            }
        }
        standing.problems.clone_from(&problems);
        problems.truncate(Secured::MOST);
        standing.said = Secured {
            listen: self.entrance.address(),
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

    /// Whether an address that is asked for is not to be had.
    pub(crate) fn is_shut_out(&self) -> bool {
        let plain = self.plain.as_deref();
        self.entrance.is_shut_out() || plain.is_some_and(Entrance::is_shut_out)
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

    /// Serves plain HTTP where it is asked for; what is wrong with that the entrance knows.
    async fn open_plain(&self, asked: &Settings) {
        let Some(plain) = &self.plain else {
            return;
        };
        let before = plain.problem();
        let Err(error) = plain.open(asked.listen.unwrap_or(LISTEN)).await else {
            return;
        };
        if before != plain.problem() {
            error!(%error, "plain HTTP is not served as it was asked for");
        }
    }

    /// Serves by TLS where it is asked for, and nowhere else.
    async fn open(&self, asked: Option<&secure::Tls>, problems: &mut Vec<String>) {
        match asked {
            None => self.entrance.shut(),
            Some(asked) => {
                if self.entrance.open(asked.listen).await.is_err() {
                    problems.extend(self.entrance.problem());
                }
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
