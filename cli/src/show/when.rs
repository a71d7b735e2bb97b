//! Times and durations, as people say them.

use jiff::{
    SpanRound, Timestamp, Unit,
    fmt::friendly::{Designator, Spacing, SpanPrinter},
};

/// The present, in milliseconds since 1970-01-01 UTC.
pub fn now() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// How long ago that was, in its largest unit: `3m ago`.
pub fn ago(now: u64, then: u64) -> String {
    match now.saturating_sub(then) {
        0..1_000 => "just now".to_owned(),
        past => format!("{} ago", largest(past)),
    }
}

/// In how long that is, in its largest unit: `in 3m`.
pub fn until(now: u64, then: u64) -> String {
    match then.saturating_sub(now) {
        0..1_000 => "now".to_owned(),
        future => format!("in {}", largest(future)),
    }
}

/// A duration, in its largest unit.
fn largest(milliseconds: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let (size, word) = units
        .into_iter()
        .find(|(size, _)| milliseconds >= *size)
        .unwrap_or((1_000, "s"));
    format!("{}{word}", milliseconds / size)
}

/// A duration of work: `850ms`, `42s`, `1m 42s`, `2h 3m`.
pub fn lasted(milliseconds: u64) -> String {
    if milliseconds < 1_000 {
        return format!("{milliseconds}ms");
    }
    let smallest = match milliseconds {
        0..3_600_000 => Unit::Second,
        3_600_000..86_400_000 => Unit::Minute,
        _ => Unit::Hour,
    };
    let duration =
        jiff::SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX));
    let span = jiff::Span::try_from(duration).and_then(|span| {
        span.round(
            SpanRound::new()
                .largest(Unit::Day)
                .smallest(smallest)
                .days_are_24_hours(),
        )
    });
    match span {
        Ok(span) => SpanPrinter::new()
            .designator(Designator::Compact)
            .spacing(Spacing::BetweenUnits)
            .span_to_string(&span),
        Err(_) => largest(milliseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_moments_are_said_in_one_unit() {
        for (past, said) in [
            (0, "just now"),
            (1_500, "1s ago"),
            (59_999, "59s ago"),
            (3_599_000, "59m ago"),
            (86_399_000, "23h ago"),
            (864_000_000, "10d ago"),
        ] {
            assert_eq!(ago(1_000_000_000_000, 1_000_000_000_000 - past), said);
        }
        assert_eq!(ago(1, 5), "just now", "a clock that was set back");
    }

    #[test]
    fn work_is_said_in_two_units() {
        for (length, said) in [
            (84, "84ms"),
            (42_000, "42s"),
            (102_000, "1m 42s"),
            (7_380_000, "2h 3m"),
            (180_000_000, "2d 2h"),
        ] {
            assert_eq!(lasted(length), said);
        }
    }
}
