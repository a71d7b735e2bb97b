//! One-word names: projects, variables, processes.

use serde::{Deserialize, Serialize};

use super::{NameError, text_type};
use crate::plain;

/// A project's name: `shop`. It is a part of paths and of host names.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectName(String);

text_type!(ProjectName);

impl ProjectName {
    /// The longest name in bytes.
    pub const MAX: usize = 23;

    /// Reads a project name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "project name";
        checked(
            KIND,
            text,
            Self::MAX,
            "a-z, 0-9 and -",
            |c| matches!(c, 'a'..='z' | '0'..='9' | '-'),
        )?;
        let why = if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            "must begin with a letter"
        } else if text.ends_with('-') {
            "must not end with a hyphen"
        } else if text.contains("--") {
            "must not have two hyphens in a row"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(NameError::new(format!(
            "{KIND} {} {why}",
            plain::quoted(text)
        )))
    }
}

/// An environment variable's name: `MAGE_MODE`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

text_type!(VariableName);

impl VariableName {
    /// The longest name in bytes.
    pub const MAX: usize = 128;

    /// Reads a variable's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "variable name";
        checked(KIND, text, Self::MAX, "A-Z, a-z, 0-9 and _", |c| {
            c.is_ascii_alphanumeric() || c == '_'
        })?;
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let text = plain::quoted(text);
            return Err(NameError::new(format!(
                "{KIND} {text} must not begin with a digit"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether Wharf itself sets it, so that nobody else may.
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with("WHARF_")
            || matches!(self.as_str(), "PORT" | "SOCKET" | "HOST" | "PATH" | "HOME")
    }
}

/// A worker's name: `consumers`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProcessName(String);

text_type!(ProcessName);

impl ProcessName {
    /// The longest name in bytes: it is a part of a socket's path.
    pub const MAX: usize = 24;

    /// Reads a process's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "process name";
        checked(KIND, text, Self::MAX, "A-Z, a-z, 0-9, _ and -", |c| {
            c.is_ascii_alphanumeric() || c == '_' || c == '-'
        })?;
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let text = plain::quoted(text);
            return Err(NameError::new(format!(
                "{KIND} {text} must begin with a letter"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

fn checked(
    kind: &str,
    text: &str,
    limit: usize,
    allowed: &str,
    good: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::empty(kind));
    }
    if text.len() > limit {
        return Err(NameError::long(kind, text, limit));
    }
    match text.chars().find(|c| !good(*c)) {
        Some(c) => Err(NameError::character(kind, text, c, allowed)),
        None => Ok(()),
    }
}
