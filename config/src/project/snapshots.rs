//! When an environment's data is copied by itself, and which of the copies stay.

use std::{fmt, time::Duration};

/// Between two snapshots of production where nobody says.
const EVERY: Duration = Duration::from_secs(6 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Rules of one environment, at most.
const MAX_RULES: usize = 8;
/// The longest that a rule keeps something.
const MOST: Duration = Duration::from_secs(20 * 366 * 24 * 60 * 60);
/// The most that are kept of one span of time.
const MAX_COUNT: u32 = 1000;

/// What an operator wrote of an environment's snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// Nothing: production has them as usual, others have none by themselves.
    #[default]
    Usual,
    /// None are taken by themselves.
    Off,
    /// So often.
    Every(Rhythm),
}

/// How often, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rhythm {
    /// The time between two of them.
    pub every: Duration,
    /// Which of them stay.
    pub keep: Retention,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            every: EVERY,
            keep: Retention::default(),
        }
    }
}

/// Which snapshots stay: those that one of the rules keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention(pub Vec<Rule>);

/// So many of each span of time, for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How many.
    pub count: u32,
    /// Of how long a time.
    pub per: Duration,
    /// How old they become.
    pub last: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let rule = |count, days| Rule {
            count,
            per: DAY,
            last: DAY * days,
        };
        Self(vec![rule(4, 3), rule(1, 30)])
    }
}

impl Snapshots {
    /// What counts in an environment that is production, or is not.
    pub fn rhythm(&self, production: bool) -> Option<Rhythm> {
        match self {
            Snapshots::Usual => production.then(Rhythm::default),
            Snapshots::Off => None,
            Snapshots::Every(rhythm) => Some(rhythm.clone()),
        }
    }
}

impl Retention {
    /// Reads rules such as `4 per day for 3 days, 1 per day for 30 days`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rules: Vec<&str> = text.split(',').collect();
        if rules.len() > MAX_RULES {
            return Err(format!("has more than {MAX_RULES} rules"));
        }
        let rules = rules.into_iter().map(Rule::parse);
        rules.collect::<Result<_, _>>().map(Retention)
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        const SHAPE: &str = "must be rules such as 4 per day for 3 days";
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [count, "per", per, "for", times, unit] = words.as_slice() else {
            return Err(SHAPE.to_owned());
        };
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let (count, times) = number(count).zip(number(times)).ok_or(SHAPE)?;
        let (per, unit) = span(per)
            .zip(span(unit))
            .ok_or_else(|| "knows the times hour, day, week, month and year".to_owned())?;
        if count > MAX_COUNT {
            return Err(format!("keeps at most {MAX_COUNT} of one time"));
        }
        let last = unit.saturating_mul(times);
        if last > MOST {
            return Err("keeps nothing for longer than 20 years".to_owned());
        }
        if last < per {
            return Err(format!("keeps them for less than the time of {text:?}"));
        }
        Ok(Self { count, per, last })
    }
}

/// A word for a time; months and years are as long as on average.
fn span(word: &str) -> Option<Duration> {
    match word.strip_suffix('s').unwrap_or(word) {
        "hour" => Some(HOUR),
        "day" => Some(DAY),
        "week" => Some(DAY * 7),
        "month" => Some(HOUR * 730),
        "year" => Some(HOUR * 8766),
        _ => None,
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let per = humantime::format_duration(rule.per);
            let last = humantime::format_duration(rule.last);
            write!(f, "{comma}{} per {per} for {last}", rule.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_rules_are_the_usual_ones() {
        let documented = Retention::parse("4 per day for 3 days, 1 per day for 30 days");
        assert_eq!(documented.unwrap(), Retention::default());
        assert_eq!(Snapshots::Usual.rhythm(true), Some(Rhythm::default()));
        assert_eq!(Snapshots::Usual.rhythm(false), None);
        assert_eq!(Snapshots::Off.rhythm(true), None);
    }

    #[test]
    fn what_is_no_rule_says_why() {
        for (text, why) in [
            ("", "must be rules such as"),
            ("4 per day", "must be rules such as"),
            ("0 per day for 3 days", "must be rules such as"),
            ("-1 per day for 3 days", "must be rules such as"),
            ("4 per fortnight for 3 days", "knows the times"),
            ("2000 per day for 3 days", "at most 1000"),
            ("1 per day for 21 years", "20 years"),
            ("1 per week for 3 days", "less than the time"),
            ("1 per day for 99999999999 days", "must be rules such as"),
            ("1 per day for 2 days,", "must be rules such as"),
        ] {
            let said = Retention::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
        let many = ["1 per day for 2 days"; 9].join(", ");
        assert!(Retention::parse(&many).is_err());
        let hourly = Retention::parse("2 per hour for 1 week").unwrap();
        assert_eq!(hourly.0[0].per, HOUR);
        assert_eq!(hourly.0[0].last, DAY * 7);
    }
}
