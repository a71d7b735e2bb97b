//! The activities that are being done: step by step, to their recorded end.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use wharf_daemon::plan::deployment::{Deployment, Event, Outcome, Phase, Recovery};
use wharf_daemon::plan::limits::Status;
use wharf_daemon::plan::recovery::{RESTART, resume};
use wharf_daemon::plan::retention::{Kept, releases_to_prune};
use wharf_daemon::plan::step::{Effect, Step};
use wharf_wire::outcome::{Kind, State};

use super::Host;
use crate::CHECKED;
use crate::durable::{Made, Release};

/// An activity that is being done.
pub(crate) struct Run {
    pub(crate) state: Deployment,
    /// What is left to do, the next one last.
    left: Vec<Step>,
    at: At,
    pub(crate) cancel: bool,
    /// A rollback to what is not there any more.
    refused: bool,
}

/// How far the step that is being done came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    Started,
    Done(Outcome),
}

impl Host {
    /// Something that runs gets a little further, or something begins.
    pub(crate) fn work(&mut self, random: &mut SmallRng) {
        let running: Vec<usize> = self.running.keys().copied().collect();
        if running.is_empty() || random.random_range(0..4) == 0 {
            self.begin();
        }
        if running.is_empty() {
            return;
        }
        let index = running[random.random_range(0..running.len())];
        self.go_on(index, random);
    }

    pub(super) fn begin(&mut self) {
        let Some(ticket) = self.queue.start_next(self.parallel) else {
            return;
        };
        let index: usize = ticket.activity.parse().unwrap();
        let found = self.durable.found(index);
        let activity = &mut self.durable.activities[index];
        let environment = activity.environment;
        assert!(
            self.running
                .keys()
                .all(|other| self.durable.activities[*other].environment != environment),
            "two at a time in one environment"
        );
        let activity = &mut self.durable.activities[index];
        assert!(!activity.state.is_end(), "an end is an end");
        activity.state = State::Running;
        let (mut state, decided) = resume(activity.kind, &activity.rows(), found).unwrap();
        if let Some(recovery) = decided {
            for (_, result) in &mut activity.rows {
                result.get_or_insert(Outcome::Interrupted.word());
            }
            activity
                .rows
                .push((RESTART.to_owned(), Some(recovery.word())));
            match recovery {
                Recovery::Redo => self.count.redone += 1,
                Recovery::Finish => self.count.finished += 1,
                Recovery::Fail | Recovery::Cancel => self.count.stayed += 1,
            }
        }
        if matches!(state.phase(), Phase::Waiting | Phase::Parked) {
            if let Some(half) = activity.release.filter(|_| makes(activity.kind)) {
                let record = self.durable.environments.get_mut(&environment).unwrap();
                record.release(half).made = Made::Failed;
            }
            state = state.apply(&Event::Began).unwrap();
        }
        let kind = self.durable.activities[index].kind;
        let record = self.durable.environments.get(&environment);
        let status = record.map_or(Status::Deleting, |record| record.status);
        let mut left = match (kind, status) {
            (Kind::Push, Status::Inactive) | (Kind::Resume, Status::Active) => vec![Step::Keep],
            _ => program(kind),
        };
        // What another one made of it meanwhile leaves nothing to do it to.
        let live = record.and_then(|record| record.live);
        let pointless = match kind {
            Kind::Redeploy | Kind::Rollback | Kind::Activate => status == Status::Inactive,
            Kind::Resume => !status.lives(),
            Kind::Pause => !status.lives() || live.is_none(),
            Kind::MaintenanceOn | Kind::MaintenanceOff => live.is_none(),
            _ => false,
        };
        if kind == Kind::Resume && status == Status::Paused && state.phase() == Phase::Working {
            self.durable.activities[index].release = live;
        }
        if state.phase() == Phase::Committed {
            let begun = state.late_commands();
            left.retain(|step| matches!(step, Step::After(number) if *number > begun));
        }
        left.reverse();
        let activity = &self.durable.activities[index];
        let target = activity.release.filter(|_| kind == Kind::Rollback);
        let record = self.durable.environments.get(&environment);
        let gone = target.is_some_and(|n| record.is_none_or(|record| !record.ready().contains(&n)));
        let run = Run {
            refused: (gone || pointless) && state.phase() == Phase::Working,
            state,
            left,
            at: At::Before,
            cancel: self.stopped.remove(&index),
        };
        self.running.insert(index, run);
    }

