//! One connection: TLS where it comes by that, then HTTP until it ends.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, StatusCode, Version, header::CONNECTION};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};
use tracing::debug;

use crate::{
    answer::answer,
    body::Attended,
    line::Line,
    serve::{Lives, Shared, Visitor},
    tls::HTTP_2,
    waiting::Place,
};

/// The largest head of a request, in bytes.
const MAX_HEAD: u32 = 64 * 1024;
/// The longest wait for a request's head, which is also the longest time between two requests:
/// hyper has one clock for both. Longer than what proxies in front keep their connections for.
const HEAD: Duration = Duration::from_secs(75);
/// The longest that a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Requests at a time on one connection of HTTP/2: fewer are no bound that RFC 9113 recommends.
const STREAMS: u32 = 100;
/// Bytes that a visitor may send on one connection of HTTP/2 before somebody has read them, and that
/// are kept for one answer that they do not take.
const WINDOW: u32 = 128 * 1024;
/// How often a connection of HTTP/2 that is silent is asked whether anybody is there.
const ALIVE: Duration = Duration::from_secs(30);

/// Answers what is asked on one connection.
pub(crate) async fn converse(
    visitor: Visitor,
    place: Arc<Place>,
    shared: Arc<Shared>,
    tls: Option<Arc<ServerConfig>>,
) {
    let line = visitor.line.clone();
    let conversation = Arc::new(Conversation {
        visitor,
        place,
        shared,
    });
    let Some(server) = tls else {
        return conversation.http1(line).await;
    };
    let Some(stream) = conversation.shake_hands(server, line).await else {
        return;
    };
    match stream.get_ref().1.alpn_protocol() {
        Some(HTTP_2) => conversation.http2(stream).await,
        _ => conversation.http1(stream).await,
    }
}

struct Conversation {
    visitor: Visitor,
    place: Arc<Place>,
    shared: Arc<Shared>,
}

impl Conversation {
    /// Begins TLS. Until that is done a connection waits as one that asks nothing.
    async fn shake_hands(&self, server: Arc<ServerConfig>, line: Line) -> Option<TlsStream<Line>> {
        let accept = TlsAcceptor::from(server).accept(line);
        tokio::select! {
            shaken = timeout(HANDSHAKE, accept) => match shaken {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(error)) => debug!(peer = %self.visitor.peer, %error, "no TLS"),
                Err(_) => debug!(peer = %self.visitor.peer, "its handshake takes too long"),
            },
            () = self.place.called.cancelled() => debug!("its place was another's turn"),
            () = self.visitor.lives.over() => {}
        }
        None
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Attended>, Infallible> {
        let turn = self.place.turn();
        let is_http1 = request.version() < Version::HTTP_2;
        let mut answer = answer(&self.shared, &self.visitor, request).await;
        let is_last = is_http1 && self.visitor.lives.finish.is_cancelled();
        if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        Ok(answer.map(|body| Attended::new(body, turn)))
    }

    async fn http1(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_header_size(MAX_HEAD as usize)
                .max_buf_size(MAX_HEAD as usize)
                .serve_connection(
                    TokioIo::new(stream),
                    service_fn(|request| self.answer(request))
                )
                .with_upgrades()
        );
        let lives = &self.visitor.lives;
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.place.called.cancelled() => return debug!("its place was another's turn"),
            () = lives.over() => {
                connection.as_mut().graceful_shutdown();
                lives.cut.run_until_cancelled(connection).await
            }
        };
        if let Some(Err(error)) = ended {
            debug!(%error, "connection ended");
        }
    }

    async fn http2(self: &Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request| {
            let conversation = Arc::clone(self);
            async move { conversation.answer(request).await }
        });
        let mut connection = pin!(
            http2::Builder::new(Among(Arc::clone(&self.visitor.lives)))
                .timer(TokioTimer::new())
                .max_header_list_size(MAX_HEAD)
                .max_concurrent_streams(STREAMS)
                .initial_connection_window_size(WINDOW)
                .initial_stream_window_size(WINDOW)
                .max_send_buf_size(WINDOW as usize)
                .keep_alive_interval(ALIVE)
                .serve_connection(TokioIo::new(stream), service)
        );
        let lives = &self.visitor.lives;
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.place.called.cancelled() => return debug!("its place was another's turn"),
            () = self.place.idle(HEAD) => {
                connection.as_mut().graceful_shutdown();
                lives.cut.run_until_cancelled(connection).await
            }
            () = lives.over() => {
                connection.as_mut().graceful_shutdown();
                lives.cut.run_until_cancelled(connection).await
            }
        };
        if let Some(Err(error)) = ended {
            debug!(%error, "connection ended");
        }
    }
}

/// Starts what answers a request of HTTP/2 among all that answers visitors.
#[derive(Clone)]
struct Among(Arc<Lives>);

impl<F: Future<Output: Send + 'static> + Send + 'static> Executor<F> for Among {
    fn execute(&self, answering: F) {
        self.0.tasks.spawn(answering);
    }
}
