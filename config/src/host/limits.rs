//! `[build.limits]` and `[deploy.limits]`: what a stage may take before it is ended.

use std::time::Duration;

use super::{Host, read::Merge};
use crate::reader::{Item, Table};

/// What a stage may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long all of it may take.
    pub time: Duration,
    /// How long one of its steps may print nothing; none: as long as it likes.
    pub silence: Option<Duration>,
    /// How many bytes one of its steps may print.
    pub output: u64,
    /// How many processes and threads one of its steps may have at a time.
    pub tasks: u32,
}

const MINUTE: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// What may be set later.
const LATER: [&str; 3] = ["memory", "cpus", "disk"];
/// Enough for each build that was seen, and too few to take the host along.
const TASKS: u32 = 4096;

/// What counts for a build where nobody wrote anything.
pub(super) fn of_build() -> Limits {
    Limits {
        time: 45 * MINUTE,
        silence: Some(15 * MINUTE),
        output: 20_000_000,
        tasks: TASKS,
    }
}

/// The same for deploy commands. A migration says nothing while it works, and one that is ended
/// half-way does more harm than one that is waited for.
pub(super) fn of_deploy() -> Limits {
    Limits {
        time: 60 * MINUTE,
        silence: None,
        output: 20_000_000,
        tasks: TASKS,
    }
}

/// How `wharfd check` prints all that.
pub(super) const SHOWN: [(&str, &str); 8] = [
    ("build.limits.time", "\"45m\""),
    ("build.limits.silence", "\"15m\""),
    ("build.limits.output", "\"20M\""),
    ("build.limits.tasks", "4096"),
    ("deploy.limits.time", "\"1h\""),
    ("deploy.limits.silence", "\"off\""),
    ("deploy.limits.output", "\"20M\""),
    ("deploy.limits.tasks", "4096"),
];

/// Reads `limits` of the stage's table into what `of` finds. `keys` are the names of time, silence,
/// output and tasks.
pub(super) fn merge(
    stage: &Table<'_>,
    merge: &mut Merge<'_>,
    keys: [&'static str; 4],
    of: fn(&mut Host) -> &mut Limits,
) {
    let Some(limits) = stage.get("limits").and_then(|item| item.table("")) else {
        return;
    };
    let [time, silence, output, tasks] = keys;
    let read = |item: &Item<'_>| item.duration(MOST);
    merge.key(limits.get("time"), time, read, |h, v| of(h).time = v);
    merge.key(limits.get("silence"), silence, quiet, |h, v| {
        of(h).silence = v
    });
    let read = |item: &Item<'_>| item.size();
    merge.key(limits.get("output"), output, read, |h, v| of(h).output = v);
    let read = |item: &Item<'_>| item.number(16..=1_000_000);
    merge.key(limits.get("tasks"), tasks, read, |h, v| of(h).tasks = v);
    limits.later(&LATER);
    limits.finish();
}

/// How long: `"15m"`, or `"off"`.
fn quiet(item: &Item<'_>) -> Option<Option<Duration>> {
    match item.value() {
        toml::de::DeValue::String(text) if text == "off" => Some(None),
        _ => item.duration(MOST).map(Some),
    }
}
