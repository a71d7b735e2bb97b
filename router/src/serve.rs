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
    entrance::Entrance,
    line::Line,
    tls::Tls,
    waiting::{Place, Waiting},
};

/// The most connections at a time. For one more, the one that has waited longest for a request goes;
/// where each is being answered, it waits.
const CONNECTIONS: usize = 10_000;
/// The longest time that requests in flight get when the router stops.
const GRACE: Duration = Duration::from_secs(10);
/// For how long one who has asked nothing yet, or nothing any more, may still ask once, where the next router
/// waits for this one: a connection that closes by itself may close while a request is under way.
const LINGER: Duration = Duration::from_secs(1);
/// The longest time that requests get which came while earlier ones were finished.
const LATE: Duration = Duration::from_secs(3);
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
    let entrance = Entrance::open_at(listener);
    serve(&entrance, Arc::new(shared), Ending::MakeRoom, stop).await;
    Ok(())
}

/// What becomes of the addresses when the router stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Whoever wants them can have them, at once.
    MakeRoom,
    /// Somebody keeps them for the next router, which starts when this one has ended: until then who comes is
    /// served here, for they would wait otherwise.
    Handover,
}

/// Every task that answers visitors, and how it is told to end.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    pub(crate) tasks: TaskTracker,
    /// Finish the request that is in flight, and answer no other but the first after this.
    pub(crate) finish: CancellationToken,
    /// For how long that first one is waited for.
    linger: Duration,
    /// End at once.
    pub(crate) cut: CancellationToken,
}

impl Lives {
    fn of(ending: Ending) -> Arc<Self> {
        let linger = match ending {
            Ending::MakeRoom => Duration::ZERO,
            Ending::Handover => LINGER,
        };
        Arc::new(Self {
            linger,
            ..Self::default()
        })
    }

    /// Ends when whoever has asked nothing is to go.
    pub(crate) async fn over(&self) {
        self.finish.cancelled().await;
        tokio::time::sleep(self.linger).await;
    }

    /// Says that no more is answered than what is in flight.
    fn finish(&self) {
        self.finish.cancel();
        self.tasks.close();
        info!(connections = self.tasks.len(), "finishing");
    }

    /// Waits for the end of all of them; those that take too long are cut off.
    async fn end(&self, within: Duration) {
        if tokio::time::timeout(within, self.tasks.wait())
            .await
            .is_err()
        {
            let connections = self.tasks.len();
            warn!(connections, "cutting off what has not finished");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
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
pub async fn serve(plain: &Entrance, shared: Arc<Shared>, ending: Ending, stop: CancellationToken) {
    let gate = Gate {
        shared: &shared,
        plain,
        lives: Lives::of(ending),
        places: Arc::new(Semaphore::new(CONNECTIONS)),
        waiting: Arc::default(),
    };
    stop.run_until_cancelled(gate.accept_all()).await;
    if ending == Ending::MakeRoom {
        gate.close();
        gate.lives.finish();
        return gate.lives.end(GRACE).await;
    }
    let late = Gate {
        lives: Lives::of(ending),
        places: Arc::clone(&gate.places),
        waiting: Arc::clone(&gate.waiting),
        ..gate
    };
    gate.lives.finish();
    // Each who comes now is answered once, and comes to the next router then.
    late.lives.finish.cancel();
    tokio::select! {
        () = gate.lives.end(GRACE) => {}
        never = late.accept_all() => match never {},
    }
    late.close();
    late.lives.finish();
    late.lives.end(LATE).await;
}

/// Where connections come in, and how many there may be, whichever way they come.
struct Gate<'s> {
    shared: &'s Arc<Shared>,
    plain: &'s Entrance,
    lives: Arc<Lives>,
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
                        lives: Arc::clone(&self.lives),
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

    /// Lets in who comes, whichever way.
    async fn accept_all(&self) -> Infallible {
        let secure = async {
            match &self.shared.tls {
                Some(tls) => self.accept_at(&tls.entrance, Some(tls)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            never = self.accept_at(self.plain, None) => never,
            never = secure => never,
        }
    }

    /// Lets in who comes there, wherever that is at the time.
    async fn accept_at(&self, entrance: &Entrance, tls: Option<&Tls>) -> Infallible {
        let mut door = entrance.door();
        loop {
            let listener = door.borrow_and_update().clone();
            let accept = async {
                match &listener {
                    Some(listener) => self.accept(listener, tls).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                never = accept => match never {},
                changed = door.changed() => changed.expect("the entrance lives on"),
            }
        }
    }

    /// Lets nobody in any more.
    fn close(&self) {
        self.plain.close();
        if let Some(tls) = &self.shared.tls {
            tls.entrance.close();
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
