//! When an environment was last used.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The router's own clock: whole seconds since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    fn now(self) -> u64 {
        self.0.elapsed().as_secs()
    }
}

/// The second of an environment's last use, by the router's clock; the start where there was none.
/// Routes of an environment hand it on to each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastUse(Arc<AtomicU64>);

impl LastUse {
    /// It is used now.
    pub(crate) fn touch(&self, clock: Clock) {
        self.0.store(clock.now(), Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(crate) fn ago(&self, clock: Clock) -> Duration {
        let last = self.0.load(Ordering::Relaxed);
        Duration::from_secs(clock.now().saturating_sub(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whole_seconds_since_the_last_use() {
        let (clock, last) = (Clock::start(), LastUse::default());
        tokio::time::advance(Duration::from_millis(5_900)).await;
        assert_eq!(last.ago(clock).as_secs(), 5);
        last.clone().touch(clock);
        tokio::time::advance(Duration::from_millis(2_200)).await;
        assert_eq!(last.ago(clock).as_secs(), 3);
    }
}
