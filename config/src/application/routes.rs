//! `[routes]`: what addresses lead to.

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::{At, parts::entries};
mod address;

use crate::{
    name::ProcessName,
    plain::quoted,
    reader::{Item, Table},
};

const MAX_ROUTES: usize = 100;
/// The longest path, regular expression or address, in bytes.
const MAX_TEXT: usize = 1_024;
/// What a compiled regular expression may take, in bytes; the router's own bound.
const MAX_COMPILED: usize = 256 * 1024;
/// What stands for the environment's address.
const DEFAULT: &str = "{default}";
const KEY: &str = "write \"https://{default}/path/\", or \"https://LABEL.{default}/path/\"";

/// What the addresses below a path, or like it, lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// What stands before the environment's host; none for each of its hosts.
    pub label: Option<String>,
    /// Which paths.
    pub path: Paths,
    /// Where they lead.
    pub to: To,
    /// Where it is written. Not stored.
    #[serde(skip)]
    pub at: At,
}

/// Which paths of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Paths {
    /// All below this one, which begins and ends with a slash.
    Below(String),
    /// Those that this regular expression describes from their beginning to their end.
    Like(String),
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// The static files, then the web process.
    Web,
    /// A process of `[processes]`.
    Process(ProcessName),
    /// Another address.
    Redirect {
        /// It, as written.
        to: String,
        /// 301, 302, 307 or 308.
        code: u16,
    },
}

/// The routes, in the order in which they are written.
pub(super) fn routes<'a>(
    item: &Item<'_>,
    processes: impl Iterator<Item = &'a ProcessName> + Clone,
) -> Vec<Route> {
    let entries = entries(item, MAX_ROUTES, "routes");
    let route = |item: &Item<'_>| route(item, processes.clone());
    entries.iter().filter_map(route).collect()
}

fn route<'a>(
    item: &Item<'_>,
    mut processes: impl Iterator<Item = &'a ProcessName>,
) -> Option<Route> {
    let key = key(item);
    let table = item.table("{ to = \"web\" }")?;
    let to = table.get("to");
    let redirect = table.get("redirect");
    let code = table.get("code");
    let regexp = table.get("regexp");
    let is_like = regexp.as_ref().and_then(Item::boolean).unwrap_or_default();
    let to = match (&to, &redirect) {
        (Some(to), None) => {
            for only in [&code, &regexp].into_iter().flatten() {
                only.bad_key("bad-value", "only a redirect has it", "remove it");
            }
            process(to, &mut processes)
        }
        (None, Some(redirect)) => {
            let code = code.map_or(Some(302), |code| self::code(&code));
            let to = redirect.parsed("\"https://{default}/\"", address::read);
            to.zip(code).map(|(to, code)| To::Redirect { to, code })
        }
        _ => {
            needs_one(&table, item);
            None
        }
    };
    table.finish();
    let (label, path) = key?;
    let (path, like) = paths(item, path, is_like)?;
    if let (Some(To::Redirect { to, .. }), Some(redirect)) = (&to, &redirect) {
        address::groups(to, like.as_ref(), redirect)?;
    }
    let route = Route {
        label,
        path,
        to: to?,
        at: At::Spot(item.key_spot()),
    };
    if route.leads_to_itself() {
        let hint = "let it lead to another host, or to another path";
        item.bad_key("bad-value", "it leads to itself, again and again", hint);
        return None;
    }
    Some(route)
}

impl Route {
    /// Whether whoever follows a redirect comes to it once more.
    fn leads_to_itself(&self) -> bool {
        let (Paths::Below(path), To::Redirect { to, .. }) = (&self.path, &self.to) else {
            return false;
        };
        let own = match &self.label {
            Some(label) => format!("https://{label}.{DEFAULT}"),
            None => format!("https://{DEFAULT}"),
        };
        to.strip_prefix(&own)
            .unwrap_or(to)
            .starts_with(path.as_str())
    }
}

fn needs_one(table: &Table<'_>, item: &Item<'_>) {
    let message = format!("{} needs one of `to`, `redirect`", quoted(item.path()));
    let hint = "write { to = \"web\" } or { redirect = \"https://{default}/\" }";
    table.missing_one_of(&["to", "redirect"], message, hint);
}

/// The label before the environment's host, and the path.
fn key<'a>(item: &Item<'a>) -> Option<(Option<String>, &'a str)> {
    let key = item.key();
    let bad = |why: &str, hint: &str| {
        item.bad_key("bad-name", why, hint);
        None
    };
    let Some(rest) = key.strip_prefix("https://") else {
        let why = match key.starts_with("http://") {
            true => "begins with https:// wherever TLS ends",
            false => "is no address",
        };
        return bad(why, KEY);
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let Some(label) = host.strip_suffix(DEFAULT) else {
        let why = "names a host by itself; which hosts there are says the operator";
        return bad(why, KEY);
    };
    if label.is_empty() {
        return Some((None, path));
    }
    match label.strip_suffix('.').filter(|label| is_label(label)) {
        Some(label) => Some((Some(label.to_owned()), path)),
        None => bad("has no host name before {default}", KEY),
    }
}

fn is_label(label: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(is_good)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The paths, and the regular expression where they are one.
fn paths(item: &Item<'_>, path: &str, is_like: bool) -> Option<(Paths, Option<Regex>)> {
    let bad = |why: &str, hint: &str| {
        item.bad_key("bad-name", why, hint);
        None
    };
    if path.len() > MAX_TEXT {
        return bad("has more than 1024 bytes", "write a shorter path");
    }
    if is_like {
        let compiled = RegexBuilder::new(&format!("^(?:{path})$"))
            .unicode(false)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build();
        return match compiled {
            Ok(like) => Some((Paths::Like(path.to_owned()), Some(like))),
            Err(_) => bad(
                "has a path that is no regular expression, or a large one",
                "for example: \"https://{default}/blog/([0-9]+)\"",
            ),
        };
    }
    super::locations::top(path).map_or_else(
        || {
            bad(
                "has a path that does not begin and end with a slash",
                "write one such as /api/, or add regexp = true",
            )
        },
        |path| Some((Paths::Below(path), None)),
    )
}

fn process<'a>(
    item: &Item<'_>,
    mut processes: impl Iterator<Item = &'a ProcessName>,
) -> Option<To> {
    let name = item.text("\"web\"")?;
    if name == "web" {
        return Some(To::Web);
    }
    match processes.find(|process| process.as_str() == name) {
        Some(process) => Some(To::Process(process.clone())),
        None => {
            let hint = "write \"web\", or a name that stands in [processes]";
            item.bad(format!("there is no process {}", quoted(name)), hint);
            None
        }
    }
}

fn code(item: &Item<'_>) -> Option<u16> {
    let code = item.number(301..=308)?;
    match code {
        301 | 302 | 307 | 308 => u16::try_from(code).ok(),
        _ => {
            item.bad("is no redirect's code", "write 301, 302, 307 or 308");
            None
        }
    }
}
