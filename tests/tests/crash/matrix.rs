//! The crash matrix: whoever is killed after whichever recorded step, nothing is lost.
//!
//! The rows are the points that an activity passes, found by letting one run: a new step is a new row.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex};
use std::thread;

use wharf_tests::is_within;

use crate::operation::{Fault, Operation, Stage};
use crate::table::Table;
use crate::victim::Victim;

/// Worlds side by side. A machine is one world.
fn shards() -> usize {
    if is_within() { 1 } else { 2 }
}
/// In a machine, where all takes longer, every so-manieth row, unless `WHARF_CRASH_ALL` asks for all.
pub(crate) const EVERY: usize = 6;
/// After so many rows that are wrong, enough is known.
const ENOUGH: usize = 8;

/// What a push cannot leave out.
pub(crate) const PUSH: [&str; 20] = [
    "admission: judged",
    "record activities: before",
    "record activities: after",
    "record beginning: before",
    "step build checkout: started",
    "step build patch: started",
    "step build build 1: started",
    "step build freeze: started",
    "record slug: before",
    "step deploy release: started",
    "record release: before",
    "step deploy deploy 1: started",
    "step deploy deploy 1: ended",
    "step deploy start: started",
    "step deploy health: started",
    "step deploy route: started",
    "record live: before",
    "step post_deploy after 1: started",
    "record end: after",
    "retire: starting",
];
/// What a push cannot leave out that keeps visitors away.
pub(crate) const FULL: [&str; 10] = [
    "step deploy probe install: started",
    "step deploy probe maintenance: started",
    "step deploy maintenance: started",
    "step deploy maintenance: ended",
    "step deploy assets 1: started",
    "step deploy deploy 1: started",
    "step deploy check 1: started",
    "step deploy route: started",
    "record live: before",
    "retire: starting",
];
/// The same where it installs the application.
const INSTALLING: [&str; 6] = [
    "step deploy maintenance: started",
    "step deploy install 1: started",
    "step deploy install 2: ended",
    "step deploy check 1: started",
    "step deploy route: started",
    "retire: starting",
];
/// What the check of a push cannot leave out.
const CHECK: [&str; 9] = [
    "record activities: before",
    "record activities: after",
    "record beginning: before",
    "step build checkout: started",
    "step build patch: started",
    "step build build 1: started",
    "step build freeze: started",
    "record slug: before",
    "record end: after",
];
/// What a rollback cannot leave out.
pub(crate) const ROLLBACK: [&str; 6] = [
    "record activities: before",
    "step deploy start: started",
    "step deploy health: started",
    "step deploy route: started",
    "record end: after",
    "retire: starting",
];
/// What a merge cannot leave out, beside what a push has.
const MERGE: [&str; 12] = [
    "move: judged",
    "move: kept",
    "move: announced",
    "move: done",
    "sync repository: before",
    "record activities: before",
    "record activities: after",
    "move: recorded",
    "move: ended",
    "step deploy route: started",
    "record end: after",
    "retire: starting",
];
/// What the deletion of a branch cannot leave out.
pub(crate) const DELETE: [&str; 7] = [
    "admission: judged",
    "record activities: before",
    "step deploy unroute: started",
    "step deploy stop: started",
    "step deploy put aside: started",
    "record no environment: before",
    "record end: after",
];
/// What a pause cannot leave out.
const PAUSE: [&str; 6] = [
    "record activities: before",
    "record beginning: before",
    "step deploy suspend: started",
    "record status: before",
    "step deploy stop: started",
    "record end: after",
];
/// What comes after a pause cannot leave out.
const RESUME: [&str; 6] = [
    "record activities: before",
    "step deploy start: started",
    "step deploy health: started",
    "step deploy route: started",
    "record live: before",
    "record end: after",
];
/// What a push that waits for an approval cannot leave out.
const PARK: [&str; 8] = [
    "admission: judged",
    "record activities: before",
    "record activities: after",
    "record beginning: before",
    "step build build 1: started",
    "record slug: before",
    "record parking: before",
    "record parking: after",
];
/// What its approval cannot leave out.
const APPROVE: [&str; 8] = [
    "record going on: before",
    "record going on: after",
    "record beginning: before",
    "step deploy release: started",
    "step deploy deploy 1: started",
    "step deploy route: started",
    "record end: after",
    "retire: starting",
];
/// What a deactivation cannot leave out.
const DEACTIVATE: [&str; 6] = [
    "record activities: before",
    "step deploy unroute: started",
    "step deploy stop: started",
    "step deploy put aside: started",
    "record inactive environment: before",
    "record end: after",
];

#[test]
fn a_push_survives_every_death() {
    matrix(Operation::Push, &PUSH);
}

#[test]
fn a_push_whose_commands_may_run_twice_survives_every_death() {
    matrix(Operation::RepeatablePush, &PUSH);
}

#[test]
fn a_push_that_keeps_visitors_away_survives_every_death() {
    matrix(Operation::FullPush, &FULL);
}

#[test]
fn a_push_that_installs_survives_every_death() {
    matrix(Operation::InstallingPush, &INSTALLING);
}

#[test]
fn a_checked_push_survives_every_death() {
    matrix(Operation::CheckedPush, &CHECK);
}

#[test]
fn a_rollback_survives_every_death() {
    matrix(Operation::Rollback, &ROLLBACK);
}

#[test]
fn a_merge_survives_every_death() {
    matrix(Operation::Merge, &MERGE);
}

