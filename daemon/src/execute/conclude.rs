//! How an activity's end is said: for the store, and for people.

use std::time::Instant;

use wharf_wire::event::Ended;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Reason;

use super::activity::{Act, Conclusion, milliseconds};
use super::changes::Changes;
use super::end::{self, Undoing};
use super::failure::Failure;
use super::replaced::Replaced;
use crate::plan::deployment::Data;
use crate::store::activity::Ending;
use crate::store::insist::insist;

pub(super) fn succeeded(act: &Act, live: Option<u32>, began: Instant) -> Conclusion {
    let (kind, name) = (act.task.kind, act.key().id.as_str());
    let (verdict, serves) = match &act.kept {
        Some(_) => end::kept(name),
        None => end::success(kind, name, act.previous, live),
    };
    let mut advice = std::mem::take(&mut *act.advice());
    let who = match advice.only_a_snapshot_goes_back {
        true => Undoing::Snapshots,
        false => Undoing::of(Some(&act.project)),
    };
    let mut hints = match &act.kept {
        Some(why) => end::hints_of(why),
        None => end::hints(kind, name, act.previous, who),
    };
    hints.append(&mut advice.lines);
    let shows = end::shows_address(kind);
    Conclusion {
        ending: Ending {
            state: State::Succeeded,
            reason: act.kept.clone(),
            live_after: live,
        },
        ended: Ended {
            state: State::Succeeded,
            verdict,
            details: vec![],
            hints,
            url: live.filter(|_| shows).map(|_| act.url()),
            serves,
            milliseconds: milliseconds(began),
            maintenance_ms: None,
        },
        replaced: Replaced::default(),
    }
}

/// The conclusion of what ended otherwise. `previous` serves on.
pub(super) fn failed(
    kind: Kind,
    environment: &str,
    previous: Option<u32>,
    failure: Failure,
    began: Instant,
    touched: bool,
) -> Conclusion {
    let failure = failure
        .or_full()
        .again_with_room(&end::again(kind, environment));
    let state = if failure.cancelled {
        State::Cancelled
    } else {
        State::Failed
    };
    let changed = if touched {
        end::TOUCHED
    } else {
        end::UNTOUCHED
    };
    Conclusion {
        ended: Ended {
            state,
            verdict: failure.reason.message.clone(),
            details: failure.details,
            hints: failure.reason.hint.iter().cloned().collect(),
            url: None,
            serves: end::serves(environment, previous, changed),
            milliseconds: milliseconds(began),
            maintenance_ms: None,
        },
        ending: Ending {
            state,
            reason: Some(failure.reason),
            live_after: previous,
        },
        replaced: Replaced::default(),
    }
}

/// The conclusion of what takes an environment down and failed on its way, when nothing served any
/// more.
pub(super) fn half_gone(act: &Act, failure: Failure, began: Instant) -> Conclusion {
    let environment = act.key().id.as_str();
    let mut conclusion = failed(act.task.kind, environment, None, failure, began, false);
    conclusion.ended.serves = end::half_gone(act.task.kind, environment);
    conclusion
}

/// The conclusion of an activity with which nothing was left to do, and what its end says beside.
pub fn was_done(
    kind: Kind,
    environment: &str,
    live: Option<u32>,
    reason: Option<Reason>,
) -> Conclusion {
    let (verdict, serves) = end::success(kind, environment, live, live);
    let hints = reason.as_ref().map(end::hints_of).unwrap_or_default();
    Conclusion {
        ending: Ending {
            state: State::Succeeded,
            live_after: live,
            reason: reason.clone(),
        },
        ended: Ended {
            state: State::Succeeded,
            verdict: reason.map_or(verdict, |reason| reason.message),
            details: vec![],
            hints,
            url: None,
            serves,
            milliseconds: 0,
            maintenance_ms: None,
        },
        replaced: Replaced::default(),
    }
}

/// The conclusion of an activity that never began.
pub fn never_began(
    environment: &str,
    live: Option<u32>,
    state: State,
    reason: Reason,
) -> Conclusion {
    Conclusion {
        ended: Ended {
            state,
            verdict: reason.message.clone(),
            details: vec![],
            hints: reason.hint.iter().cloned().collect(),
            url: None,
            serves: end::serves(environment, live, end::UNTOUCHED),
            milliseconds: 0,
            maintenance_ms: None,
        },
        ending: Ending {
            state,
            reason: Some(reason),
            live_after: live,
        },
        replaced: Replaced::default(),
    }
}

/// The end of what a death interrupted and nobody may begin again, with the commands that had run.
pub(super) async fn interrupted(act: &Act) -> Failure {
    let id = act.task.id.as_str();
    let failure = match act.is_stopped() {
        true => Failure::cancelled(),
        false => Failure::new("interrupted", "Wharf was stopped while deploy commands ran").hint(
            format!(
                "see what they did, then: wharf redeploy -e {} (or set deploy.repeatable)",
                act.key().id
            ),
        ),
    };
    let Some(number) = act.task.release else {
        return failure;
    };
    let recorder = &act.world.recorder;
    let activity = insist(id, "what was done", || recorder.activity(id)).await;
    let release = insist(id, "its release", || recorder.release(act.key(), number)).await;
    match activity.zip(release) {
        Some(_) if act.data() == Data::PutBack => failure,
        Some((activity, release)) => {
            Changes::recorded(&activity.steps, &release).told(failure, &release)
        }
        None => failure,
    }
}
