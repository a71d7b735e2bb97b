//! Whether and when a process starts again. Pure.

use std::time::Duration;

use crate::run::job::Backoff;

/// The record of a process's ends.
#[derive(Debug)]
pub(super) struct Restarts {
    backoff: Backoff,
    /// Until this is set, an end is final.
    confirmed: bool,
    /// Ends in a row, each soon after the start.
    failures: u32,
    /// How often it was started again.
    pub(super) count: u32,
}

impl Restarts {
    pub(super) fn new(backoff: Backoff, first_start_fails_is_final: bool) -> Self {
        Self {
            backoff,
            confirmed: !first_start_fails_is_final,
            failures: 0,
            count: 0,
        }
    }

    pub(super) fn confirm(&mut self) {
        self.confirmed = true;
    }

    /// The wait after an end; `None` when it is final.
    pub(super) fn ended(&mut self, lived: Duration) -> Option<Duration> {
        if !self.confirmed {
            return None;
        }
        self.failures = if lived >= self.backoff.reset_after {
            1
        } else {
            self.failures + 1
        };
        Some(self.backoff.wait(self.failures))
    }

    pub(super) fn started_again(&mut self) {
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(restarts: &mut Restarts, lives: &[u64]) -> Vec<Option<u64>> {
        let wait = |lived: &u64| restarts.ended(Duration::from_secs(*lived));
        lives
            .iter()
            .map(wait)
            .map(|wait| wait.map(|wait| wait.as_secs()))
            .collect()
    }

    #[test]
    fn waits_double_and_a_long_life_sets_them_back() {
        let mut restarts = Restarts::new(Backoff::default(), false);
        let waits = seconds(&mut restarts, &[0, 1, 59, 0, 0, 0, 0, 0, 60, 0, 3_600]);
        let expected = [1, 2, 4, 8, 16, 32, 60, 60, 1, 2, 1].map(Some);
        assert_eq!(waits, expected);
    }

    #[test]
    fn until_it_is_confirmed_an_end_is_final() {
        let mut restarts = Restarts::new(Backoff::default(), true);
        assert_eq!(seconds(&mut restarts, &[0, 100]), [None, None]);
        restarts.confirm();
        assert_eq!(seconds(&mut restarts, &[0]), [Some(1)]);
    }
}
