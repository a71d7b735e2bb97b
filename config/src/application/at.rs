//! Where a command is written.

use std::hash::{Hash, Hasher};

use crate::problem::{Problem, Spot};

/// Where a command is written, to point at when it fails.
///
/// It is no part of what the command is: wherever two are written, they are equal. Not stored.
#[derive(Debug, Clone, Default)]
pub enum At {
    /// Nobody knows any more.
    #[default]
    Nowhere,
    /// In this file, which was not written for Wharf.
    File(String),
    /// At this place.
    Spot(Spot),
}

impl At {
    /// The place in one word: file, line and column, as far as known.
    pub fn word(&self) -> Option<String> {
        match self {
            At::Nowhere => None,
            At::File(file) => Some(crate::plain::plain(file)),
            At::Spot(spot) => Some(spot.word()),
        }
    }

    /// The place as problems show it: file and line, and the line with what is meant; no lines
    /// where nobody knows. At most `width` columns wide.
    pub fn lines(&self, width: usize) -> Vec<String> {
        let problem = match self {
            At::Nowhere => return Vec::new(),
            At::File(file) => Problem::new(file.clone(), "", ""),
            At::Spot(spot) => spot.problem("", ""),
        };
        problem.place(width)
    }
}

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

impl Eq for At {}

impl Hash for At {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
