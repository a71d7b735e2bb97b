//! Where visitors come in: the address that is asked for, and the listener there, which may be replaced
//! while visitors are served.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpListener, sync::watch};
use tracing::info;

use crate::kept::{For, Kept};

/// What visitors come through, if they do.
pub(crate) type Door = Option<Arc<TcpListener>>;

/// One way in.
#[derive(Debug)]
pub struct Entrance {
    what: For,
    kept: Arc<Kept>,
    door: watch::Sender<Door>,
    standing: Mutex<Standing>,
}

#[derive(Debug, Default)]
struct Standing {
    /// The address that was asked for, and the one that it became.
    at: Option<(SocketAddr, SocketAddr)>,
    /// Why it is not the one that is asked for now.
    problem: Option<String>,
}

impl Entrance {
    /// A way in that is closed yet.
    pub fn new(what: For, kept: Arc<Kept>) -> Self {
        Self {
            what,
            kept,
            door: watch::Sender::new(None),
            standing: Mutex::default(),
        }
    }

    /// One that is open already.
    pub(crate) fn open_at(listener: TcpListener) -> Self {
        let entrance = Self::new(For::Plain, Arc::default());
        entrance.door.send_replace(Some(Arc::new(listener)));
        entrance
    }

    /// Serves there, and nowhere else. An address that cannot be had leaves the one that was there.
    ///
    /// # Errors
    /// That it cannot be had.
    pub async fn open(&self, asked: SocketAddr) -> io::Result<()> {
        let before = self.standing().at;
        let opened = match before {
            Some((before, _)) if before == asked => Ok(()),
            _ => self.replace(asked).await,
        };
        self.standing().problem = opened.as_ref().err().map(|error| self.why(asked, error));
        opened
    }

    async fn replace(&self, asked: SocketAddr) -> io::Result<()> {
        let listener = self.kept.listen(self.what, asked).await?;
        let real = listener.local_addr()?;
        info!(listen = %real, "serving {}", self.what.how());
        self.standing().at = Some((asked, real));
        self.door.send_replace(Some(Arc::new(listener)));
        Ok(())
    }

    fn why(&self, asked: SocketAddr, error: &io::Error) -> String {
        let port = asked.port();
        let next = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!(
                    " (who has it: ss -ltnp 'sport = :{port}'); it is tried again until it is free"
                )
            }
            io::ErrorKind::PermissionDenied => format!(
                "; have systemd listen there: systemctl edit wharf-router.socket, with the lines [Socket] and \
                 ListenStream={asked}"
            ),
            _ => String::new(),
        };
        format!("cannot serve {} on {asked}: {error}{next}", self.what.how())
    }

    /// Nobody is to come in here any more.
    pub(crate) fn shut(&self) {
        self.close();
        self.kept.forget(self.what);
        *self.standing() = Standing::default();
    }

    /// Lets nobody in any more; whoever keeps the listener keeps it.
    pub(crate) fn close(&self) {
        self.door.send_replace(None);
    }

    /// Where it really is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.standing().at.map(|(_, real)| real)
    }

    /// Why it is not where it is asked for.
    pub fn problem(&self) -> Option<String> {
        self.standing().problem.clone()
    }

    /// Whether nobody can come in, though that is asked for.
    pub(crate) fn is_shut_out(&self) -> bool {
        self.standing().problem.is_some()
    }

    /// The door, as it changes.
    pub(crate) fn door(&self) -> watch::Receiver<Door> {
        self.door.subscribe()
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
