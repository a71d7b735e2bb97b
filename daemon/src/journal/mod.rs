//! What operators read: entries of the journal.
//!
//! [`say`] is for what happens to an activity: each has a [`Message`] with a number of its own and the
//! [`Facts`] by the same names everywhere. All else that the daemon has to say of itself is an event of
//! [`tracing`] where it happens. Both go to the journal by a thread of its own ([`sender`]): nothing that the
//! journal does or does not do keeps the daemon waiting.

mod application;
mod facts;
mod layer;
mod message;
mod page;
mod sender;

use std::fmt::Display;
use std::io;

pub use application::Application;
pub use facts::Facts;
pub use message::{Message, catalog};
pub use page::{FIELDS, fields, messages};
pub use sender::Flush;
use systemd_journal_logger::JournalLog;
use tracing::Subscriber;
use tracing_subscriber::Layer;

/// The target of a command's output, and its identifier in the journal.
pub const BUILD: &str = "wharf-build";

/// The layer that writes to the journal, and what waits for its thread when the process ends.
///
/// # Errors
/// That there is no journal.
pub fn layer<S: Subscriber>() -> io::Result<(impl Layer<S>, Flush)> {
    let named = |identifier: &str| {
        Ok::<_, io::Error>(JournalLog::empty()?.with_syslog_identifier(identifier.to_owned()))
    };
    let (sender, flush) = sender::start(named("wharfd")?, named(BUILD)?)?;
    Ok((layer::ToJournal(sender), flush))
}

/// Says that something happened.
pub fn say(message: Message, facts: &Facts, text: impl Display) {
    tracing::info!(
        MESSAGE_ID = message.id(),
        WHARF_PROJECT = facts.project,
        WHARF_ENVIRONMENT = facts.environment,
        WHARF_ENVIRONMENT_TYPE = facts.environment_type,
        WHARF_BRANCH = facts.branch,
        WHARF_ACTIVITY = facts.activity,
        WHARF_ACTIVITY_KIND = facts.kind.map(wharf_wire::outcome::Kind::word),
        WHARF_TRIGGER = facts.trigger,
        WHARF_ACTOR = facts.actor.as_ref().map(|actor| actor.name.as_str()),
        WHARF_ACTOR_SOURCE = facts.actor.as_ref().map(|actor| actor.source.as_str()),
        WHARF_COMMIT = facts.commit,
        WHARF_RELEASE = facts.release,
        WHARF_RELEASE_LIVE = facts.live,
        WHARF_STAGE = facts.stage,
        WHARF_STEP = facts.step,
        WHARF_RESULT = facts.result,
        WHARF_EXIT_CODE = facts.exit_code,
        WHARF_DURATION_USEC = facts.duration,
        WHARF_MAINTENANCE_MS = facts.maintenance,
        WHARF_URL = facts.url,
        WHARF_ERROR = facts.error,
        "{text}"
    );
}
