//! A request goes to a process that speaks FastCGI, such as php-fpm.

mod exchange;
mod params;
mod script;

use std::sync::Arc;

use http::{Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use tokio::sync::mpsc;
use tracing::{debug, warn};
use wharf_fastcgi::{Head, MAX_HEAD, begin};
use wharf_wire::route::{FastCgi, Protocol};

use crate::{
    body::Body,
    forward::{Asked, Failure, in_time},
    headers,
    request_body::RequestBody,
    serve::{Shared, Visitor},
    site::Site,
    stream::connect,
    table::Found,
    upstream::Flight,
};
use exchange::Exchange;

/// The largest body that does not say how long it is.
const UNSAID: usize = 1024 * 1024;
/// How many records of an answer may wait for the visitor to take them.
const AHEAD: usize = 2;

/// Passes a request on and answers what the process says.
///
/// The process may stop between our look into the table and our connection: then the table is asked
/// again, once. Nothing was sent, so that no harm comes from it.
pub(crate) async fn forward(
    shared: &Shared,
    visitor: &Visitor,
    request: Request<Incoming>,
    asked: Asked<'_>,
    site: &Arc<Site>,
    scripts: &FastCgi,
    flight: Flight,
) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let params = async |site: &Arc<Site>, scripts: &FastCgi, length| {
        let script = script::of(asked.path, site, scripts).await;
        let script = script.ok_or(Failure::NoScript)?;
        Ok(params::of(
            &parts, visitor, site, asked.host, &script, length,
        ))
    };
    let mut flight = Arc::new(flight);
    let mut body = read(body, &flight).await?;
    let length = body.size_hint().exact().unwrap_or_default();
    let mut sent = params(site, scripts, length).await?;
    let stream = match connect(&flight.pool().upstream).await {
        Ok(stream) => stream,
        Err(error) => {
            debug!(host = asked.host, %error, "asking again");
            let found = shared.table.find(asked.host, asked.path);
            let found = found.ok_or(Failure::Broken)?;
            let (site, scripts, next) = again(found).ok_or(Failure::Broken)?;
            flight = Arc::new(next);
            sent = params(&site, &scripts, length).await?;
            body = body.again(&flight).ok_or(Failure::Broken)?;
            let stream = connect(&flight.pool().upstream).await;
            stream.map_err(|error| broken(asked, &error))?
        }
    };
    let mut first = Vec::new();
    begin(&mut first);
    sent.write(&mut first);
    let (to, mut parts) = mpsc::channel(AHEAD);
    let exchange = Exchange {
        stream,
        first,
        body: body.clone(),
        to,
        host: asked.host.to_owned(),
    };
    let cut = visitor.lives.cut.clone();
    visitor.lives.tasks.spawn(async move {
        cut.run_until_cancelled(exchange.run()).await;
        // In flight until the last byte of both bodies.
        drop(flight);
    });
    match in_time(shared, &body, head(&mut parts)).await {
        None => Err(Failure::Silent),
        Some(Err(_)) if body.has_failed() => Err(Failure::BadBody),
        Some(Err(error)) => Err(broken(asked, &*error)),
        Some(Ok((head, first))) => Ok(answer(head, first, parts)),
    }
}

/// What answers now, if it speaks FastCGI too.
fn again(found: Found) -> Option<(Arc<Site>, FastCgi, Flight)> {
    let Protocol::FastCgi(scripts) = found.process()?.protocol.clone() else {
        return None;
    };
    Some((found.site, scripts, found.flight?))
}

/// A body that says how long it is. A small one that does not is read first: a script reads as many
/// bytes as it is told of.
async fn read(body: Incoming, flight: &Arc<Flight>) -> Result<RequestBody, Failure> {
    if body.is_end_stream() || body.size_hint().exact().is_some() {
        return Ok(RequestBody::new(body, flight));
    }
    match Limited::new(body, UNSAID).collect().await {
        Ok(all) => Ok(RequestBody::Whole(Some(all.to_bytes()))),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::NoLength),
        Err(_) => Err(Failure::BadBody),
    }
}

type Broke = Box<dyn std::error::Error + Send + Sync>;

/// The head of an answer, and what came with it of the body.
async fn head(parts: &mut mpsc::Receiver<std::io::Result<Bytes>>) -> Result<(Head, Bytes), Broke> {
    let mut so_far = bytes::BytesMut::new();
    while let Some(part) = parts.recv().await {
        so_far.extend_from_slice(&part?);
        if let Some((head, length)) = Head::read(&so_far)? {
            return Ok((head, so_far.split_off(length).freeze()));
        }
        if so_far.len() > MAX_HEAD {
            break;
        }
    }
    Err("the process ended its answer before it had begun".into())
}

fn answer(
    head: Head,
    first: Bytes,
    rest: mpsc::Receiver<std::io::Result<Bytes>>,
) -> Response<Body> {
    let first = Some(first).filter(|first| !first.is_empty());
    let mut answer = Response::new(Body::Script(first, rest));
    *answer.status_mut() = head.status;
    *answer.headers_mut() = head.headers;
    headers::remove_hop_by_hop(answer.headers_mut());
    answer
}

fn broken(asked: Asked<'_>, error: &(dyn std::error::Error + 'static)) -> Failure {
    let error = crate::table::chain(error);
    warn!(host = asked.host, error, "the process does not answer");
    Failure::Broken
}
