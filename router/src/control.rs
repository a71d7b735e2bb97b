//! The control socket: how the daemon tells the router that a route has changed.

mod watch;

use std::{
    fs::Permissions,
    io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};
use wharf_wire::{
    frame::{self, FrameError},
    route::{FromRouter, ToRouter},
};

use crate::{Counts, Table, entrance::Entrance, kept::Kept, table::chain, tls::Tls};

/// The most conversations at a time.
const CONVERSATIONS: usize = 512;
/// The longest time for the first message, for the rest of a frame, and for taking our answer.
const FRAME: Duration = Duration::from_secs(10);
/// The longest wait that a drain may ask for.
const LONGEST_DRAIN: Duration = Duration::from_secs(3600);
/// The pause when the process has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// The socket, bound. Its name goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another router answers there.
    #[error("another router answers on {0}; stop it first")]
    Taken(PathBuf),
    /// Something else has the name.
    #[error("{0} is there and is not a socket")]
    NotASocket(PathBuf),
    /// It cannot be bound.
    #[error("cannot bind the control socket {path}")]
    Bind {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the answers are made of.
#[derive(Debug)]
pub struct Knowledge {
    /// Where requests go.
    pub table: Arc<Table>,
    /// Where visitors come in by plain HTTP.
    pub plain: Arc<Entrance>,
    /// What systemd handed over.
    pub kept: Arc<Kept>,
    /// How requests were answered.
    pub counts: Arc<Counts>,
    /// TLS, where there are settings that could ask for it.
    pub tls: Option<Arc<Tls>>,
}

impl Knowledge {
    /// What is wrong with where visitors come in by plain HTTP, and with socket units; of TLS that has its own
    /// word.
    pub async fn problems(&self) -> Vec<String> {
        let secure = match &self.tls {
            Some(tls) => tls.status().await.listen,
            None => None,
        };
        let served: Vec<SocketAddr> = self.plain.address().into_iter().chain(secure).collect();
        let plain = self.plain.problem();
        plain
            .into_iter()
            .chain(self.kept.problems(&served))
            .collect()
    }
}

impl Control {
    /// Binds the socket, for this user only. A socket that nobody answers on is replaced: a router
    /// that was killed leaves one.
    ///
    /// # Errors
    /// When another router answers, or the socket cannot be bound.
    pub async fn open(path: &Path) -> Result<Self, ControlError> {
        let failed = |source| ControlError::Bind {
            path: path.to_owned(),
            source,
        };
        match UnixStream::connect(path).await {
            Ok(_) => return Err(ControlError::Taken(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                use std::os::unix::fs::FileTypeExt;
                if !std::fs::symlink_metadata(path)
                    .map_err(failed)?
                    .file_type()
                    .is_socket()
                {
                    return Err(ControlError::NotASocket(path.to_owned()));
                }
                std::fs::remove_file(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        let inode = std::fs::symlink_metadata(path).map_err(failed)?.ino();
        Ok(Self {
            listener,
            path: path.to_owned(),
            inode,
        })
    }

    /// Answers until told to stop.
    pub async fn serve(self, knowledge: Arc<Knowledge>, stop: CancellationToken) {
        let tasks = TaskTracker::new();
        stop.run_until_cancelled(self.accept(&knowledge, &stop, &tasks))
            .await;
        drop(self);
        tasks.close();
        tasks.wait().await;
    }

    async fn accept(
        &self,
        knowledge: &Arc<Knowledge>,
        stop: &CancellationToken,
        tasks: &TaskTracker,
    ) {
        let places = Arc::new(Semaphore::new(CONVERSATIONS));
        loop {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .expect("it is never closed");
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            };
            let knowledge = Arc::clone(knowledge);
            let stop = stop.clone();
            tasks.spawn(async move {
                match stop.run_until_cancelled(converse(stream, &knowledge)).await {
                    Some(Err(error)) => warn!(error = chain(&error), "conversation cut off"),
                    Some(Ok(())) | None => debug!("conversation ended"),
                }
                drop(place);
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // A newer router may have taken the name already.
        let is_ours =
            std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if is_ours && let Err(error) = std::fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "cannot remove the control socket");
        }
    }
}

async fn converse(mut stream: UnixStream, knowledge: &Knowledge) -> Result<(), FrameError> {
    // The file's mode keeps others out, but for the moment between binding and setting it.
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied).into());
    }
    // Who never says anything holds a place that another caller may need.
    let mut message = timeout(FRAME, receive(&mut stream))
        .await
        .map_err(io::Error::from)??;
    while let Some(said) = message {
        if said == ToRouter::Watch {
            return watch::follow(stream, &knowledge.table).await;
        }
        let answer = frame::encode(&reply(said, knowledge).await)?;
        timeout(FRAME, stream.write_all(&answer))
            .await
            .map_err(io::Error::from)??;
        message = receive(&mut stream).await?;
    }
    Ok(())
}

/// One message; `None` at the end. A caller may stay silent between two, not within one.
async fn receive(stream: &mut UnixStream) -> Result<Option<ToRouter>, FrameError> {
    let mut prefix = [0; frame::PREFIX];
    let first = stream.read(&mut prefix).await?;
    if first == 0 {
        return Ok(None);
    }
    let rest = async {
        stream.read_exact(&mut prefix[first..]).await?;
        let mut bytes = vec![0; frame::length(prefix)?];
        stream.read_exact(&mut bytes).await?;
        frame::decode(&bytes)
    };
    timeout(FRAME, rest)
        .await
        .map_err(io::Error::from)?
        .map(Some)
}

async fn reply(message: ToRouter, knowledge: &Knowledge) -> FromRouter {
    let table = &knowledge.table;
    match message {
        ToRouter::Load {
            project,
            environment,
        } => match table.load(&project, &environment).await {
            Ok(generation) => FromRouter::Loaded { generation },
            Err(error) => {
                let message = chain(&error);
                warn!(message, "route not loaded");
                // Longer than a frame it cannot be, and nobody reads more.
                FromRouter::Failed {
                    message: message.chars().take(1000).collect(),
                }
            }
        },
        ToRouter::Drain {
            upstream,
            milliseconds,
        } => {
            let longest = Duration::from_millis(milliseconds).min(LONGEST_DRAIN);
            FromRouter::Drained {
                left: table.drained(&upstream, longest).await,
            }
        }
        ToRouter::Used {
            project,
            environment,
        } => match table.unused(&project, &environment) {
            Some(unused) => FromRouter::Used {
                seconds: unused.as_secs(),
            },
            None => FromRouter::Failed {
                message: "it has no route".to_owned(),
            },
        },
        ToRouter::Secure { again } => match &knowledge.tls {
            Some(tls) if again => FromRouter::Secured(tls.renew().await),
            Some(tls) => FromRouter::Secured(tls.status().await),
            None => FromRouter::Failed {
                message: "it was started without --settings".to_owned(),
            },
        },
        ToRouter::Count => FromRouter::Counted(knowledge.counts.all()),
        ToRouter::Watch => FromRouter::Failed {
            message: "that is nothing to answer".to_owned(),
        },
        ToRouter::Status => FromRouter::Status {
            pid: std::process::id(),
            listen: knowledge.plain.address(),
            problems: knowledge.problems().await,
            routes: u32::try_from(table.len()).unwrap_or(u32::MAX),
            held: u32::try_from(table.held.taken()).unwrap_or(u32::MAX),
        },
    }
}
