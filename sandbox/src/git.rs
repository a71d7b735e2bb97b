//! What git may be asked to do in a project's repository, as the repository's owner.
//!
//! A closed set, which writes only: who may read a repository reads it itself. What each says is fixed
//! here; what it works on comes on its standard input.

use std::{ffi::OsStr, ffi::OsString, time::Duration};

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// Something for git to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    /// The name that it runs under.
    pub job: Id,
    /// In whose repository.
    pub project: Id,
    /// What.
    pub operation: Operation,
    /// Who it is by, where that is written down.
    pub author: Option<Author>,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Moves refs, all of them from where they are expected, or none: reads lines of
    /// `git update-ref --stdin`.
    Update {
        /// For the log of refs, where one is kept.
        why: Line,
    },
    /// Takes a pack in.
    Take,
    /// Clears up, where there is enough to clear up.
    Collect,
    /// Puts refs together in one file.
    PackRefs,
}

/// Who a move of a ref is by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Author {
    /// The name.
    pub name: Line,
    /// The address.
    pub email: Line,
}

/// A line of text: no control characters, at most [`Line::MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line(String);

/// Text that is no [`Line`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not one line of up to {max} bytes", max = Line::MAX)]
pub struct NoLine(String);

impl Line {
    /// The most bytes.
    pub const MAX: usize = 1_000;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Line {
    type Error = NoLine;

    fn try_from(text: String) -> Result<Self, NoLine> {
        if text.len() > Self::MAX || text.chars().any(char::is_control) {
            return Err(NoLine(text.chars().take(120).collect()));
        }
        Ok(Self(text))
    }
}

impl From<Line> for String {
    fn from(line: Line) -> String {
        line.0
    }
}

impl Operation {
    /// The words behind `git --git-dir REPOSITORY`.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        match self {
            Self::Update { why } => vec!["update-ref", "-m", why.as_str(), "--stdin"],
            Self::Take => vec!["index-pack", "--stdin", "--fix-thin"],
            Self::Collect => vec!["-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"],
            // What goes from its file must be in the other one for good.
            Self::PackRefs => vec!["-c", "core.fsync=all", "pack-refs", "--all"],
        }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Update { .. } => "update-ref",
            Self::Take => "index-pack",
            Self::Collect => "gc",
            Self::PackRefs => "pack-refs",
        }
    }

    /// The longest that it may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self {
            Self::Update { .. } | Self::Take => Duration::from_secs(300),
            // The next one goes on from there.
            Self::Collect | Self::PackRefs => Duration::from_secs(3_600),
        }
    }
}

/// The variables of git on a repository, beside `PATH`: nothing of the host's or somebody's
/// configuration, no hook and no other program that the repository's names.
#[must_use]
pub fn environment(repository: &OsStr) -> Vec<(&'static str, OsString)> {
    let fixed = [
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_CONFIG_COUNT", "3"),
        // Whoever owns the repository: git would refuse one of another user.
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_KEY_1", "core.hooksPath"),
        ("GIT_CONFIG_VALUE_1", "/dev/null"),
        ("GIT_CONFIG_KEY_2", "core.fsmonitor"),
        ("GIT_CONFIG_VALUE_2", "false"),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name, value.into()));
    fixed
        .chain([("GIT_CONFIG_VALUE_0", repository.to_owned())])
        .collect()
}

/// The variables that say who a commit or a move of a ref is by.
#[must_use]
pub fn identity<'a>(name: &'a str, email: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("GIT_AUTHOR_NAME", name),
        ("GIT_AUTHOR_EMAIL", email),
        ("GIT_COMMITTER_NAME", name),
        ("GIT_COMMITTER_EMAIL", email),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one() {
        for good in ["", "Ann <x>", "\u{e9}", "-m", "$(id)"] {
            assert!(Line::try_from(good.to_owned()).is_ok(), "{good:?}");
        }
        let long = "a".repeat(Line::MAX + 1);
        for bad in ["a\nb", "a\0", "\u{1b}[m", "\u{85}", &long] {
            assert!(Line::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(serde_json::from_str::<Line>("\"a\\nb\"").is_err());
    }

    #[test]
    fn nothing_but_these_is_asked_for() {
        let read = |text: &str| serde_json::from_str::<Git>(text).is_ok();
        let asked = |project: &str, operation: &str| {
            format!(
                r#"{{"job":"git.shop.1","project":"{project}","operation":{operation},"author":null}}"#
            )
        };
        assert!(read(&asked("shop", "\"take\"")));
        assert!(read(&asked("shop", r#"{"update":{"why":"x"}}"#)));
        for project in ["", "..", "../x", "/etc/x", "a/b", "a\\u0000", "-x"] {
            assert!(!read(&asked(project, "\"take\"")), "{project}");
        }
        for operation in ["\"gc\"", "null", r#"{"update":{}}"#, r#"{"run":["id"]}"#] {
            assert!(!read(&asked("shop", operation)), "{operation}");
        }
    }
}
