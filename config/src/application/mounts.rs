//! `[mounts]`: writable paths that outlive releases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parts::entries;
use crate::{name::RelPath, plain::quoted, reader::Item};

const MAX_MOUNTS: usize = 64;

/// What a mount holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mount {
    /// The environment's own: never copied to another.
    Private,
    /// Cloned to children, part of snapshots.
    Data,
}

/// The mounts by path; none inside another.
pub(super) fn mounts(item: &Item<'_>) -> BTreeMap<RelPath, Mount> {
    let words = [("private", Mount::Private), ("data", Mount::Data)];
    let mut mounts = BTreeMap::<RelPath, Mount>::new();
    for item in entries(item, MAX_MOUNTS, "mounts") {
        let (path, mount) = (
            item.key_as("\"var/cache\" = \"private\"", RelPath::parse),
            item.one_of(&words),
        );
        let (Some(path), Some(mount)) = (path, mount) else {
            continue;
        };
        if path.is_top() {
            let hint = "mount the directories that are written to";
            item.bad_key("bad-value", "the code itself is read-only", hint);
        } else if let Some(other) = mounts.keys().find(|p| p.holds(&path) || path.holds(p)) {
            let why = format!("overlaps with the mount {}", quoted(other.as_str()));
            item.bad_key("bad-value", why, "keep the outer one");
        } else {
            mounts.insert(path, mount);
        }
    }
    mounts
}
