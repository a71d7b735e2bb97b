//! `[build.limits]`, `[deploy.limits]` and `[processes.limits]`: what may be taken of the host.

use std::time::Duration;

use super::{Host, read::Merge};
use crate::reader::{Item, Table};

/// What a stage may take before it is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long all of it may take.
    pub time: Duration,
    /// How long one of its steps may print nothing; none: as long as it likes.
    pub silence: Option<Duration>,
    /// How many bytes one of its steps may print.
    pub output: u64,
    /// What one of its commands may take of the host.
    pub resources: Resources,
}

/// What one command of a stage, or one process of a release, may take of the host with all that it
/// starts. What is none is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Processes and threads at a time.
    pub tasks: u32,
    /// Open files of each of its processes.
    pub open_files: u32,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Hundredths of a processor.
    pub cpus: Option<u32>,
    /// Bytes in the directories that it may write to.
    pub disk: Option<u64>,
}

impl Default for Resources {
    /// Enough for each build that was seen, and too little to take the host along; how much memory,
    /// processor and disk there is to give is the operator's to say.
    fn default() -> Self {
        Self {
            tasks: 4096,
            open_files: 65_536,
            memory: None,
            cpus: None,
            disk: None,
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(24 * 60 * 60);
/// The least memory with which a program starts, and the smallest disk that is worth a limit.
const LEAST: u64 = 1_000_000;
const MOST_CPUS: u32 = 1024;

/// What counts for a build where nobody wrote anything.
pub(super) fn of_build() -> Limits {
    Limits {
        time: 45 * MINUTE,
        silence: Some(15 * MINUTE),
        output: 20_000_000,
        resources: Resources::default(),
    }
}

/// The same for deploy commands. A migration says nothing while it works, and one that is ended
/// half-way does more harm than one that is waited for.
pub(super) fn of_deploy() -> Limits {
    Limits {
        time: 60 * MINUTE,
        silence: None,
        output: 20_000_000,
        resources: Resources::default(),
    }
}

/// How `wharfd check` prints all that.
pub(super) const SHOWN: [(&str, &str); 21] = [
    ("build.limits.time", "\"45m\""),
    ("build.limits.silence", "\"15m\""),
    ("build.limits.output", "\"20M\""),
    ("build.limits.tasks", "4096"),
    ("build.limits.open_files", "65536"),
    ("build.limits.memory", "\"off\""),
    ("build.limits.cpus", "\"off\""),
    ("build.limits.disk", "\"off\""),
    ("deploy.limits.time", "\"1h\""),
    ("deploy.limits.silence", "\"off\""),
    ("deploy.limits.output", "\"20M\""),
    ("deploy.limits.tasks", "4096"),
    ("deploy.limits.open_files", "65536"),
    ("deploy.limits.memory", "\"off\""),
    ("deploy.limits.cpus", "\"off\""),
    ("deploy.limits.disk", "\"off\""),
    ("processes.limits.tasks", "4096"),
    ("processes.limits.open_files", "65536"),
    ("processes.limits.memory", "\"off\""),
    ("processes.limits.cpus", "\"off\""),
    ("processes.limits.disk", "\"off\""),
];

/// The names of a stage's keys among [`SHOWN`]: time, silence and output, then its resources'.
pub(super) const BUILD: usize = 0;
pub(super) const DEPLOY: usize = 8;
const PROCESSES: usize = 16;

/// Reads `limits` of the stage's table into what `of` finds. Its names begin `at` so many in
/// [`SHOWN`].
pub(super) fn merge(
    stage: &Table<'_>,
    merge: &mut Merge<'_>,
    at: usize,
    of: fn(&mut Host) -> &mut Limits,
) {
    let Some(limits) = stage.get("limits").and_then(|item| item.table("")) else {
        return;
    };
    let key = |more: usize| SHOWN[at + more].0;
    let read = |item: &Item<'_>| item.duration(MOST);
    merge.key(limits.get("time"), key(0), read, |h, v| of(h).time = v);
    let read = |item: &Item<'_>| or_off(item, |item| item.duration(MOST));
    merge.key(limits.get("silence"), key(1), read, |h, v| {
        of(h).silence = v
    });
    let read = |item: &Item<'_>| item.size();
    merge.key(limits.get("output"), key(2), read, |h, v| of(h).output = v);
    resources(&limits, merge, at + 3, |host| &mut of(host).resources);
    limits.finish();
}

/// Reads `[processes]`, of which there are limits only.
pub(super) fn processes(table: &Table<'_>, merge: &mut Merge<'_>) {
    let Some(limits) = table.get("limits").and_then(|item| item.table("")) else {
        return;
    };
    resources(&limits, merge, PROCESSES, |host| &mut host.processes);
    limits.finish();
}

fn resources(
    limits: &Table<'_>,
    merge: &mut Merge<'_>,
    at: usize,
    of: impl Fn(&mut Host) -> &mut Resources,
) {
    let key = |more: usize| SHOWN[at + more].0;
    let read = |item: &Item<'_>| item.number(16..=1_000_000);
    merge.key(limits.get("tasks"), key(0), read, |h, v| of(h).tasks = v);
    let read = |item: &Item<'_>| item.number(64..=1_000_000);
    merge.key(limits.get("open_files"), key(1), read, |h, v| {
        of(h).open_files = v
    });
    merge.key(limits.get("memory"), key(2), bytes, |h, v| of(h).memory = v);
    let read = |item: &Item<'_>| or_off(item, hundredths);
    merge.key(limits.get("cpus"), key(3), read, |h, v| of(h).cpus = v);
    merge.key(limits.get("disk"), key(4), bytes, |h, v| of(h).disk = v);
}

/// What `read` finds, or none where it says `"off"`.
fn or_off<T>(item: &Item<'_>, read: impl FnOnce(&Item<'_>) -> Option<T>) -> Option<Option<T>> {
    match item.value() {
        toml::de::DeValue::String(text) if text == "off" => Some(None),
        _ => read(item).map(Some),
    }
}

/// At least so many bytes, or `"off"`.
fn bytes(item: &Item<'_>) -> Option<Option<u64>> {
    let size = or_off(item, |item| item.size())?;
    if size.is_some_and(|size| size < LEAST) {
        item.bad(
            "must be 1M or more",
            "write a size such as \"2G\", or \"off\"",
        );
        return None;
    }
    Some(size)
}

/// Processors, such as `2` or `1.5`, in hundredths.
fn hundredths(item: &Item<'_>) -> Option<u32> {
    let number = match item.value() {
        toml::de::DeValue::Integer(number) => number.as_str().parse().ok(),
        toml::de::DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
        _ => None,
    };
    let least = 0.1;
    match number {
        Some(number) if (least..=f64::from(MOST_CPUS)).contains(&number) =>
        {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is within the range"
            )]
            Some((number * 100.0).round() as u32)
        }
        _ => {
            let label = format!("must be a number of processors from {least} to {MOST_CPUS}");
            item.bad(label, "write `cpus = 2`, `cpus = 1.5` or `cpus = \"off\"`");
            None
        }
    }
}
