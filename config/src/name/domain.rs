//! Domains.

use serde::{Deserialize, Serialize};

use super::{NameError, text_type};
use crate::plain;

/// A DNS name in lower case: `shop.example.com`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

text_type!(Domain);

impl Domain {
    /// The longest domain in bytes: with an environment's label before it, it is still a name.
    pub const MAX: usize = 200;

    /// Reads a domain; letters become lower case.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "domain";
        if text.is_empty() {
            return Err(NameError::empty(KIND));
        }
        if text.len() > Self::MAX {
            return Err(NameError::long(KIND, text, Self::MAX));
        }
        let strange = |c: &char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.');
        if let Some(c) = text.chars().find(strange) {
            return Err(NameError::character(
                KIND,
                text,
                c,
                "letters, digits, - and .",
            ));
        }
        let bad = |label: &str| {
            label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-')
        };
        if text.split('.').any(bad) {
            return Err(NameError::new(format!(
                "domain {} has a part that is empty, too long, or begins or ends with a hyphen",
                plain::quoted(text)
            )));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}
