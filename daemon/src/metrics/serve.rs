//! Where monitoring asks: one page, on an address of this machine or a Unix socket.

use std::convert::Infallible;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wharf_config::host::Metrics as At;

use super::text::text;
use crate::execute::World;

/// Who asks at a time: monitoring does so one by one.
const MOST: usize = 8;
/// The longest that one may take for the question and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause when nobody can be let in.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// OpenMetrics, which Prometheus asks for first.
const TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Answers where the operator says, and follows when that changes, until told to stop.
pub async fn serve(world: Arc<World>, stop: CancellationToken) {
    let mut settings = world.settings.clone();
    let mut asking = JoinSet::new();
    loop {
        let at = settings.borrow_and_update().host.metrics.clone();
        let door = open(&world, at.as_ref()).await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = settings.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if settings.borrow().host.metrics != at {
                        break;
                    }
                }
                Some(ended) = asking.join_next(), if !asking.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "an answer about metrics ended badly");
                    }
                }
                stream = accept(door.as_ref()), if asking.len() < MOST => {
                    let world = Arc::clone(&world);
                    asking.spawn(async move {
                        if timeout(PATIENCE, converse(&world, stream)).await.is_err() {
                            tracing::debug!("who asks for metrics takes too long");
                        }
                    });
                }
            }
        }
    }
}

async fn open(world: &World, at: Option<&At>) -> Option<Door> {
    let Some(asked) = at else {
        world.metrics.stands(None, None);
        return None;
    };
    let opened = match asked {
        At::Tcp(at) => TcpListener::bind(at).await.map(Door::Tcp),
        At::Unix(at) => Name::take(at).await,
    };
    let trouble = match &opened {
        Ok(_) => {
            tracing::info!("metrics on {asked}");
            None
        }
        Err(error) => {
            let trouble = format!("metrics cannot be told on {asked}: {error}");
            tracing::error!("{trouble}");
            Some(trouble)
        }
    };
    world.metrics.stands(at, trouble);
    opened.ok()
}

/// Where one comes in.
enum Door {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "goes with it")] Name,
    ),
}

/// The name of a socket, which goes with its door.
struct Name(PathBuf);

impl Name {
    /// Takes a name for the daemon's user and group. One that a dead daemon left is free.
    async fn take(path: &Path) -> io::Result<Door> {
        let left = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
        if left && UnixStream::connect(path).await.is_err() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Door::Unix(listener, Name(path.to_owned())))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, "the socket of metrics is gone already");
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn accept(door: Option<&Door>) -> Box<dyn Stream> {
    loop {
        let accepted: io::Result<Box<dyn Stream>> = match door {
            None => std::future::pending().await,
            Some(Door::Tcp(listener)) => listener
                .accept()
                .await
                .map(|(stream, _)| Box::new(stream) as _),
            Some(Door::Unix(listener, _)) => listener
                .accept()
                .await
                .map(|(stream, _)| Box::new(stream) as _),
        };
        match accepted {
            Ok(stream) => return stream,
            Err(error) => {
                tracing::warn!(%error, "nobody can be told of metrics");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

async fn converse(world: &World, stream: Box<dyn Stream>) {
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(answer(world, &request).await) });
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = ended {
        tracing::debug!(%error, "who asked for metrics is gone");
    }
}

async fn answer(world: &World, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    if request.uri().path() != "/metrics" {
        *answer.status_mut() = StatusCode::NOT_FOUND;
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    } else {
        answer.headers_mut().insert(CONTENT_TYPE, TYPE);
        *answer.body_mut() = Full::from(text(world).await);
    }
    answer
}
