//! What was done, or would be.

use std::{fmt, path::PathBuf};

/// The result of [`super::install()`] or [`super::uninstall()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The repository, links resolved.
    pub repository: PathBuf,
    /// What was changed, in order; empty when all was as it should be.
    pub changes: Vec<Change>,
    /// What a person should look at.
    pub problems: Vec<Problem>,
}

/// One change; its text is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A hook that was there is kept and runs first.
    Chained {
        /// git's name of the hook.
        hook: &'static str,
    },
    /// A hook that was there is kept; git did not run it, and nor do we.
    Kept {
        /// git's name of the hook.
        hook: &'static str,
    },
    /// A hook was written.
    Wrote {
        /// Its file, as the repository has it.
        file: String,
    },
    /// A hook of ours was brought up to date.
    Rewrote {
        /// Its file, as the repository has it.
        file: String,
    },
    /// A setting of the repository was changed.
    Set {
        /// Its key.
        key: &'static str,
        /// Its value now.
        value: &'static str,
    },
    /// The hook that was there before is back.
    Restored {
        /// git's name of the hook.
        hook: &'static str,
    },
    /// A hook of ours was removed.
    Removed {
        /// Its file, as the repository has it.
        file: String,
    },
    /// A setting is as it was before.
    Reset {
        /// Its key.
        key: &'static str,
    },
}

/// Something that keeps the hooks from working as they should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is so.
    pub message: String,
    /// What mends it.
    pub hint: String,
}

/// The name under which an earlier hook is kept.
pub(super) fn kept_name(hook: &str) -> String {
    format!("{hook}.before-wharf")
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Chained { hook } => {
                write!(
                    f,
                    "kept the earlier hooks/{hook} as {}; it runs too",
                    kept_name(hook)
                )
            }
            Change::Kept { hook } => write!(
                f,
                "kept the earlier hooks/{hook} as {}; it was not executable and does not run",
                kept_name(hook)
            ),
            Change::Wrote { file } => write!(f, "wrote {file}"),
            Change::Rewrote { file } => write!(f, "brought {file} up to date"),
            Change::Set { key, value } => write!(f, "set {key} = {value}"),
            Change::Restored { hook } => write!(f, "put the earlier hooks/{hook} back"),
            Change::Removed { file } => write!(f, "removed {file}"),
            Change::Reset { key } => write!(f, "put {key} back to what it was"),
        }
    }
}
