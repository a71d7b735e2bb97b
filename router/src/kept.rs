//! Listening sockets that outlive the router: systemd keeps them.
//!
//! While a router is started again, or after it was killed, whoever comes waits in the kernel's queue for the
//! next one instead of being refused. They come from two places, and by the same way: those that an earlier
//! router bound as its settings say and gave to systemd (`FileDescriptorStoreMax=`), and those of a socket
//! unit, for who would rather have a router without the right to bind low ports. What decides is the
//! settings' address: a socket that fits is taken, one that fits no more is let go.

use std::{
    env, io,
    net::{self, SocketAddr},
    os::fd::AsFd as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tracing::warn;

/// What a socket is for, which is its name at systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// Visitors by plain HTTP.
    Plain,
    /// Visitors by TLS.
    Secure,
}

impl For {
    fn name(self) -> &'static str {
        match self {
            For::Plain => "http",
            For::Secure => "https",
        }
    }

    /// In a sentence.
    pub(crate) fn how(self) -> &'static str {
        match self {
            For::Plain => "by plain HTTP",
            For::Secure => "by TLS",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [For::Plain, For::Secure]
            .into_iter()
            .find(|one| one.name() == name)
    }
}

/// The sockets that systemd handed over: those of socket units, and those of an earlier router's that nobody has
/// taken yet.
#[derive(Debug, Default)]
pub struct Kept {
    handed: Mutex<Vec<Handed>>,
    is_by_systemd: bool,
}

#[derive(Debug)]
struct Handed {
    listener: net::TcpListener,
    at: SocketAddr,
    /// Set where an earlier router bound it; else a socket unit did.
    stored: Option<For>,
}

impl Kept {
    /// What systemd hands over (sd_listen_fds(3)), if it does. Called before the process has threads.
    ///
    /// # Errors
    /// That something else than listening TCP sockets was handed over.
    pub fn from_env() -> io::Result<Self> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut given = ListenFd::from_env();
        let mut handed = Vec::new();
        for index in 0..given.len() {
            let stored = names.next().and_then(For::named);
            let Some(listener) = given.take_tcp_listener(index)? else {
                continue;
            };
            listener.set_nonblocking(true)?;
            handed.push(Handed {
                at: listener.local_addr()?,
                listener,
                stored,
            });
        }
        Ok(Self {
            handed: Mutex::new(handed),
            is_by_systemd: env::var_os("NOTIFY_SOCKET").is_some(),
        })
    }

    /// Whether somebody keeps the sockets when this process ends.
    pub fn is_by_systemd(&self) -> bool {
        self.is_by_systemd
    }

    /// A listener on that address: the one that was handed over, or a new one, which is given to systemd.
    ///
    /// # Errors
    /// That it cannot be bound.
    pub(crate) async fn listen(&self, what: For, asked: SocketAddr) -> io::Result<TcpListener> {
        let found = self.take(what, asked)?;
        let is_moved = found.is_none() && self.handed().iter().any(|one| one.stored == Some(what));
        // The earlier address may be in the new one's way, as `[::]:80` is in that of `0.0.0.0:80`.
        if is_moved {
            self.forget(what);
        }
        let (listener, is_kept) = match found {
            // A socket unit's stays the unit's.
            Some((listener, stored)) => {
                let is_kept = stored.is_none_or(|stored| stored == what);
                (TcpListener::from_std(listener)?, is_kept)
            }
            None => (TcpListener::bind(asked).await?, false),
        };
        if !is_kept {
            self.forget(what);
            self.keep(what, &listener);
        }
        Ok(listener)
    }

    /// The one that listens there. A socket unit's may be asked for again, and stays among what was handed over.
    fn take(
        &self,
        what: For,
        asked: SocketAddr,
    ) -> io::Result<Option<(net::TcpListener, Option<For>)>> {
        let mut handed = self.handed();
        let fits = |one: &Handed| match asked.port() {
            // Any will do, best the one that addresses have already.
            0 => one.stored == Some(what) && one.at.ip() == asked.ip(),
            _ => one.at == asked,
        };
        let Some(at) = handed.iter().position(fits) else {
            return Ok(None);
        };
        Ok(Some(match handed[at].stored {
            None => (handed[at].listener.try_clone()?, None),
            stored => (handed.swap_remove(at).listener, stored),
        }))
    }

    /// Has systemd close what it keeps under that name: new visitors are refused there, once nobody has it.
    pub(crate) fn forget(&self, what: For) {
        self.handed().retain(|one| one.stored != Some(what));
        if self.is_by_systemd {
            let name = NotifyState::FdName(what.name());
            report(sd_notify::notify(&[NotifyState::FdStoreRemove, name]));
        }
    }

    /// What is wrong where socket units listen, and visitors are served at these addresses.
    pub fn problems(&self, served: &[SocketAddr]) -> Vec<String> {
        let handed = self.handed();
        let of_units = handed.iter().filter(|one| one.stored.is_none());
        let unasked = of_units.filter(|one| !served.contains(&one.at));
        let text = |one: &Handed| {
            format!(
                "systemd listens on {}, which no setting asks for, so visitors wait there in vain: let the lines \
                 ListenStream= be what router.listen and router.tls.listen say (systemctl edit wharf-router.socket), then \
                 start both again: docs/listening.md",
                one.at
            )
        };
        unasked.map(text).collect()
    }

    /// Tells systemd that the router serves, and how; or how by now.
    pub fn ready(&self, status: &str) {
        if self.is_by_systemd {
            let said = [NotifyState::Ready, NotifyState::Status(status)];
            report(sd_notify::notify(&said));
        }
    }

    /// Tells systemd that the router ends.
    pub fn stopping(&self) {
        if self.is_by_systemd {
            report(sd_notify::notify(&[NotifyState::Stopping]));
        }
    }

    fn keep(&self, what: For, listener: &TcpListener) {
        if self.is_by_systemd {
            let said = [NotifyState::FdStore, NotifyState::FdName(what.name())];
            report(sd_notify::notify_with_fds(&said, &[listener.as_fd()]));
        }
    }

    fn handed(&self) -> MutexGuard<'_, Vec<Handed>> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn report(told: io::Result<()>) {
    if let Err(error) = told {
        warn!(%error, "systemd is not told");
    }
}
