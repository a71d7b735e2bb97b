//! What holds for each request where there is TLS: who is sent there, and what browsers are told.

use std::net::SocketAddr;

use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{LOCATION, STRICT_TRANSPORT_SECURITY},
};
use wharf_wire::secure;

use crate::{body::Body, doors::is_challenge, headers};

/// The port that nobody needs to name.
const HTTPS: u16 = 443;

/// What holds for each request; nothing without TLS.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// The port that who comes by plain HTTP is sent to.
    to: Option<u16>,
    hsts: Option<HeaderValue>,
}

impl Policy {
    /// What is asked for, where it is served on that address. Where it cannot be served at all
    /// nobody is sent there: whoever has that port may be anybody.
    pub(super) fn of(asked: Option<&secure::Tls>, listen: Option<SocketAddr>) -> Self {
        let (Some(asked), Some(listen)) = (asked, listen) else {
            return Self::default();
        };
        let hsts = asked.hsts.map(|seconds| format!("max-age={seconds}"));
        Self {
            to: asked.redirect.then_some(listen.port()),
            hsts: hsts.and_then(|text| HeaderValue::try_from(text).ok()),
        }
    }

    /// The answer to who must come by TLS, and has not. Authorities' challenges are answered as they
    /// come, and no certificate is for this machine's own names.
    pub(crate) fn redirect<B>(&self, host: &str, request: &Request<B>) -> Option<Response<Body>> {
        let port = self.to?;
        if headers::is_https(request.headers()) || is_challenge(request) || is_own(host) {
            return None;
        }
        let port = match port {
            HTTPS => String::new(),
            port => format!(":{port}"),
        };
        let asked = request.uri().path_and_query();
        let asked = asked.map_or("/", |asked| asked.as_str());
        // `OPTIONS *` asks for no path.
        let asked = if asked.starts_with('/') { asked } else { "/" };
        let address = HeaderValue::try_from(format!("https://{host}{port}{asked}")).ok()?;
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
        answer.headers_mut().insert(LOCATION, address);
        Some(answer)
    }

    /// Tells a browser that came by TLS to go on so, unless the application has said how.
    pub(crate) fn insist(&self, headers: &mut HeaderMap) {
        if let Some(hsts) = &self.hsts {
            headers
                .entry(STRICT_TRANSPORT_SECURITY)
                .or_insert_with(|| hsts.clone());
        }
    }
}

/// Whether a host is this machine to whoever asks, or an address.
fn is_own(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.starts_with('[')
        || host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(redirect: bool, hsts: Option<u64>) -> Policy {
        let listen = ([127, 0, 0, 1], 443).into();
        let asked = secure::Tls {
            listen,
            certificates: Vec::new(),
            redirect,
            hsts,
        };
        Policy::of(Some(&asked), Some(listen))
    }

    #[test]
    fn who_is_sent_where() {
        let to = |policy: &Policy, host: &str, uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = policy.redirect(host, &request.body(()).unwrap())?;
            assert_eq!(answer.status(), 308);
            Some(answer.headers()[LOCATION].to_str().unwrap().to_owned())
        };
        let on = policy(true, None);
        let at = |uri: &str| to(&on, "shop.test", uri, &[]);
        assert_eq!(at("/a/b?c=d").as_deref(), Some("https://shop.test/a/b?c=d"));
        assert_eq!(at("*").as_deref(), Some("https://shop.test/"));
        assert_eq!(
            at("//evil.test/").as_deref(),
            Some("https://shop.test//evil.test/")
        );
        assert_eq!(at("/.well-known/acme-challenge/aZ0"), None);
        let by_tls = [("x-forwarded-proto", "https")];
        assert_eq!(to(&on, "shop.test", "/", &by_tls), None);
        for own in ["localhost", "main--shop.localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(to(&on, own, "/", &[]), None, "{own}");
        }
        assert_eq!(to(&policy(false, None), "shop.test", "/", &[]), None);
        assert_eq!(to(&Policy::default(), "shop.test", "/", &[]), None);
    }

    #[test]
    fn an_application_says_itself_how_long() {
        let mut headers = HeaderMap::new();
        policy(true, Some(60)).insist(&mut headers);
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=60");
        policy(true, Some(90)).insist(&mut headers);
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=60");
        policy(true, None).insist(&mut HeaderMap::new());
    }
}
