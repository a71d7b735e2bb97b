//! How long something took, for people.

/// `0.2s`, `42.0s`, `1m 42s`, `2h 05m`.
pub fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{}.{}s", seconds, milliseconds % 1000 / 100),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn reads_as_people_say_it() {
        for (milliseconds, expected) in [
            (0, "0.0s"),
            (99, "0.0s"),
            (234, "0.2s"),
            (59_999, "59.9s"),
            (60_000, "1m 00s"),
            (102_000, "1m 42s"),
            (7_500_000, "2h 05m"),
        ] {
            assert_eq!(duration(milliseconds), expected);
        }
    }
}
