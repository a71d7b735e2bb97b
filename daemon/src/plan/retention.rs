//! What may be removed.

/// What retention needs to know of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its number.
    pub number: u32,
    /// Whether it has served, so that a rollback may want it.
    pub ready: bool,
    /// Whether it serves now.
    pub live: bool,
}

/// Numbers of the releases to prune: all but the serving one and the newest `keep` that have
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
        .filter(|release| !release.live)
        .map(|r| r.number)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn releases(numbers: std::ops::RangeInclusive<u32>, live: u32) -> Vec<Kept> {
        numbers
            .map(|number| Kept {
                number,
                ready: number != 4,
                live: number == live,
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
}
