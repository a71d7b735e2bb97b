//! What of a message's headers is passed on.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
    },
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// CGI programs would take it for a variable of theirs (httpoxy).
const PROXY: HeaderName = HeaderName::from_static("proxy");
pub(crate) const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Those that are about one connection only, beside the ones that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what is about one connection only; and a length that the encoding contradicts, which would
/// be believed once the encoding is gone (RFC 9112, 6.3).
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    // Nearly always there is one, or none, and it names nothing unusual.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != HOST && !HOP_BY_HOP.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Forgets what a visitor says of where a request comes from; only proxies in front of us are
/// believed, such as one that ends TLS.
pub(crate) fn disbelieve(headers: &mut HeaderMap) {
    for name in [FOR, PROTO, FORWARDED_HOST] {
        headers.remove(name);
    }
}

/// Says that a request came by TLS, where nobody who is believed says how it came to them.
pub(crate) fn say_https(headers: &mut HeaderMap) {
    headers
        .entry(PROTO)
        .or_insert(HeaderValue::from_static("https"));
}

/// Makes one line of a visitor's cookies: HTTP/2 may send each as its own (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(line) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, line);
    }
}

/// Whether a request came by TLS, as we have seen or as somebody says who is believed.
pub(crate) fn is_https(headers: &HeaderMap) -> bool {
    headers
        .get(PROTO)
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Makes a visitor's headers those of a request to a process. What must not be believed is gone
/// already; see [`disbelieve`].
pub(crate) fn prepare(headers: &mut HeaderMap, peer: IpAddr, host: &HeaderValue) {
    remove_hop_by_hop(headers);
    for name in [EXPECT, FORWARDED, PROXY] {
        headers.remove(name);
    }
    let mut visitors = String::new();
    for before in headers
        .get_all(FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        visitors.push_str(before);
        visitors.push_str(", ");
    }
    visitors.push_str(&peer.to_canonical().to_string());
    headers.insert(
        FOR,
        HeaderValue::try_from(visitors).expect("addresses are a header's value"),
    );
    headers
        .entry(PROTO)
        .or_insert(HeaderValue::from_static("http"));
    headers
        .entry(FORWARDED_HOST)
        .or_insert_with(|| host.clone());
    headers.insert(HOST, host.clone());
}

/// Whether a `Connection` header holds this token.
pub(crate) fn connection_has(headers: &HeaderMap, token: &str) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers
    }

    fn prepared(pairs: &[(&'static str, &'static str)], peer: &str) -> HeaderMap {
        let mut headers = headers(pairs);
        prepare(
            &mut headers,
            peer.parse().unwrap(),
            &HeaderValue::from_static("shop.test"),
        );
        headers
    }

    #[test]
    fn a_length_beside_an_encoding_is_removed_with_it() {
        let mut both = headers(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        remove_hop_by_hop(&mut both);
        assert!(both.is_empty(), "{both:?}");
    }

    #[test]
    fn what_is_about_one_connection_is_removed() {
        let found = prepared(
            &[
                ("connection", "close, X-Secret, host"),
                ("connection", "x-forwarded-for"),
                ("x-secret", "1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("keep-alive", "timeout=5"),
                ("proxy", "http://evil.test"),
                ("forwarded", "for=1.2.3.4"),
                ("accept", "text/html"),
            ],
            "192.0.2.7",
        );
        let expected = headers(&[
            ("accept", "text/html"),
            ("host", "shop.test"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn cookies_are_one_line() {
        let mut found = headers(&[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2; c=3")]);
        join_cookies(&mut found);
        let expected = headers(&[("accept", "*/*"), ("cookie", "a=1; b=2; c=3")]);
        assert_eq!(found, expected);
    }

    #[test]
    fn only_who_is_believed_says_where_a_request_comes_from() {
        let said = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", "https"),
        ];
        let mut far = headers(&said);
        disbelieve(&mut far);
        let host = HeaderValue::from_static("shop.test");
        prepare(&mut far, "192.0.2.7".parse().unwrap(), &host);
        assert_eq!(
            (&far[FOR], &far[PROTO]),
            (
                &HeaderValue::from_static("192.0.2.7"),
                &HeaderValue::from_static("http")
            )
        );
        let near = prepared(&said, "::ffff:127.0.0.1");
        assert_eq!(near[FOR], "203.0.113.9, 127.0.0.1");
        assert_eq!(near[PROTO], "https");
    }
}
