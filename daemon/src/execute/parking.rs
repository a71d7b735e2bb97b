//! What is built waits here before anything of its environment changes, where the policy says so.

use jiff::Zoned;
use wharf_wire::event::{Event, Parked};

use super::activity::Act;
use super::build::Built;
use super::end;
use super::failure::Failure;
use crate::journal::{self, Facts, Message};
use crate::notify::Audience;
use crate::plan::deployment;
use crate::plan::parking::{self, Candidate, Wait};

/// Whether an activity goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// At once.
    GoesOn,
    /// Later: that is recorded, and said.
    Parked,
}

/// Decides whether an activity that is built may go live now; records it where it may not.
///
/// # Errors
/// That somebody stopped it, or that it cannot be recorded.
pub(super) async fn park(act: &Act, built: &Built) -> Result<Turn, Failure> {
    let now = Zoned::now();
    let Some(wait) = wait(act, built, &now).await? else {
        return Ok(Turn::GoesOn);
    };
    if act.cancel.is_cancelled() {
        return Err(Failure::cancelled());
    }
    let (id, policy) = (act.task.id.as_str(), &act.environment.policy);
    let reason = parking::reason(&wait, policy, id, &now);
    act.happens(&deployment::Event::Parked)
        .map_err(|illegal| Failure::host("it cannot wait here", &illegal))?;
    let leave = act.task.leave.parked(&wait);
    let audience = Audience::of(&act.world.settings(), act.key().project.as_str(), None);
    let recorder = &act.world.recorder;
    recorder.park(id, leave, reason.clone(), audience).await?;
    act.world.telling.notify_one();
    let facts = Facts {
        error: Some(reason.code.clone()),
        ..Facts::of_act(act)
    };
    let said = format_args!("waiting: built; {}", reason.message);
    journal::say(Message::Waiting, &facts, said);
    act.log.event(Event::Parked(Box::new(Parked {
        verdict: format!("built; {}", reason.message),
        hints: reason.hint.into_iter().collect(),
        serves: end::serves(act.key().id.as_str(), act.previous, end::UNTOUCHED),
    })));
    Ok(Turn::Parked)
}

async fn wait(act: &Act, built: &Built, now: &Zoned) -> Result<Option<Wait>, Failure> {
    // What deploy commands began before a death does not wait half-way.
    if act.is_touched() {
        return Ok(None);
    }
    let live = match act.previous {
        Some(live) => act.world.recorder.release(act.key(), live).await?,
        None => None,
    };
    let candidate = Candidate {
        kind: act.task.kind,
        leave: &act.task.leave,
        serves: live.is_some_and(|live| live.commit == built.commit),
    };
    Ok(parking::wait(&act.environment.policy, candidate, now))
}
