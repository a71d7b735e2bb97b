//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

use crate::headers::FOR;

/// The visitor's address: the peer's own, or, where the peer is one of the operator's proxies, the
/// last one that it and the proxies behind it say. None where such a proxy says none: it stands for
/// anybody.
pub(super) fn of(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_proxy(&peer) {
        return Some(peer);
    }
    let mut first = None;
    for line in headers.get_all(FOR).iter().rev() {
        for said in line.to_str().ok()?.rsplit(',') {
            let address = read(said.trim())?;
            if !is_proxy(&address) {
                return Some(address);
            }
            first = Some(address);
        }
    }
    first
}

/// An address, with a port or without.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    let address = address.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, lines: &[&'static str]) -> Option<String> {
        let proxies = ["127.0.0.1/32", "10.0.0.0/8"].map(|text| text.parse().expect("a network"));
        let headers = lines
            .iter()
            .map(|line| (FOR, http::HeaderValue::from_static(line)));
        let peer = peer.parse().expect("an address");
        of(peer, &headers.collect(), &proxies).map(|address| address.to_string())
    }

    #[test]
    fn only_proxies_say_where_a_request_comes_from() {
        for (peer, lines, expected) in [
            ("192.0.2.7", &["127.0.0.1"][..], Some("192.0.2.7")),
            ("::ffff:192.0.2.7", &[], Some("192.0.2.7")),
            ("::1", &["192.0.2.9"], Some("::1")),
            ("127.0.0.1", &["127.0.0.1, 192.0.2.9"], Some("192.0.2.9")),
            ("127.0.0.1", &["127.0.0.1", "192.0.2.9"], Some("192.0.2.9")),
            ("::ffff:127.0.0.1", &["192.0.2.9:81"], Some("192.0.2.9")),
            ("127.0.0.1", &["[2001:db8::1]:81"], Some("2001:db8::1")),
            ("127.0.0.1", &["[2001:db8::1]"], Some("2001:db8::1")),
            ("127.0.0.1", &["::ffff:192.0.2.9"], Some("192.0.2.9")),
            // What the visitor said itself stands further left.
            (
                "127.0.0.1",
                &["127.0.0.1, 192.0.2.9, 10.1.2.3"],
                Some("192.0.2.9"),
            ),
            ("127.0.0.1", &["127.0.0.1"], Some("127.0.0.1")),
            // Nothing, and nonsense.
            ("127.0.0.1", &[], None),
            ("127.0.0.1", &[""], None),
            ("127.0.0.1", &["127.0.0.1, unknown"], None),
            ("10.0.0.1", &["127.0.0.1,"], None),
        ] {
            assert_eq!(from(peer, lines).as_deref(), expected, "{peer} {lines:?}");
        }
    }
}
