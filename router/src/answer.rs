//! One request: the doors of its environment, the files, then the process.

use http::{Method, Request, Response, header::HeaderName};
use hyper::body::Incoming;
use tracing::error;

use crate::{
    admit::admit,
    body::Body,
    files::Files,
    forward::{Failure, forward},
    headers, host,
    page::Page,
    serve::{Shared, Visitor},
    table::Found,
};

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Answers a request.
pub(crate) async fn answer(
    shared: &Shared,
    visitor: &Visitor,
    mut request: Request<Incoming>,
) -> Response<Body> {
    let host = match host::of(&request) {
        Ok(host) => host.into_owned(),
        Err(error) => return Page::bad_host(error).answer(request.headers()),
    };
    let Some(found) = shared.table.find(&host) else {
        return Page::unknown_host(&host).answer(request.headers());
    };
    if !found.site.doors.believes(visitor.peer.ip()) {
        headers::disbelieve(request.headers_mut());
    }
    let robots = found.site.robots.clone();
    let mut answer = match admit(shared, visitor, &request, &host, found).await {
        Ok(found) => {
            found.site.doors.clean(&mut request);
            of_site(shared, visitor, request, &host, found).await
        }
        Err(answer) => answer,
    };
    if let Some(robots) = robots {
        answer.headers_mut().insert(ROBOTS, robots);
    }
    answer
}

async fn of_site(
    shared: &Shared,
    visitor: &Visitor,
    request: Request<Incoming>,
    host: &str,
    Found { site, flight }: Found,
) -> Response<Body> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(files) = site.files.as_ref().filter(|_| is_read) {
        match files.answer(&request).await {
            Ok(Some(answer)) => return answer.map(Body::File),
            Ok(None) => {}
            Err(error) => {
                error!(host, %error, "cannot read a static file");
                return Page::failed().answer(request.headers());
            }
        }
    }
    let Some(flight) = flight else {
        return if is_read {
            not_found(site.files.as_ref(), &request).await
        } else {
            Page::method().answer(request.headers())
        };
    };
    // A tunnel to another host is nothing that a site could answer.
    if request.method() == Method::CONNECT {
        return Page::method().answer(request.headers());
    }
    let headers = request.headers().get(http::header::ACCEPT).cloned();
    drop(site);
    match forward(shared, visitor, request, host, flight).await {
        Ok(answer) => answer,
        Err(failure) => {
            let page = match failure {
                Failure::Broken => Page::broken(),
                Failure::Silent => Page::silent(),
            };
            page.answer(
                &headers
                    .map(|accept| (http::header::ACCEPT, accept))
                    .into_iter()
                    .collect(),
            )
        }
    }
}

/// The site's own page for what is not there, else ours.
async fn not_found(files: Option<&Files>, request: &Request<Incoming>) -> Response<Body> {
    if let Some(files) = files {
        match files.not_found(request).await {
            Ok(Some(answer)) => return answer.map(Body::File),
            Ok(None) => {}
            Err(error) => error!(%error, "cannot read a site's 404.html"),
        }
    }
    Page::not_found().answer(request.headers())
}
