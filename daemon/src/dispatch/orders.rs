//! From an order to its end: record, queue, start, cancel.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wharf_config::name::ProjectName;
use wharf_wire::Refusal;
use wharf_wire::event::Event as LogEvent;
use wharf_wire::outcome::{Exit, Kind, State};
use wharf_wire::view::Reason;

use super::close::close;
use super::fleet::Member;
use super::mend::Mend;
use super::{Desk, Dispatch, Event, answer, imported, variables};
use crate::execute::conclude::{never_began, was_done};
use crate::execute::failure::chain;
use crate::execute::{World, collect, housekeeping, perform};
use crate::journal::{self, Facts, Message};
use crate::plan::limits::Full;
use crate::plan::queue::{Superseded, Ticket};
use crate::store::StoreError;
use crate::store::activity::{Ending, NewActivity};
use crate::store::environment::{self, EnvironmentKey};
use crate::store::insist::insist;
use crate::store::known::Opened;
use crate::store::process::ProcessRecord;
use crate::store::status::Limits;

impl Dispatch {
    /// Records activities durably; the queue hears of them only then.
    pub(super) fn record(
        &mut self,
        activities: Vec<NewActivity>,
        reply: oneshot::Sender<Result<Vec<String>, Refusal>>,
    ) {
        let blanks: Vec<_> = activities.iter().map(blank_ticket).collect();
        let opened: Vec<_> = activities.iter().map(opened).collect();
        let facts: Vec<Facts> = activities.iter().map(Facts::of_new).collect();
        let mut notes: Vec<_> = activities.iter().map(described).collect();
        // Handed to the store here, so that two orders are recorded in the order they came.
        let limits = limits(&self.world, &activities);
        let recorder = &self.world.recorder;
        let recording = recorder.open(activities, limits, &self.world.paths);
        let (desk, world) = (self.desk.clone(), Arc::clone(&self.world));
        let (told, after) = oneshot::channel::<()>();
        let before = self.recording.replace(after);
        self.tasks.spawn(async move {
            let recording = recording.await;
            if let Some(before) = before {
                // The queue hears of orders as they were recorded, and what is known already may be
                // the last order's: whoever follows its log before it is open finds nothing alive.
                // The sender says nothing, it only goes.
                drop(before.await);
            }
            match recording {
                Ok(recorded) => {
                    let (mut ids, mut tickets, mut no_room) = (Vec::new(), Vec::new(), None);
                    let drafts = blanks.into_iter().zip(opened).zip(facts).enumerate();
                    for (recorded, (index, ((mut ticket, event), facts))) in
                        recorded.into_iter().zip(drafts)
                    {
                        match recorded {
                            Opened::New(id, number) => {
                                world.logs.open(&id).event(event(id.clone()));
                                ticket.activity.clone_from(&id);
                                ticket.number = number;
                                say_queued(&ticket, facts);
                                tickets.push(ticket);
                                ids.push(id);
                            }
                            Opened::Known(id) => ids.push(id),
                            Opened::Overtaken(id, by) => {
                                world.logs.open(&id).event(event(id.clone()));
                                ticket.activity.clone_from(&id);
                                say_queued(&ticket, facts);
                                ids.push(id);
                                let Ending { state, reason, .. } = Ending::overtaken(&by);
                                let reason = reason.expect("the way it ended has one");
                                let end = never_began(&ticket.environment, None, state, reason);
                                close(&world, &desk, &ticket, end).await;
                            }
                            Opened::Done(id, live) => {
                                let log = world.logs.open(&id);
                                log.event(event(id.clone()));
                                let notes = std::mem::take(&mut notes[index]);
                                notes.into_iter().for_each(|note| log.note(note));
                                ticket.activity.clone_from(&id);
                                ids.push(id);
                                let end = was_done(ticket.kind, &ticket.environment, live, None);
                                close(&world, &desk, &ticket, end).await;
                            }
                            Opened::Nothing => {}
                            Opened::NoRoom(full) => no_room = Some(refused(&full)),
                            Opened::TooMuch(too_much) => {
                                no_room = Some(variables::too_much(&too_much));
                            }
                        }
                    }
                    if let Some(refusal) = no_room {
                        return answer(reply, Err(refusal));
                    }
                    desk.send(Event::Recorded {
                        ids,
                        tickets,
                        reply: Some(reply),
                    })
                    .await;
                    drop(told);
                }
                Err(error) => {
                    let (code, message) = match &error {
                        StoreError::Fault(fault) => {
                            (fault.code(), "cannot record: the record is damaged".into())
                        }
                        other => ("host", format!("cannot record: {}", chain(other))),
                    };
                    let refusal = Refusal {
                        code: code.into(),
                        message,
                        hint: Some("this is the host's trouble: tell its operator".into()),
                        exit: Exit::Failed,
                    };
                    answer(reply, Err(refusal));
                }
            }
        });
    }

