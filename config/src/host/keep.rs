//! `[keep]`: how much stays on the host's disks, and for how long.

use std::time::Duration;

use super::read::Merge;
use crate::reader::{Item, Table};

/// What is kept of everything that piles up. What serves, and what `keep.releases` promises to a
/// rollback, is never counted against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Slugs that no release holds, of each project.
    pub slugs: Bounds,
    /// Build caches, of the whole host.
    pub cache: Bounds,
    /// Logs of activities, of the whole host.
    pub logs: Bounds,
    /// How long the data of a deleted environment stays; none: until somebody removes it.
    pub data: Option<Duration>,
    /// How long the record of an activity stays; none: for ever.
    pub records: Option<Duration>,
    /// What stays free on the file systems of the state and of the repositories.
    pub min_free: MinFree,
}

/// How much of one kind stays; what is none is not bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// So many.
    pub count: Option<u32>,
    /// So many bytes of all of them.
    pub size: Option<u64>,
    /// So long after it was last used.
    pub age: Option<Duration>,
}

/// What must stay free on a file system before a push is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinFree {
    /// Bytes.
    pub size: u64,
    /// Files that can still be made.
    pub files: u64,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// An age below this is a slip: everything would go at once.
const LEAST: Duration = Duration::from_secs(60 * 60);
const MOST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// What counts where nobody wrote anything, and how `wharfd check` prints it.
pub(super) fn defaults() -> (Keep, [(&'static str, &'static str); 13]) {
    let keep = Keep {
        slugs: Bounds {
            count: Some(5),
            size: Some(5_000_000_000),
            age: Some(30 * DAY),
        },
        cache: Bounds {
            count: None,
            size: Some(20_000_000_000),
            age: Some(90 * DAY),
        },
        logs: Bounds {
            count: None,
            size: Some(5_000_000_000),
            age: Some(90 * DAY),
        },
        data: Some(30 * DAY),
        records: Some(730 * DAY),
        min_free: MinFree {
            size: 2_000_000_000,
            files: 10_000,
        },
    };
    let shown = [
        ("keep.slugs.count", "5"),
        ("keep.slugs.size", "\"5G\""),
        ("keep.slugs.age", "\"30d\""),
        ("keep.cache.count", "none"),
        ("keep.cache.size", "\"20G\""),
        ("keep.cache.age", "\"90d\""),
        ("keep.logs.count", "none"),
        ("keep.logs.size", "\"5G\""),
        ("keep.logs.age", "\"90d\""),
        ("keep.data", "\"30d\""),
        ("keep.records", "\"730d\""),
        ("keep.min_free.size", "\"2G\""),
        ("keep.min_free.files", "10000"),
    ];
    (keep, shown)
}

/// A kind of thing that is bounded: its keys, and which of them its shorter form means.
struct Kind {
    name: &'static str,
    short: Bound,
    count: &'static str,
    size: &'static str,
    age: &'static str,
    of: fn(&mut Keep) -> &mut Bounds,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    Count,
    Size,
    Age,
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "slugs",
        short: Bound::Count,
        count: "keep.slugs.count",
        size: "keep.slugs.size",
        age: "keep.slugs.age",
        of: |keep| &mut keep.slugs,
    },
    Kind {
        name: "cache",
        short: Bound::Size,
        count: "keep.cache.count",
        size: "keep.cache.size",
        age: "keep.cache.age",
        of: |keep| &mut keep.cache,
    },
    Kind {
        name: "logs",
        short: Bound::Age,
        count: "keep.logs.count",
        size: "keep.logs.size",
        age: "keep.logs.age",
        of: |keep| &mut keep.logs,
    },
];

impl Kind {
    fn merge(&self, item: Item<'_>, m: &mut Merge<'_>) {
        let Some(table) = below(&item) else {
            return self.bound(self.short, Some(item), m);
        };
        for (name, bound) in [
            ("count", Bound::Count),
            ("size", Bound::Size),
            ("age", Bound::Age),
        ] {
            self.bound(bound, table.get(name), m);
        }
        table.finish();
    }

    fn bound(&self, bound: Bound, item: Option<Item<'_>>, m: &mut Merge<'_>) {
        match bound {
            Bound::Count => m.key(item, self.count, count, |h, v| {
                (self.of)(&mut h.keep).count = Some(v)
            }),
            Bound::Size => m.key(item, self.size, size, |h, v| {
                (self.of)(&mut h.keep).size = Some(v)
            }),
            Bound::Age => m.key(item, self.age, age, |h, v| (self.of)(&mut h.keep).age = v),
        }
    }
}

/// Reads all of the section but `releases` and what belongs to processes.
pub(super) fn merge(table: &Table<'_>, m: &mut Merge<'_>) {
    for kind in &KINDS {
        if let Some(item) = table.get(kind.name) {
            kind.merge(item, m);
        }
    }
    m.key(table.get("data"), "keep.data", age, |h, v| h.keep.data = v);
    m.key(table.get("records"), "keep.records", age, |h, v| {
        h.keep.records = v
    });
    if let Some(item) = table.get("min_free") {
        let key = "keep.min_free.size";
        if let Some(free) = below(&item) {
            m.key(free.get("size"), key, size, |h, v| h.keep.min_free.size = v);
            let files = |item: &Item<'_>| item.number(0..=u32::MAX);
            m.key(free.get("files"), "keep.min_free.files", files, |h, v| {
                h.keep.min_free.files = v.into()
            });
            free.finish();
        } else {
            m.key(Some(item), key, size, |h, v| h.keep.min_free.size = v);
        }
    }
}

/// The longer form, where somebody wrote it.
fn below<'a>(item: &Item<'a>) -> Option<Table<'a>> {
    match item.value() {
        toml::de::DeValue::Table(_) => item.table(""),
        _ => None,
    }
}

fn size(item: &Item<'_>) -> Option<u64> {
    item.size()
}

fn count(item: &Item<'_>) -> Option<u32> {
    item.number(0..=100_000)
}

/// How long: `"30d"`, or `"forever"`.
fn age(item: &Item<'_>) -> Option<Option<Duration>> {
    item.parsed("\"30d\"", |text| {
        if text == "forever" {
            return Ok(None);
        }
        let age = humantime::parse_duration(text)
            .map_err(|_| format!("{} is not an age", crate::plain::quoted(text)))?;
        if (LEAST..=MOST).contains(&age) {
            Ok(Some(age))
        } else {
            Err("must be from 1h to 100 years, or \"forever\"".to_owned())
        }
    })
}
