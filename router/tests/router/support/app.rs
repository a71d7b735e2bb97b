//! Applications: small servers inside the test.

use std::{convert::Infallible, future::Future, path::Path};

use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::JoinSet,
};
use wharf_wire::route::Upstream;

pub type Body = BoxBody<Bytes, Infallible>;

/// A running application; all of it ends when it is dropped.
pub struct App {
    pub upstream: Upstream,
    tasks: JoinSet<()>,
}

impl App {
    /// Ends it and waits until nothing of it is left.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

pub fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).boxed())
}

/// An application on a TCP port.
pub async fn tcp<F, A>(answer: F) -> App
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::Tcp(listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(converse(stream, answer.clone()));
        }
    });
    App { upstream, tasks }
}

/// An application on a Unix socket.
pub async fn unix<F, A>(path: &Path, answer: F) -> App
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let listener = UnixListener::bind(path).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(converse(stream, answer.clone()));
        }
    });
    App {
        upstream: Upstream::Unix(path.to_owned()),
        tasks,
    }
}

/// An application that always says the same.
pub async fn saying(words: &'static str) -> App {
    tcp(move |_| async move { text(words) }).await
}

async fn converse<S, F, A>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    // A connection that breaks is a matter of the test's own assertions.
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}
