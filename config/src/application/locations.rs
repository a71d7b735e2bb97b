//! `[locations]`: what holds below paths.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::parts::entries;
use crate::reader::Item;

const MAX_LOCATIONS: usize = 100;
const MAX_PATH: usize = 1_024;
/// Ten years.
const MAX_EXPIRES: Duration = Duration::from_secs(10 * 31_557_600);

/// What holds below a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// How long browsers may keep a file; without it they ask each time.
    pub expires: Option<Duration>,
    /// Whether what is no file goes on to the process.
    pub front: bool,
    /// Whether anything is answered there.
    pub allow: bool,
}

/// The locations by path.
pub(super) fn locations(item: &Item<'_>) -> BTreeMap<String, Location> {
    let location = |item: &Item<'_>| {
        let path = top(item.key());
        if path.is_none() {
            let hint = "for example: [locations.\"/static/\"]";
            item.bad_key(
                "bad-name",
                "must begin and end with a slash, without dots or %",
                hint,
            );
        }
        let table = item.table("{ expires = \"1y\" }")?;
        let yes = |key| table.get(key).and_then(|item| item.boolean());
        let location = Location {
            expires: table
                .get("expires")
                .and_then(|item| item.duration(MAX_EXPIRES)),
            front: yes("front").unwrap_or(true),
            allow: yes("allow").unwrap_or(true),
        };
        table.finish();
        path.map(|path| (path, location))
    };
    let entries = entries(item, MAX_LOCATIONS, "locations");
    entries.iter().filter_map(location).collect()
}

/// A path below which something holds, as it stands in an address.
pub(super) fn top(path: &str) -> Option<String> {
    let is_good = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%');
    let has_dots = path.split('/').any(|part| part == "." || part == "..");
    (path.len() <= MAX_PATH
        && path.starts_with('/')
        && path.ends_with('/')
        && !path.contains("//")
        && !has_dots
        && path.bytes().all(is_good))
    .then(|| path.to_owned())
}
