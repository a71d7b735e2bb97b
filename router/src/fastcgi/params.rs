//! The variables of a request, as RFC 3875 and PHP have them.

use http::{
    HeaderMap, HeaderName,
    header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE},
    request::Parts,
};
use wharf_fastcgi::Params;

use super::script::Script;
use crate::{headers, host, serve::Visitor, site::Site};

/// Makes the variables of a request. The body has so many bytes.
pub(super) fn of(
    parts: &Parts,
    visitor: &Visitor,
    site: &Site,
    host: &str,
    script: &Script,
    length: u64,
) -> Params {
    let mut params = Params::default();
    let peer = visitor.peer.ip().to_canonical();
    let from = site.doors.from(peer, &parts.headers).unwrap_or(peer);
    let is_https = headers::is_https(&parts.headers);
    let port = host::port(&parts.uri, &parts.headers).unwrap_or(if is_https { 443 } else { 80 });
    let uri = &parts.uri;
    let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_SOFTWARE", "wharf"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_NAME", host),
        ("SERVER_PORT", &port.to_string()),
        ("REMOTE_ADDR", &from.to_string()),
        ("REQUEST_METHOD", parts.method.as_str()),
        ("REQUEST_SCHEME", if is_https { "https" } else { "http" }),
        ("REQUEST_URI", asked),
        ("QUERY_STRING", uri.query().unwrap_or_default()),
        ("DOCUMENT_ROOT", &script.root),
        ("DOCUMENT_URI", &script.name),
        ("SCRIPT_NAME", &script.name),
        (
            "SCRIPT_FILENAME",
            &format!("{}{}", script.root, script.name),
        ),
        // PHP may be built to run nothing without it.
        ("REDIRECT_STATUS", "200"),
    ] {
        params.push(name, value);
    }
    if !script.rest.is_empty() {
        params.push("PATH_INFO", &script.rest);
    }
    if is_https {
        params.push("HTTPS", "on");
    }
    let kind = parts.headers.get(CONTENT_TYPE);
    params.push(
        "CONTENT_TYPE",
        kind.map_or(&b""[..], |kind| kind.as_bytes()),
    );
    let has_body = length > 0 || parts.headers.contains_key(CONTENT_LENGTH);
    let length = Some(length.to_string()).filter(|_| has_body);
    params.push("CONTENT_LENGTH", length.unwrap_or_default());
    let mut said = parts.headers.clone();
    let named = said.remove(http::header::HOST);
    let named = parts
        .uri
        .authority()
        .and_then(|host| host.as_str().parse().ok())
        .or(named);
    headers::prepare(
        &mut said,
        peer,
        &named.unwrap_or(host.parse().expect("a host's name")),
    );
    push_headers(&mut params, &said);
    params
}

/// Headers become variables. One whose name has an underscore could pass for another with a dash.
fn push_headers(params: &mut Params, headers: &HeaderMap) {
    let is_plain = |name: &&HeaderName| {
        !name.as_str().contains('_') && ![CONTENT_LENGTH, CONTENT_TYPE].contains(name)
    };
    for name in headers.keys().filter(is_plain) {
        let between: &[u8] = if name == COOKIE { b"; " } else { b", " };
        let values: Vec<&[u8]> = headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes())
            .collect();
        let variable = name.as_str().to_ascii_uppercase().replace('-', "_");
        params.push(format!("HTTP_{variable}"), values.join(between));
    }
}
