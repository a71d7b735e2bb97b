//! A host: what is durable, and what a death takes away.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::SmallRng;
use wharf_daemon::plan::deployment::{Deployment, Event, Outcome, Phase, Recovery};
use wharf_daemon::plan::limits::Status;
use wharf_daemon::plan::queue::{Queue, Superseded, Ticket};
use wharf_daemon::plan::recovery::{CANCEL, RESTART, decide, replay, resume};
use wharf_daemon::plan::retention::{Kept, releases_to_prune};
use wharf_daemon::plan::step::{Effect, Step};
use wharf_wire::outcome::{Kind, State};

use crate::CHECKED;
use crate::durable::{Activity, Commit, Durable, Made, Release};

/// What came of a history.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub deaths: u64,
    pub redone: u64,
    pub finished: u64,
    /// Activities that were not begun again because of what they may have changed.
    pub stayed: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub superseded: u64,
    pub rolled_back: u64,
    pub deleted: u64,
    /// Deletions after whose order the branch was pushed again.
    pub renewed: u64,
    /// Pushes whose check ended well, and that git then took.
    pub accepted: u64,
    /// Pushes that were refused by the result of their check.
    pub rejected: u64,
    /// Checks whose pusher was gone at their end.
    pub unanswered: u64,
    /// Pauses, and what came of them.
    pub paused: u64,
    pub resumed: u64,
    /// Environments that only kept their branch, pushes to them, and their return.
    pub deactivated: u64,
    pub kept: u64,
    pub activated: u64,
    /// Activations past the limit.
    pub full: u64,
    /// Deployments that were built and had to wait.
    pub parked: u64,
    pub approved: u64,
    /// How often visitors were kept away for an activity, and then let in by its switch, by its end,
    /// or by the next daemon.
    pub held: u64,
    pub lifted: [u64; 3],
    /// How often somebody switched maintenance.
    pub switched: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: Count) {
        self.deaths += other.deaths;
        self.redone += other.redone;
        self.finished += other.finished;
        self.stayed += other.stayed;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.superseded += other.superseded;
        self.rolled_back += other.rolled_back;
        self.deleted += other.deleted;
        self.renewed += other.renewed;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.unanswered += other.unanswered;
        self.paused += other.paused;
        self.resumed += other.resumed;
        self.deactivated += other.deactivated;
        self.kept += other.kept;
        self.activated += other.activated;
        self.full += other.full;
        self.parked += other.parked;
        self.approved += other.approved;
        self.held += other.held;
        self.switched += other.switched;
        for (sum, other) in self.lifted.iter_mut().zip(other.lifted) {
            *sum += other;
        }
    }
}

pub(crate) struct Host {
    pub(crate) durable: Durable,
    pub(crate) queue: Queue,
    running: BTreeMap<usize, Run>,
    stopped: BTreeSet<usize>,
    /// Who waits for a check, by its activity.
    pushers: BTreeMap<usize, Pusher>,
    parallel: usize,
    keep: usize,
    commits: Commit,
    pub count: Count,
}

