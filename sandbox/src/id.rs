//! Names that cross privileges.

use serde::{Deserialize, Serialize};

/// A name that is safe as a file's and as a unit's: of a job, of a process's instance, of an environment on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(String);

/// Text that cannot be a [`Id`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no id: up to 80 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit")]
pub struct BadId(String);

impl Id {
    /// The longest id: a socket's path has 108 bytes, of which `/proc/self/fd/NN/` and `.sock` need some.
    const MAX: usize = 80;

    /// Reads an id.
    ///
    /// # Errors
    /// [`BadId`] when it is not safe as a file's name.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let good = bytes.len() <= Self::MAX
            && bytes.first().is_some_and(|b| plain(*b))
            && bytes.iter().all(|b| plain(*b) || b"._-".contains(b));
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId(text.chars().take(120).collect()))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        Self::parse(&text)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_safe_as_a_file_name() {
        for good in ["a", "0", "shop.main.r12-web", "a_b"] {
            assert_eq!(Id::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "-rf",
            "a/b",
            "A",
            "a b",
            "a\n",
            "é",
            &"a".repeat(81),
        ] {
            assert!(Id::parse(bad).is_err(), "{bad:?}");
        }
    }
}
