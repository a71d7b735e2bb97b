//! `[crons]`: commands that run at times of their own while their release serves.

use std::{collections::BTreeMap, fmt, time::Duration};

use croner::parser::{CronParser, Seconds, Year};
use jiff::{SignedDuration, Zoned, civil::DateTime};
use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{At, parts::entries, step::command};
use crate::{name::ProcessName, plain::quoted, project::Kind, reader::Item};

const MAX_CRONS: usize = 32;
/// Bytes of a schedule.
const MAX_SCHEDULE: usize = 200;
/// The closest that two runs may be due.
const CLOSEST: SignedDuration = SignedDuration::from_secs(10);
const MAX_JITTER: Duration = Duration::from_secs(60 * 60);
const MAX_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that a deployment may have to wait for one run.
const MAX_GRACE: Duration = Duration::from_secs(10 * 60);
/// What stands for five fields.
const NICKNAMES: [&str; 6] = [
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "@yearly",
    "@annually",
];
const EXAMPLE: &str = "\"*/5 * * * *\"";

/// A command that runs at times of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// When.
    pub schedule: CronSchedule,
    /// What `/bin/sh -c` gets.
    pub run: String,
    /// What becomes of a run that is due while another one runs.
    #[serde(default)]
    pub overlap: Overlap,
    /// It begins up to so long after its time: always as long in one environment, and otherwise in
    /// others, so that not all of a host begin at one moment.
    #[serde(default = "default_jitter")]
    pub jitter: Duration,
    /// The longest that a run may take.
    #[serde(default = "default_limit")]
    pub limit: Duration,
    /// How long a run may go on that somebody wants gone who must not wait for long.
    #[serde(default = "default_grace")]
    pub grace: Duration,
    /// Only in environments of these types, by their words; none: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Where the command is written. Not stored.
    #[serde(skip)]
    pub at: At,
}

fn default_jitter() -> Duration {
    Duration::from_secs(30)
}

fn default_limit() -> Duration {
    Duration::from_secs(60 * 60)
}

fn default_grace() -> Duration {
    Duration::from_secs(10)
}

impl Cron {
    /// Whether environments of this type have it.
    pub fn is_for(&self, kind: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == kind)
    }
}

/// What becomes of a run that is due while another one of the same runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlap {
    /// Nothing comes of it.
    #[default]
    Skip,
    /// One waits, and begins when the other one has ended.
    Queue,
    /// It begins beside the other one.
    Allow,
}

impl Overlap {
    const WORDS: [(&str, Overlap); 3] = [
        ("skip", Overlap::Skip),
        ("queue", Overlap::Queue),
        ("allow", Overlap::Allow),
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Overlap::Skip => "skip",
            Overlap::Queue => "queue",
            Overlap::Allow => "allow",
        }
    }
}

/// When a cron is due: `*/5 * * * *`, with a field for seconds before it where somebody wants one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronSchedule {
    text: String,
    cron: croner::Cron,
}

impl CronSchedule {
    /// Reads a schedule, which is due at some time, and not too often.
    ///
    /// # Errors
    /// Why it is none, such as `must be five fields, or six with seconds`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_SCHEDULE {
            return Err(format!("it has more than {MAX_SCHEDULE} bytes"));
        }
        if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return Err("only printable ASCII can stand in a schedule".into());
        }
        let fields = text.split_whitespace().count();
        if text.contains('@') {
            if !NICKNAMES.contains(&text.trim()) {
                return Err(format!(
                    "must be fields, or one of {}",
                    NICKNAMES.join(", ")
                ));
            }
        } else if !(5..=6).contains(&fields) {
            let s = if fields == 1 { "" } else { "s" };
            return Err(format!(
                "it has {fields} field{s}, not five (minute hour day month weekday), or six with \
                 seconds before them"
            ));
        }
        let cron = parse(text)?;
        // From a fixed day: what people wrote is good or bad whatever the date.
        let from = DateTime::constant(2001, 1, 1, 0, 0, 0, 0);
        if cron.find_next_occurrence(&from, true).is_err() {
            return Err("there is no day on which it would be due".into());
        }
        if let (6, Some(seconds)) = (fields, text.split_whitespace().next()) {
            let each_minute = parse(&format!("{seconds} * * * * *"))?;
            let due: Vec<DateTime> = each_minute
                .iter_from(from, croner::Direction::Forward)
                .take(8)
                .collect();
            let close = |two: &[DateTime]| two[0].duration_until(two[1]) < CLOSEST;
            if due.windows(2).any(close) {
                return Err("it would be due more than once in 10 seconds".into());
            }
        }
        Ok(Self {
            text: text.to_owned(),
            cron,
        })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first moment after `now` at which it is due, where `now` is; none where there is none.
    /// A time that a day has not, because clocks are put forward, is due when they have been; of one
    /// that it has twice the first counts, unless it is due every hour anyway.
    pub fn after(&self, now: &Zoned) -> Option<Zoned> {
        self.cron.find_next_occurrence(now, false).ok()
    }
}

fn parse(text: &str) -> Result<croner::Cron, String> {
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build();
    parser.parse(text).map_err(|error| {
        // Its own words are whole sentences.
        let text = error.to_string();
        let text = text.rsplit(": ").next().unwrap_or_default();
        let text = text.trim_end_matches('.').replace("CronPattern", "it");
        let mut first = text.chars();
        let lower = first.next().map(|c| c.to_lowercase().to_string());
        format!("{}{}", lower.unwrap_or_default(), first.as_str())
    })
}

