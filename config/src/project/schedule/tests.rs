use super::*;
use proptest::prelude::*;

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

fn schedule(window: &str, at: &str, zone: &str) -> Schedule {
    Schedule {
        window: (!window.is_empty()).then(|| Window::parse(window).unwrap()),
        at: time(at),
        zone: (!zone.is_empty()).then(|| TimeZone::get(zone).unwrap()),
    }
}

#[test]
fn the_next_opening_is_found() {
    // Clocks in Berlin: forward on 2026-03-29 at 02:00, back on 2026-10-25 at 03:00.
    let table = [
        // At any time.
        ("", "", "2026-07-01T12:00[Europe/Berlin]", ""),
        // Inside, before, after, at the weekend: 2026-07-01 is a Wednesday.
        (
            "Mon-Fri 09:00-16:00",
            "",
            "2026-07-01T09:00[Europe/Berlin]",
            "",
        ),
        (
            "Mon-Fri 09:00-16:00",
            "",
            "2026-07-01T15:59:59[Europe/Berlin]",
            "",
        ),
        (
            "Mon-Fri 09:00-16:00",
            "",
            "2026-07-01T08:59:59[Europe/Berlin]",
            "2026-07-01T09:00+02:00",
        ),
        (
            "Mon-Fri 09:00-16:00",
            "",
            "2026-07-01T16:00[Europe/Berlin]",
            "2026-07-02T09:00+02:00",
        ),
        (
            "Mon-Fri 09:00-16:00",
            "",
            "2026-07-03T20:00[Europe/Berlin]",
            "2026-07-06T09:00+02:00",
        ),
        // Where people are does not matter, the window's place does.
        (
            "Mon-Fri 09:00-16:00",
            "",
            "2026-07-01T06:30[UTC]",
            "2026-07-01T09:00+02:00",
        ),
        ("Mon-Fri 09:00-16:00", "", "2026-07-01T07:30[UTC]", ""),
        // Over midnight: also on the day after the last one.
        ("Fri 22:00-04:00", "", "2026-07-04T03:59[Europe/Berlin]", ""),
        (
            "Fri 22:00-04:00",
            "",
            "2026-07-04T04:00[Europe/Berlin]",
            "2026-07-10T22:00+02:00",
        ),
        // A whole day.
        ("Sun 00:00-00:00", "", "2026-07-05T23:59[Europe/Berlin]", ""),
        (
            "Sun 00:00-00:00",
            "",
            "2026-07-06T00:00[Europe/Berlin]",
            "2026-07-12T00:00+02:00",
        ),
        // An hour that the day has not is an hour later; half of it may be none at all.
        (
            "Sun 02:15-04:00",
            "",
            "2026-03-29T00:00[Europe/Berlin]",
            "2026-03-29T03:15+02:00",
        ),
        (
            "Sun 02:30-03:00",
            "",
            "2026-03-29T00:00[Europe/Berlin]",
            "2026-04-05T02:30+02:00",
        ),
        // One that it has twice begins with the first.
        (
            "Sun 02:30-05:00",
            "",
            "2026-10-25T00:00[Europe/Berlin]",
            "2026-10-25T02:30+02:00",
        ),
        (
            "Sun 02:30-05:00",
            "",
            "2026-10-25T02:10+01:00[Europe/Berlin]",
            "",
        ),
        // A time of the day, which lasts its minute.
        (
            "",
            "02:00",
            "2026-07-01T01:00[Europe/Berlin]",
            "2026-07-01T02:00+02:00",
        ),
        ("", "02:00", "2026-07-01T02:00:59[Europe/Berlin]", ""),
        (
            "",
            "02:00",
            "2026-07-01T02:01[Europe/Berlin]",
            "2026-07-02T02:00+02:00",
        ),
        (
            "",
            "02:30",
            "2026-03-29T00:00[Europe/Berlin]",
            "2026-03-29T03:30+02:00",
        ),
        // Both.
        (
            "Mon-Fri 22:00-04:00",
            "02:00",
            "2026-07-03T12:00[Europe/Berlin]",
            "2026-07-04T02:00+02:00",
        ),
        (
            "Mon-Fri 22:00-04:00",
            "02:00",
            "2026-07-04T12:00[Europe/Berlin]",
            "2026-07-07T02:00+02:00",
        ),
        // Never, as far as anybody can see: no configuration says so.
        (
            "Mon 09:00-10:00",
            "12:00",
            "2026-07-01T12:00[Europe/Berlin]",
            "2026-07-02T12:00+02:00",
        ),
    ];
    for (window, at, now, next) in table {
        let found = schedule(window, at, "Europe/Berlin").next(&now.parse().unwrap());
        let found = found.map(|next| next.strftime("%Y-%m-%dT%H:%M%:z").to_string());
        assert_eq!(found.unwrap_or_default(), next, "{window} {at} at {now}");
    }
}