    /// Takes recorded activities into the queue.
    pub(super) fn enqueue(
        &mut self,
        ids: Vec<String>,
        tickets: Vec<Ticket>,
        reply: Option<oneshot::Sender<Result<Vec<String>, Refusal>>>,
    ) {
        for ticket in tickets {
            for Superseded { old, by } in self.queue.add(ticket) {
                self.supersede(&old, &by);
            }
        }
        if let Some(reply) = reply {
            answer(reply, Ok(ids));
        }
        self.start_what_may();
    }

    pub(super) fn start_what_may(&mut self) {
        let parallel = self.world.settings().host.parallel.max(1) as usize;
        while let Some(ticket) = self.queue.start_next(parallel) {
            let stopped = self.stopped.remove(&ticket.activity);
            let cancel = stopped.unwrap_or_default();
            self.running.insert(ticket.activity.clone(), cancel.clone());
            let (world, desk) = (Arc::clone(&self.world), self.desk.clone());
            self.tasks
                .spawn(async move { carry_out(world, desk, ticket, cancel).await });
        }
    }

    /// Stops an activity that waits or runs; answers false when it does neither.
    pub(super) fn cancel(&mut self, activity: String, by: &str, reply: oneshot::Sender<bool>) {
        if let Some(ticket) = self.queue.unpark(&activity) {
            self.end_parked(&ticket, by);
            return answer(reply, true);
        }
        if let Some(ticket) = self.queue.withdraw(&activity) {
            let reason = Reason {
                code: "cancelled".into(),
                message: format!("cancelled by {by} before it began"),
                hint: None,
            };
            self.end_unbegun(&ticket, State::Cancelled, reason);
            return answer(reply, true);
        }
        let cancel = match self.running.get(&activity) {
            Some(cancel) => cancel.clone(),
            // The last daemon had begun it, and it waits for its turn.
            None if self.queue.place(&activity).is_some() => {
                self.stopped.entry(activity.clone()).or_default().clone()
            }
            None => return answer(reply, self.stop_beside(&activity, by)),
        };
        self.stopping.insert(activity.clone(), by.to_owned());
        let world = Arc::clone(&self.world);
        self.tasks.spawn(async move {
            // Recorded, so that it stays stopped when this daemon ends before the activity does.
            if let Err(error) = world.recorder.stopping(&activity).await {
                tracing::error!(WHARF_ACTIVITY = activity, error = chain(&error), "cancel");
            }
            cancel.cancel();
            answer(reply, true);
        });
    }

    /// Stops a command that runs beside, which is in no queue; false where none of that name runs.
    fn stop_beside(&self, activity: &str, by: &str) -> bool {
        let reason = Reason {
            code: "cancelled".into(),
            message: format!("cancelled by {by}"),
            hint: None,
        };
        self.world.hands.stop(activity, &reason) || self.world.crons.stop(activity, &reason)
    }

    pub(super) fn supersede(&mut self, old: &Ticket, by: &str) {
        let reason = Reason {
            code: "superseded".into(),
            message: format!("superseded by {by} before it went live"),
            hint: Some(format!("follow the newer one: wharf log {by} -f")),
        };
        self.end_unbegun(old, State::Superseded, reason);
    }