impl fmt::Display for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for CronSchedule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<CronSchedule> for String {
    fn from(schedule: CronSchedule) -> String {
        schedule.text
    }
}

/// The crons by name.
pub(super) fn crons(item: &Item<'_>) -> BTreeMap<ProcessName, Cron> {
    let one = |item: &Item<'_>| {
        let example = "sweep = { schedule = \"@hourly\", run = \"bin/sweep\" }";
        let (name, cron) = (item.key_as(example, ProcessName::parse), cron(item));
        name.zip(cron)
    };
    let entries = entries(item, MAX_CRONS, "crons");
    entries.iter().filter_map(one).collect()
}

fn cron(item: &Item<'_>) -> Option<Cron> {
    let table = item.table("")?;
    let schedule = table.get("schedule");
    let run = table.get("run");
    let absent: Vec<&str> = [("schedule", schedule.is_none()), ("run", run.is_none())]
        .into_iter()
        .filter_map(|(key, is_absent)| is_absent.then_some(key))
        .collect();
    if !absent.is_empty() {
        let message = format!("{} needs both `schedule` and `run`", quoted(item.path()));
        let hint = "write { schedule = \"*/5 * * * *\", run = \"COMMAND\" }";
        table.missing(&absent, message, hint);
    }
    let overlap = table.get("overlap");
    let overlap = overlap.and_then(|item| item.one_of(&Overlap::WORDS));
    let jitter = table.get("jitter").and_then(|item| match item.value() {
        DeValue::String(text) if text == "off" => Some(Duration::ZERO),
        _ => item.duration(MAX_JITTER),
    });
    let limit = table.get("limit").and_then(|item| item.duration(MAX_LIMIT));
    let grace = table.get("grace").and_then(|item| item.duration(MAX_GRACE));
    let only = table.get("only").map(|item| types(&item));
    table.finish();
    let at = run.as_ref().map_or(At::Nowhere, |run| At::Spot(run.spot()));
    let schedule = schedule.and_then(|item| item.parsed(EXAMPLE, CronSchedule::parse));
    let run = run.and_then(|item| command(&item));
    Some(Cron {
        schedule: schedule?,
        run: run?,
        overlap: overlap.unwrap_or_default(),
        jitter: jitter.unwrap_or_else(default_jitter),
        limit: limit.unwrap_or_else(default_limit),
        grace: grace.unwrap_or_else(default_grace),
        only: only.unwrap_or_default(),
        at,
    })
}

/// A list of environments' types; at least one.
fn types(item: &Item<'_>) -> Vec<String> {
    let words = Kind::ALL.map(|kind| (kind.as_str(), kind));
    let Some(list) = item.list(words.len(), "[\"production\"]") else {
        return Vec::new();
    };
    if list.is_empty() {
        item.bad(
            "it names no type",
            "leave it out, or name one: [\"production\"]",
        );
    }
    let kinds = list.iter().filter_map(|item| item.one_of(&words));
    kinds.map(|kind| kind.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_never_or_too_often_is_no_schedule() {
        let why = |text: &str| CronSchedule::parse(text).unwrap_err();
        for good in [
            "* * * * *",
            "*/5 8-18 * * MON-FRI",
            "@daily",
            "0 3 29 2 *",
            "*/10 * * * * *",
            "7,27,47 * * * * *",
            "0 0 L * *",
        ] {
            let read = CronSchedule::parse(good);
            assert_eq!(read.as_ref().map(CronSchedule::as_str), Ok(good));
        }
        assert!(why("* * *").starts_with("it has 3 fields, not five"));
        assert!(why("").starts_with("it has 0 fields"));
        assert!(why("0 0 * * * * 2030").starts_with("it has 7 fields"));
        assert_eq!(
            why("0 0 30 2 *"),
            "there is no day on which it would be due"
        );
        let often = "it would be due more than once in 10 seconds";
        for close in [
            "* * * * * *",
            "0,5 * * * * *",
            "0,55 0 0 1 1 *",
            "*/9 * * * * *",
        ] {
            assert_eq!(why(close), often, "{close}");
        }
        assert!(why(&format!("{} * * * *", "1,".repeat(100))).contains("more than 200 bytes"));
        for bad in [
            "61 * * * *",
            "a * * * *",
            "*/0 * * * *",
            "@reboot",
            "@",
            "é * * * *",
        ] {
            let why = why(bad);
            assert!(!why.ends_with('.') && !why.contains("Cron"), "{bad}: {why}");
        }
    }

    #[test]
    fn clocks_that_are_put_forward_and_back_take_no_day_away() {
        let next = |text: &str, now: &str| {
            let now: Zoned = now.parse().unwrap();
            let next = CronSchedule::parse(text).unwrap().after(&now).unwrap();
            next.timestamp().to_string()
        };
        let berlin = |at: &str| format!("{at}[Europe/Berlin]");
        // 02:30 is not there on 29 March 2026, and is there twice on 25 October.
        assert_eq!(
            next("30 2 * * *", &berlin("2026-03-29T01:00:00+01:00")),
            "2026-03-29T01:00:00Z"
        );
        assert_eq!(
            next("30 2 * * *", &berlin("2026-10-25T02:30:00+02:00")),
            "2026-10-26T01:30:00Z"
        );
        assert_eq!(
            next("0 3 * * *", &berlin("2026-11-22T12:00:00+01:00")),
            "2026-11-23T02:00:00Z"
        );
    }
}
