//! Whoever is killed at whatever moment, in whatever somebody does: nothing is lost.
//!
//! `WHARF_SEED` repeats the choices of a run, as well as timing allows; `WHARF_CRASH_RUNS` asks for
//! more than `make test` has time for.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use wharf_tests::World;

use crate::operation::{Operation, Stage, world};
use crate::table::keep;
use crate::victim::Victim;

/// Kills in `make test`.
const RUNS: usize = 300;
/// Worlds side by side.
const SHARDS: usize = 2;
/// After so many that went wrong, enough is known.
const ENOUGH: usize = 3;

/// Everything that somebody may do.
const OPERATIONS: [Operation; 6] = [
    Operation::Push,
    Operation::RepeatablePush,
    Operation::TwoPushes,
    Operation::OtherPush,
    Operation::Rollback,
    Operation::Delete,
];
/// Everybody who may be killed; the daemon most often.
const VICTIMS: [Victim; 11] = [
    Victim::Daemon,
    Victim::Daemon,
    Victim::Daemon,
    Victim::Daemon,
    Victim::Both,
    Victim::Both,
    Victim::Both,
    Victim::Router,
    Victim::Keeper,
    Victim::Sandbox,
    Victim::Inside,
];

#[test]
fn random_deaths_lose_nothing() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed: u64 = number("WHARF_SEED").unwrap_or_else(|| clock().as_secs());
    let runs = number("WHARF_CRASH_RUNS").map_or(RUNS, |runs| usize::try_from(runs).unwrap());
    let wrong = Mutex::new(Vec::new());
    let done: Vec<(String, usize)> = thread::scope(|scope| {
        let shards = (0..SHARDS).map(|shard| {
            let wrong = &wrong;
            scope.spawn(move || {
                let mut chosen = fastrand::Rng::with_seed(seed.wrapping_add(shard as u64));
                work(&mut chosen, (runs + shard) / SHARDS, wrong)
            })
        });
        let shards: Vec<_> = shards.collect();
        let done = shards.into_iter().flat_map(|shard| shard.join().unwrap());
        done.collect()
    });
    let mut counts: Vec<(String, usize)> = Vec::new();
    for (what, count) in done {
        match counts.iter_mut().find(|(other, _)| *other == what) {
            Some((_, sum)) => *sum += count,
            None => counts.push((what, count)),
        }
    }
    counts.sort();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let mut text = format!("{total} random deaths, WHARF_SEED={seed}\n");
    for (what, count) in counts {
        writeln!(text, "{count:5}  {what}").unwrap();
    }
    for problem in wrong.into_inner().unwrap() {
        writeln!(text, "\nWRONG: {problem}").unwrap();
    }
    keep("crash-random", &text);
    assert!(!text.contains("WRONG"), "{text}");
    assert_eq!(total, runs);
}

/// Does so many runs in a world; returns how often which victim died in what.
fn work(
    chosen: &mut fastrand::Rng,
    runs: usize,
    wrong: &Mutex<Vec<String>>,
) -> Vec<(String, usize)> {
    let mut counts = Vec::new();
    let mut left = runs;
    while left > 0 {
        let world = world("");
        let mut stage = Stage::set(&world);
        let typical = typical(&mut stage);
        while left > 0 {
            left -= 1;
            let operation = *chosen.choice(OPERATIONS.iter()).unwrap();
            let victim = *chosen.choice(VICTIMS.iter()).unwrap();
            let after = typical.mul_f64(chosen.f64() * 1.3);
            let what = format!("{} in a {}", victim.name(), operation.name());
            counts.push((what.clone(), 1));
            let problems = stage.perform_at(operation, victim, after, chosen);
            if problems.is_empty() {
                continue;
            }
            let problem = format!(
                "{what}, {after:?} after its beginning\n{}\n{}",
                problems.join("\n"),
                last_lines(&world)
            );
            let mut wrong = wrong.lock().unwrap();
            wrong.push(problem);
            if wrong.len() >= ENOUGH {
                return counts;
            }
            break;
        }
    }
    counts
}

/// How long a push takes here and now.
fn typical(stage: &mut Stage<'_>) -> Duration {
    let began = Instant::now();
    stage.push();
    began.elapsed()
}

/// What the daemon said last.
fn last_lines(world: &World) -> String {
    let log = fs::read_to_string(world.path("wharfd.log")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
