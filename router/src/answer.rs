//! One request: the doors of its environment, the files, then the process.

use http::{Method, Request, Response, header::HeaderName};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use tracing::error;
use wharf_wire::route::Unavailable;

use crate::{
    body::Body,
    doors::Passed,
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

/// Lets a request through the doors, and waits where its environment wakes for it. What has woken
/// is a route of its own, with doors of its own.
async fn admit(
    shared: &Shared,
    visitor: &Visitor,
    request: &Request<Incoming>,
    host: &str,
    mut found: Found,
) -> Result<Found, Response<Body>> {
    let (mut place, mut until) = (None, None);
    loop {
        let site = &found.site;
        let passed = site
            .doors
            .pass(&shared.passwords, visitor.peer.ip(), request)
            .await?;
        let turned = |page: Page| page.answer(request.headers());
        if passed == Passed::Visitor {
            site.last_use.touch(shared.table.clock);
        }
        match site.unavailable {
            None => return Ok(found),
            Some(Unavailable::Paused { wake: true }) if passed == Passed::Visitor => {}
            Some(Unavailable::Paused { .. }) => return Err(turned(Page::paused())),
            // It was waited for, and is on its way.
            Some(Unavailable::Starting) if place.is_some() => {}
            Some(Unavailable::Starting) => return Err(turned(Page::starting())),
        }
        if place.is_none() {
            place = shared.table.waking.place(&site.name);
            if place.is_none() {
                return Err(turned(Page::waking()));
            }
        }
        if site.unavailable != Some(Unavailable::Starting) {
            shared.table.waking.want(site);
        }
        let until = *until.get_or_insert_with(|| Instant::now() + shared.wake_within);
        if timeout_at(until, site.replaced.cancelled()).await.is_err() {
            return Err(turned(Page::waking()));
        }
        found = match shared.table.find(host) {
            Some(found) => found,
            None => return Err(turned(Page::unknown_host(host))),
        };
    }
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
