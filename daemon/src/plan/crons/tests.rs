use std::time::Duration;

use proptest::prelude::*;
use wharf_config::application::CronSchedule;
use wharf_config::application::Overlap::{Allow, Queue, Skip};

use super::*;

const FREE: Stand = Stand {
    running: 0,
    held: false,
};
const BUSY: Stand = Stand {
    running: 1,
    held: false,
};
const HELD: Stand = Stand {
    running: 0,
    held: true,
};
/// 2026-11-22 13:00:00 UTC.
const NOON: u64 = 1_795_352_400_000;
const MINUTE: u64 = 60_000;

fn cron(schedule: &str, overlap: Overlap, jitter: u64) -> Cron {
    let text = format!(r#"{{"schedule":"{schedule}","run":"true"}}"#);
    Cron {
        overlap,
        jitter: Duration::from_millis(jitter),
        ..serde_json::from_str(&text).unwrap()
    }
}

fn live(key: &'static str, cron: Cron) -> Live<&'static str> {
    Live {
        key,
        crons: [(name("sweep"), cron)].into(),
        zone: TimeZone::UTC,
    }
}

fn name(text: &str) -> ProcessName {
    ProcessName::parse(text).unwrap()
}

fn book(overlap: Overlap) -> Book<&'static str> {
    let mut book = Book::default();
    book.follow(vec![live("main", cron("* * * * *", overlap, 0))], NOON);
    book
}

fn taken(book: &mut Book<&'static str>, now: u64, stand: Stand) -> Vec<Decision> {
    let taken = book.take(now, |_, _| stand);
    taken.into_iter().map(|(_, _, decision)| decision).collect()
}

#[test]
fn what_is_due_begins_once() {
    let mut book = book(Skip);
    assert_eq!(book.earliest(), Some(NOON + MINUTE));
    assert_eq!(taken(&mut book, NOON + MINUTE - 1, FREE), []);
    assert_eq!(taken(&mut book, NOON + MINUTE, FREE), [Decision::Begin]);
    assert_eq!(taken(&mut book, NOON + MINUTE, FREE), []);
    assert_eq!(book.earliest(), Some(NOON + 2 * MINUTE));
}

#[test]
fn a_run_that_goes_on_counts_as_the_policy_says() {
    let at = NOON + MINUTE;
    for (overlap, stand, decision) in [
        (Skip, BUSY, Decision::Skip(Why::Runs)),
        (Skip, HELD, Decision::Skip(Why::Held)),
        (Allow, BUSY, Decision::Begin),
        (Allow, HELD, Decision::Skip(Why::Held)),
    ] {
        let mut book = book(overlap);
        assert_eq!(taken(&mut book, at, stand), [decision], "{overlap:?}");
        assert_eq!(taken(&mut book, at + 1, FREE), []);
    }
    // One waits, however often it was due, until nothing goes on and nobody holds it.
    let mut book = book(Queue);
    for (now, stand) in [(at, BUSY), (at + MINUTE, BUSY), (at + MINUTE + 1, HELD)] {
        assert_eq!(taken(&mut book, now, stand), []);
    }
    let later = at + MINUTE + 2;
    assert_eq!(taken(&mut book, later, FREE), [Decision::Begin]);
    assert_eq!(taken(&mut book, later + 1, FREE), []);
}

#[test]
fn what_was_missed_is_not_made_up_for() {
    let mut book = book(Skip);
    let hours = NOON + 180 * MINUTE + 5;
    // The host slept: of 180 turns the last is a moment old, the first is what was waited for.
    assert_eq!(taken(&mut book, hours, FREE), [Decision::Skip(Why::Late)]);
    assert_eq!(book.earliest(), Some(NOON + 181 * MINUTE));
    // A clock that is set back does not make it wait until that time comes again.
    assert_eq!(taken(&mut book, NOON, FREE), []);
    assert_eq!(book.earliest(), Some(NOON + MINUTE));
}

#[test]
fn what_does_not_change_keeps_its_time_and_its_place() {
    let mut book = book(Queue);
    let at = NOON + MINUTE;
    assert_eq!(taken(&mut book, at, BUSY), []);
    book.follow(vec![live("main", cron("* * * * *", Queue, 0))], at + 500);
    assert_eq!(taken(&mut book, at + 600, FREE), [Decision::Begin]);
    // Another schedule is another cron, and what is gone is not due.
    book.follow(vec![live("main", cron("0 * * * *", Queue, 0))], at + 700);
    assert_eq!(book.earliest(), Some(NOON + 60 * MINUTE));
    book.follow(Vec::new(), at + 800);
    assert_eq!(book.earliest(), None);
}

#[test]
fn times_are_counted_where_the_project_says() {
    let mut daily = live("main", cron("0 3 * * *", Skip, 0));
    daily.zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut book = Book::default();
    book.follow(vec![daily], NOON);
    assert_eq!(book.earliest(), Some(NOON + 13 * 60 * MINUTE));
}

#[test]
fn a_fleet_does_not_begin_at_one_moment() {
    let sweep = cron("0 * * * *", Skip, 30_000);
    let offsets: std::collections::BTreeSet<u64> = (0..100)
        .map(|at| offset(&sweep, &format!("shop@b{at}"), &name("sweep")))
        .collect();
    assert!(offsets.len() > 90 && offsets.iter().all(|offset| *offset < 30_000));
    assert!(offsets.first() < Some(&3_000) && offsets.last() > Some(&27_000));
}

proptest! {
    #[test]
    fn the_next_time_is_later_and_none_is_left_out(
        schedule in prop::sample::select(vec![
            "* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "*/15 * * * * *", "0 0 29 2 *",
        ]),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
        now in 1_700_000_000_000_u64..1_900_000_000_000,
        jitter in 0_u64..3_600_000,
        offset in 0_u64..3_600_000,
    ) {
        let cron = cron(schedule, Skip, jitter);
        let zone = TimeZone::get(zone).unwrap();
        let offset = offset.checked_rem(jitter).unwrap_or(0);
        let due = next(&cron, offset, &zone, now).unwrap();
        prop_assert!(due > now);
        // It is one of the schedule's own times, so long ago.
        let own = CronSchedule::parse(schedule).unwrap();
        let time = |at: u64| Timestamp::from_millisecond(at as i64).unwrap().to_zoned(zone.clone());
        let before = own.after(&time(due - offset - 1)).unwrap();
        prop_assert_eq!(before.timestamp().as_millisecond() as u64, due - offset);
        // Asked at any moment in between, the answer is the same.
        prop_assert_eq!(next(&cron, offset, &zone, due - 1), Some(due));
    }
}
