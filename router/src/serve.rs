//! Connections of visitors: accepted, bounded, and ended with grace.

use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    Counts, Passwords, Table,
    converse::converse,
    line::Line,
    tls::Tls,
    waiting::{Place, Waiting},
};

/// The most connections at a time. For one more, the one that has waited longest for a request goes;
/// where each is being answered, it waits.
const CONNECTIONS: usize = 10_000;
/// The longest time that requests in flight get when the router stops.
const GRACE: Duration = Duration::from_secs(10);
/// The longest wait for a preview's answer.
const PREVIEW: Duration = Duration::from_secs(60);
/// The pause when the process has no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What every request needs.
#[derive(Debug)]
pub struct Shared {
    /// Where requests go.
    pub table: Arc<Table>,
    /// The longest wait for the head of a process's answer.
    pub answer_within: Duration,
    /// The longest wait of a request for its paused environment.
    pub wake_within: Duration,
    /// The most requests that wait for the end of one environment's maintenance.
    pub hold_most: usize,
    /// Checks visitors' passwords.
    pub passwords: Passwords,
    /// How requests were answered.
    pub counts: Arc<Counts>,
    /// TLS, where there may be any.
    pub tls: Option<Arc<Tls>>,
}

/// Serves the routes of a directory on one listener until told to stop: a release that does not serve
/// yet, to whoever checks it.
///
/// # Errors
/// When the directory cannot be read.
pub async fn preview(
    routes: PathBuf,
    listener: TcpListener,
    stop: CancellationToken,
) -> io::Result<()> {
    let table = tokio::task::spawn_blocking(move || Table::read(routes)).await;
    let shared = Shared {
        table: Arc::new(table.map_err(io::Error::other)??),
        answer_within: PREVIEW,
        wake_within: PREVIEW,
        hold_most: 0,
        passwords: Passwords::default(),
        counts: Arc::default(),
        tls: None,
    };
    serve(listener, Arc::new(shared), stop).await;
    Ok(())
}

/// Every task that answers visitors, and how it is told to end.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    pub(crate) tasks: TaskTracker,
    /// Finish the request that is in flight.
    pub(crate) finish: CancellationToken,
    /// End at once.
    pub(crate) cut: CancellationToken,
}

/// Whoever sends requests on one connection.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) peer: SocketAddr,
    pub(crate) line: Line,
    /// Whether it came by TLS, to us.
    pub(crate) is_secure: bool,
    /// Its place among all connections, kept also by what the connection turns into.
    pub(crate) permit: Arc<OwnedSemaphorePermit>,
    pub(crate) lives: Arc<Lives>,
}

/// Answers visitors until told to stop; then finishes what is in flight, for ten seconds at most.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let lives = Arc::new(Lives::default());
    let gate = Gate {
        shared: &shared,
        lives: &lives,
        places: Arc::new(Semaphore::new(CONNECTIONS)),
        waiting: Arc::default(),
    };
    let secure = async {
        match &shared.tls {
            Some(tls) => gate.accept_secure(tls).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        never = gate.accept(&listener, None) => match never {},
        never = secure => match never {},
    }
    // From here on a new router can have the addresses.
    drop(listener);
    if let Some(tls) = &shared.tls {
        tls.close();
    }
    lives.finish.cancel();
    lives.tasks.close();
    info!(connections = lives.tasks.len(), "finishing");
    if tokio::time::timeout(GRACE, lives.tasks.wait())
        .await
        .is_err()
    {
        warn!(
            connections = lives.tasks.len(),
            "cutting off what has not finished"
        );
        lives.cut.cancel();
        lives.tasks.wait().await;
    }
}

/// Where connections come in, and how many there may be, whichever way they come.
struct Gate<'s> {
    shared: &'s Arc<Shared>,
    lives: &'s Arc<Lives>,
    places: Arc<Semaphore>,
    waiting: Arc<Waiting>,
}

impl Gate<'_> {
    async fn accept(&self, listener: &TcpListener, tls: Option<&Tls>) -> Infallible {
        let mut is_said = false;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        debug!(%error, "cannot set TCP_NODELAY");
                    }
                    let permit = permit(&self.places, &self.waiting, &mut is_said).await;
                    let visitor = Visitor {
                        peer,
                        line: Line::new(stream),
                        is_secure: tls.is_some(),
                        permit: Arc::new(permit),
                        lives: Arc::clone(self.lives),
                    };
                    let place = Place::new(&self.waiting);
                    let server = tls.map(|tls| Arc::clone(&tls.server));
                    self.lives.tasks.spawn(converse(
                        visitor,
                        place,
                        Arc::clone(self.shared),
                        server,
                    ));
                }
                Err(error) if is_of_one_connection(&error) => debug!(%error, "cannot accept"),
                Err(error) => {
                    warn!(%error, "cannot accept");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    /// The same by TLS, wherever that is at the time.
    async fn accept_secure(&self, tls: &Tls) -> Infallible {
        let mut door = tls.door();
        loop {
            let listener = door.borrow_and_update().clone();
            let accept = async {
                match &listener {
                    Some(listener) => self.accept(listener, Some(tls)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                never = accept => match never {},
                changed = door.changed() => changed.expect("TLS lives on"),
            }
        }
    }
}

/// A place for one connection more. That there is none is said once, until there is.
async fn permit(
    places: &Arc<Semaphore>,
    waiting: &Waiting,
    is_said: &mut bool,
) -> OwnedSemaphorePermit {
    if let Ok(permit) = Arc::clone(places).try_acquire_owned() {
        *is_said = false;
        return permit;
    }
    if !waiting.end_oldest() && !std::mem::replace(is_said, true) {
        warn!("all {CONNECTIONS} connections are being answered; one more waits");
    }
    let permit = Arc::clone(places).acquire_owned().await;
    permit.expect("it is never closed")
}

/// Whether only the one that wanted to connect is concerned.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
