//! What is told, in the words that the pusher reads.

use std::time::{Duration, UNIX_EPOCH};

use wharf_config::notify::Occasion;
use wharf_wire::notification::{Happened, Notification};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use crate::execute::end::{self, Undoing};

/// The type of what is sent to try a destination.
pub const TEST: &str = "test";

/// The message about an activity.
pub fn of(
    occasion: Occasion,
    activity: Activity,
    environment_type: Option<String>,
    url: Option<String>,
    now: u64,
) -> Notification {
    let (verdict, serves) = match end::recorded(&activity, None, Undoing::Everybody) {
        Some(ended) => (ended.verdict, ended.serves),
        None => {
            let reason = activity.reason.as_ref();
            let waits = reason.map(|reason| format!("built; {}", reason.message));
            let name = activity.environment.as_str();
            let live = activity.previous;
            (
                waits.unwrap_or_default(),
                end::serves(name, live, end::UNTOUCHED),
            )
        }
    };
    let place = format!("{}@{}", activity.project, activity.environment);
    let word = match (occasion, activity.state) {
        (Occasion::Failed, State::Failed) => "failed: ".to_owned(),
        // The verdict of one that failed names it.
        (Occasion::Recovered, _) if activity.kind == Kind::Cron => {
            format!("recovered: cron {}: ", activity.commit.subject)
        }
        (Occasion::Recovered, _) => "recovered: ".to_owned(),
        _ => String::new(),
    };
    Notification {
        r#type: occasion.as_str().to_owned(),
        timestamp: timestamp(now),
        text: format!("{place}: {word}{verdict}; {serves}"),
        data: Some(Happened {
            activity,
            environment_type,
            serves,
            url,
        }),
    }
}

/// The message that tries a destination.
pub fn test(name: &str, now: u64) -> Notification {
    Notification {
        r#type: TEST.to_owned(),
        timestamp: timestamp(now),
        text: format!("a test of Wharf's notifications to {name}"),
        data: None,
    }
}

fn timestamp(now: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(now)).to_string()
}
