//! A host: what is durable, and what a death takes away.

mod truth;
pub(crate) mod work;

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand::rngs::SmallRng;
use wharf_daemon::plan::deployment::Recovery;
use wharf_daemon::plan::limits::Status;
use wharf_daemon::plan::queue::{Queue, Superseded, Ticket};
use wharf_daemon::plan::recovery::{CANCEL, decide, replay};
use wharf_wire::outcome::{Kind, State};

use crate::CHECKED;
use crate::count::Count;
use crate::durable::{Activity, Commit, Durable, Made};
use work::Run;

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
}
