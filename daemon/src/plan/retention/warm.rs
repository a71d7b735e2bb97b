//! Warm releases: their web process goes on beside the serving one, so that a rollback is a switch.

/// Numbers of the releases that stay warm: of those that have served, the newest `warm` beside the
/// serving one.
pub fn releases_to_keep_warm(ready: &[u32], live: Option<u32>, warm: usize) -> Vec<u32> {
    let mut others: Vec<u32> = ready
        .iter()
        .copied()
        .filter(|number| Some(*number) != live)
        .collect();
    others.sort_unstable_by_key(|&number| std::cmp::Reverse(number));
    others.truncate(warm);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_that_served_stay_warm() {
        assert_eq!(releases_to_keep_warm(&[1, 2, 3, 5, 6], Some(6), 2), [5, 3]);
        assert_eq!(releases_to_keep_warm(&[6, 5, 3], Some(3), 1), [6]);
        assert!(releases_to_keep_warm(&[1, 2], Some(2), 0).is_empty());
    }
}
