//! A request goes to its environment's process, and the answer comes back.

use std::sync::Arc;

use http::{
    HeaderValue, Request, Response, StatusCode, Uri, Version,
    header::HOST,
    request::Parts,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tokio::time::Instant;
use tracing::{debug, warn};
use wharf_wire::route::Protocol;

use crate::{
    body::Body,
    headers,
    path::Plain,
    request_body::RequestBody,
    serve::{Shared, Visitor},
    table::chain,
    upgrade::{self, Wish},
    upstream::Flight,
};

/// What a request asks the table for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) host: &'a str,
    /// None where there is no path to compare.
    pub(crate) path: Option<&'a Plain>,
}

/// Why a process has not answered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It cannot be reached, or has closed the connection, or does not speak HTTP.
    Broken,
    /// It has not begun to answer in time.
    Silent,
    /// The request says not how long it is, which it must be able to.
    NoLength,
    /// Nothing is there that it could run.
    NoScript,
    /// What the visitor sends is no request's body, or ends too early.
    BadBody,
}

/// Passes a request on and answers what the process says.
///
/// The process may stop between our look into the table and the last byte of the request: then the
/// table is asked again, once, if the process cannot have acted on the request.
pub(crate) async fn forward(
    shared: &Shared,
    visitor: &Visitor,
    mut request: Request<Incoming>,
    asked: Asked<'_>,
    flight: Flight,
) -> Result<Response<Body>, Failure> {
    let wish = Wish::of(&mut request);
    let mut flight = Arc::new(flight);
    let (parts, body) = request.into_parts();
    let body = RequestBody::new(body, &flight);
    let parts = outgoing(parts, visitor, wish.as_ref());

    let again = parts.clone();
    let mut answer = send(shared, &flight, Request::from_parts(parts, body.clone())).await;
    if let Err(Attempt::Broken(error)) = &answer
        && can_ask_again(error, &again, &body)
        && let Some(next) = next(shared, asked)
    {
        let next = Arc::new(next);
        if let Some(body) = body.again(&next) {
            debug!(host = asked.host, error = chain(error), "asking again");
            flight = next;
            answer = send(shared, &flight, Request::from_parts(again, body)).await;
        }
    }
    match answer {
        Ok(answer) => incoming(answer, wish, flight, visitor),
        Err(Attempt::Silent) => Err(Failure::Silent),
        Err(Attempt::Broken(_)) if body.has_failed() => Err(Failure::BadBody),
        Err(Attempt::Broken(error)) => {
            warn!(
                host = asked.host,
                error = chain(&error),
                "the process does not answer"
            );
            Err(Failure::Broken)
        }
    }
}

/// Whoever answers now, if that is a process of the same kind.
fn next(shared: &Shared, asked: Asked<'_>) -> Option<Flight> {
    let found = shared.table.find(asked.host, asked.path)?;
    let is_http = found.process()?.protocol == Protocol::Http;
    found.flight.filter(|_| is_http)
}

/// How a request to a process ended without an answer.
enum Attempt {
    /// Nobody accepted it, or the connection broke.
    Broken(legacy::Error),
    /// No answer in time.
    Silent,
}

async fn send(
    shared: &Shared,
    flight: &Flight,
    request: Request<RequestBody>,
) -> Result<Response<Incoming>, Attempt> {
    let body = request.body().clone();
    match in_time(shared, &body, flight.pool().client.request(request)).await {
        Some(answer) => answer.map_err(Attempt::Broken),
        None => Err(Attempt::Silent),
    }
}

/// What comes before a process has been silent for too long. A long upload is no silence, as long
/// as it moves.
pub(crate) async fn in_time<T>(
    shared: &Shared,
    body: &RequestBody,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let begun = Instant::now();
    let mut answer = std::pin::pin!(answer);
    loop {
        let moved = body.moved().unwrap_or(begun);
        match tokio::time::timeout_at(moved + shared.answer_within, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) if body.moved().is_some_and(|latest| latest > moved) => {}
            Err(_) => return None,
        }
    }
}

/// Whether no harm comes from sending a request twice: nobody accepted it the first time, or it is
/// of the kind that may be repeated and has no body.
fn can_ask_again(error: &legacy::Error, parts: &Parts, body: &RequestBody) -> bool {
    error.is_connect() || parts.method.is_idempotent() && body.is_empty()
}

/// The head of a request to a process.
fn outgoing(mut parts: Parts, visitor: &Visitor, wish: Option<&Wish>) -> Parts {
    // Answered from the table already, so there is one of the two.
    let host = match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    };
    let host = host.unwrap_or(HeaderValue::from_static(""));
    headers::prepare(&mut parts.headers, visitor.peer.ip(), &host);
    if wish.is_some() {
        upgrade::say(&mut parts.headers);
    }
    let mut uri = parts.uri.into_parts();
    uri.scheme = Some(Scheme::HTTP);
    // The pool knows where it leads to.
    uri.authority = Some(Authority::from_static("upstream"));
    uri.path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    parts.uri = Uri::from_parts(uri).expect("a scheme, an authority and a path are an address");
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    parts
}

/// The answer of a process, made ready for the visitor.
fn incoming(
    mut answer: Response<Incoming>,
    wish: Option<Wish>,
    flight: Arc<Flight>,
    visitor: &Visitor,
) -> Result<Response<Body>, Failure> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Only what the visitor has asked for.
        let (Some(wish), true) = (wish, upgrade::says_websocket(answer.headers())) else {
            return Err(Failure::Broken);
        };
        wish.grant(&mut answer, flight, visitor);
        headers::remove_hop_by_hop(answer.headers_mut());
        upgrade::say(answer.headers_mut());
        return Ok(answer.map(|_| Body::empty()));
    }
    headers::remove_hop_by_hop(answer.headers_mut());
    *answer.version_mut() = Version::HTTP_11;
    Ok(answer.map(|body| Body::Upstream(body, Some(flight))))
}
