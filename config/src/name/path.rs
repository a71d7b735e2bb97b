//! Paths in a repository.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{NameError, text_type};
use crate::plain;

/// A path below the top of a tree that cannot leave it: `pub/media`; the top itself is `.`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

text_type!(RelPath);

impl RelPath {
    /// The longest path and the longest part of one, in bytes.
    const MAX: usize = 1_024;
    const MAX_PART: usize = 255;

    /// The top of the tree.
    pub fn top() -> Self {
        Self(".".to_owned())
    }

    /// Whether it is the top of the tree.
    pub fn is_top(&self) -> bool {
        self.0 == "."
    }

    /// As a path, to be joined to a directory.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Whether `other` is this path or lies below it.
    pub fn holds(&self, other: &RelPath) -> bool {
        self.is_top() || other.as_path().starts_with(self.as_path())
    }

    /// Reads a path. `.` is the top; one slash at the end is forgiven and dropped.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "path";
        if text.is_empty() {
            return Err(NameError::empty(KIND));
        }
        if text.len() > Self::MAX {
            return Err(NameError::long(KIND, text, Self::MAX));
        }
        if text == "." || text == "./" {
            return Ok(Self::top());
        }
        if text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(NameError::new(format!(
                "path {} has a control character or a backslash",
                plain::quoted(text)
            )));
        }
        let path = text.strip_suffix('/').unwrap_or(text);
        let part = |part: &str| match part {
            "" => Some("has an empty part"),
            ".." => Some("must not leave the repository by `..`"),
            "." => Some("has a part `.`; leave it out"),
            git if git.eq_ignore_ascii_case(".git") => Some("is git's own"),
            long if long.len() > Self::MAX_PART => Some("has a part of more than 255 bytes"),
            _ => None,
        };
        let why = if text.starts_with('/') {
            Some("must be relative to the top of the repository")
        } else if text.starts_with('~') {
            Some("must not begin with `~`")
        } else {
            path.split('/').find_map(part)
        };
        match why {
            Some(why) => Err(NameError::new(format!(
                "path {} {why}",
                plain::quoted(text)
            ))),
            None => Ok(Self(path.to_owned())),
        }
    }
}
