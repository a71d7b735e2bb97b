//! What one code says.

use super::ALL;

/// One code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Kebab case. Its meaning never changes.
    pub code: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// The next step.
    pub next: &'static str,
}

/// What a code means; none for what is no code of the daemon's.
pub fn find(code: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.code == code)
}

pub(super) const fn entry(code: &'static str, meaning: &'static str, next: &'static str) -> Entry {
    Entry {
        code,
        meaning,
        next,
    }
}
