//! One request: the doors of its environment, the files, then the process.

use http::{
    Method, Request, Response, Version,
    header::{ACCEPT, CACHE_CONTROL, HeaderName, LOCATION},
};
use hyper::body::Incoming;
use tracing::error;
use wharf_wire::route::{Kind, Protocol};

use crate::{
    admit::admit,
    body::Body,
    fastcgi,
    files::Files,
    forward::{Asked, Failure, forward},
    headers, host,
    page::Page,
    path::Plain,
    serve::{Shared, Visitor},
    site::Site,
    table::Found,
    ways::Way,
};

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Answers a request, and counts it.
pub(crate) async fn answer(
    shared: &Shared,
    visitor: &Visitor,
    request: Request<Incoming>,
) -> Response<Body> {
    let mut kind = Kind::None;
    let answer = find(shared, visitor, request, &mut kind).await;
    shared.counts.count(kind, answer.status());
    answer
}

async fn find(
    shared: &Shared,
    visitor: &Visitor,
    mut request: Request<Incoming>,
    kind: &mut Kind,
) -> Response<Body> {
    let host = match host::of(&request) {
        Ok(host) => host.into_owned(),
        Err(error) => return Page::bad_host(error).answer(request.headers()),
    };
    let path = Plain::of(request.uri());
    let asked = Asked {
        host: &host,
        path: path.as_ref(),
    };
    let Some(found) = shared.table.find(&host, asked.path) else {
        return Page::unknown_host(&host).answer(request.headers());
    };
    *kind = found.site.kind;
    if !found.site.doors.believes(visitor.peer.ip()) {
        headers::disbelieve(request.headers_mut());
    }
    if visitor.is_secure {
        headers::say_https(request.headers_mut());
    }
    if request.version() == Version::HTTP_2 {
        headers::join_cookies(request.headers_mut());
    }
    let policy = shared.tls.as_ref().map(|tls| tls.policy());
    if let Some(policy) = &policy
        && let Some(away) = policy.redirect(&host, &request)
    {
        return away;
    }
    let policy = policy.filter(|_| headers::is_https(request.headers()));
    let robots = found.site.robots.clone();
    let mut answer = match admit(shared, visitor, &request, asked, found).await {
        Ok(found) => {
            found.site.doors.clean(&mut request);
            of_site(shared, visitor, request, asked, found).await
        }
        Err(answer) => answer,
    };
    if let Some(robots) = robots {
        answer.headers_mut().insert(ROBOTS, robots);
    }
    if let Some(policy) = policy {
        policy.insist(answer.headers_mut());
    }
    answer
}

async fn of_site(
    shared: &Shared,
    visitor: &Visitor,
    request: Request<Incoming>,
    asked: Asked<'_>,
    found: Found,
) -> Response<Body> {
    let site = &found.site;
    let location = site.locations.find(asked.path);
    if location.is_some_and(|location| !location.is_open) {
        return Page::closed().answer(request.headers());
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match &found.way {
        Way::Away(code, away) => {
            let Some(address) = away.address(&request) else {
                return Page::not_found().answer(request.headers());
            };
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = *code;
            answer.headers_mut().insert(LOCATION, address);
            return answer;
        }
        Way::Process(_) => {}
        Way::Web => {
            if let Some(answer) = of_files(site, &request, asked).await {
                return answer;
            }
            if is_read && location.is_some_and(|location| !location.goes_on) {
                return not_found(site.files.as_ref(), &request).await;
            }
        }
    }
    let process = found.process().cloned();
    let Found { site, flight, .. } = found;
    let (Some(flight), Some(process)) = (flight, process) else {
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
    let accept = request.headers().get(ACCEPT).cloned();
    let answered = match &process.protocol {
        Protocol::Http => {
            drop((site, process));
            forward(shared, visitor, request, asked, flight).await
        }
        Protocol::FastCgi(scripts) => {
            fastcgi::forward(shared, visitor, request, asked, &site, scripts, flight).await
        }
    };
    answered.unwrap_or_else(|failure| {
        let page = match failure {
            Failure::Broken => Page::broken(),
            Failure::Silent => Page::silent(),
            Failure::NoLength => Page::no_length(),
            Failure::NoScript => Page::not_found(),
            Failure::BadBody => Page::bad_body(),
        };
        page.answer(&accept.map(|accept| (ACCEPT, accept)).into_iter().collect())
    })
}

/// The file that a request asks for, if it does.
async fn of_files(
    site: &Site,
    request: &Request<Incoming>,
    asked: Asked<'_>,
) -> Option<Response<Body>> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let files = site.files.as_ref().filter(|_| is_read)?;
    match files.answer(request).await {
        Ok(answer) => {
            let mut answer = answer?.map(Body::File);
            let location = site.locations.find(asked.path);
            let keep = location.and_then(|location| location.keep.clone());
            if let Some(keep) = keep.filter(|_| !answer.status().is_client_error()) {
                answer.headers_mut().insert(CACHE_CONTROL, keep);
            }
            Some(answer)
        }
        Err(error) => {
            error!(host = asked.host, %error, "cannot read a static file");
            Some(Page::failed().answer(request.headers()))
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
