//! Who sees a variable, and what its value may be.

use serde::{Deserialize, Serialize};

use crate::reader::Item;

/// A value that somebody sets or commits has at most so many bytes.
pub const MAX_VALUE: usize = 16 * 1024;

/// Where a variable is seen: in builds, and so in the slug's key, or by deploy commands and
/// processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visible {
    /// In builds only.
    Build,
    /// By deploy commands and processes only.
    Run,
    /// By all of them.
    #[default]
    Both,
}

impl Visible {
    const WORDS: [(&str, Visible); 3] = [
        ("build", Visible::Build),
        ("run", Visible::Run),
        ("both", Visible::Both),
    ];

    /// The word that people, the store and the wire use.
    pub fn word(self) -> &'static str {
        match self {
            Visible::Build => "build",
            Visible::Run => "run",
            Visible::Both => "both",
        }
    }

    /// Reads that word.
    pub fn parse(word: &str) -> Option<Visible> {
        let mut words = Self::WORDS.into_iter();
        words.find(|(known, _)| *known == word).map(|(_, it)| it)
    }

    /// Whether builds see it.
    pub fn in_build(self) -> bool {
        self != Visible::Run
    }

    /// Whether deploy commands and processes see it.
    pub fn in_run(self) -> bool {
        self != Visible::Build
    }

    pub(super) fn read(item: &Item<'_>) -> Option<Visible> {
        item.one_of(&Self::WORDS)
    }
}

/// Why a text cannot be the value of a variable that is set or committed.
///
/// # Errors
/// A phrase such as `it has 20000 bytes, at most 16384 are kept`.
pub fn check_value(text: &str) -> Result<(), String> {
    if text.len() > MAX_VALUE {
        let bytes = text.len();
        return Err(format!(
            "it has {bytes} bytes, at most {MAX_VALUE} are kept"
        ));
    }
    let strange = |c: &char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    match text.chars().find(strange) {
        Some(c) => Err(format!(
            "it has a control character, {}",
            c.escape_unicode()
        )),
        None => Ok(()),
    }
}
