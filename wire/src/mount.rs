//! Mounts: the writable directories that outlive releases, and what goes in and out of them.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::slug::How;

/// A mount of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// Where it is below `/app`, or what of it was asked for.
    pub path: String,
    /// `private` or `data`.
    pub kind: String,
    /// Whether it is one file, and no directory.
    pub file: bool,
    /// The bytes that it may hold, where `wharf.toml` says so.
    pub quota: Option<u64>,
    /// What it holds, where that was asked for.
    pub used: Option<Used>,
}

/// What is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// What it takes of the disk, in bytes: as the disk's limit counts it.
    pub bytes: u64,
    /// Files, links and what else is no directory.
    pub files: u64,
    /// False where it holds more than was counted: the look took too long.
    pub whole: bool,
}

/// What was taken out of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// The activity that it is recorded as.
    pub activity: String,
    /// Files and links.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The archive's own bytes.
    pub size: u64,
}

/// What is written into a mount, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// A mount, or a path below one.
    pub path: String,
    /// What the archive holds.
    pub holds: Holds,
    /// The file's own name, where it holds one.
    pub name: Option<String>,
    /// Whether what is there and not in the archive goes.
    pub delete: bool,
    /// Whether it is only said what would be done.
    pub dry_run: bool,
}

/// What an archive for a mount holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// What goes into the directory that is named.
    Directory,
    /// One file, which goes to the path that is named, or below it where that is a directory.
    File,
}

/// What an upload does to one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What becomes of it.
    pub how: How,
    /// The path below the mount.
    pub path: String,
}

/// Whether a link at this path below a directory leads to what is in it, whatever else is there: it
/// goes up before it goes down, and not beyond the top.
#[must_use]
pub fn stays(link: &Path, target: &Path) -> bool {
    let mut above = link.components().count().saturating_sub(1);
    let mut goes_down = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if !goes_down && above > 0 => above -= 1,
            // What is further down may be a link itself, and up from there anywhere.
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
            Component::Normal(_) => goes_down = true,
        }
    }
    !target.as_os_str().is_empty()
}
