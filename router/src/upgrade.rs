//! Connections that become WebSockets.

use std::{pin::pin, sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Version,
    header::{CONNECTION, UPGRADE},
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWriteExt, copy, split},
    time::timeout,
};
use tracing::debug;

use crate::{headers, serve::Visitor, upstream::Flight};

/// The longest wait for a visitor to close after the process has.
const LINGER: Duration = Duration::from_secs(5);

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
        let permit = Arc::clone(&of.permit);
        let cut = of.lives.cut.clone();
        of.lives.tasks.spawn(async move {
            if let Some(Err(error)) = cut
                .run_until_cancelled(join(self.0, upstream, flight))
                .await
            {
                debug!(%error, "websocket ended");
            }
            drop(permit);
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

/// Copies in both directions until the process has closed, or the visitor is gone.
async fn join(
    visitor: OnUpgrade,
    upstream: OnUpgrade,
    flight: Arc<Flight>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (visitor, upstream) = tokio::try_join!(visitor, upstream)?;
    let (mut from_visitor, mut to_visitor) = split(TokioIo::new(visitor));
    let (mut from_upstream, mut to_upstream) = split(TokioIo::new(upstream));
    let mut up = pin!(async {
        copy(&mut from_visitor, &mut to_upstream).await?;
        to_upstream.shutdown().await
    });
    let mut down = pin!(async {
        copy(&mut from_upstream, &mut to_visitor).await?;
        to_visitor.shutdown().await
    });
    tokio::select! {
        ended = &mut down => {
            // Nothing of it is the process's any more; the visitor gets a moment to see the end.
            drop(flight);
            ended?;
            timeout(LINGER, up).await??;
        }
        ended = &mut up => {
            ended?;
            down.await?;
        }
    }
    Ok(())
}
