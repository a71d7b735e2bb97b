//! The socket: who may talk, how many at a time.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dispatch::Desk;
use crate::execute::World;
use crate::session;

/// Conversations at the same time, at most; further callers wait to be accepted.
const CONVERSATIONS: usize = 512;
/// The kernel's stand-in for a user that this namespace does not know.
const OVERFLOW_UID: u32 = 65_534;

/// Binds the daemon's socket, for its user and group only. A socket that nobody answers on is left
/// from a daemon that died, and is replaced; the state directory's lock has been taken before.
///
/// # Errors
/// When it cannot be bound.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Accepts callers until told to stop; every conversation is owned and ended here.
pub async fn accept(
    listener: UnixListener,
    world: Arc<World>,
    desk: Desk,
    stop: CancellationToken,
) {
    let since = Instant::now();
    let places = Arc::new(Semaphore::new(CONVERSATIONS));
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = conversations.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a conversation ended badly");
                }
                continue;
            }
            place = Arc::clone(&places).acquire_owned() => {
                let place = place.expect("the semaphore is never closed");
                tokio::select! {
                    () = stop.cancelled() => break,
                    accepted = listener.accept() => accepted.map(|(stream, _)| (stream, place)),
                }
            }
        };
        match accepted {
            Ok((stream, place)) => {
                let Some(uid) = caller(&stream) else {
                    continue;
                };
                let (world, desk) = (Arc::clone(&world), desk.clone());
                conversations.spawn(async move {
                    session::talk(world, desk, stream, uid, since).await;
                    drop(place);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // Out of descriptors, most likely: those that end make room.
                tracing::error!(%error, "a caller was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
    conversations.shutdown().await;
}

/// Who calls, by the kernel's word. The overflow uid could be anybody and is nobody.
fn caller(stream: &UnixStream) -> Option<u32> {
    let credentials = match stream.peer_cred() {
        Ok(credentials) => credentials,
        Err(error) => {
            tracing::warn!(%error, "a caller without credentials");
            return None;
        }
    };
    let uid = credentials.uid();
    if uid == OVERFLOW_UID {
        tracing::warn!("a caller of another user namespace is refused");
        return None;
    }
    Some(uid)
}
