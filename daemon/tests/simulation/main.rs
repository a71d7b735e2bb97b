//! The pure parts of the daemon together, over many seeds: pushes, checked pushes, rollbacks, cancels,
//! failing steps, lost bells and deaths at every moment, in any order. Nothing here is real but the decisions: the
//! queue, the states of an activity, recovery and retention are the daemon's own.
//!
//! Budget: a minute for 10,000 seeds. `WHARF_SEEDS=1000000` runs more, `WHARF_SEED=17` one of them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod count;
mod durable;
mod host;
mod parking;

use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng};

use count::Count;
use host::Host;
use wharf_wire::outcome::Kind;

const ENVIRONMENTS: Range<usize> = 0..5;
/// The one whose project rejects a push that cannot be built.
const CHECKED: usize = 4;
/// So many of them may live, production with them.
const PLACES: usize = 4;
/// What happens in one history, before everything comes to rest.
const EVENTS: Range<usize> = 20..120;

/// Lives through one history. Every assertion names the seed by the thread's last words.
fn history(seed: u64) -> Count {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut host = Host::new(random.random_range(1..=3), random.random_range(2..=4));
    for _ in 0..random.random_range(EVENTS) {
        let environment = random.random_range(ENVIRONMENTS);
        match random.random_range(0..100) {
            0..12 if environment == CHECKED => host.propose(&mut random),
            12..14 if environment == CHECKED => host.hang_up(&mut random),
            0..12 => host.push(environment, &mut random),
            12..14 => host.move_ref(environment, &mut random),
            14..17 => host.delete(environment, &mut random),
            17..21 => host.roll_back(environment, &mut random),
            21..23 => host.redeploy(environment, &mut random),
            23..26 => host.cancel(&mut random),
            26..29 => host.die(),
            29..31 => host.reconcile(&mut random),
            31..34 => host.change(environment, Kind::Pause, &mut random),
            34..37 => host.change(environment, Kind::Resume, &mut random),
            37..39 => host.change(environment, Kind::Deactivate, &mut random),
            39..42 => host.change(environment, Kind::Activate, &mut random),
            42..44 => host.approve(&mut random),
            46..48 => host.change(environment, Kind::MaintenanceOn, &mut random),
            48..50 => host.change(environment, Kind::MaintenanceOff, &mut random),
            44..46 => host.let_time_pass(random.random_range(0..200)),
            _ => {
                for _ in 0..random.random_range(1..30) {
                    host.work(&mut random);
                }
            }
        }
        host.holds();
    }
    host.come_to_rest(&mut random);
    host.count
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn every_history_comes_to_a_good_end() {
    if let Some(seed) = number("WHARF_SEED") {
        println!("{:?}", history(seed));
        return;
    }
    let seeds = number("WHARF_SEEDS").unwrap_or(10_000);
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let mut count = Count::default();
    std::thread::scope(|scope| {
        let work: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || {
                    let mut count = Count::default();
                    for seed in (worker..seeds).step_by(workers as usize) {
                        let lived = std::panic::catch_unwind(|| history(seed));
                        count.add(lived.unwrap_or_else(|_| panic!("again: WHARF_SEED={seed}")));
                    }
                    count
                })
            })
            .collect();
        for worker in work {
            count.add(worker.join().unwrap());
        }
    });
    println!("{seeds} seeds: {count:?}");
    // A simulation in which nothing happens proves nothing.
    assert!(count.deaths > seeds && count.redone > 0 && count.finished > 0 && count.stayed > 0);
    assert!(count.succeeded > seeds && count.failed > 0 && count.superseded > 0);
    assert!(count.paused > 0 && count.resumed > 0 && count.deactivated > 0);
    assert!(count.kept > 0 && count.activated > 0 && count.full > 0);
    assert!(count.accepted > 0 && count.rejected > 0 && count.unanswered > 0);
    assert!(count.held > seeds / 2 && count.switched > 0);
    assert!(count.lifted.iter().all(|lifted| *lifted > 0), "each way");
    assert!(count.parked > seeds && count.approved > 0);
    assert!(count.cancelled > 0 && count.rolled_back > 0 && count.deleted > 0 && count.renewed > 0);
}