    /// Ends what nobody waits for: a check, or what somebody did by hand, which died with the last
    /// daemon.
    pub(super) fn abandon(&mut self, ticket: &Ticket) {
        let (code, message, hint) = match ticket.kind {
            Kind::Run => (
                "run-interrupted",
                "Wharf was stopped while it ran, and it was ended",
                "see what it did, then run it again",
            ),
            Kind::Cron => (
                "run-interrupted",
                "Wharf was stopped while it ran, and it was ended",
                "it runs again when it is due, or with: wharf crons run NAME",
            ),
            Kind::Upload => (
                "upload-interrupted",
                "Wharf was stopped while files came, and each is whole: the old one or the new one",
                "upload them again",
            ),
            Kind::Download => (
                "download-interrupted",
                "Wharf was stopped while files were taken",
                "download them again",
            ),
            _ => (
                "abandoned",
                "Wharf was restarted, and the push was answered without this check",
                "push again, if the branch did not move",
            ),
        };
        let reason = Reason {
            code: code.into(),
            message: message.into(),
            hint: Some(hint.into()),
        };
        self.end_unbegun(ticket, State::Cancelled, reason);
    }

    pub(super) fn end_unbegun(&mut self, ticket: &Ticket, state: State, reason: Reason) {
        // What serves is not known here; the activity's record says it, read when it is closed.
        let conclusion = never_began(&ticket.environment, None, state, reason);
        self.conclude(ticket, conclusion);
    }
}

/// Says to the operator what is recorded now, and who wanted it.
fn say_queued(ticket: &Ticket, facts: Facts) {
    let facts = Facts {
        activity: Some(ticket.activity.clone()),
        ..facts
    };
    let by = facts.actor.as_ref().map_or("", |actor| actor.name.as_str());
    let (kind, to) = (ticket.kind.word(), &ticket.environment);
    journal::say(
        Message::Queued,
        &facts,
        format_args!("queued: {kind} of {to} by {by}"),
    );
}

/// The limits of the projects that an order is about.
fn limits(world: &World, activities: &[NewActivity]) -> Limits {
    let settings = world.settings();
    let projects = activities.iter().map(|activity| &activity.key.project);
    let limit = |name| Some((ProjectName::clone(name), settings.projects.get(name)?));
    let known = projects.filter_map(limit);
    known
        .map(|(name, project)| (name, project.max_active.clone()))
        .collect()
}

/// Whoever activates an environment past the plan's limit, which is an order of its own.
fn refused(full: &Full) -> Refusal {
    Refusal {
        code: "plan-limit".into(),
        message: full.to_string(),
        hint: Some(full.hint()),
        exit: Exit::Refused,
    }
}

/// A ticket without its activity's id and number, which the store gives.
pub(super) fn blank_ticket(activity: &NewActivity) -> Ticket {
    Ticket {
        activity: String::new(),
        number: 0,
        project: activity.key.project.to_string(),
        environment: activity.key.id.to_string(),
        production: activity.production,
        kind: activity.kind,
        begun: false,
    }
}

/// What a change of an environment's own settings makes of it.
fn described(activity: &NewActivity) -> Vec<String> {
    if let Some(change) = &activity.variable {
        return variables::notes(change, activity.key.id.as_str());
    }
    if let Some(slug) = &activity.imported {
        return imported::notes(slug, &activity.commit.subject);
    }
    let changed = activity.environment.as_ref();
    let Some(record) = changed.filter(|_| activity.kind == Kind::Info) else {
        return Vec::new();
    };
    let parent = record.chosen_parent.as_ref().or(record.parent.as_ref());
    vec![
        format!("title: {}", record.title),
        format!("parent: {}", parent.map_or("none", String::as_str)),
    ]
}

/// The first event of the activity's log.
pub(super) fn opened(activity: &NewActivity) -> impl FnOnce(String) -> LogEvent + Send + 'static {
    let (kind, project) = (activity.kind, activity.key.project.to_string());
    let (branch, environment) = (activity.branch.to_string(), activity.key.id.to_string());
    move |activity| LogEvent::Opened {
        kind,
        project,
        branch,
        environment,
        activity,
    }
}

