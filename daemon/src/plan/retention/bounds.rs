//! Count, size and age of one kind of thing.

use wharf_config::host::Bounds;

/// What a decision needs to know of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its bytes on the disk.
    pub bytes: u64,
    /// When it was last used, in milliseconds since 1970-01-01 UTC.
    pub used: u64,
    /// Whether something works with it, so that it stays whatever the bounds say.
    pub held: bool,
}

/// Why a thing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It is older than it may be.
    Age,
    /// There are more of them than there may be.
    Count,
    /// All of them take more room than they may.
    Size,
    /// Nothing needs it, and the host needs room.
    Room,
}

impl Why {
    /// The word that people and the journal read.
    pub fn word(self) -> &'static str {
        match self {
            Why::Age => "age",
            Why::Count => "count",
            Why::Size => "size",
            Why::Room => "room",
        }
    }
}

/// What goes so that the rest keeps to the bounds: places in `entries`, the least recently used
/// first. What can never fit goes before it drives others out.
pub fn surplus(entries: &[Entry], bounds: &Bounds, now: u64) -> Vec<(usize, Why)> {
    let most = bounds.size.unwrap_or(u64::MAX);
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&at| (entries[at].bytes <= most, entries[at].used, at));
    let mut left = entries.len() as u64;
    let mut bytes = entries
        .iter()
        .fold(0_u64, |sum, entry| sum.saturating_add(entry.bytes));
    let mut gone = Vec::new();
    for at in order {
        let entry = &entries[at];
        if entry.held {
            continue;
        }
        let why = if older(entry.used, bounds.age, now) {
            Why::Age
        } else if bounds.count.is_some_and(|count| left > u64::from(count)) {
            Why::Count
        } else if bytes > most {
            Why::Size
        } else {
            continue;
        };
        left -= 1;
        bytes -= entry.bytes;
        gone.push((at, why));
    }
    gone
}

/// Whether that is longer ago than it may be. What was used in the future is not.
pub(super) fn older(used: u64, age: Option<std::time::Duration>, now: u64) -> bool {
    age.is_some_and(|age| u128::from(now.saturating_sub(used)) > age.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn entry(bytes: u64, used: u64) -> Entry {
        Entry {
            bytes,
            used,
            held: false,
        }
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let entries = [entry(4, 30), entry(4, 10), entry(4, 20)];
        let bounds = |count, size, age: Option<u64>| Bounds {
            count,
            size,
            age: age.map(Duration::from_millis),
        };
        let gone = |bounds| surplus(&entries, &bounds, 35);
        assert_eq!(
            gone(bounds(Some(1), None, None)),
            [(1, Why::Count), (2, Why::Count)]
        );
        assert_eq!(gone(bounds(None, Some(8), None)), [(1, Why::Size)]);
        assert_eq!(gone(bounds(None, None, Some(20))), [(1, Why::Age)]);
        assert_eq!(gone(bounds(None, None, None)), []);
    }

    #[test]
    fn what_can_never_fit_drives_nothing_else_out() {
        let entries = [entry(4, 10), entry(100, 20)];
        let bounds = Bounds {
            size: Some(10),
            ..Bounds::default()
        };
        assert_eq!(surplus(&entries, &bounds, 20), [(1, Why::Size)]);
    }

    fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
        let entry = (0_u64..50, 0_u64..100, any::<bool>());
        let entry = entry.prop_map(|(bytes, used, held)| Entry { bytes, used, held });
        prop::collection::vec(entry, 0..12)
    }

    fn any_bounds() -> impl Strategy<Value = Bounds> {
        use prop::option::of;
        (of(0_u32..8), of(0_u64..200), of(0_u64..100)).prop_map(|(count, size, age)| Bounds {
            count,
            size,
            age: age.map(Duration::from_millis),
        })
    }

    proptest! {
        #[test]
        fn bounds_hold_and_nothing_goes_without_need(
            entries in any_entries(), bounds in any_bounds(), now in 0_u64..150,
        ) {
            let gone = surplus(&entries, &bounds, now);
            let is_gone = |at: usize| gone.iter().any(|(other, _)| *other == at);
            let stays: Vec<Entry> = (0..entries.len())
                .filter(|&at| !is_gone(at))
                .map(|at| entries[at])
                .collect();
            // Nothing twice, and never what is held.
            prop_assert_eq!(stays.len() + gone.len(), entries.len());
            prop_assert!(gone.iter().all(|(at, _)| !entries[*at].held));
            // The bounds hold, or only what is held is left.
            let only_held = stays.iter().all(|entry| entry.held);
            let bytes: u64 = stays.iter().map(|entry| entry.bytes).sum();
            prop_assert!(only_held || bounds.size.is_none_or(|size| bytes <= size));
            prop_assert!(only_held || bounds.count.is_none_or(|most| stays.len() as u32 <= most));
            let old = stays.iter().filter(|entry| !entry.held);
            let mut old = old.filter(|entry| older(entry.used, bounds.age, now));
            prop_assert!(old.next().is_none());
            // Of two that could both stay, the one that was used before goes first.
            let most = bounds.size.unwrap_or(u64::MAX);
            for (at, _) in gone.iter().filter(|(at, _)| entries[*at].bytes <= most) {
                let newer = stays.iter().filter(|entry| !entry.held);
                let mut newer = newer.filter(|entry| entry.used < entries[*at].used);
                prop_assert!(newer.next().is_none());
            }
            // The last one that went for its count or size was one too many.
            if let Some((at, why @ (Why::Count | Why::Size))) = gone.last() {
                let count = stays.len() as u32 + 1;
                let needed = match why {
                    Why::Count => bounds.count.is_some_and(|most| count > most),
                    _ => bytes + entries[*at].bytes > most,
                };
                prop_assert!(needed);
            }
        }
    }
}
