//! What entries say, as `docs/journal.md` has it.

use super::Message;

/// Every field that an entry of Wharf's may have, and what it says.
#[rustfmt::skip]
pub const FIELDS: &[(&str, &str)] = &[
    ("WHARF_PROJECT", "the project"),
    ("WHARF_ENVIRONMENT", "the environment's id, as in its address"),
    ("WHARF_ENVIRONMENT_TYPE", "`production`, `staging`, `development`"),
    ("WHARF_BRANCH", "its branch"),
    ("WHARF_ACTIVITY", "the activity's id, for `wharf log ID`"),
    ("WHARF_ACTIVITY_KIND", "`push`, `rollback`, ..."),
    ("WHARF_TRIGGER", "`push`, `command`, `policy`, `request`, or `refs` that moved by themselves"),
    ("WHARF_ACTOR", "who"),
    ("WHARF_ACTOR_SOURCE", "how that is known"),
    ("WHARF_COMMIT", "the tip, in hex"),
    ("WHARF_RELEASE", "the number of the release that it makes or chooses"),
    ("WHARF_RELEASE_LIVE", "the number of the one that serves now"),
    ("WHARF_STAGE", "`build`, `deploy`, `post_deploy`"),
    ("WHARF_STEP", "which step failed"),
    ("WHARF_RESULT", "how it ended: `succeeded`, `failed`, `refused`, ..."),
    ("WHARF_EXIT_CODE", "of the command that failed"),
    ("WHARF_DURATION_USEC", "how long it took, in microseconds"),
    ("WHARF_MAINTENANCE_MS", "how long visitors were kept away, in milliseconds"),
    ("WHARF_URL", "where to look at it"),
    ("WHARF_ERROR", "[stable codes](troubleshooting.md) of why, with commas between them"),
    ("WHARF_REMOVED", "how many things retention removed"),
    ("WHARF_BYTES", "how many bytes that made free, or an archive had"),
];

/// The rows of the page's table of fields.
pub fn fields() -> String {
    let row = |(name, what): &(&str, &str)| format!("| `{name}` | {what} |\n");
    FIELDS.iter().map(row).collect()
}

/// The rows of the page's table of messages.
pub fn messages() -> String {
    let row = |message: &Message| {
        let subject = message.subject().replace('@', "");
        let words = subject.split(' ').map(|word| match word.strip_prefix("r") {
            Some(rest) if rest.starts_with("WHARF_") => format!("`r{rest}`"),
            _ if word.starts_with("WHARF_") => format!("`{word}`"),
            _ => word.to_owned(),
        });
        let words: Vec<_> = words.collect();
        format!("| `{}` | {} |\n", message.id(), words.join(" "))
    };
    Message::ALL.iter().map(row).collect()
}
