//! When a deployment may begin to serve.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

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

fn day(text: &str) -> Result<Weekday, NoWindow> {
    let found = DAYS.iter().find(|(name, _)| *name == text);
    found.map(|(_, day)| *day).ok_or(NoWindow)
}

/// Reads `09:00`.
pub(crate) fn time(text: &str) -> Option<Time> {
    Time::strptime("%H:%M", text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read() {
        let window = Window::parse("Mon-Wed,Sat 09:00-16:30").unwrap();
        let days: Vec<i8> = window
            .days
            .iter()
            .map(|d| d.to_monday_zero_offset())
            .collect();
        assert_eq!(days, [0, 1, 2, 5]);
        assert_eq!(window.to, Time::constant(16, 30, 0, 0));
        let over = Window::parse("Sat-Mon 22:00-04:00").unwrap();
        assert_eq!(over.days.len(), 3);
        for bad in [
            "",
            "Mon",
            "Mon 9-10",
            "Mon-Fry 09:00-10:00",
            "Mon 09:00",
            "Mon 25:00-26:00",
        ] {
            assert_eq!(Window::parse(bad), Err(NoWindow), "{bad}");
        }
    }
}
