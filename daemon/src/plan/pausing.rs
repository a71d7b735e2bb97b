//! Which environment is paused next because nobody uses it.

/// An environment that is paused by itself one day; times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle<K> {
    /// Which.
    pub key: K,
    /// When it was last deployed, or asked for as far as known.
    pub used: u64,
    /// How long it may go unused.
    pub after: u64,
}

impl<K> Idle<K> {
    /// When it is due.
    pub fn due(&self) -> u64 {
        self.used.saturating_add(self.after)
    }
}

/// The one that is due first.
pub fn earliest<K>(idle: Vec<Idle<K>>) -> Option<Idle<K>> {
    idle.into_iter().min_by_key(Idle::due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_due_first_comes_first() {
        let idle = |key, used, after| Idle { key, used, after };
        let all = vec![idle("a", 10, 50), idle("b", 30, 20), idle("c", 0, u64::MAX)];
        assert_eq!(earliest(all), Some(idle("b", 30, 20)));
        assert_eq!(earliest::<&str>(Vec::new()), None);
        assert_eq!(idle("d", 1, u64::MAX).due(), u64::MAX);
    }
}
