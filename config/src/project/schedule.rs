//! When a deployment may begin to serve.

use std::fmt;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

/// When a deployment may begin to serve; by default at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Only within these hours.
    pub window: Option<Window>,
    /// Only at this time of the day.
    pub at: Option<Time>,
    /// Where those hours are counted; none: where the host is.
    pub zone: Option<TimeZone>,
}

/// Hours of some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The days, Monday first.
    pub days: Vec<Weekday>,
    /// From this time on.
    pub from: Time,
    /// Until before this time; where it is not later than `from`, on the next day.
    pub to: Time,
}

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be days and hours, such as Mon-Fri 09:00-16:00")]
pub struct NoWindow;

/// How far ahead an opening is looked for: every week has one, however clocks are put forward.
const AHEAD: i32 = 15;
/// How long a time of the day lasts, as people write it.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// From here on, and until before there.
type Opening = (Zoned, Zoned);

impl Schedule {
    /// The earliest moment from `now` on at which a deployment may begin to serve; none when that is
    /// now. A time that a day has not, because clocks are put forward, is as much later; of one that
    /// it has twice the first counts.
    pub fn next(&self, now: &Zoned) -> Option<Zoned> {
        if *self
            == (Schedule {
                zone: self.zone.clone(),
                ..Schedule::default()
            })
        {
            return None;
        }
        let now = match &self.zone {
            Some(zone) => now.with_time_zone(zone.clone()),
            None => now.clone(),
        };
        let openings = self.openings(&now).into_iter();
        let next = openings
            .filter(|(_, end)| *end > now)
            .map(|(start, _)| start.max(now.clone()))
            .min();
        match next {
            Some(next) if next == now => None,
            Some(next) => Some(next),
            // Denied as long as nothing opens; somebody looks again then.
            None => Some(now.saturating_add(SignedDuration::from_hours(24))),
        }
    }

    /// The same once its time of the day has come: within its hours.
    #[must_use]
    pub fn without_time(&self) -> Schedule {
        Schedule {
            at: None,
            ..self.clone()
        }
    }

    /// What is open around `now` and in the days that follow.
    fn openings(&self, now: &Zoned) -> Vec<Opening> {
        // What began yesterday may go over midnight.
        let first = now.date().yesterday().unwrap_or(now.date());
        let days: Vec<Date> = first
            .series(jiff::Span::new().days(1))
            .take(AHEAD as usize)
            .collect();
        let zone = now.time_zone();
        let window = |day: &Date| match &self.window {
            Some(window) => window.on(*day, zone),
            None => Some((
                moment(*day, Time::midnight(), zone)?,
                moment(day.tomorrow().ok()?, Time::midnight(), zone)?,
            )),
        };
        let windows: Vec<Opening> = days.iter().filter_map(window).collect();
        let Some(at) = self.at else { return windows };
        let times = days.iter().filter_map(|day| moment(*day, at, zone));
        times
            .filter(|time| {
                windows
                    .iter()
                    .any(|(start, end)| start <= time && time < end)
            })
            .map(|time| (time.clone(), time.saturating_add(MINUTE)))
            .collect()
    }
}

fn moment(day: Date, time: Time, zone: &TimeZone) -> Option<Zoned> {
    day.to_datetime(time).to_zoned(zone.clone()).ok()
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.window, &self.at) {
            (None, None) => return f.write_str("at any time"),
            (Some(window), None) => write!(f, "deploy window {window}")?,
            (None, Some(at)) => write!(f, "deploy time {}", at.strftime("%H:%M"))?,
            (Some(window), Some(at)) => {
                write!(f, "deploy time {} within {window}", at.strftime("%H:%M"))?;
            }
        }
        match self.zone.as_ref().and_then(TimeZone::iana_name) {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Window {
    /// Reads `Mon-Fri 09:00-16:00` or `Sat,Sun 22:00-04:00`.
    ///
    /// # Errors
    /// That it is none.
    pub fn parse(text: &str) -> Result<Self, NoWindow> {
        let (days, hours) = text.split_once(' ').ok_or(NoWindow)?;
        let (from, to) = hours.trim().split_once('-').ok_or(NoWindow)?;
        let mut all = Vec::new();
        for part in days.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (day(first)?, day(last)?);
            // `Sat-Mon` goes over the end of the week.
            let mut at = first;
            while !all.contains(&at) {
                all.push(at);
                if at == last {
                    break;
                }
                at = at.next();
            }
        }
        all.sort_by_key(|day| day.to_monday_zero_offset());
        Ok(Self {
            days: all,
            from: time(from).ok_or(NoWindow)?,
            to: time(to).ok_or(NoWindow)?,
        })
    }
}

impl Window {
    /// Whether it is open at that time of some day.
    pub fn has(&self, time: Time) -> bool {
        match self.from < self.to {
            true => self.from <= time && time < self.to,
            false => self.from <= time || time < self.to,
        }
    }

    /// When it is open that begins on this day; none where it does not, or a day has not these hours.
    fn on(&self, day: Date, zone: &TimeZone) -> Option<Opening> {
        let last = match self.from < self.to {
            true => day,
            false => day.tomorrow().ok()?,
        };
        let is_one = self.days.contains(&day.weekday());
        let opening = (moment(day, self.from, zone)?, moment(last, self.to, zone)?);
        (is_one && opening.0 < opening.1).then_some(opening)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |day: &Weekday| DAYS[day.to_monday_zero_offset().unsigned_abs() as usize].0;
        let runs = self.days.chunk_by(|one, other| one.next() == *other);
        let runs: Vec<String> = runs
            .map(|run| match run {
                [first, .., last] => format!("{}-{}", name(first), name(last)),
                run => run.iter().map(name).collect(),
            })
            .collect();
        let (from, to) = (self.from.strftime("%H:%M"), self.to.strftime("%H:%M"));
        write!(f, "{} {from}-{to}", runs.join(","))
    }
}

fn day(text: &str) -> Result<Weekday, NoWindow> {
    let found = DAYS.iter().find(|(name, _)| *name == text);
    found.map(|(_, day)| *day).ok_or(NoWindow)
}

/// Reads `09:00`.
pub(crate) fn time(text: &str) -> Option<Time> {
    Time::strptime("%H:%M", text).ok()
}

#[cfg(test)]
mod tests;
