//! Deployments that are built and wait: for somebody's approval in one environment, for a window in
//! another.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use wharf_daemon::plan::deployment::Event;
use wharf_daemon::plan::queue::Superseded;
use wharf_daemon::plan::recovery::{CANCEL, PARKED};
use wharf_daemon::plan::step::Step;
use wharf_wire::outcome::{Kind, State};

use crate::durable::Activity;
use crate::host::Host;
use crate::host::work::Run;

/// The environment whose deployments somebody approves.
const APPROVED: usize = 1;
/// The environment that has a window.
const WINDOW: usize = 2;

impl Activity {
    /// As the record says it: it waits, and nobody has let it go on or stopped it.
    pub(crate) fn is_parked(&self) -> bool {
        let stopped = self.rows.iter().any(|(name, _)| name == CANCEL);
        self.state == State::Waiting && self.leave == Some(false) && !stopped
    }
}

impl Host {
    /// Whether a step is one that has to wait.
    pub(crate) fn has_to_wait(&self, index: usize, run: &Run, step: &Step) -> bool {
        let activity = &self.durable.activities[index];
        *step == Step::Release
            && activity.kind != Kind::Rollback
            && [APPROVED, WINDOW].contains(&activity.environment)
            && activity.leave != Some(true)
            && !run.state.is_touched()
            && !run.cancel
    }

    /// It is recorded that it waits; it gives its turn to others.
    pub(crate) fn park(&mut self, index: usize, run: &Run) {
        run.state.apply(&Event::Parked).unwrap();
        let ticket = self.ticket(index);
        let activity = &mut self.durable.activities[index];
        activity.rows.push((PARKED.to_owned(), Some("approval")));
        (activity.state, activity.leave) = (State::Waiting, Some(false));
        self.count.parked += 1;
        let superseded = self.queue.park(ticket, self.due(index));
        self.supersede(superseded);
    }

    /// The same as the next daemon finds it.
    pub(crate) fn find_parked(&mut self, index: usize) {
        let (ticket, due) = (self.ticket(index), self.due(index));
        let superseded = self.queue.park(ticket, due);
        self.supersede(superseded);
    }

    fn due(&self, index: usize) -> Option<u64> {
        let activity = &self.durable.activities[index];
        (activity.environment == WINDOW).then_some(index as u64)
    }

    fn supersede(&mut self, superseded: Option<Superseded>) {
        if let Some(Superseded { old, .. }) = superseded {
            self.superseded(&old);
        }
    }

    /// Somebody approves; the daemon may die before it acts on it.
    pub(crate) fn approve(&mut self, random: &mut SmallRng) {
        let parked: Vec<usize> = self.parked(APPROVED);
        let Some(&index) = parked.first() else { return };
        self.durable.activities[index].leave = Some(true);
        self.count.approved += 1;
        match random.random_range(0..4) {
            0 => self.die(),
            _ => self.go_on_with(index),
        }
    }

    /// Time goes by, and some windows open.
    pub(crate) fn let_time_pass(&mut self, until: u64) {
        for due in self.queue.due(until) {
            let index: usize = due.parse().unwrap();
            self.durable.activities[index].leave = Some(true);
            self.go_on_with(index);
        }
        assert!(self.queue.next_due().is_none_or(|due| due > until));
    }

    /// Everything that waits may go on.
    pub(crate) fn let_all_go_on(&mut self) {
        self.let_time_pass(u64::MAX);
        for index in self.parked(APPROVED) {
            self.durable.activities[index].leave = Some(true);
            self.go_on_with(index);
        }
    }

    fn parked(&self, environment: usize) -> Vec<usize> {
        let parked = self.queue.parked().map(|ticket| &ticket.activity);
        let parked = parked.map(|id| id.parse::<usize>().unwrap());
        parked
            .filter(|index| self.durable.activities[*index].environment == environment)
            .collect()
    }

    fn go_on_with(&mut self, index: usize) {
        let ticket = self.queue.unpark(&index.to_string()).unwrap();
        for Superseded { old, .. } in self.queue.add(ticket) {
            self.superseded(&old);
        }
    }

    /// What must hold when a release is made.
    pub(crate) fn is_let_go(&self, index: usize) {
        let activity = &self.durable.activities[index];
        let waits = [APPROVED, WINDOW].contains(&activity.environment);
        let touched = activity.ran.keys().any(|step| !step.is_late());
        assert!(
            !waits || activity.leave == Some(true) || touched,
            "{activity:?} goes live and nobody let it"
        );
    }
}
