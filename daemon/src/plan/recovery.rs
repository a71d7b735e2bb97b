//! What a new daemon does with an activity that the last one did not end: replay, look, decide.

use wharf_wire::outcome::Kind;

use super::deployment::{Deployment, Event, Illegal, Outcome, Phase, Recovery};
use super::step::Step;

/// The row that holds a decision among the recorded steps.
pub const RESTART: &str = "restart";
/// The row that says that somebody wanted it stopped.
pub const CANCEL: &str = "cancel";

/// The row that says that it was built, and waits for what the row ends with.
pub const PARKED: &str = "parked";

/// A recorded step: its name, and how it ended.
pub type Row<'a> = (&'a str, Option<&'a str>);

/// What only the disk can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Whether the routing table holds the release that it was making, and nothing is left to do before that.
    pub routed: bool,
    /// Whether its deploy commands may run twice.
    pub repeatable: bool,
}

/// The state that the recorded steps of an activity tell of, through the function that made it.
///
/// # Errors
/// When they tell what cannot have happened.
pub fn replay(kind: Kind, rows: &[Row<'_>]) -> Result<Deployment, Illegal> {
    rows.iter().try_fold(
        Deployment::new(kind),
        |deployment, (name, result)| match *name {
            CANCEL => deployment.apply(&Event::Stopping),
            PARKED => begun(deployment)?.apply(&Event::Parked),
            RESTART => {
                let recovery = Recovery::parse(result.unwrap_or_default())?;
                deployment.apply(&Event::Interrupted(recovery))
            }
            name => replay_step(deployment, name, *result),
        },
    )
}

/// That it left the queue has no row of its own.
fn begun(deployment: Deployment) -> Result<Deployment, Illegal> {
    match deployment.phase() {
        Phase::Waiting | Phase::Parked => deployment.apply(&Event::Began),
        _ => Ok(deployment),
    }
}

fn replay_step(
    deployment: Deployment,
    name: &str,
    result: Option<&str>,
) -> Result<Deployment, Illegal> {
    let step = name.parse::<Step>()?;
    let deployment = begun(deployment)?.apply(&Event::StepStarted(step))?;
    match result {
        Some(result) => deployment.apply(&Event::StepEnded(Outcome::parse(result)?)),
        None => Ok(deployment),
    }
}

/// Where an activity begins: at its beginning, or where a death left it. Returns the state, which is
/// waiting where it is to begin, and the decision where one is made now and must be recorded.
///
/// # Errors
/// When the record holds what cannot have happened.
pub fn resume(
    kind: Kind,
    rows: &[Row<'_>],
    found: Found,
) -> Result<(Deployment, Option<Recovery>), Illegal> {
    let deployment = replay(kind, rows)?;
    // A death that was decided upon already is not decided upon again; where it waited nothing was
    // in its middle.
    let quiet = |name: &str| name == RESTART || (name == PARKED && !deployment.is_stopped());
    if rows.last().is_none_or(|(name, _)| quiet(name)) {
        return Ok((deployment, None));
    }
    let recovery = decide(&deployment, found);
    let deployment = deployment.apply(&Event::Interrupted(recovery))?;
    Ok((deployment, Some(recovery)))
}

/// Decides by what was begun and what the table says.
pub fn decide(deployment: &Deployment, found: Found) -> Recovery {
    if deployment.is_committed() {
        Recovery::Finish
    } else if deployment.kind().brings_data() {
        restores(deployment, found)
    } else if found.routed {
        Recovery::Finish
    } else if says_so(deployment.kind()) || stops(deployment.kind()) {
        // Half gone is no state to stay in, and each of its steps may be done twice.
        Recovery::Redo
    } else if deployment.is_stopped()
        || deployment.kind() == Kind::Check
        || deployment.kind().runs_beside()
    {
        // Whoever pushed has been answered without a check's result: nobody waits for it. What ran
        // beside died with the daemon.
        Recovery::Cancel
    } else if deployment.has_run_once() && !found.repeatable {
        Recovery::Fail
    } else {
        Recovery::Redo
    }
}

/// Data that is to be replaced: before the swap begins all is thrown away and begun anew. From there on
/// it is done to its end, whoever wanted it stopped: half of the old and half of the new is no data.
fn restores(deployment: &Deployment, found: Found) -> Recovery {
    match (deployment.is_touched(), found.routed) {
        (true, true) => Recovery::Finish,
        (false, _) if deployment.is_stopped() => Recovery::Cancel,
        (true | false, _) => Recovery::Redo,
    }
}

/// Whether it takes down what serves.
fn stops(kind: Kind) -> bool {
    matches!(kind, Kind::Delete | Kind::Deactivate | Kind::Pause)
}

/// Whether it only changes what the route says.
fn says_so(kind: Kind) -> bool {
    matches!(kind, Kind::MaintenanceOn | Kind::MaintenanceOff)
}

impl Recovery {
    /// The word that the store holds.
    pub fn word(self) -> &'static str {
        match self {
            Recovery::Redo => "redo",
            Recovery::Finish => "finish",
            Recovery::Fail => "fail",
            Recovery::Cancel => "cancel",
        }
    }

    fn parse(word: &str) -> Result<Recovery, Illegal> {
        [
            Recovery::Redo,
            Recovery::Finish,
            Recovery::Fail,
            Recovery::Cancel,
        ]
        .into_iter()
        .find(|recovery| recovery.word() == word)
        .ok_or_else(|| Illegal::NoOutcome(word.to_owned()))
    }
}

impl Outcome {
    /// The word that the store holds.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Interrupted => "interrupted",
        }
    }

    fn parse(word: &str) -> Result<Outcome, Illegal> {
        [
            Outcome::Succeeded,
            Outcome::Failed,
            Outcome::Cancelled,
            Outcome::Interrupted,
        ]
        .into_iter()
        .find(|outcome| outcome.word() == word)
        .ok_or_else(|| Illegal::NoOutcome(word.to_owned()))
    }
}
