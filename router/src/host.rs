//! The host that a request asks for.

use std::borrow::Cow;

use http::{HeaderMap, Request, Uri, header};

/// The longest name that DNS can hold.
const MAX: usize = 253;

/// Why a request's host cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    /// Neither the request line nor a header names one.
    #[error("the request names no host")]
    Missing,
    /// More than one `Host` header: two servers could read two different ones.
    #[error("the request names more than one host")]
    Many,
    /// Not a host name or an address.
    #[error("the request's host is not a host name")]
    Invalid,
}

/// The host of a request: lower case, without port and trailing dot; an IPv6 address in brackets.
///
/// # Errors
/// When there is none, more than one, or it cannot be a host's name.
pub(crate) fn of<B>(request: &Request<B>) -> Result<Cow<'_, str>, HostError> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let header = headers.next();
    if headers.next().is_some() {
        return Err(HostError::Many);
    }
    // RFC 9112, 3.2.2: a host in the request line wins.
    let text = match (request.uri().authority(), header) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(header)) => header.to_str().map_err(|_| HostError::Invalid)?,
        (None, None) => return Err(HostError::Missing),
    };
    parse(text)
}

/// The port that a request's visitor has asked, where it is not the scheme's own.
pub(crate) fn port(uri: &Uri, headers: &HeaderMap) -> Option<u16> {
    let text = match (uri.authority(), headers.get(header::HOST)) {
        (Some(authority), _) => authority.as_str(),
        (None, header) => header?.to_str().ok()?,
    };
    split(text)?.1.parse().ok()
}

/// See [`of`].
pub(crate) fn parse(text: &str) -> Result<Cow<'_, str>, HostError> {
    let (name, port) = split(text).ok_or(HostError::Invalid)?;
    let port_is_good = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let name = name.strip_suffix('.').unwrap_or(name);
    if !port_is_good || !is_address(name) && !is_name(name) {
        return Err(HostError::Invalid);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

/// The name or address, and the port's digits.
fn split(text: &str) -> Option<(&str, &str)> {
    if text.starts_with('[') {
        let (address, rest) = text.split_at(text.find(']')? + 1);
        return match rest {
            "" => Some((address, "")),
            rest => Some((address, rest.strip_prefix(':')?)),
        };
    }
    Some(text.split_once(':').unwrap_or((text, "")))
}

fn is_address(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= MAX && name.bytes().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_table_is_asked() {
        for (asked, found) in [
            ("main--shop.localhost:7080", "main--shop.localhost"),
            ("Main--Shop.Localhost", "main--shop.localhost"),
            ("shop.example.", "shop.example"),
            ("shop.example.:80", "shop.example"),
            ("127.0.0.1:7080", "127.0.0.1"),
            ("[::1]:7080", "[::1]"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(parse(asked).as_deref(), Ok(found), "{asked}");
        }
    }

    #[test]
    fn what_is_no_host() {
        for asked in [
            "",
            ".",
            ":80",
            "a b",
            "a/b",
            "a@b",
            "a:b",
            "a:1:2",
            "::1",
            "[::1",
            "[::1]80",
            "[x]",
            "a:123456",
            "é",
            "<b>",
            &"a".repeat(254),
        ] {
            assert_eq!(parse(asked), Err(HostError::Invalid), "{asked}");
        }
    }

    #[test]
    fn two_hosts_are_refused_and_the_request_line_wins() {
        let request = |uri: &str, hosts: &[&str]| {
            let mut builder = Request::builder().uri(uri);
            for host in hosts {
                builder = builder.header(header::HOST, *host);
            }
            builder.body(()).unwrap()
        };
        assert_eq!(of(&request("/", &[])), Err(HostError::Missing));
        assert_eq!(of(&request("/", &["a", "a"])), Err(HostError::Many));
        assert_eq!(of(&request("http://b/", &["a"])).as_deref(), Ok("b"));
    }
}