    pub(super) fn go_on(&mut self, index: usize, random: &mut SmallRng) {
        let mut run = self.running.remove(&index).expect("it runs");
        let next = run.left.last().filter(|_| run.at == At::Before);
        if run.state.phase() == Phase::Working
            && let Some(step) = next
            && self.has_to_wait(index, &run, step)
        {
            return self.park(index, &run);
        }
        let ended = match (run.state.phase(), run.left.last().cloned()) {
            _ if run.refused => Some(State::Failed),
            (Phase::Broken, _) if run.state.is_stopped() => Some(State::Cancelled),
            (Phase::Broken, _) => Some(State::Failed),
            (_, None) => Some(State::Succeeded),
            (_, Some(step)) => self.step(index, &mut run, step, random),
        };
        match ended {
            Some(state) => {
                self.conclude(index, &run.state, state);
                self.queue.finish(&index.to_string());
                // The bell of a push that was accepted, mostly.
                if self.durable.activities[index].kind == Kind::Check
                    && random.random_range(0..8) > 0
                {
                    self.take_up_ref(CHECKED, random);
                }
            }
            None => {
                self.running.insert(index, run);
            }
        }
    }

    /// One of the moments of a step: it is recorded, it has its effect, its end is recorded.
    fn step(
        &mut self,
        index: usize,
        run: &mut Run,
        step: Step,
        random: &mut SmallRng,
    ) -> Option<State> {
        match run.at {
            At::Before => {
                if run.cancel && !step.is_finishing() {
                    if run.state.is_committed() {
                        // Late commands are skipped.
                        run.left.clear();
                        return None;
                    }
                    return Some(State::Cancelled);
                }
                run.state = run.state.apply(&Event::StepStarted(step.clone())).unwrap();
                let rows = &mut self.durable.activities[index].rows;
                rows.push((step.to_string(), None));
                run.at = At::Started;
            }
            At::Started => {
                let fails = !step.is_finishing()
                    && !matches!(step, Step::Unroute | Step::Suspend | Step::Keep)
                    && random.random_range(0..40) == 0;
                let outcome = match fails {
                    true if run.cancel => Outcome::Cancelled,
                    true => Outcome::Failed,
                    false => Outcome::Succeeded,
                };
                // A command that fails may have done its work all the same.
                let may_have = matches!(step.effect(), Effect::Once | Effect::Again);
                if !fails || may_have || step == Step::Maintenance {
                    self.effect(index, &step);
                }
                run.at = At::Done(outcome);
            }
            At::Done(outcome) => {
                run.state = run.state.apply(&Event::StepEnded(outcome)).unwrap();
                self.durable.activities[index].close_step(outcome.word());
                run.at = At::Before;
                run.left.pop();
            }
        }
        None
    }

    fn effect(&mut self, index: usize, step: &Step) {
        if *step == Step::Release {
            self.is_let_go(index);
        }
        let activity = &mut self.durable.activities[index];
        let (environment, kind) = (activity.environment, activity.kind);
        let record = self.durable.environments.get_mut(&environment);
        match step {
            Step::Release => {
                let record = record.expect("a push made it");
                record.releases.push(Release { made: Made::Making });
                activity.release = Some(u32::try_from(record.releases.len()).unwrap());
            }
            Step::Maintenance => match kind {
                Kind::MaintenanceOn => drop(self.durable.switched.insert(environment)),
                Kind::MaintenanceOff => drop(self.durable.switched.remove(&environment)),
                _ if self.durable.visitors_meet(environment) => {
                    self.durable.held.insert(environment, index);
                    self.count.held += 1;
                }
                _ => {}
            },
            Step::Command(_) | Step::After(_) => {
                *activity.ran.entry(step.clone()).or_default() += 1;
            }
            Step::Route => {
                let number = activity.release.expect("made or given");
                let record = record.expect("a push made it");
                self.durable.table.insert(environment, number);
                // The same rename.
                let held = self.durable.held.remove(&environment);
                self.count.lifted[0] += u64::from(held.is_some());
                record.release(number).made = Made::Ready;
                record.live = Some(number);
                if record.status == Status::Paused {
                    record.status = Status::Active;
                }
                self.durable.suspended.remove(&environment);
                self.durable.processes.insert(environment);
            }
            Step::Suspend => {
                self.durable.suspended.insert(environment);
                record.expect("it is paused").status = Status::Paused;
            }
            Step::Unroute => {
                self.durable.table.remove(&environment);
                self.durable.suspended.remove(&environment);
            }
            Step::Stop => {
                self.durable.processes.remove(&environment);
            }
            Step::PutAside if kind == Kind::Deactivate => self.durable.rest(environment),
            Step::PutAside => self.durable.forget(environment),
            _ => {}
        }
    }

