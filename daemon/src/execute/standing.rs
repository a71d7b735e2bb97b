//! What an environment is beside deployed: inactive, paused, or active again.

use std::time::Instant;

use wharf_config::project::{MaxActive, Wake};
use wharf_wire::event::Event;
use wharf_wire::view::Reason;

use super::activity::Act;
use super::crons::Pace;
use super::crons::quiet::end_crons;
use super::failure::Failure;
use super::{deploy, retire, route};
use crate::plan::limits::{self, Counted, Full, Status};
use crate::plan::step::Step;
use crate::store::environment::EnvironmentRecord;
use crate::store::insist::insist;

pub use crate::plan::limits::INACTIVE;

/// Why an environment is inactive, and the next commands.
pub fn why_inactive(environment: &str, full: Option<&Full>) -> Reason {
    let activate = format!("wharf activate -e {environment}");
    let (message, hint) = match full {
        Some(full) => (
            format!("{environment} is inactive: {full}"),
            format!("{}; then: {activate}", full.hint()),
        ),
        None => (
            format!("{environment} is inactive, and nothing is deployed there"),
            format!("let it live: {activate}"),
        ),
    };
    Reason {
        code: INACTIVE.into(),
        message,
        hint: Some(hint),
    }
}

/// The bound that leaves no room for it among the others.
pub fn full(limits: &MaxActive, record: &EnvironmentRecord, others: &[Counted]) -> Option<Full> {
    limits::room(limits, record.type_of(), others).err()
}

/// What cannot be done in an inactive environment.
pub fn inactive(act: &Act) -> Failure {
    let reason = why_inactive(act.key().id.as_str(), None);
    Failure {
        reason,
        ..Failure::new(INACTIVE, "")
    }
}

/// A push to an inactive environment: the code is kept, and that is all. Returns why.
///
/// # Errors
/// That it cannot be recorded.
pub async fn keep(act: &Act) -> Result<Reason, Failure> {
    act.step(Step::Keep, async {
        let others = act.world.recorder.counted(act.key()).await?;
        let kind = act.environment.kind;
        let full = limits::room(&act.project.max_active, kind, &others).err();
        let reason = why_inactive(act.key().id.as_str(), full.as_ref());
        act.log.note(&reason.message);
        Ok(reason)
    })
    .await
}

/// Stops an environment's processes; its data and its release stay.
///
/// # Errors
/// What its user should read; where it fails after the route says so, it is paused all the same.
pub async fn pause(act: &Act) -> Result<Option<u32>, Failure> {
    if !act.status.lives() {
        return Err(inactive(act));
    }
    let began = Instant::now();
    let name = act.key().id.as_str();
    let live = act.previous.ok_or_else(|| {
        Failure::new(
            "no-release",
            format!("{name} serves nothing that could be paused"),
        )
        .hint(format!("see why with: wharf log -e {name}"))
    })?;
    end_crons(act, "is paused", Pace::Soon).await;
    act.step(Step::Suspend, suspend(act)).await?;
    act.step(Step::Stop, retire::stop_processes(act)).await?;
    act.did(
        "stop",
        "processes are stopped; data and release stay",
        began,
    );
    Ok(Some(live))
}

/// The route says that it is paused: requests to its processes end from here on.
async fn suspend(act: &Act) -> Result<(), Failure> {
    let wake = act.environment.policy.wake == Wake::Request;
    route::pause(&act.world, act.key(), wake).await?;
    // A router that is away reads what is there when it starts.
    if route::confirm(act).await.is_err() {
        let text = "the router does not answer: requests may fail until it does";
        act.log.event(Event::Warning { text: text.into() });
    }
    let paused = || act.world.recorder.set_status(act.key(), Status::Paused);
    insist(&act.task.id, "that it is paused", paused).await;
    Ok(())
}

/// Starts the processes of a paused environment again, without its deploy commands; it is routed
/// once it is healthy.
///
/// # Errors
/// What its user should read; it is still paused.
pub async fn resume(act: &mut Act) -> Result<Option<u32>, Failure> {
    match act.status {
        Status::Paused => {}
        Status::Active => {
            act.step(Step::Keep, async { Ok(()) }).await?;
            act.log.note("it is active already; nothing is to be done");
            return Ok(act.previous);
        }
        Status::Inactive | Status::Deleting => return Err(inactive(act)),
    }
    // Another one may have been deployed since it was asked for.
    if let Some(live) = act.previous.filter(|live| act.task.release != Some(*live)) {
        act.world.recorder.set_target(&act.task.id, live).await?;
        act.task.release = Some(live);
    }
    deploy::roll_back(act).await
}