/// Somebody whose push git holds until it is checked.
struct Pusher {
    /// Where the branch was; git does not move it from anywhere else.
    old: Option<Commit>,
    new: Commit,
}

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
    pub(crate) fn new(parallel: usize, keep: usize) -> Host {
        Host {
            durable: Durable::default(),
            queue: Queue::default(),
            running: BTreeMap::new(),
            stopped: BTreeSet::new(),
            pushers: BTreeMap::new(),
            parallel,
            keep,
            commits: 0,
            count: Count::default(),
        }
    }

    /// A push: the ref moves, and mostly the bell rings.
    pub(crate) fn push(&mut self, environment: usize, random: &mut SmallRng) {
        self.move_ref(environment, random);
        if random.random_range(0..8) > 0 {
            self.take_up_ref(environment, random);
        }
    }

    /// A push to a project that rejects: the ref moves if its check ends well, and only then.
    pub(crate) fn propose(&mut self, random: &mut SmallRng) {
        self.commits += 1;
        let (old, new) = (self.durable.refs.get(&CHECKED).copied(), self.commits);
        let check = self.durable.activities.len();
        self.pushers.insert(check, Pusher { old, new });
        self.order(CHECKED, Kind::Check, Some(new), None, random);
    }

    /// Somebody does not wait for a check any longer.
    pub(crate) fn hang_up(&mut self, random: &mut SmallRng) {
        let waiting: Vec<usize> = self.pushers.keys().copied().collect();
        if waiting.is_empty() {
            return;
        }
        let check = waiting[random.random_range(0..waiting.len())];
        self.pushers.remove(&check);
        self.stop(check);
    }

    /// git is told what came of a check.
    fn answer(&mut self, check: usize, end: State) {
        let Some(Pusher { old, new }) = self.pushers.remove(&check) else {
            self.count.unanswered += 1;
            return;
        };
        let tip = self.durable.refs.get(&CHECKED).copied();
        if end == State::Succeeded && tip == old {
            self.durable.refs.insert(CHECKED, new);
            self.count.accepted += 1;
        } else {
            self.count.rejected += 1;
        }
    }

    /// git moves a ref and nobody says so.
    pub(crate) fn move_ref(&mut self, environment: usize, random: &mut SmallRng) {
        self.commits += 1;
        // Now and then back to an older commit.
        let commit = if random.random_range(0..10) == 0 {
            random.random_range(1..=self.commits)
        } else {
            self.commits
        };
        self.durable.refs.insert(environment, commit);
    }

    /// The branch is deleted; the bell rings, or the next comparison sees it.
    pub(crate) fn delete(&mut self, environment: usize, random: &mut SmallRng) {
        self.durable.refs.remove(&environment);
        if random.random_range(0..8) > 0 {
            self.take_up_ref(environment, random);
        }
    }

    pub(crate) fn roll_back(&mut self, environment: usize, random: &mut SmallRng) {
        let Some(record) = self.durable.environments.get(&environment) else {
            return;
        };
        let Some(live) = record.live else { return };
        if record.status == Status::Inactive {
            return;
        }
        let choice: Vec<u32> = record.ready().into_iter().filter(|n| *n != live).collect();
        if choice.is_empty() {
            return;
        }
        let target = choice[random.random_range(0..choice.len())];
        self.order(environment, Kind::Rollback, None, Some(target), random);
    }

    /// Somebody wants an environment to be something else, where it may be.
    pub(crate) fn change(&mut self, environment: usize, kind: Kind, random: &mut SmallRng) {
        let Some(record) = self.durable.environments.get(&environment) else {
            return;
        };
        let (status, live, tip) = (record.status, record.live, record.tip);
        // Production is neither paused nor deactivated.
        let may = match kind {
            Kind::Pause => environment != 0 && status == Status::Active && live.is_some(),
            Kind::Resume => status == Status::Paused,
            Kind::Deactivate => environment != 0 && status.lives(),
            Kind::MaintenanceOn | Kind::MaintenanceOff => status.lives() && live.is_some(),
            _ => status == Status::Inactive && tip.is_some(),
        };
        if !may {
            return;
        }
        let (mut commit, mut target) = (None, None);
        match kind {
            Kind::Activate => {
                if !self.durable.has_room(environment) {
                    self.count.full += 1;
                    return;
                }
                // One transaction: the activity and the place that it takes.
                self.durable.environment(environment).status = Status::Active;
                commit = tip;
            }
            Kind::Resume => target = live,
            _ => {}
        }
        self.order(environment, kind, commit, target, random);
    }

    pub(crate) fn redeploy(&mut self, environment: usize, random: &mut SmallRng) {
        let record = self.durable.environments.get(&environment);
        let record = record.filter(|record| record.status.lives());
        if let Some(tip) = record.and_then(|record| record.tip) {
            self.order(environment, Kind::Redeploy, Some(tip), None, random);
        }
    }

    /// Compares refs with the record, as after an admission and at start.
    pub(crate) fn reconcile(&mut self, random: &mut SmallRng) {
        for environment in crate::ENVIRONMENTS {
            self.take_up_ref(environment, random);
        }
    }

    fn take_up_ref(&mut self, environment: usize, random: &mut SmallRng) {
        let tip = self.durable.refs.get(&environment).copied();
        let known = self.durable.environments.get(&environment);
        if known.and_then(|known| known.tip) == tip {
            return;
        }
        let kind = if tip.is_some() {
            Kind::Push
        } else {
            Kind::Delete
        };
        // One transaction: the activity, the tip that it takes up, and whether it lives.
        let status = match tip {
            Some(_) => self.durable.decide(environment),
            None => match known.map(|known| known.status) {
                Some(Status::Active) | None => Status::Deleting,
                Some(other) => other,
            },
        };
        let record = self.durable.environment(environment);
        record.tip = tip;
        record.status = status;
        self.order(environment, kind, tip, None, random);
    }

    fn order(
        &mut self,
        environment: usize,
        kind: Kind,
        commit: Option<Commit>,
        release: Option<u32>,
        random: &mut SmallRng,
    ) {
        self.durable.activities.push(Activity {
            environment,
            kind,
            commit,
            state: State::Waiting,
            rows: Vec::new(),
            release,
            leave: None,
            repeatable: random.random_range(0..3) == 0,
            ran: BTreeMap::new(),
        });
        self.enqueue(self.durable.activities.len() - 1);
    }

    pub(crate) fn ticket(&self, index: usize) -> Ticket {
        let activity = &self.durable.activities[index];
        Ticket {
            activity: index.to_string(),
            number: index as u64,
            project: format!("p{}", activity.environment % 2),
            environment: activity.environment.to_string(),
            production: activity.environment == 0,
            kind: activity.kind,
            begun: activity.state == State::Running,
        }
    }

    fn enqueue(&mut self, index: usize) {
        for Superseded { old, .. } in self.queue.add(self.ticket(index)) {
            self.superseded(&old);
        }
    }

    pub(crate) fn superseded(&mut self, old: &Ticket) {
        let old: usize = old.activity.parse().unwrap();
        let activity = &self.durable.activities[old];
        let state = replay(activity.kind, &activity.rows()).unwrap();
        self.conclude(old, &state, State::Superseded);
    }

    /// Somebody cancels an activity that has not ended.
    pub(crate) fn cancel(&mut self, random: &mut SmallRng) {
        let open: Vec<usize> = (0..self.durable.activities.len())
            .filter(|&index| !self.durable.activities[index].state.is_end())
            .collect();
        if open.is_empty() {
            return;
        }
        self.stop(open[random.random_range(0..open.len())]);
    }

    fn stop(&mut self, index: usize) {
        let id = index.to_string();
        if self.queue.unpark(&id).is_some() || self.queue.withdraw(&id).is_some() {
            let activity = &self.durable.activities[index];
            let state = replay(activity.kind, &activity.rows()).unwrap();
            return self.conclude(index, &state, State::Cancelled);
        }
        let asked = (CANCEL.to_owned(), Some("asked"));
        self.durable.activities[index].rows.push(asked);
        match self.running.get_mut(&index) {
            Some(run) => run.cancel = true,
            // The last daemon had begun it, and it waits for its turn.
            None => drop(self.stopped.insert(index)),
        }
    }

    /// The daemon is killed and the next one starts.
    pub(crate) fn die(&mut self) {
        self.count.deaths += 1;
        self.queue = Queue::default();
        self.running.clear();
        self.stopped.clear();
        // Every hook was on the line: git is told that nobody answers.
        self.pushers.clear();
        // Before anything else begins, visitors are let in.
        self.count.lifted[2] += self.durable.held.len() as u64;
        self.durable.held.clear();
        for (environment, record) in &mut self.durable.environments {
            // What the table says is what serves, also where the record did not get that far.
            if let Some(&live) = self.durable.table.get(environment)
                && record.live != Some(live)
            {
                record.release(live).made = Made::Ready;
                record.live = Some(live);
            }
            if record.status.lives() {
                record.status = match self.durable.suspended.contains(environment) {
                    true => Status::Paused,
                    false => Status::Active,
                };
            }
            // What should not run ends; what should is started again.
            match record.status == Status::Paused || record.live.is_none() {
                true => drop(self.durable.processes.remove(environment)),
                false => drop(self.durable.processes.insert(*environment)),
            }
        }
        for index in 0..self.durable.activities.len() {
            let activity = &self.durable.activities[index];
            match activity.kind {
                _ if activity.state.is_end() => {}
                Kind::Check => self.abandon(index),
                _ if activity.is_parked() => self.find_parked(index),
                _ => self.enqueue(index),
            }
        }
    }

    /// A check that nobody waits for any more is not begun again.
    fn abandon(&mut self, index: usize) {
        let activity = &mut self.durable.activities[index];
        let state = replay(activity.kind, &activity.rows()).unwrap();
        assert_eq!(decide(&state, self.durable.found(index)), Recovery::Cancel);
        self.conclude(index, &state, State::Cancelled);
    }

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

    fn begin(&mut self) {
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

    fn go_on(&mut self, index: usize, random: &mut SmallRng) {
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
    fn conclude(&mut self, index: usize, state: &Deployment, end: State) {
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

    /// What holds at every moment.
    pub(crate) fn holds(&self) {
        for (environment, number) in &self.durable.table {
            let record = &self.durable.environments[environment];
            let release = &record.releases[*number as usize - 1];
            assert!(
                matches!(release.made, Made::Ready),
                "r{number} serves and is {:?}",
                release.made
            );
        }
        let living = self.durable.environments.iter();
        let living = living.filter(|(id, one)| **id != 0 && one.status.counts());
        assert!(living.count() <= crate::PLACES, "more live than may");
        for (environment, record) in &self.durable.environments {
            if record.status == Status::Inactive {
                assert!(
                    !self.durable.table.contains_key(environment),
                    "inactive and routed"
                );
            }
            if record.status == Status::Active && record.live.is_some() {
                assert!(
                    !self.durable.suspended.contains(environment),
                    "active and suspended"
                );
            }
        }
        for (environment, index) in &self.durable.held {
            let run = self.running.get(index).expect("visitors wait for nobody");
            assert!(!run.state.is_committed(), "it serves, and visitors wait");
            let activity = &self.durable.activities[*index];
            assert_eq!(activity.environment, *environment);
        }
        for activity in &self.durable.activities {
            for (step, times) in &activity.ran {
                let again = activity.repeatable && !step.is_late();
                assert!(*times == 1 || again, "{step} ran {times} times");
            }
        }
        for record in self.durable.environments.values() {
            // Whatever served may serve again, as far back as is kept.
            let served = record.releases.iter().filter(|release| {
                let made = release.made;
                made == Made::Ready || made == Made::Pruned
            });
            let expected = served.count().min(self.keep);
            assert!(record.ready().len() >= expected, "nothing to go back to");
        }
    }

    /// Nothing more happens from outside: everything that was begun comes to its end.
    pub(crate) fn come_to_rest(&mut self, random: &mut SmallRng) {
        self.reconcile(random);
        for _ in 0..100_000 {
            self.begin();
            let Some(&index) = self.running.keys().next() else {
                // The last check may have let a ref move whose bell nobody heard.
                self.reconcile(random);
                self.let_all_go_on();
                match self.queue.counts() {
                    (0, 0) => break,
                    _ => continue,
                }
            };
            self.go_on(index, random);
            self.holds();
        }
        assert_eq!(self.queue.counts(), (0, 0), "something waits for ever");
        assert!(self.pushers.is_empty(), "somebody waits for ever");
        assert!(self.durable.held.is_empty(), "visitors wait for ever");
        for activity in &self.durable.activities {
            assert!(activity.state.is_end(), "{activity:?} never ended");
            assert!(activity.rows.iter().all(|(_, result)| result.is_some()));
        }
        for environment in crate::ENVIRONMENTS {
            self.tip_is_answered_for(environment);
        }
    }

    /// The branch's tip is live, or the record says why not.
    fn tip_is_answered_for(&self, environment: usize) {
        let tip = self.durable.refs.get(&environment).copied();
        let known = self.durable.environments.get(&environment);
        assert_eq!(known.and_then(|known| known.tip), tip, "a tip was missed");
        let Some(tip) = tip else { return };
        if environment == CHECKED {
            let mut checks = self.durable.activities.iter();
            let passed = checks.any(|check| {
                let (kind, state) = (check.kind, check.state);
                kind == Kind::Check && state == State::Succeeded && check.commit == Some(tip)
            });
            assert!(passed, "{tip} was taken and is not checked");
        }
        let last = self
            .durable
            .activities
            .iter()
            .rfind(|a| a.environment == environment && a.kind == Kind::Push)
            .expect("a tip has its push");
        assert_eq!(last.commit, Some(tip), "the last push is of another commit");
        assert_ne!(last.state, State::Superseded, "by whom?");
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
        Kind::Check => &["checkout", "build 1", "patch 1", "build 2", "freeze"],
        Kind::MaintenanceOn | Kind::MaintenanceOff => &["maintenance"],
        Kind::Info | Kind::Approve | Kind::Variable | Kind::Run | Kind::Import => &[],
    };
    names.iter().map(|name| name.parse().unwrap()).collect()
}
