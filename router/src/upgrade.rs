//! Connections that become WebSockets.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Version,
    header::{CONNECTION, UPGRADE},
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tracing::debug;

use crate::{headers, serve::Visitor, upstream::Flight};
use std::sync::Arc;

/// A visitor's wish for a WebSocket. Other protocols are not offered: an `h2c` behind our back
/// would carry requests that nobody checked.
#[derive(Debug)]
pub(crate) struct Wish(OnUpgrade);

impl Wish {
    /// The wish of a request, if it has one.
    pub(crate) fn of(request: &mut Request<Incoming>) -> Option<Self> {
        let is_websocket = request.method() == Method::GET
            && request.version() == Version::HTTP_11
            && headers::connection_has(request.headers(), "upgrade")
            && says_websocket(request.headers());
        is_websocket.then(|| Self(hyper::upgrade::on(request)))
    }

    /// Passes the two connections on to each other, as soon as both have changed. The request is in
    /// flight until they close.
    pub(crate) fn grant(self, answer: &mut Response<Incoming>, flight: Arc<Flight>, of: &Visitor) {
        let upstream = hyper::upgrade::on(answer);
        let connection = Arc::clone(&of.permit);
        let cut = of.lives.cut.clone();
        of.lives.tasks.spawn(async move {
            if let Some(Err(error)) = cut.run_until_cancelled(join(self.0, upstream)).await {
                debug!(%error, "websocket ended");
            }
            drop((flight, connection));
        });
    }
}

/// Says "upgrade" again, which was removed with everything about one connection.
pub(crate) fn say(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether the protocol to change to is a WebSocket's.
pub(crate) fn says_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let first = protocols.next();
    protocols.next().is_none()
        && first.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

async fn join(
    visitor: OnUpgrade,
    upstream: OnUpgrade,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (visitor, upstream) = tokio::try_join!(visitor, upstream)?;
    tokio::io::copy_bidirectional(&mut TokioIo::new(visitor), &mut TokioIo::new(upstream)).await?;
    Ok(())
}
