//! Addresses that browsers are sent to.

use regex::bytes::Regex;

use super::{DEFAULT, MAX_TEXT, is_label};
use crate::{
    name::Domain,
    plain::quoted,
    reader::{Item, suggestion},
};

/// Reads an address: one of the environment's own hosts, another host, or a path of the same.
pub(super) fn read(text: &str) -> Result<String, String> {
    if text.len() > MAX_TEXT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("is too long, or has a character that no address has".to_owned());
    }
    let schemes = ["https://", "http://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    let path = match rest {
        Some(rest) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (host, path) = rest.split_at(end);
            check_host(text, host, path)?;
            path
        }
        None if text.starts_with('/') && !text.starts_with("//") => text,
        None => return Err("must begin with https:// or with one slash".to_owned()),
    };
    match path.contains(['{', '}']) {
        true => Err("has a brace in its path; {default} stands for a host".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// The host of an address, and what comes after it.
fn check_host(text: &str, host: &str, path: &str) -> Result<(), String> {
    if let Some(label) = host.strip_suffix(DEFAULT) {
        let is_host = label.is_empty() || label.strip_suffix('.').is_some_and(is_label);
        return match is_host && text.starts_with("https://") && path.starts_with('/') {
            true => Ok(()),
            false => Err("must have {default} as its host, with a slash after it".to_owned()),
        };
    }
    if host.contains(['{', '}']) {
        let word = host.rsplit('.').next().unwrap_or_default();
        return Err(match suggestion(word, [DEFAULT]) {
            Some(_) => format!("has a host {}; did you mean {{default}}?", quoted(host)),
            None => format!(
                "has a host {}; only {{default}} stands for one",
                quoted(host)
            ),
        });
    }
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, port.parse::<u16>().is_ok_and(|port| port > 0)),
        None => (host, true),
    };
    match Domain::parse(name) {
        Ok(_) if port => Ok(()),
        Ok(_) => Err(format!("has no port after its host {}", quoted(host))),
        Err(_) => Err(format!("has no host name in {}", quoted(host))),
    }
}

/// Reports what stands for a group that the path does not have.
pub(super) fn groups(address: &str, like: Option<&Regex>, item: &Item<'_>) -> Option<()> {
    for name in wanted(address) {
        let Some(like) = like else {
            // A price is no group.
            if name.parse::<u8>().is_ok_and(|number| number < 10) {
                let why =
                    format!("`${name}` stands for a group, and the path is no regular expression");
                item.bad(
                    why,
                    "add regexp = true, and a group in parentheses to the path",
                );
                return None;
            }
            continue;
        };
        let is_there = match name.parse::<usize>() {
            Ok(number) => number < like.captures_len(),
            Err(_) => like.capture_names().flatten().any(|known| known == name),
        };
        if !is_there {
            let groups = like.captures_len() - 1;
            let ending = if groups == 1 { "" } else { "s" };
            let why = format!("{} is no group of the path", quoted(&format!("${name}")));
            let hint = format!("it has {groups} group{ending} in parentheses: $1 is the first");
            item.bad(why, &hint);
            return None;
        }
    }
    Some(())
}

/// What follows each `$`, as the regular expressions' own crate reads it; `$$` is one `$`.
fn wanted(address: &str) -> impl Iterator<Item = &str> {
    let parts = address.split("$$").flat_map(|part| part.split('$').skip(1));
    let name = |part: &str| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        part.bytes().take_while(|byte| is_name(*byte)).count()
    };
    parts
        .map(move |part| &part[..name(part)])
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_the_router_takes() {
        for good in [
            "/",
            "/new/",
            "/posts/$1?slug=$2",
            "https://{default}/",
            "https://www.{default}/a",
            "https://example.com",
            "http://example.com:8080/a?b=c",
            "https://192.0.2.1/",
        ] {
            assert_eq!(read(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "//example.com/",
            "javascript:alert(1)",
            "https://",
            "https:///x",
            "https://a b/",
            "https://name@example.com/",
            "https://example.com:0/",
            "https://example.com:http/",
            "https://-a.example.com/",
            "https://{default}",
            "https://{default}:80/",
            "http://{default}/",
            "https://a_b.{default}/",
            "https://{defualt}/",
            "https://{project}.example.com/",
            "/{default}/",
            "https://example.com/{id}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let slip = read("https://www.{defualt}/").unwrap_err();
        assert!(slip.ends_with("did you mean {default}?"), "{slip}");
    }

    #[test]
    fn groups_are_found_as_they_are_read() {
        let all = |text| wanted(text).collect::<Vec<_>>();
        assert_eq!(all("/$1/$name-$2x?cost=5$&$$3"), ["1", "name", "2x"]);
    }
}