/// Runs one activity to its end.
async fn carry_out(world: Arc<World>, desk: Desk, ticket: Ticket, cancel: CancellationToken) {
    let id = ticket.activity.as_str();
    let begun = tokio::select! {
        begun = begin(&world, id) => begun,
        () = cancel.cancelled(), if !ticket.begun => Err("cancelled before it began".into()),
    };
    let mut conclusion = match begun {
        Ok(task) => match perform(Arc::clone(&world), task, cancel.clone()).await {
            Some(conclusion) => conclusion,
            None => return parked(&world, &desk, ticket).await,
        },
        Err(message) => {
            let (state, code) = if cancel.is_cancelled() {
                (State::Cancelled, "cancelled")
            } else {
                (State::Failed, "host")
            };
            let reason = Reason {
                code: code.into(),
                message,
                hint: None,
            };
            never_began(&ticket.environment, None, state, reason)
        }
    };
    adopt_processes(&world, &desk, &ticket).await;
    let replaced = std::mem::take(&mut conclusion.replaced);
    close(&world, &desk, &ticket, conclusion).await;
    let retired = replaced.retire(&world).await;
    if let Some(key) = retired.unused {
        desk.send(Event::Mend(Mend::first(key))).await;
    }
    for key in retired.ended {
        housekeeping::after_retiring(&world, &key).await;
    }
    if ticket.kind.moves_branch() {
        tidy(&world, &ticket).await;
    }
    housekeeping::make_room(&world).await;
}

/// Leaves an activity that is built, and waits, to the loop.
async fn parked(world: &World, desk: &Desk, ticket: Ticket) {
    let id = ticket.activity.as_str();
    let task = insist(id, "until when it waits", || world.recorder.task(id)).await;
    let due = task.and_then(|task| task.leave.due);
    tidy(world, &ticket).await;
    desk.send(Event::Parked { ticket, due }).await;
    housekeeping::make_room(world).await;
}

/// Looks after the repository of a push, one at a time; whoever is late leaves it to the other.
async fn tidy(world: &World, ticket: &Ticket) {
    let settings = world.settings();
    let project = settings
        .projects
        .values()
        .find(|project| project.name.as_str() == ticket.project);
    let Some(project) = project else { return };
    let turn = world.collecting.turn(project.name.as_str());
    if let Ok(_turn) = turn.try_lock() {
        collect::collect(project).await;
    }
}

async fn begin(world: &World, id: &str) -> Result<crate::store::activity::Task, String> {
    insist(id, "its beginning", || world.recorder.start(id)).await;
    let task = insist(id, "what it is", || world.recorder.task(id)).await;
    task.ok_or_else(|| format!("activity {id} is not recorded"))
}

/// Watches whatever processes the environment has now.
async fn adopt_processes(world: &World, desk: &Desk, ticket: &Ticket) {
    let Ok(key) = environment::key(&ticket.project, &ticket.environment) else {
        return;
    };
    let processes = match world.recorder.processes_of(&key).await {
        Ok(processes) => processes,
        Err(error) => {
            // What may serve is not left without a watch: it is looked at again until it is known.
            tracing::error!(environment = %key, error = chain(&error), "its processes are not known");
            return desk.send(Event::Mend(Mend::first(key))).await;
        }
    };
    let services = services_of(world, &key).await;
    for record in processes.into_iter().chain(services) {
        match Member::find(world, record).await {
            Ok(Some(member)) => desk.send(Event::Watch(member)).await,
            // Its keeper died before anybody watched it.
            Ok(None) | Err(_) => desk.send(Event::Mend(Mend::first(key.clone()))).await,
        }
    }
}

/// The processes of its services; those that are not known now are looked for by the next that looks.
async fn services_of(world: &World, key: &EnvironmentKey) -> Vec<ProcessRecord> {
    let (services, environment) = (
        world.recorder.services_of(key).await,
        world.recorder.environment(key).await,
    );
    let live = environment.ok().flatten().and_then(|record| record.live);
    let services = services.unwrap_or_default().into_iter();
    services
        .filter_map(|service| service.process(live.unwrap_or_default()))
        .collect()
}