#[test]
fn a_push_that_waits_for_an_approval_survives_every_death() {
    matrix(Operation::Park, &PARK);
}

#[test]
fn an_approval_survives_every_death() {
    matrix(Operation::Approve, &APPROVE);
}

#[test]
fn the_deletion_of_a_branch_survives_every_death() {
    matrix(Operation::Delete, &DELETE);
}

#[test]
fn a_pause_survives_every_death() {
    matrix(Operation::Pause, &PAUSE);
}

#[test]
fn a_resume_survives_every_death() {
    matrix(Operation::Resume, &RESUME);
}

#[test]
fn a_deactivation_survives_every_death() {
    matrix(Operation::Deactivate, &DEACTIVATE);
}

/// Matrices at a time: other tests wait for much, and more of them run than there are processors; these keep two
/// busy each.
const AT_A_TIME: usize = 2;
/// Those that have begun.
static BEGUN: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// One of those at a time; dropped, the next may begin.
struct Turn;

impl Turn {
    fn wait() -> Turn {
        let is_full = |begun: &mut usize| *begun >= AT_A_TIME;
        let mut begun = ENDED.wait_while(BEGUN.lock().unwrap(), is_full).unwrap();
        *begun += 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *BEGUN.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

/// Kills somebody at every point that the operation passes; see [`victims`].
pub(crate) fn matrix(operation: Operation, expected: &[&str]) {
    let _turn = Turn::wait();
    let points = {
        let world = operation.world();
        trace(&mut Stage::set_for(&world, operation), operation, expected)
    };
    let rows = points.iter().enumerate().flat_map(|(row, point)| {
        let fault = |victim: Victim| Fault {
            point: point.clone(),
            victim,
            may_fail: operation.may_fail(&points, row, victim),
            may_be_refused: operation.may_be_refused(point, victim),
        };
        let faults: Vec<_> = victims(row).into_iter().map(fault).collect();
        faults.into_iter().map(move |fault| (row, fault))
    });
    let due: VecDeque<(usize, Fault)> = rows.collect();
    let names = points.iter().map(Point::name).collect();
    let table = Mutex::new(Table::new(operation.name(), names, due.len()));
    let due = Mutex::new(due);
    thread::scope(|scope| {
        for _ in 0..shards() {
            scope.spawn(|| while work(operation, &due, &table) {});
        }
    });
    table.into_inner().unwrap().end();
}

/// Who is killed at a point: the daemon at each; the router, and both, at every other one by turns, unless
/// `WHARF_CRASH_ALL` asks for all.
fn victims(row: usize) -> Vec<Victim> {
    let [daemon, router, both] = Victim::matrix();
    if std::env::var_os("WHARF_CRASH_ALL").is_some() {
        return vec![daemon, router, both];
    }
    if is_within() {
        // Each in turn, and over the rows all of them.
        let turn = (row / EVERY) % 3;
        return match row.is_multiple_of(EVERY) {
            true => vec![Victim::matrix()[turn]],
            false => Vec::new(),
        };
    }
    match row % 4 {
        0 => vec![daemon, router],
        2 => vec![daemon, both],
        _ => vec![daemon],
    }
}

/// Works in a world of its own as long as all is well there; false when nothing is left to do.
fn work(operation: Operation, due: &Mutex<VecDeque<(usize, Fault)>>, table: &Mutex<Table>) -> bool {
    let world = operation.world();
    let mut stage = Stage::set_for(&world, operation);
    loop {
        let Some((row, fault)) = due.lock().unwrap().pop_front() else {
            return false;
        };
        let result = stage.perform(operation, &fault);
        let is_wrong = result.is_err();
        let mut table = table.lock().unwrap();
        table.set(row, fault.victim, result);
        if table.wrong() >= ENOUGH {
            return false;
        }
        if is_wrong {
            // What is left of it may not disturb the next row.
            return true;
        }
    }
}

/// What recording a push passes.
const RECORDING: [&str; 4] = [
    "sync repository: before",
    "sync repository: after",
    "record activities: before",
    "record activities: after",
];

/// A point that was passed: the name, and the how many-th time it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) point: String,
    pub(crate) time: usize,
}

impl Point {
    fn name(&self) -> String {
        match self.time {
            1 => self.point.clone(),
            time => format!("{} ({time})", self.point),
        }
    }
}

/// The points that the operation passes where nobody is killed.
fn trace(stage: &mut Stage<'_>, operation: Operation, expected: &[&str]) -> Vec<Point> {
    let passed = stage.trace(operation);
    for point in expected {
        assert!(
            passed.iter().any(|one| one == point),
            "{} passes no `{point}`:\n{}",
            operation.name(),
            passed.join("\n")
        );
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    // What follows on a check is a push as any other.
    let record = "record activities: before";
    let mut of_check = 0;
    let passed = passed.into_iter().take_while(|point| {
        of_check += usize::from(operation == Operation::CheckedPush && point == record);
        of_check < 2
    });
    let points = passed.map(|point| {
        let time = times.entry(point.clone()).or_default();
        *time += 1;
        Point { point, time: *time }
    });
    // A daemon that looks at the repository while the push is recorded records it, too, and finds it known:
    // whether it does is chance.
    let by_chance = |point: &Point| point.time > 1 && RECORDING.contains(&point.point.as_str());
    points.filter(|point| !by_chance(point)).collect()
}
