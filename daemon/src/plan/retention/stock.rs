//! Everything that piles up, and what of it goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wharf_config::host::Keep;
use wharf_config::name::ProjectName;

use super::bounds::{Entry, Why, older, surplus};
use super::releases::{Kept, releases_to_prune};
use crate::store::environment::EnvironmentKey;

/// A slug that came from elsewhere stays for so long whatever the bounds say, unless the host needs
/// room.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is there. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Default)]
pub struct Stock {
    /// Releases that have served.
    pub releases: Vec<Release>,
    /// Slugs, with or without a release.
    pub slugs: Vec<Slug>,
    /// Build caches.
    pub caches: Vec<Cache>,
    /// Logs of activities.
    pub logs: Vec<Log>,
    /// Data of deleted environments.
    pub data: Vec<Data>,
    /// Records of activities that have ended.
    pub records: Vec<Record>,
}

/// A release that has served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its environment.
    pub key: EnvironmentKey,
    /// Its number.
    pub number: u32,
    /// The key of its slug.
    pub slug: String,
    /// Whether it serves, a process of it lives, or an activity wants it.
    pub held: bool,
}

/// A slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug {
    /// Its key.
    pub key: String,
    /// The key of its ingredients: who builds the same has its turn under that name.
    pub base: String,
    /// The project whose build made it, or that it was imported into.
    pub project: String,
    /// Its bytes.
    pub bytes: u64,
    /// When a release was last made of it.
    pub used: u64,
    /// When it came from elsewhere; none where a build made it.
    pub imported: Option<u64>,
    /// Whether something else than the stock's releases needs it: an activity, a release that is
    /// being made.
    pub held: bool,
}

/// The build cache of a project in one trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// The project.
    pub project: ProjectName,
    /// `protected` or `open`.
    pub trust_domain: String,
    /// Its bytes.
    pub bytes: u64,
    /// When a build last began with it.
    pub used: u64,
    /// Whether a build works with it.
    pub held: bool,
}

/// The log of an activity: its events and what was printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Whose.
    pub activity: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was last written.
    pub written: u64,
    /// Whether the activity has not ended.
    pub held: bool,
}

/// What is left of a deleted environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The activity that deleted it.
    pub activity: String,
    /// When it was put aside.
    pub since: u64,
}

/// The record of an activity that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which.
    pub activity: String,
    /// When it ended.
    pub ended: u64,
    /// Whether it is its environment's newest, or made a release that can serve.
    pub held: bool,
}

/// Something that can go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    /// A release past the number that is kept.
    Release {
        /// Its environment.
        key: EnvironmentKey,
        /// Its number.
        number: u32,
    },
    /// A slug that no release holds.
    Slug(Slug),
    /// A build cache.
    Cache(Cache),
    /// The log of an activity.
    Log(String),
    /// Data of a deleted environment.
    Data(String),
    /// The record of an activity.
    Record(String),
}

/// What goes, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// What.
    pub thing: Thing,
    /// Why.
    pub why: Why,
    /// Its bytes, as far as they are known before it goes.
    pub bytes: u64,
}

/// Decides what goes: releases first, since their slugs may go with them.
pub fn decide(stock: &Stock, releases: usize, keep: &Keep, now: u64) -> Vec<Removal> {
    let mut gone = prune(stock, releases);
    let staying = staying(stock, &gone);
    // Whoever brought one is about to push.
    let is_new = |slug: &&Slug| slug.imported.is_some_and(|at| !older(at, Some(GRACE), now));
    let mut spare: BTreeMap<&str, Vec<&Slug>> = BTreeMap::new();
    let spare_slugs = stock.slugs.iter().filter(|slug| is_spare(slug, &staying));
    for slug in spare_slugs.filter(|slug| !is_new(slug)) {
        spare.entry(&slug.project).or_default().push(slug);
    }
    for slugs in spare.values() {
        let entries: Vec<Entry> = slugs.iter().map(|slug| entry_of_slug(slug)).collect();
        let surplus = surplus(&entries, &keep.slugs, now).into_iter();
        gone.extend(surplus.map(|(at, why)| removal_of_slug(slugs[at], why)));
    }
    let entries: Vec<Entry> = stock.caches.iter().map(entry_of_cache).collect();
    let surplus_of_caches = surplus(&entries, &keep.cache, now).into_iter();
    gone.extend(surplus_of_caches.map(|(at, why)| removal_of_cache(&stock.caches[at], why)));
    gone.extend(logs_and_records(stock, keep, now));
    let data = stock.data.iter().filter(|d| older(d.since, keep.data, now));
    gone.extend(data.map(|data| Removal {
        thing: Thing::Data(data.activity.clone()),
        why: Why::Age,
        bytes: 0,
    }));
    gone
}

