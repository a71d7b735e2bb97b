//! The end of an activity: recorded first, then said to whoever follows it and to the operator.

use wharf_wire::event::Event as LogEvent;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use super::{Desk, Event};
use crate::execute::activity::Conclusion;
use crate::execute::failure::chain;
use crate::execute::{World, dumps, end};
use crate::journal::{self, Facts, Message};
use crate::notify::Audience;
use crate::plan::limits::Status;
use crate::plan::queue::Ticket;
use crate::store::environment;
use crate::store::insist::insist;

/// Ends an activity: recorded first, then said.
pub(super) async fn close(world: &World, desk: &Desk, ticket: &Ticket, mut conclusion: Conclusion) {
    let id = ticket.activity.as_str();
    if conclusion.ending.live_after.is_none() && conclusion.ending.state != State::Succeeded {
        say_what_serves(world, ticket, &mut conclusion).await;
    }
    // Until then nothing else begins in the environment: an end that is not known would let the
    // next daemon do it again, over what is newer.
    let url = conclusion.ended.url.clone();
    let audience = Audience::of(&world.settings(), &ticket.project, url);
    let recorder = &world.recorder;
    let end = || recorder.end_and_tell(id, conclusion.ending.clone(), audience.clone());
    insist(id, "its end", end).await;
    world.telling.notify_one();
    if ticket.kind == Kind::DatabaseImport
        && let Ok(Some(task)) = recorder.task(id).await
    {
        dumps::forget(world, &task).await;
    }
    let record = match world.recorder.activity(id).await {
        Ok(activity) => activity,
        // Its end is recorded, and is what has to be said.
        Err(error) => {
            tracing::warn!(
                WHARF_ACTIVITY = id,
                error = chain(&error),
                "its steps are not known"
            );
            None
        }
    };
    conclusion.ended.maintenance_ms = record.as_ref().and_then(|record| record.maintenance_ms);
    say_ended(world, ticket, record.as_ref(), &conclusion).await;
    world
        .logs
        .open(id)
        .event(LogEvent::Ended(Box::new(conclusion.ended)));
    desk.send(Event::Ended {
        activity: id.to_owned(),
    })
    .await;
}

/// Says to the operator how it ended.
async fn say_ended(
    world: &World,
    ticket: &Ticket,
    record: Option<&Activity>,
    conclusion: &Conclusion,
) {
    let (ending, ended) = (&conclusion.ending, &conclusion.ended);
    let facts = match record {
        Some(record) => Facts::of_record(record, type_of(world, ticket).await),
        None => Facts {
            project: Some(ticket.project.clone()),
            environment: Some(ticket.environment.clone()),
            activity: Some(ticket.activity.clone()),
            kind: Some(ticket.kind),
            ..Facts::default()
        },
    };
    let facts = Facts {
        live: ending.live_after,
        result: Some(ending.state.word()),
        duration: Some(ended.milliseconds.saturating_mul(1000)),
        maintenance: ended.maintenance_ms,
        url: ended.url.clone(),
        error: ending.reason.as_ref().map(|reason| reason.code.clone()),
        ..facts
    };
    let message = Message::of_end(ticket.kind, ending.state, ending.live_after);
    let (word, serves) = (ending.state.word(), &ended.serves);
    let said = match ending.state {
        State::Succeeded if ticket.kind.is_word() => {
            let by = facts.actor.as_ref().map_or("", |actor| actor.name.as_str());
            format!("{word}: {} by {by}; {serves}", ticket.kind.word())
        }
        State::Succeeded => format!("{word}: {serves}"),
        _ => format!("{word}: {}; {serves}", ended.verdict),
    };
    world.metrics.ended(&facts);
    world.traces.ended(&facts);
    journal::say(message, &facts, said);
}

/// What an environment is, where that is recorded.
async fn type_of(world: &World, ticket: &Ticket) -> Option<String> {
    let key = environment::key(&ticket.project, &ticket.environment).ok()?;
    let record = world.recorder.environment(&key).await.ok()??;
    Some(record.kind)
}

async fn say_what_serves(world: &World, ticket: &Ticket, conclusion: &mut Conclusion) {
    let Ok(key) = environment::key(&ticket.project, &ticket.environment) else {
        return;
    };
    if let Ok(Some(record)) = world.recorder.environment(&key).await
        && let Some(live) = record.live
    {
        let name = &ticket.environment;
        conclusion.ending.live_after = Some(live);
        conclusion.ended.serves = match record.status() {
            _ if ticket.kind.runs_beside() => end::stays(name, Some(live)),
            Status::Paused => end::still_paused(name, live, false),
            _ => end::serves(name, Some(live), end::UNTOUCHED),
        };
    }
}
