//! When snapshots are due that nobody asks for.

use std::time::Duration;

/// What is due in an environment, and when: milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn<K> {
    /// Which environment.
    pub key: K,
    /// When.
    pub due: u64,
}

/// Where an environment's times lie between those of the others, so that not all are taken at once:
/// by the name, so that it is the same after each restart.
pub fn offset(project: &str, environment: &str, every: Duration) -> u64 {
    let name = project.bytes().chain([0]).chain(environment.bytes());
    // FNV-1a: nothing hostile is gained by two that meet.
    let hash = name.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.checked_rem(milliseconds(every)).unwrap_or_default()
}

/// When the next one is due: one for each span of `every` that begins at `offset`. `last` is when the
/// last one began, whatever became of it; where there was none, when the environment first served.
pub fn next_due(last: u64, every: Duration, offset: u64) -> u64 {
    let every = milliseconds(every).max(1);
    let spans = last.saturating_sub(offset) / every + u64::from(last >= offset);
    spans.saturating_mul(every).saturating_add(offset)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The one that is due first.
pub fn earliest<K: Ord + Clone>(turns: Vec<Turn<K>>) -> Option<Turn<K>> {
    turns
        .into_iter()
        .min_by_key(|turn| (turn.due, turn.key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3_600_000;
    const EVERY: Duration = Duration::from_secs(6 * 3600);

    #[test]
    fn one_is_due_in_each_span_and_what_was_missed_is_due_once() {
        // Spans begin at 1 h, 7 h, 13 h.
        for (last, due) in [(0, 1), (1, 7), (2, 7), (6, 7), (7, 13), (12, 13)] {
            assert_eq!(next_due(last * HOUR, EVERY, HOUR), due * HOUR, "{last}");
        }
    }

    #[test]
    fn environments_have_their_own_times() {
        let of = |name| offset("shop", name, EVERY);
        assert_ne!(of("main"), of("staging"));
        assert_eq!(of("main"), of("main"));
        assert_eq!(offset("shop", "main", Duration::ZERO), 0);
        let turn = |key, due| Turn { key, due };
        let first = earliest(vec![turn("b", 3), turn("a", 2), turn("c", 2)]);
        assert_eq!(first, Some(turn("a", 2)));
    }

    proptest! {
        #[test]
        fn the_next_is_later_and_within_one_span(last in 0_u64..u64::MAX / 2, every in 1_u64..1 << 40, at in 0_u64..1 << 40) {
            let offset = at % every;
            let due = next_due(last, Duration::from_millis(every), offset);
            prop_assert!(due > last && due - last <= every.max(offset));
        }
    }
}