    /// Records an end, which must be the truth.
    pub(super) fn conclude(&mut self, index: usize, state: &Deployment, end: State) {
        state.apply(&Event::Ended(end)).unwrap();
        let held = self.durable.held.len();
        assert!(
            end != State::Succeeded || !self.durable.held.values().any(|held| *held == index),
            "it is live, and keeps visitors away"
        );
        self.durable.held.retain(|_, held| *held != index);
        self.count.lifted[1] += (held - self.durable.held.len()) as u64;
        let activity = &mut self.durable.activities[index];
        activity.state = end;
        let environment = activity.environment;
        let serves = self.durable.table.get(&environment).copied();
        if activity.kind == Kind::Check {
            assert!(activity.release.is_none() && activity.ran.is_empty());
            for (_, result) in &mut activity.rows {
                result.get_or_insert(Outcome::Interrupted.word());
            }
            return self.answer(index, end);
        }
        match (end, activity.kind) {
            (State::Succeeded, Kind::Delete) => {
                assert_eq!(serves, None, "deleted and still there");
                self.count.deleted += 1;
                let renewed = self.durable.environments.contains_key(&environment);
                self.count.renewed += u64::from(renewed);
            }
            (State::Succeeded, Kind::Deactivate) => {
                assert_eq!(serves, None, "deactivated and still there");
                self.count.deactivated += 1;
            }
            (State::Succeeded, Kind::Pause) => {
                assert!(self.durable.suspended.contains(&environment), "not paused");
                assert!(!self.durable.processes.contains(&environment), "it runs on");
                self.count.paused += 1;
            }
            (State::Succeeded, Kind::Push) if activity.kept() => {
                assert_eq!(serves, None, "inactive and served");
                self.count.kept += 1;
            }
            (State::Succeeded, Kind::Resume) if activity.kept() => {}
            (State::Succeeded, Kind::MaintenanceOn | Kind::MaintenanceOff) => {
                let on = self.durable.switched.contains(&environment);
                assert_eq!(on, activity.kind == Kind::MaintenanceOn);
                self.count.switched += 1;
            }
            (State::Succeeded, kind) => {
                assert_eq!(serves, activity.release, "live and not served");
                self.count.succeeded += 1;
                self.count.rolled_back += u64::from(kind == Kind::Rollback);
                self.count.resumed += u64::from(kind == Kind::Resume);
                self.count.activated += u64::from(kind == Kind::Activate);
                assert!(
                    self.durable.processes.contains(&environment),
                    "it does not run"
                );
                self.prune(environment);
            }
            (State::Superseded, _) => self.count.superseded += 1,
            (end, _) => {
                let own = activity.release.filter(|_| makes(activity.kind));
                assert!(own.is_none() || serves != own, "{end:?} and it serves");
                if end == State::Failed {
                    self.count.failed += 1;
                } else {
                    self.count.cancelled += 1;
                }
                if let Some(own) = own {
                    self.durable.environment(environment).release(own).made = Made::Failed;
                }
            }
        }
    }

    fn prune(&mut self, environment: usize) {
        let record = self.durable.environments.get_mut(&environment).unwrap();
        let kept: Vec<Kept> = (1..)
            .zip(&record.releases)
            .map(|(number, release)| Kept {
                number,
                ready: release.made == Made::Ready,
                held: record.live == Some(number),
            })
            .collect();
        for number in releases_to_prune(&kept, self.keep) {
            record.release(number).made = Made::Pruned;
        }
    }
}

/// Whether its release is one that it makes; else it was there.
fn makes(kind: Kind) -> bool {
    !matches!(kind, Kind::Rollback | Kind::Resume)
}

/// The steps of an activity where all goes well.
fn program(kind: Kind) -> Vec<Step> {
    let names: &[&str] = match kind {
        Kind::Push
        | Kind::Branch
        | Kind::Merge
        | Kind::Promote
        | Kind::Sync
        | Kind::Redeploy
        | Kind::Activate => &[
            "checkout",
            "patch",
            "build 1",
            "build assets 1",
            "freeze",
            "release",
            "probe install",
            "probe maintenance",
            "maintenance",
            "assets 1",
            "install 1",
            "deploy 1",
            "deploy 2",
            "seed 1",
            "start",
            "health",
            "start worker mail",
            "check 1",
            "route",
            "after 1",
            "after 2",
        ],
        Kind::Rollback | Kind::Resume => &["start", "health", "start worker mail", "route"],
        Kind::Pause => &["suspend", "stop"],
        Kind::Delete | Kind::Deactivate => &["unroute", "stop", "put aside"],
        Kind::Seed => &["seed 1", "seed 2"],
        Kind::Check => &["checkout", "build 1", "patch 1", "build 2", "freeze"],
        Kind::MaintenanceOn | Kind::MaintenanceOff => &["maintenance"],
        Kind::Snapshot => &["snapshot", "verify"],
        Kind::Restore | Kind::SyncData | Kind::DatabaseImport | Kind::Reset => &[
            "fetch",
            "swap",
            "start",
            "health",
            "start worker mail",
            "route",
        ],
        Kind::SnapshotTest => &["fetch"],
        Kind::SnapshotDelete => &["forget"],
        Kind::Info
        | Kind::Approve
        | Kind::Variable
        | Kind::Run
        | Kind::Cron
        | Kind::Import
        | Kind::Upload
        | Kind::Download => &[],
    };
    names.iter().map(|name| name.parse().unwrap()).collect()
}
