//! Branches, and the environments that they become.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{NameError, text_type};
use crate::plain;

/// The name of a branch that can be an environment, such as `feature/cart`, without `refs/heads/`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

text_type!(BranchName);

impl BranchName {
    /// The longest name in bytes.
    pub const MAX: usize = 200;

    /// Reads a branch name, by rules a little narrower than git's own.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "branch";
        if text.is_empty() {
            return Err(NameError::empty("branch name"));
        }
        if text.len() > Self::MAX {
            return Err(NameError::long(KIND, text, Self::MAX));
        }
        let strange = |c: &char| !c.is_ascii_alphanumeric() && !"/._-+@#=".contains(*c);
        if let Some(c) = text.chars().find(strange) {
            let allowed = "ASCII letters, digits and / . _ - + @ # =";
            return Err(NameError::character(KIND, text, c, allowed));
        }
        let why = if text == "HEAD" {
            "is reserved by git"
        } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            "must begin with a letter or a digit"
        } else if text.contains("..") {
            "has two dots in a row"
        } else if text.ends_with(['/', '.']) || text.contains("//") {
            "has an empty part"
        } else if text
            .split('/')
            .any(|part| part.starts_with('.') || part.ends_with(".lock"))
        {
            "has a part that begins with a dot or ends in .lock"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(NameError::new(format!(
            "branch {} {why}",
            plain::quoted(text)
        )))
    }
}

/// An environment's id: one part of a path and of a host name, made from its branch.
///
/// It is the branch itself where that fits; else a readable part and six hex digits of the
/// branch name's SHA-256. Two branches may, though hardly by chance, share an id: whoever adds
/// an environment compares, and takes [`EnvironmentId::in_round`] instead.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvironmentId(String);

text_type!(EnvironmentId);

impl EnvironmentId {
    /// The longest id in bytes: with `--` and the longest project name it is a DNS label.
    pub const MAX: usize = 36;
    const READABLE: usize = 29;
    const HASH: usize = 6;

    /// Makes the id of a branch's environment.
    pub fn from_branch(branch: &BranchName) -> Self {
        let name = branch.as_str();
        if Self::is_label(name) && !Self::ends_in_hash(name) {
            return Self(name.to_owned());
        }
        Self::hashed(branch, name.as_bytes())
    }

    /// The id where another branch has the one by rule: the same readable part, another hash in
    /// each round.
    pub fn in_round(branch: &BranchName, round: u32) -> Self {
        // No branch's name ends so: its own hash is another.
        Self::hashed(branch, format!("{branch}\0{round}").as_bytes())
    }

    fn hashed(branch: &BranchName, of: &[u8]) -> Self {
        let mut id = String::with_capacity(Self::MAX);
        for c in branch.as_str().chars() {
            if c.is_ascii_alphanumeric() {
                id.push(c.to_ascii_lowercase());
            } else if !id.ends_with('-') {
                id.push('-');
            }
        }
        id.truncate(Self::READABLE);
        let readable = id.trim_end_matches('-').len();
        id.truncate(readable);
        id.push('-');
        for byte in &Sha256::digest(of)[..Self::HASH / 2] {
            id.push_str(&format!("{byte:02x}"));
        }
        Self(id)
    }

    /// Reads an id, as a person names an environment.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const KIND: &str = "environment";
        if text.is_empty() {
            return Err(NameError::empty("environment id"));
        }
        if text.len() > Self::MAX {
            return Err(NameError::long(KIND, text, Self::MAX));
        }
        let strange = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-');
        if let Some(c) = text.chars().find(strange) {
            return Err(NameError::character(KIND, text, c, "a-z, 0-9 and -"));
        }
        if !Self::is_label(text) {
            return Err(NameError::new(format!(
                "environment {} begins or ends with a hyphen, or has two in a row",
                plain::quoted(text)
            )));
        }
        Ok(Self(text.to_owned()))
    }

    fn is_label(text: &str) -> bool {
        text.len() <= Self::MAX
            && !text.is_empty()
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !text.starts_with('-')
            && !text.ends_with('-')
            && !text.contains("--")
    }

    fn ends_in_hash(text: &str) -> bool {
        text.rsplit_once('-').is_some_and(|(_, last)| {
            last.len() == Self::HASH && last.bytes().all(|b| matches!(b, b'a'..=b'f' | b'0'..=b'9'))
        })
    }
}
