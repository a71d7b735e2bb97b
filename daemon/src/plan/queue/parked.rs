//! Activities that are built and wait before they go live. They have no turn and hold nobody up; a
//! newer push supersedes them as it does those that wait for their turn, and redeploys as well: whoever lets
//! one go on has seen what it was built from.

use super::{Parked, Queue, Superseded, Ticket};

impl Queue {
    /// Takes an activity out of its turn until it may go on; it is superseded at once where a newer
    /// one came while it was built.
    pub fn park(&mut self, ticket: Ticket, due: Option<u64>) -> Option<Superseded> {
        self.finish(&ticket.activity);
        let ticket = Ticket {
            begun: false,
            ..ticket
        };
        if let Some(newer) = self.all().find(|other| other.supersedes_parked(&ticket)) {
            let by = newer.activity.clone();
            return Some(Superseded { old: ticket, by });
        }
        self.parked.push(Parked { ticket, due });
        None
    }

    /// Takes a parked activity out, to be added again; none when it is not parked.
    pub fn unpark(&mut self, activity: &str) -> Option<Ticket> {
        let mut parked = self.parked.iter();
        let index = parked.position(|parked| parked.ticket.activity == activity)?;
        Some(self.parked.remove(index).ticket)
    }

    /// Whether it is built and waits before it goes live.
    pub fn is_parked(&self, activity: &str) -> bool {
        self.parked().any(|ticket| ticket.activity == activity)
    }

    /// When the first of them may go on by itself.
    pub fn next_due(&self) -> Option<u64> {
        self.parked.iter().filter_map(|parked| parked.due).min()
    }

    /// Those whose time has come.
    pub fn due(&self, now: u64) -> Vec<String> {
        let due = |parked: &&Parked| parked.due.is_some_and(|due| due <= now);
        let due = self.parked.iter().filter(due);
        due.map(|parked| parked.ticket.activity.clone()).collect()
    }

    /// All of them.
    pub fn parked(&self) -> impl Iterator<Item = &Ticket> {
        self.parked.iter().map(|parked| &parked.ticket)
    }

    /// Those that do not run, whether for want of a turn or of leave.
    pub(super) fn idle(&self) -> impl Iterator<Item = &Ticket> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.ticket);
        waiting.chain(self.parked())
    }

    pub(super) fn supersede_parked(&mut self, ticket: &Ticket) -> Vec<Ticket> {
        let parked = std::mem::take(&mut self.parked);
        let (superseded, parked) = parked
            .into_iter()
            .partition(|other| ticket.supersedes_parked(&other.ticket));
        self.parked = parked;
        superseded.into_iter().map(|old| old.ticket).collect()
    }
}
