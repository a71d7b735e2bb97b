//! The way from a check whose network is its own to the release: a port of its own leads to a socket,
//! and that to the daemon's router.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::disk;
use crate::execute::activity::Act;
use crate::execute::failure::{Failure, chain};
use crate::execute::launch::PRIVATE_PORT;
use crate::run::keeper;
use crate::run::sandbox::{Access, Bind, Forward, SOCKETS, Sandbox};

/// Connections at a time.
const MOST: usize = 256;

/// An open door. Dropped, it is shut.
pub(super) struct Door {
    /// Where the release answers, as the check sees it.
    pub(super) url: String,
    directory: PathBuf,
    leading: JoinSet<io::Error>,
}

impl Door {
    /// Opens a door in this sandbox to an address of the host.
    ///
    /// # Errors
    /// That its socket cannot be made.
    pub(super) fn open(
        act: &Act,
        address: SocketAddr,
        sandbox: &mut Sandbox,
    ) -> Result<Door, Failure> {
        let name = format!("check.{}", act.task.id);
        let directory = act.world.paths.socket_directory(&name);
        let socket = act.world.paths.socket(&name);
        let made = tokio::task::block_in_place(|| {
            disk::remove_tree(&directory).map_err(io::Error::other)?;
            std::fs::create_dir_all(&directory)?;
            let (_open, path) = keeper::reach(&socket)?;
            UnixListener::bind(path)
        });
        let listener =
            made.map_err(|error| Failure::host("cannot show the release to its checks", &error))?;
        sandbox.binds.push(Bind {
            source: directory.clone(),
            target: SOCKETS.into(),
            access: Access::Read,
        });
        let out = Forward::Out {
            port: PRIVATE_PORT,
            socket: format!("{SOCKETS}/web.sock").into(),
        };
        sandbox.forwards.push(out);
        let mut leading = JoinSet::new();
        leading.spawn(lead(listener, address));
        Ok(Door {
            url: format!("http://{}:{PRIVATE_PORT}", Ipv4Addr::LOCALHOST),
            directory,
            leading,
        })
    }

    /// Shuts it.
    pub(super) async fn close(mut self) {
        if let Some(Ok(error)) = self.leading.try_join_next() {
            tracing::error!(%error, "the way to the release broke");
        }
        self.leading.shutdown().await;
        let removed = tokio::task::block_in_place(|| disk::remove_tree(&self.directory));
        if let Err(error) = removed {
            tracing::warn!(error = chain(&error), "leftovers stay");
        }
    }
}

/// Leads connections to an address until it is ended, and all of them with it.
async fn lead(listener: UnixListener, address: SocketAddr) -> io::Error {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST => match accepted {
                Ok((from, _)) => drop(connections.spawn(join(from, address))),
                Err(error) => return error,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn join(mut from: UnixStream, address: SocketAddr) {
    if let Ok(mut to) = TcpStream::connect(address).await {
        // What breaks is seen by both sides as the end of their connection.
        drop(copy_bidirectional(&mut from, &mut to).await);
    }
}
