//! When crons are due, and what comes of it. Times are milliseconds since 1970-01-01 UTC.
//!
//! What was due while no daemon was there, while the host slept or while an environment was not active
//! is not made up for: a sweep that missed ten turns is not to be run ten times.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};
use wharf_config::application::{Cron, Overlap};
use wharf_config::name::ProcessName;

/// What is later than this was missed: the host slept, or its clock was set forward.
const LATE: u64 = 60_000;
/// A clock that went back by more than this was set.
const BACK: u64 = 1_000;

/// The crons of what serves in an environment.
#[derive(Debug, Clone)]
pub struct Live<K> {
    /// Which.
    pub key: K,
    /// Its crons by name.
    pub crons: BTreeMap<ProcessName, Cron>,
    /// Where their times are counted.
    pub zone: TimeZone,
}

/// When each cron is due next.
#[derive(Debug)]
pub struct Book<K> {
    rows: BTreeMap<(K, ProcessName), Row>,
    /// When it was last looked into.
    looked: u64,
}

#[derive(Debug)]
struct Row {
    cron: Cron,
    zone: TimeZone,
    /// So long after its time it begins.
    offset: u64,
    /// None where it is never due again.
    next: Option<u64>,
    /// A run that was due waits for its turn.
    waits: bool,
}

/// How a cron is in its environment at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    /// How many of its runs go on.
    pub running: usize,
    /// Whether nothing may begin there.
    pub held: bool,
}

/// What comes of a cron that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It begins.
    Begin,
    /// It begins once it may.
    Wait,
    /// Nothing.
    Skip(Why),
}

/// Why nothing comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its last run goes on.
    Runs,
    /// Nothing may begin in its environment.
    Held,
    /// Its time was missed.
    Late,
}

impl Why {
    /// As in `not run: its last run goes on`.
    pub fn said(self) -> &'static str {
        match self {
            Why::Runs => "its last run goes on",
            Why::Held => "a deployment holds crons",
            Why::Late => "its time was missed",
        }
    }
}

/// How long after its time a cron of this environment begins: always the same, less than its jitter.
pub fn offset(cron: &Cron, environment: &impl Display, name: &ProcessName) -> u64 {
    let jitter = u64::try_from(cron.jitter.as_millis()).unwrap_or(u64::MAX);
    let digest = Sha256::digest(format!("{environment}/{name}"));
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first).checked_rem(jitter).unwrap_or(0)
}

/// The first moment after `now` at which a cron begins; none where there is none.
pub fn next(cron: &Cron, offset: u64, zone: &TimeZone, now: u64) -> Option<u64> {
    let from = i64::try_from(now.saturating_sub(offset)).ok()?;
    let from = Timestamp::from_millisecond(from).ok()?;
    let due = cron.schedule.after(&from.to_zoned(zone.clone()))?;
    let due = u64::try_from(due.timestamp().as_millisecond()).ok()?;
    Some(due.saturating_add(offset))
}

impl<K> Default for Book<K> {
    fn default() -> Self {
        Book {
            rows: BTreeMap::new(),
            looked: 0,
        }
    }
}

impl<K: Ord + Clone + Display> Book<K> {
    /// Takes in what serves now. What has not changed keeps its time, and its place if it waits.
    pub fn follow(&mut self, live: Vec<Live<K>>, now: u64) {
        let mut before = std::mem::take(&mut self.rows);
        for Live { key, crons, zone } in live {
            for (name, cron) in crons {
                let at = (key.clone(), name);
                let same = before.remove(&at);
                let same = same.filter(|row| row.cron == cron && row.zone == zone);
                let row = same.unwrap_or_else(|| {
                    let offset = offset(&cron, &at.0, &at.1);
                    Row {
                        next: next(&cron, offset, &zone, now),
                        cron,
                        zone: zone.clone(),
                        offset,
                        waits: false,
                    }
                });
                self.rows.insert(at, row);
            }
        }
    }

    /// When the first one is due.
    pub fn earliest(&self) -> Option<u64> {
        self.rows.values().filter_map(|row| row.next).min()
    }

    /// What comes of those that are due, and of those that wait.
    pub fn take(
        &mut self,
        now: u64,
        look: impl Fn(&K, &ProcessName) -> Stand,
    ) -> Vec<(K, ProcessName, Decision)> {
        let was_set_back = now.saturating_add(BACK) < self.looked;
        self.looked = now;
        let mut taken = Vec::new();
        for ((key, name), row) in &mut self.rows {
            if was_set_back {
                row.next = next(&row.cron, row.offset, &row.zone, now);
            }
            let due = row.next.filter(|due| *due <= now);
            if due.is_none() && !row.waits {
                continue;
            }
            let stand = look(key, name);
            if let Some(due) = due {
                row.next = next(&row.cron, row.offset, &row.zone, now);
                let decision = decide(row.cron.overlap, stand, now.saturating_sub(due));
                row.waits |= decision == Decision::Wait;
                if !row.waits || decision == Decision::Begin {
                    row.waits = false;
                    taken.push((key.clone(), name.clone(), decision));
                    continue;
                }
            }
            if !stand.held && stand.running == 0 {
                row.waits = false;
                taken.push((key.clone(), name.clone(), Decision::Begin));
            }
        }
        taken
    }
}

/// What comes of a cron whose time was so long ago.
fn decide(overlap: Overlap, stand: Stand, late: u64) -> Decision {
    match (overlap, stand) {
        _ if late > LATE => Decision::Skip(Why::Late),
        (Overlap::Queue, Stand { running, held }) if held || running > 0 => Decision::Wait,
        (_, Stand { held: true, .. }) => Decision::Skip(Why::Held),
        (Overlap::Skip, Stand { running: 1.., .. }) => Decision::Skip(Why::Runs),
        _ => Decision::Begin,
    }
}

#[cfg(test)]
mod tests;
