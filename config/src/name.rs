//! Names that strangers choose. One that exists is good, and stays safe wherever it is put.

use std::fmt;

use serde::{Deserialize, Serialize};

mod branch;
mod domain;
mod path;
mod word;

pub use branch::{BranchName, EnvironmentId};
pub use domain::Domain;
pub use path::RelPath;
pub use word::{ProcessName, ProjectName, VariableName};

use crate::plain;

/// Why a name is not one. The text tells its author, and is printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NameError {
    message: String,
}

impl NameError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    /// Names the first character that does not belong.
    fn character(kind: &str, name: &str, c: char, allowed: &str) -> Self {
        let c = match c {
            ' ' => "a space".to_owned(),
            '!'..='~' => format!("`{c}`"),
            _ => format!("`{}`", c.escape_unicode()),
        };
        Self::new(format!(
            "{kind} {} has {c}; allowed are {allowed}",
            plain::quoted(name)
        ))
    }

    fn empty(kind: &str) -> Self {
        Self::new(format!("{kind} is empty"))
    }

    fn long(kind: &str, name: &str, limit: usize) -> Self {
        let long = name.len();
        Self::new(format!(
            "{kind} {} has {long} bytes, at most {limit} are allowed",
            plain::quoted(name)
        ))
    }
}

/// What all names can do: be read, shown, compared and stored as their text.
macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::name::NameError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}
use text_type;

/// A directory of the build cache, below the home directory: `~/.npm`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CachePath(RelPath);

impl CachePath {
    /// Reads `~/DIR`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let Some(below) = text.strip_prefix("~/") else {
            return Err(NameError::new(format!(
                "cache directory {} does not begin with `~/`",
                plain::quoted(text)
            )));
        };
        RelPath::parse(below).map(Self)
    }

    /// The path below the home directory.
    pub fn below_home(&self) -> &RelPath {
        &self.0
    }
}

impl fmt::Display for CachePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~/{}", self.0)
    }
}

impl TryFrom<String> for CachePath {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<CachePath> for String {
    fn from(path: CachePath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests;
