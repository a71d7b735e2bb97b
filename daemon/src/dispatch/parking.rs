//! Activities that are built and wait before they go live: parked, and let go on by somebody's word,
//! by time, or by a change of what people wrote. What lets them go on gives them another turn; in it
//! the policy of that moment decides again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wharf_config::name::ProjectName;
use wharf_wire::outcome::State;
use wharf_wire::view::Reason;

use super::close::close;
use super::orders::{blank_ticket, opened};
use super::{Desk, Dispatch, Event, answer};
use crate::execute::World;
use crate::execute::conclude::was_done;
use crate::execute::failure::chain;
use crate::plan::queue::Ticket;
use crate::settings::Settings;
use crate::store::activity::Approval;
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

/// Says of somebody's word what is recorded of it: in its own log, and to the operator.
async fn say_word(
    world: &World,
    desk: &Desk,
    approval: &Approval,
    (id, live): (String, Option<u32>),
) {
    let Approval { activity, word, by } = approval;
    let log = world.logs.open(&id);
    log.event(opened(by)(id.clone()));
    log.note(format!("{}: {activity}", word.said()));
    let ticket = Ticket {
        activity: id,
        ..blank_ticket(by)
    };
    let reason = Some(word.reason(activity));
    let end = was_done(ticket.kind, &ticket.environment, live, reason);
    close(world, desk, &ticket, end).await;
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
        for (approval, reply) in self.early.remove(&id).unwrap_or_default() {
            self.approve(approval, reply);
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

    /// Records somebody's word for a parked activity, which is an activity itself and ends with that;
    /// the other goes on afterwards.
    pub(super) fn approve(&mut self, approval: Box<Approval>, reply: oneshot::Sender<bool>) {
        if self.running.contains_key(&approval.activity) {
            // Whoever reads that it waits may be quicker than its turn's end.
            let early = self.early.entry(approval.activity.clone());
            early.or_default().push((approval, reply));
            return;
        }
        if !self.queue.is_parked(&approval.activity) {
            return answer(reply, false);
        }
        let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
        self.tasks.spawn(async move {
            let activity = approval.activity.clone();
            match world
                .recorder
                .approve((*approval).clone(), &world.paths)
                .await
            {
                Ok(Some(recorded)) => {
                    world.logs.open(&activity).note(approval.word.said());
                    desk.send(Event::Approved { activity, reply }).await;
                    say_word(&world, &desk, &approval, recorded).await;
                }
                Ok(None) => answer(reply, false),
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
