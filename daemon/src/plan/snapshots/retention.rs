//! Which snapshots of one environment stay.

use std::collections::BTreeSet;

use wharf_config::project::{Retention, Rule};

/// Why a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its time had come.
    Scheduled,
    /// Somebody asked for it: it stays until somebody deletes it.
    Manual,
    /// Deploy commands were about to run.
    BeforeDeploy,
}

impl Why {
    /// All of them.
    const ALL: [Why; 3] = [Why::Scheduled, Why::Manual, Why::BeforeDeploy];

    /// The word that people and the store use.
    pub fn word(self) -> &'static str {
        match self {
            Why::Scheduled => "scheduled",
            Why::Manual => "manual",
            Why::BeforeDeploy => "before-deploy",
        }
    }

    /// Reads it back.
    pub fn parse(word: &str) -> Option<Why> {
        Why::ALL.into_iter().find(|why| why.word() == word)
    }
}

/// A good snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub id: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: u64,
    /// Why.
    pub why: Why,
}

/// The ids of those that no rule keeps. The newest of all stays whatever the rules say, and so does
/// what somebody asked for.
pub fn gone(taken: &[Taken], keep: &Retention, now: u64) -> Vec<String> {
    let newest = taken.iter().max_by_key(|one| (one.at, &one.id));
    let mut stay: BTreeSet<&str> = newest.map(|one| one.id.as_str()).into_iter().collect();
    let mut by_rule: Vec<&Taken> = Vec::new();
    for one in taken {
        match one.why {
            Why::Manual => {
                stay.insert(&one.id);
            }
            Why::Scheduled | Why::BeforeDeploy => by_rule.push(one),
        }
    }
    by_rule.sort_by_key(|one| (one.at, &one.id));
    for rule in &keep.0 {
        stay.extend(kept(rule, &by_rule, now));
    }
    let goes = |one: &&Taken| !stay.contains(one.id.as_str());
    let gone = taken.iter().filter(goes);
    gone.map(|one| one.id.clone()).collect()
}

/// The newest of each equal part of the rule's time, as long as it is not too old. The parts lie where
/// they lie, so what stayed once stays until it is too old.
fn kept<'a>(rule: &Rule, sorted: &[&'a Taken], now: u64) -> BTreeSet<&'a str> {
    let milliseconds =
        |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let part = (milliseconds(rule.per) / u64::from(rule.count.max(1))).max(1);
    let oldest = now.saturating_sub(milliseconds(rule.last));
    let mut newest = std::collections::BTreeMap::new();
    for one in sorted.iter().filter(|one| one.at >= oldest) {
        newest.insert(one.at / part, one.id.as_str());
    }
    newest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    fn taken(id: &str, at: u64, why: Why) -> Taken {
        Taken {
            id: id.to_owned(),
            at,
            why,
        }
    }

    fn left(all: &[Taken], now: u64) -> Vec<String> {
        let gone = gone(all, &Retention::default(), now);
        let stays = all.iter().filter(|one| !gone.contains(&one.id));
        stays.map(|one| one.id.clone()).collect()
    }

    #[test]
    fn four_a_day_stay_for_three_days_and_one_a_day_for_thirty() {
        // Every hour for 40 days.
        let hours = 40 * 24;
        let all: Vec<Taken> = (0..hours)
            .map(|hour| taken(&hour.to_string(), hour * HOUR, Why::Scheduled))
            .collect();
        let now = hours * HOUR;
        let left = left(&all, now);
        let age = |id: &String| now - id.parse::<u64>().unwrap() * HOUR;
        let young = left.iter().filter(|id| age(id) <= 3 * DAY).count();
        assert_eq!(young, 12, "{left:?}");
        let old = left.iter().filter(|id| age(id) > 3 * DAY).count();
        assert_eq!(old, 27, "{left:?}");
        assert!(left.iter().all(|id| age(id) <= 30 * DAY));
    }

    #[test]
    fn what_somebody_asked_for_and_the_newest_stay_for_good() {
        let all = [
            taken("asked", 0, Why::Manual),
            taken("old", 1, Why::Scheduled),
            taken("deploy", 2, Why::BeforeDeploy),
            taken("newest", 3, Why::Scheduled),
        ];
        assert_eq!(left(&all, 1000 * DAY), ["asked", "newest"]);
        let none = Retention(Vec::new());
        assert_eq!(gone(&all, &none, 4), ["old", "deploy"]);
        assert_eq!(gone(&[], &none, 4), Vec::<String>::new());
        for why in Why::ALL {
            assert_eq!(Why::parse(why.word()), Some(why));
        }
    }

    fn any() -> impl Strategy<Value = Vec<Taken>> {
        let why = prop_oneof![
            Just(Why::Scheduled),
            Just(Why::Manual),
            Just(Why::BeforeDeploy)
        ];
        proptest::collection::vec((0_u64..100 * DAY, why), 0..60).prop_map(|all| {
            let all = all.into_iter().enumerate();
            all.map(|(index, (at, why))| taken(&index.to_string(), at, why))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn the_newest_stays_and_what_stayed_stays_as_long_as_no_time_passes(all in any(), now in 0_u64..200 * DAY) {
            let keep = Retention::default();
            let first = gone(&all, &keep, now);
            let newest = all.iter().max_by_key(|one| (one.at, &one.id));
            prop_assert!(newest.is_none_or(|one| !first.contains(&one.id)));
            prop_assert!(all.iter().filter(|one| one.why == Why::Manual).all(|one| !first.contains(&one.id)));
            let rest: Vec<Taken> = all.into_iter().filter(|one| !first.contains(&one.id)).collect();
            prop_assert_eq!(gone(&rest, &keep, now), Vec::<String>::new());
        }
    }
}
