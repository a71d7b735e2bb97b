//! `wharf url --grant`: a link that opens the environment's pages for a time.

use std::time::Duration;

use jiff::Timestamp;
use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
    view::{Grant, Item},
};

use crate::{ask::pick, daemon, failure, failure::Failure, show};

/// How long a link may open.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Asks for a link and prints it; what it opens is talk.
///
/// # Errors
/// The daemon's refusal, or that it cannot be asked.
pub fn grant(place: &Place, scope: Scope, time: Duration, json: bool) -> Result<Exit, Failure> {
    let seconds = time.as_secs();
    let (items, exit) = daemon::records(place, Ask::Grant { scope, seconds })?;
    let found = pick(items, |item| match item {
        Item::Grant(grant) => Some(grant),
        _ => None,
    });
    for one in &found {
        if json {
            show::json(one)?;
        } else {
            show::line(&failure::plain(&one.url))?;
            failure::note(&opens(one));
        }
    }
    Ok(exit)
}

fn opens(grant: &Grant) -> String {
    if grant.public {
        return format!(
            "{} is public: everybody may look, and needs no link for it",
            grant.environment
        );
    }
    let expires = grant.expires.and_then(|at| i64::try_from(at).ok());
    let expires = expires.and_then(|at| Timestamp::from_millisecond(at).ok());
    let until = expires.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    format!(
        "whoever has this link may look at {} until {}",
        grant.environment,
        until.unwrap_or_default()
    )
}

/// Reads the time for which a link opens.
///
/// # Errors
/// That it is none, or too short or too long.
pub fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|time| (SHORTEST..=LONGEST).contains(time))
        .ok_or_else(|| "a time is written like 30m, 1h or 7d, from 1m to 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_a_minute_to_thirty_days() {
        for (text, seconds) in [("1m", 60), ("1h", 3600), ("30d", 2_592_000), ("90m", 5400)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "59s", "31d", "-1h", "1x"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
