//! The socket: who may talk, how many at a time.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use listenfd::ListenFd;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::dispatch::Desk;
use crate::execute::World;
use crate::session::{self, Heard};

/// Conversations at the same time, at most; further callers wait for one to end.
const CONVERSATIONS: usize = 512;
/// Those of them that only watch, at most: the one that has watched for longest makes room for the next,
/// so that there is always room for who wants something done.
const WATCHERS: usize = 384;
/// Callers who have not said yet what they want, at most: the one that has been silent for longest
/// makes room for the next, so that nobody is kept waiting by those who say nothing.
const CALLERS: usize = 256;
/// The kernel's stand-in for a user that this namespace does not know.
const OVERFLOW_UID: u32 = 65_534;

/// The socket that systemd made and hands over (sd_listen_fds(3)), if it did. Pushes that come while no
/// daemon is there wait in it for the next one. Called before the process has threads or children.
///
/// # Errors
/// When what is handed over is no such socket.
pub fn handed_over() -> io::Result<Option<net::UnixListener>> {
    ListenFd::from_env().take_unix_listener(0)
}

/// Takes the socket that was handed over, where it is the one that hooks ask at.
///
/// # Errors
/// That it is another one.
pub fn take(handed_over: net::UnixListener, path: &Path) -> io::Result<UnixListener> {
    let address = handed_over.local_addr()?;
    if address.as_pathname() != Some(path) {
        let other = address
            .as_pathname()
            .unwrap_or(Path::new("another address"));
        let message = format!(
            "systemd listens on {}: change wharfd.socket",
            other.display()
        );
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
    }
    handed_over.set_nonblocking(true)?;
    UnixListener::from_std(handed_over)
}

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
    let mut callers = Callers::default();
    let mut watchers = Watchers::default();
    let mut conversations = JoinSet::new();
    loop {
        while conversations.len() < CONVERSATIONS
            && let Some(heard) = callers.heard.pop_front()
        {
            let needed = CancellationToken::new();
            if heard.only_watches() {
                watchers.enter(needed.clone());
            }
            let ended = needed.clone().drop_guard();
            conversations.spawn(async move {
                heard.talk(needed).await;
                drop(ended);
            });
        }
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = conversations.join_next() => {
                report(ended);
                continue;
            }
            Some(ended) = callers.hearing.join_next() => {
                callers.ended(ended);
                continue;
            }
            accepted = listener.accept(), if callers.heard.len() < CALLERS => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Some(uid) = caller(&stream) else {
                    continue;
                };
                let (world, desk) = (Arc::clone(&world), desk.clone());
                callers.hear(session::hear(world, desk, stream, uid, since));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                // Out of descriptors, most likely: those that end make room.
                tracing::error!(%error, "a caller was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
    callers.hearing.shutdown().await;
    conversations.shutdown().await;
}

/// Callers whose conversation has not begun.
#[derive(Debug, Default)]
struct Callers {
    /// Of whom it is not known yet what they want.
    hearing: JoinSet<Option<Heard>>,
    /// The same, the first to call first, and some who have ended.
    silent: VecDeque<AbortHandle>,
    /// Who wait for a conversation to end.
    heard: VecDeque<Heard>,
}

impl Callers {
    fn hear(&mut self, hear: impl Future<Output = Option<Heard>> + Send + 'static) {
        self.silent.retain(|caller| !caller.is_finished());
        if self.silent.len() >= CALLERS
            && let Some(longest) = self.silent.pop_front()
        {
            longest.abort();
        }
        self.silent.push_back(self.hearing.spawn(hear));
    }

    fn ended(&mut self, ended: Result<Option<Heard>, JoinError>) {
        match ended {
            // It was told why it is none.
            Ok(heard) => self.heard.extend(heard),
            // It made room.
            Err(error) if error.is_cancelled() => {}
            Err(error) => report(Err(error)),
        }
    }
}

/// Who only watch, the first to come first, and some who have ended.
#[derive(Debug, Default)]
struct Watchers(VecDeque<CancellationToken>);

impl Watchers {
    /// Notes one more, by what ends it and is cancelled when it has ended.
    fn enter(&mut self, needed: CancellationToken) {
        self.0.retain(|watcher| !watcher.is_cancelled());
        if self.0.len() >= WATCHERS
            && let Some(longest) = self.0.pop_front()
        {
            longest.cancel();
        }
        self.0.push_back(needed);
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a conversation ended badly");
    }
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
