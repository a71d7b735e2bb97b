//! What one code says, and the page of all.

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

/// The part of the page that is made from [`ALL`].
pub fn page() -> String {
    let mut page = "| Code | What happened | What to do |\n|---|---|---|\n".to_owned();
    for Entry {
        code,
        meaning,
        next,
    } in ALL
    {
        page.push_str(&format!("| `{code}` | {meaning} | {next} |\n"));
    }
    page
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
