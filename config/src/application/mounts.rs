//! `[mounts]`: writable paths that outlive releases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::parts::entries;
use crate::{name::RelPath, plain::quoted, reader::Item};

const MAX_MOUNTS: usize = 64;
/// The smallest quota: a directory alone takes a few blocks.
const LEAST: u64 = 1_000_000;
/// What could stand instead of a table.
const EXAMPLE: &str = "\"data\"";

/// What a mount holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mount {
    /// The environment's own: never copied to another.
    Private,
    /// Cloned to children, part of snapshots.
    Data,
}

impl Mount {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Mount::Private => "private",
            Mount::Data => "data",
        }
    }
}

/// What is written at `[mounts]`.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// What each holds; none inside another.
    pub(super) kinds: BTreeMap<RelPath, Mount>,
    /// Bytes that one may hold, of those that say so.
    pub(super) quotas: BTreeMap<RelPath, u64>,
}

/// The mounts by path.
pub(super) fn mounts(item: &Item<'_>) -> Mounts {
    let mut mounts = Mounts::default();
    for item in entries(item, MAX_MOUNTS, "mounts") {
        let path = item.key_as("\"var/cache\" = \"private\"", RelPath::parse);
        let (kind, quota) = read(&item);
        let (Some(path), Some(kind)) = (path, kind) else {
            continue;
        };
        if path.is_top() {
            let hint = "mount the directories that are written to";
            item.bad_key("bad-value", "the code itself is read-only", hint);
            continue;
        }
        let mut others = mounts.kinds.keys();
        if let Some(other) = others.find(|other| other.holds(&path) || path.holds(other)) {
            let why = format!("overlaps with the mount {}", quoted(other.as_str()));
            item.bad_key("bad-value", why, "keep the outer one");
            continue;
        }
        mounts
            .quotas
            .extend(quota.map(|quota| (path.clone(), quota)));
        mounts.kinds.insert(path, kind);
    }
    mounts
}

/// A word, or a table with what the word says and a quota.
fn read(item: &Item<'_>) -> (Option<Mount>, Option<u64>) {
    let words = [Mount::Private, Mount::Data].map(|kind| (kind.word(), kind));
    if matches!(item.value(), DeValue::String(_)) {
        return (item.one_of(&words), None);
    }
    let Some(table) = item.table(EXAMPLE) else {
        return (None, None);
    };
    let kind = table.get("kind");
    let quota = table.get("quota").and_then(|item| size(&item));
    table.finish();
    match kind {
        Some(kind) => (kind.one_of(&words), quota),
        None => {
            let hint = "write kind = \"private\" or kind = \"data\" in its table";
            item.bad_key("bad-value", "does not say what it holds", hint);
            (None, None)
        }
    }
}

fn size(item: &Item<'_>) -> Option<u64> {
    let size = item.size()?;
    if size < LEAST {
        item.bad("must be 1M or more", "write a size such as \"2G\"");
        return None;
    }
    Some(size)
}