#[test]
fn a_schedule_reads_as_it_is_written() {
    for (window, at, zone, said) in [
        (
            "Mon-Fri 09:00-16:00",
            "",
            "Europe/Berlin",
            "deploy window Mon-Fri 09:00-16:00 Europe/Berlin",
        ),
        (
            "Sat,Sun,Tue 22:00-04:00",
            "",
            "",
            "deploy window Tue,Sat-Sun 22:00-04:00",
        ),
        ("", "02:00", "UTC", "deploy time 02:00 UTC"),
        (
            "Mon 01:00-04:00",
            "02:00",
            "",
            "deploy time 02:00 within Mon 01:00-04:00",
        ),
        ("", "", "", "at any time"),
    ] {
        assert_eq!(schedule(window, at, zone).to_string(), said);
    }
}

/// Whether it may begin at this moment, by the words of the documentation.
fn is_open(schedule: &Schedule, moment: &Zoned) -> bool {
    let window = schedule.window.as_ref().unwrap();
    let (day, time) = (moment.date(), moment.time());
    let (today, yesterday) = (day.weekday(), day.yesterday().unwrap().weekday());
    let has = |day| window.days.contains(&day);
    match window.from < window.to {
        true => has(today) && window.from <= time && time < window.to,
        false => (has(today) && window.from <= time) || (has(yesterday) && time < window.to),
    }
}

proptest! {
    #[test]
    fn the_answer_is_the_earliest_allowed_moment(
        days in 1_u8..128,
        (from, to) in (0_i8..24, 0_i8..24),
        minutes in 0_i64..(3 * 366 * 24 * 60),
        zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe")],
    ) {
        let days: Vec<Weekday> = DAYS.iter().map(|(_, day)| *day)
            .filter(|day| days & (1 << day.to_monday_zero_offset()) != 0).collect();
        let window = Window { days, from: Time::constant(from, 0, 0, 0), to: Time::constant(to, 0, 0, 0) };
        let schedule = Schedule { window: Some(window), at: None, zone: Some(TimeZone::get(zone).unwrap()) };
        let now: Zoned = format!("2025-01-01T00:00[{zone}]").parse().unwrap();
        let now = now.saturating_add(SignedDuration::from_mins(minutes));
        let next = schedule.next(&now);
        // Every quarter of an hour: clocks move by halves and wholes.
        let mut look = now.clone();
        let end = next.clone().unwrap_or_else(|| now.clone());
        // A day on which clocks move is judged by the table above.
        let moves = |at: &Zoned| at.start_of_day().unwrap().offset() != at.end_of_day().unwrap().offset();
        prop_assume!(![&now, &end].iter().any(|at| moves(at) || moves(&at.yesterday().unwrap())));
        prop_assert!(is_open(&schedule, &end), "{end} is not open");
        while look < end {
            prop_assert!(moves(&look) || !is_open(&schedule, &look), "{look} is open, before {end}");
            look = look.saturating_add(SignedDuration::from_mins(15));
        }
    }
}
