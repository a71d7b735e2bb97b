//! When to ask for the exact figure. Pure.

use std::time::{Duration, Instant};

use super::{Excess, Resource};

/// One limit, and what is known of its use.
#[derive(Debug)]
pub(super) struct Gauge {
    limit: u64,
    /// The exact figure when it was asked for last; nothing before that.
    known: u64,
    /// The cheap figure of that moment.
    rough: u64,
    /// When that was.
    at: Option<Instant>,
    /// It is asked for again after so long, wherever the cheap figure is.
    again: Duration,
}

impl Gauge {
    /// A gauge that begins where the cheap figure is `rough`.
    pub(super) fn new(limit: u64, rough: u64, again: Duration) -> Self {
        Self {
            limit,
            known: 0,
            rough,
            at: None,
            again,
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the exact figure is worth its price: the cheap one moved by half of what was left, or
    /// it has not been asked for long.
    pub(super) fn wants_exact(&mut self, rough: u64, now: Instant) -> bool {
        let since = *self.at.get_or_insert(now);
        let left = self.limit.saturating_sub(self.known);
        rough.saturating_sub(self.rough) >= left / 2
            || now.saturating_duration_since(since) >= self.again
    }

    /// Takes in the exact figure.
    pub(super) fn saw(&mut self, rough: u64, used: u64, now: Instant) {
        (self.known, self.rough, self.at) = (used, rough, Some(now));
    }

    /// What is beyond the limit.
    pub(super) fn excess(&self, resource: Resource) -> Option<Excess> {
        let (limit, used) = (self.limit, self.known);
        (used > limit).then_some(Excess {
            resource,
            limit,
            used,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_figure_is_asked_for_as_the_limit_comes_near_or_after_a_while() {
        let (start, seconds) = (Instant::now(), Duration::from_secs);
        let mut gauge = Gauge::new(100, 1_000, seconds(30));
        assert!(!gauge.wants_exact(1_049, start));
        assert!(gauge.wants_exact(1_050, start));
        gauge.saw(1_050, 40, start);
        assert!(!gauge.wants_exact(1_079, start));
        assert!(gauge.wants_exact(1_080, start), "half of what is left");
        assert!(!gauge.wants_exact(900, start + seconds(29)));
        assert!(gauge.wants_exact(900, start + seconds(30)), "a while");
        gauge.saw(900, 100, start + seconds(30));
        assert_eq!(gauge.excess(Resource::Disk), None, "as much as may be");
        assert!(gauge.wants_exact(900, start + seconds(30)));
        gauge.saw(900, 101, start + seconds(31));
        let excess = gauge.excess(Resource::Disk).unwrap();
        assert_eq!((excess.limit, excess.used), (100, 101));
    }
}
