//! Environments that visitors must not meet for a while: who waits, and what they see.

use std::{
    io::{self, Read},
    net::IpAddr,
    os::fd::AsRawFd,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY},
};
use http_body_util::Full;
use hyper::body::Bytes;
use ipnet::IpNet;
use rustix::fs::{Mode, OFlags};
use tokio::time::Instant;
use tracing::warn;
use wharf_wire::route;

use crate::{body::Body, page::Page, places::Bounds};

/// The longest wait of a request, whatever the routes say that follow one another.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 60);
/// The most requests that wait for all environments; each is a connection, of which there are more.
const HELD: usize = 5_000;
/// The largest page of an application.
const MAX_PAGE: u64 = 256 * 1024;
/// When to ask again, in seconds.
const AGAIN: HeaderValue = HeaderValue::from_static("10");
const NOSNIFF: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-content-type-options"),
    HeaderValue::from_static("nosniff"),
);

/// How many requests may wait: `one` for the same environment.
pub(crate) fn bounds(one: usize) -> Bounds {
    Bounds { one, all: HELD }
}

/// Visitors wait, then see a page.
#[derive(Debug)]
pub(crate) struct Maintenance {
    /// Until when a request waits; by our own clock, which nobody sets.
    pub(crate) until: Instant,
    page: Option<Own>,
    pass: Vec<IpNet>,
}

/// The application's own page.
#[derive(Debug)]
struct Own {
    text: Bytes,
    kind: &'static str,
}

impl Maintenance {
    /// Makes a route's maintenance ready. A page that cannot be read is said, and ours stands in for
    /// it: what must not be visited must not be. Blocks.
    ///
    /// # Errors
    /// What no route can say.
    pub(crate) fn new(said: route::Maintenance) -> Result<Self, &'static str> {
        let own = match &said.page {
            Some(page) if !page.is_absolute() => {
                return Err("the page of its maintenance is not absolute");
            }
            Some(page) => match read(page) {
                Ok(text) => Some(Own {
                    text,
                    kind: kind(page),
                }),
                Err(error) => {
                    warn!(page = %page.display(), %error, "maintenance page left out");
                    None
                }
            },
            None => None,
        };
        Ok(Self {
            until: Instant::now() + left(said.hold_until),
            page: own,
            pass: said.pass,
        })
    }

    /// Whether it does not concern who comes from there.
    pub(crate) fn lets_pass(&self, from: Option<IpAddr>) -> bool {
        from.is_some_and(|from| self.pass.iter().any(|network| network.contains(&from)))
    }

    /// What a visitor sees: the application's page, or ours where there is none, or none that the
    /// visitor takes.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let Some(own) = self.page.as_ref().filter(|own| own.is_taken(headers)) else {
            return Page::maintenance().answer(headers);
        };
        let mut answer = Response::new(Body::Page(Full::from(own.text.clone())));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        for (name, value) in [
            (CONTENT_TYPE, HeaderValue::from_static(own.kind)),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (VARY, HeaderValue::from_static("accept")),
            (RETRY_AFTER, AGAIN),
            NOSNIFF,
        ] {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

impl Own {
    /// Whether somebody takes a page of this kind: all who do not name others only.
    fn is_taken(&self, headers: &HeaderMap) -> bool {
        let bare = self.kind.split(';').next().unwrap_or_default();
        let family = bare.split('/').next().unwrap_or_default();
        let mut said = headers.get_all(ACCEPT).iter().peekable();
        if said.peek().is_none() {
            return true;
        }
        said.filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|one| one.split(';').next().unwrap_or_default().trim())
            .any(|one| one == "*/*" || one == bare || one.strip_suffix("/*") == Some(family))
    }
}

/// How long it still is until then, as far as anybody waits.
fn left(milliseconds: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Duration::from_millis(milliseconds)
        .saturating_sub(now.unwrap_or_default())
        .min(LONGEST)
}

/// Reads a page of the name that was said: a link anywhere in it would lead to another file.
fn read(page: &Path) -> io::Result<Bytes> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = std::fs::File::from(rustix::fs::open(page, flags, Mode::empty())?);
    if std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))? != page {
        return Err(io::Error::other("there is a link in its path"));
    }
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = Vec::new();
    if file.take(MAX_PAGE + 1).read_to_end(&mut text)? as u64 > MAX_PAGE {
        return Err(io::Error::other("it is larger than 256 KiB"));
    }
    Ok(text.into())
}

/// The kind of a page, by what its name ends with: nearly always HTML.
fn kind(page: &Path) -> &'static str {
    match page.extension().and_then(|ending| ending.to_str()) {
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("xml") => "application/xml",
        _ => "text/html; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_page_is_a_small_file_without_a_link_in_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().canonicalize().unwrap();
        std::fs::create_dir(base.join("errors")).unwrap();
        std::fs::write(base.join("errors/503.html"), "soon").unwrap();
        std::fs::write(base.join("large.html"), vec![b'x'; 256 * 1024 + 1]).unwrap();
        symlink("errors/503.html", base.join("link.html")).unwrap();
        symlink("errors", base.join("way")).unwrap();
        assert_eq!(read(&base.join("errors/503.html")).unwrap(), "soon");
        for bad in ["large.html", "link.html", "way/503.html", "errors", "none"] {
            assert!(read(&base.join(bad)).is_err(), "{bad}");
        }
        assert!(read(Path::new("/dev/zero")).is_err());
    }

    #[test]
    fn who_takes_which_page() {
        let html = Own {
            text: Bytes::new(),
            kind: kind(Path::new("503.html")),
        };
        let takes = |accept: &[&'static str]| {
            let lines = accept
                .iter()
                .map(|value| (ACCEPT, HeaderValue::from_static(value)));
            html.is_taken(&lines.collect())
        };
        assert!(takes(&[]) && takes(&["*/*"]) && takes(&["text/*;q=0.1"]));
        assert!(takes(&["application/json", "image/png, text/html;q=0.9"]));
        assert!(!takes(&["application/json"]) && !takes(&["image/*"]));
    }

    #[test]
    fn nobody_waits_for_what_is_over_or_for_good() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = u64::try_from(now.as_millis()).unwrap();
        assert_eq!(left(0), Duration::ZERO);
        assert_eq!(left(now - 1), Duration::ZERO);
        assert!(left(now + 5_000) > Duration::from_secs(4));
        assert_eq!(left(u64::MAX), LONGEST);
    }
}