/// What may go where the host needs room, in the order in which it goes: what costs least to have
/// again comes first. Nobody's history and nobody's data is among it.
pub fn for_room(stock: &Stock) -> Vec<Removal> {
    let staying = staying(stock, &[]);
    let spare = stock.slugs.iter().filter(|slug| is_spare(slug, &staying));
    let mut slugs: Vec<&Slug> = spare.collect();
    slugs.sort_by_key(|slug| slug.used);
    let mut caches: Vec<&Cache> = stock.caches.iter().filter(|cache| !cache.held).collect();
    caches.sort_by_key(|cache| cache.used);
    let slugs = slugs.iter().map(|slug| removal_of_slug(slug, Why::Room));
    let caches = caches.iter().map(|c| removal_of_cache(c, Why::Room));
    slugs.chain(caches).collect()
}

fn prune(stock: &Stock, keep: usize) -> Vec<Removal> {
    let mut environments: BTreeMap<&EnvironmentKey, Vec<Kept>> = BTreeMap::new();
    for release in &stock.releases {
        environments.entry(&release.key).or_default().push(Kept {
            number: release.number,
            ready: true,
            held: release.held,
        });
    }
    let pruned = environments.into_iter().flat_map(|(key, releases)| {
        let numbers = releases_to_prune(&releases, keep).into_iter();
        numbers.map(move |number| (key.clone(), number))
    });
    let removal = |(key, number)| Removal {
        thing: Thing::Release { key, number },
        why: Why::Count,
        bytes: 0,
    };
    pruned.map(removal).collect()
}

/// Keys of the slugs whose releases stay.
fn staying<'a>(stock: &'a Stock, gone: &[Removal]) -> BTreeSet<&'a str> {
    let goes = |release: &Release| {
        gone.iter().any(|removal| match &removal.thing {
            Thing::Release { key, number } => *key == release.key && *number == release.number,
            _ => false,
        })
    };
    let stays = stock.releases.iter().filter(|release| !goes(release));
    stays.map(|release| release.slug.as_str()).collect()
}

fn is_spare(slug: &Slug, staying: &BTreeSet<&str>) -> bool {
    !slug.held && !staying.contains(slug.key.as_str())
}

/// Logs by their bounds, old records, and with a record always its log: ids may be given again.
fn logs_and_records(stock: &Stock, keep: &Keep, now: u64) -> Vec<Removal> {
    let removal_of_log = |log: &Log, why| Removal {
        thing: Thing::Log(log.activity.clone()),
        why,
        bytes: log.bytes,
    };
    let entries: Vec<Entry> = stock.logs.iter().map(entry_of_log).collect();
    let surplus = surplus(&entries, &keep.logs, now);
    let mut gone: Vec<Removal> = surplus
        .iter()
        .map(|&(at, why)| removal_of_log(&stock.logs[at], why))
        .collect();
    let gone_already: BTreeSet<&str> = surplus
        .iter()
        .map(|&(at, _)| stock.logs[at].activity.as_str())
        .collect();
    let left: BTreeMap<&str, &Log> = stock
        .logs
        .iter()
        .map(|log| (log.activity.as_str(), log))
        .filter(|(activity, _)| !gone_already.contains(activity))
        .collect();
    // Data that is put aside bears the activity's id.
    let named: BTreeSet<&str> = stock.data.iter().map(|d| d.activity.as_str()).collect();
    let old = |record: &&Record| older(record.ended, keep.records, now) && !record.held;
    for record in stock.records.iter().filter(old) {
        let activity = record.activity.as_str();
        let log = left.get(activity);
        if named.contains(activity) || log.is_some_and(|log| log.held) {
            continue;
        }
        gone.extend(log.map(|log| removal_of_log(log, Why::Age)));
        gone.push(Removal {
            thing: Thing::Record(record.activity.clone()),
            why: Why::Age,
            bytes: 0,
        });
    }
    gone
}

fn entry_of_slug(slug: &Slug) -> Entry {
    Entry {
        bytes: slug.bytes,
        used: slug.used,
        held: slug.held,
    }
}

fn entry_of_cache(cache: &Cache) -> Entry {
    Entry {
        bytes: cache.bytes,
        used: cache.used,
        held: cache.held,
    }
}

fn entry_of_log(log: &Log) -> Entry {
    Entry {
        bytes: log.bytes,
        used: log.written,
        held: log.held,
    }
}

fn removal_of_slug(slug: &Slug, why: Why) -> Removal {
    Removal {
        thing: Thing::Slug(slug.clone()),
        why,
        bytes: slug.bytes,
    }
}

fn removal_of_cache(cache: &Cache, why: Why) -> Removal {
    Removal {
        thing: Thing::Cache(cache.clone()),
        why,
        bytes: cache.bytes,
    }
}

#[cfg(test)]
mod tests;
