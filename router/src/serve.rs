//! Connections of visitors: accepted, bounded, and ended with grace.

use std::{
    convert::Infallible, io, net::SocketAddr, path::PathBuf, pin::pin, sync::Arc, time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    Passwords, Table,
    answer::answer,
    body::Attended,
    line::Line,
    waiting::{Place, Waiting},
};

/// The most connections at a time. For one more, the one that has waited longest for a request goes;
/// where each is being answered, it waits.
const CONNECTIONS: usize = 10_000;
/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// The longest wait for a request's head, which is also the longest time between two requests:
/// hyper has one clock for both. Longer than what proxies in front keep their connections for.
const HEAD: Duration = Duration::from_secs(75);
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
    /// Its place among all connections, kept also by what the connection turns into.
    pub(crate) permit: Arc<OwnedSemaphorePermit>,
    pub(crate) lives: Arc<Lives>,
}

/// Answers visitors until told to stop; then finishes what is in flight, for ten seconds at most.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: CancellationToken) {
    let lives = Arc::new(Lives::default());
    stop.run_until_cancelled(accept(&listener, &shared, &lives))
        .await;
    // From here on a new router can have the address.
    drop(listener);
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

async fn accept(listener: &TcpListener, shared: &Arc<Shared>, lives: &Arc<Lives>) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let waiting = Arc::new(Waiting::default());
    let mut is_said = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "cannot set TCP_NODELAY");
                }
                let permit = permit(&places, &waiting, &mut is_said).await;
                let visitor = Visitor {
                    peer,
                    line: Line::new(stream),
                    permit: Arc::new(permit),
                    lives: Arc::clone(lives),
                };
                let place = Place::new(&waiting);
                lives
                    .tasks
                    .spawn(converse(visitor, place, Arc::clone(shared)));
            }
            Err(error) if is_of_one_connection(&error) => debug!(%error, "cannot accept"),
            Err(error) => {
                warn!(%error, "cannot accept");
                tokio::time::sleep(EXHAUSTED).await;
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

async fn converse(visitor: Visitor, place: Arc<Place>, shared: Arc<Shared>) {
    let line = visitor.line.clone();
    let lives = Arc::clone(&visitor.lives);
    let service = service_fn(|request| async {
        let turn = place.turn();
        let answer = answer(&shared, &visitor, request).await;
        Ok::<_, Infallible>(answer.map(|body| Attended::new(body, turn)))
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(line), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = place.called.cancelled() => return debug!("its place was another's turn"),
        () = lives.finish.cancelled() => {
            connection.as_mut().graceful_shutdown();
            lives.cut.run_until_cancelled(connection).await
        }
    };
    if let Some(Err(error)) = ended {
        debug!(%error, "connection ended");
    }
}
