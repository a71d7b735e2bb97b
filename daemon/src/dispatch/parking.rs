//! Activities that are built and wait before they go live: parked, and let go on by somebody's word,
//! by time, or by a change of what people wrote. What lets them go on gives them another turn; in it
//! the policy of that moment decides again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wharf_config::name::ProjectName;
use wharf_wire::outcome::State;
use wharf_wire::view::Reason;

use super::{Dispatch, Event, answer};
use crate::execute::failure::chain;
use crate::plan::parking::Word;
use crate::plan::queue::Ticket;
use crate::settings::Settings;
use crate::store::now;

/// Between two looks at the clock while something is due: it may be set forward meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Waits until something may be due; for good where nothing is.
pub(super) async fn wait_for(due: Option<u64>) {
    match due {
        Some(due) => {
            let left = Duration::from_millis(due.saturating_sub(now()));
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
        None => std::future::pending().await,
    }
}

impl Dispatch {
    /// Takes an activity out of its turn.
    pub(super) fn park(&mut self, ticket: Ticket, due: Option<u64>) {
        let id = ticket.activity.clone();
        self.running.remove(&id);
        if let Some(superseded) = self.queue.park(ticket, due) {
            self.supersede(&superseded.old, &superseded.by);
        }
        // Somebody stopped it when nothing of it ran any more.
        if let Some(by) = self.stopping.remove(&id)
            && let Some(ticket) = self.queue.unpark(&id)
        {
            self.end_parked(&ticket, &by);
        }
        for (word, reply) in self.early.remove(&id).unwrap_or_default() {
            self.approve(id.clone(), word, reply);
        }
        self.mend_later_ones();
        self.start_what_may();
    }

    /// Ends an activity that is built and that nobody wants to go live.
    pub(super) fn end_parked(&mut self, ticket: &Ticket, by: &str) {
        let reason = Reason {
            code: "cancelled".into(),
            message: format!("cancelled by {by} before it went live"),
            hint: None,
        };
        self.end_unbegun(ticket, State::Cancelled, reason);
    }

    /// Records somebody's word for a parked activity; it goes on afterwards.
    pub(super) fn approve(&mut self, activity: String, word: Word, reply: oneshot::Sender<bool>) {
        if self.running.contains_key(&activity) {
            // Whoever reads that it waits may be quicker than its turn's end.
            self.early.entry(activity).or_default().push((word, reply));
            return;
        }
        if !self.queue.is_parked(&activity) {
            return answer(reply, false);
        }
        let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
        self.tasks.spawn(async move {
            let said = match &word {
                Word::Approved { by, now: false } => format!("approved by {by}"),
                Word::Approved { by, now: true } => format!("approved by {by}, to go live now"),
                Word::Now { by } => format!("{by} lets it go live without waiting for its window"),
            };
            match world.recorder.unpark(&activity, word).await {
                Ok(()) => {
                    world.logs.open(&activity).note(said);
                    desk.send(Event::Approved { activity, reply }).await;
                }
                Err(error) => {
                    tracing::error!(WHARF_ACTIVITY = activity, error = chain(&error), "approve");
                    answer(reply, false);
                }
            }
        });
    }

    /// Lets a parked activity have its turn again; false where it is not parked any more.
    pub(super) fn unpark(&mut self, activity: &str) -> bool {
        let Some(ticket) = self.queue.unpark(activity) else {
            return false;
        };
        self.enqueue(Vec::new(), vec![ticket], None);
        true
    }

    pub(super) fn unpark_what_is_due(&mut self) {
        for activity in self.queue.due(now()) {
            self.unpark(&activity);
        }
    }

    /// Lets the policy of now decide, where it may be another one.
    pub(super) fn unpark_what_changed(&mut self, before: &Settings, now: &Settings) {
        let changed = |ticket: &&Ticket| match ProjectName::parse(&ticket.project) {
            Ok(name) => before.projects.get(&name) != now.projects.get(&name),
            Err(_) => false,
        };
        let changed: Vec<String> = self
            .queue
            .parked()
            .filter(changed)
            .map(|ticket| ticket.activity.clone())
            .collect();
        for activity in changed {
            self.unpark(&activity);
        }
    }
}
