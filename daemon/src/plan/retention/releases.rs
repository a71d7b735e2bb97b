//! Releases: the newest that have served stay, for a rollback.

/// What retention needs to know of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub number: u32,
    /// Whether it has served, so that a rollback may want it.
    pub ready: bool,
    /// Whether it serves now, a process of it lives, or an activity wants it.
    pub held: bool,
}

/// Numbers of the releases to prune: all but those that are held and the newest `keep` that have
/// served. Failed ones hold nothing and are left to the caller.
pub fn releases_to_prune(releases: &[Kept], keep: usize) -> Vec<u32> {
    let mut ready: Vec<Kept> = releases
        .iter()
        .copied()
        .filter(|release| release.ready)
        .collect();
    ready.sort_by_key(|release| std::cmp::Reverse(release.number));
    ready
        .into_iter()
        .skip(keep)
        .filter(|release| !release.held)
        .map(|r| r.number)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn releases(numbers: std::ops::RangeInclusive<u32>, live: u32) -> Vec<Kept> {
        numbers
            .map(|number| Kept {
                number,
                ready: number != 4,
                held: number == live,
            })
            .collect()
    }

    #[test]
    fn the_newest_stay_and_the_serving_one_always() {
        assert_eq!(releases_to_prune(&releases(1..=8, 8), 3), [5, 3, 2, 1]);
        assert_eq!(releases_to_prune(&releases(1..=8, 2), 3), [5, 3, 1]);
        assert!(releases_to_prune(&releases(1..=3, 3), 5).is_empty());
    }

    #[test]
    fn failed_ones_do_not_count_as_kept() {
        assert_eq!(releases_to_prune(&releases(1..=5, 5), 2), [2, 1]);
    }

    proptest! {
        #[test]
        fn what_is_held_or_promised_stays(
            facts in prop::collection::vec(any::<(bool, bool)>(), 0..20), keep in 0_usize..8,
        ) {
            let numbered = facts.iter().zip(1..);
            let releases: Vec<Kept> = numbered
                .map(|(&(ready, held), number)| Kept { number, ready, held })
                .collect();
            let gone = releases_to_prune(&releases, keep);
            for release in releases.iter().filter(|release| gone.contains(&release.number)) {
                let newer = |other: &&Kept| other.ready && other.number > release.number;
                prop_assert!(release.ready && !release.held);
                prop_assert!(releases.iter().filter(newer).count() >= keep);
            }
            let stays = |r: &&Kept| r.ready && !r.held && !gone.contains(&r.number);
            prop_assert!(releases.iter().filter(stays).count() <= keep);
        }
    }
}
