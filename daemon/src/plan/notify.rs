//! What somebody may want to be told of, and when an attempt to tell them is made again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use wharf_config::notify::Occasion;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use super::limits::INACTIVE;

/// The wait after the first attempt; triples up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(5);
/// See [`FIRST`].
const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// What could not be told for so long is given up.
pub const AGE: Duration = Duration::from_secs(3 * 24 * 3600);
/// So many wait for one destination; then the oldest is given up.
pub const WAITING: u32 = 1_000;

/// What the end of an activity is, the most particular first. `before` is how the deployment before
/// it ended, or of a cron its run before.
pub fn ended(activity: &Activity, before: Option<State>) -> Vec<Occasion> {
    let kept = |reason: &wharf_wire::view::Reason| reason.code == INACTIVE;
    match activity.state {
        // It may run each minute: only that it changed is told.
        State::Failed if activity.kind == Kind::Cron && before != Some(State::Failed) => {
            vec![Occasion::Failed]
        }
        State::Succeeded if activity.kind == Kind::Cron && before == Some(State::Failed) => {
            vec![Occasion::Recovered]
        }
        State::Failed if tells(activity.kind) => vec![Occasion::Failed],
        State::Succeeded if activity.live_after.is_none() => vec![],
        // The code is kept, and nothing of it went live.
        State::Succeeded if activity.reason.as_ref().is_some_and(kept) => vec![],
        State::Succeeded if activity.kind == Kind::Rollback => vec![Occasion::RolledBack],
        State::Succeeded if deploys(activity.kind) => match before {
            Some(State::Failed) => vec![Occasion::Recovered, Occasion::Live],
            _ => vec![Occasion::Live],
        },
        _ => vec![],
    }
}

/// Whether it brings a release: what may fail and recover.
pub fn deploys(kind: Kind) -> bool {
    kind.moves_branch() || matches!(kind, Kind::Redeploy | Kind::Activate | Kind::Rollback)
}

/// Whether others than who did it want to know that it failed. A check's push was refused, and its
/// pusher reads why.
fn tells(kind: Kind) -> bool {
    // A copy that cannot be made or restored is missed only when it is too late.
    (!kind.is_aside() || kind.is_copy()) && kind != Kind::Check
}

/// How long after so many attempts, at least one, the next is made.
pub fn pause(attempts: u32) -> Duration {
    let after = attempts.saturating_sub(1).min(20) as usize;
    ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_factor(3.0)
        .with_max_delay(LONGEST)
        .without_max_times()
        .build()
        .nth(after)
        .unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(kind: Kind, state: State, live: Option<u32>) -> Activity {
        let text = r#"{"id":"4f2a","project":"shop","environment":"main","branch":"main",
            "kind":"push","state":"running","actor":{"name":"ada","source":"uid"},
            "commit":{"old":null,"new":null,"subject":"","forced":false},"source":null,"slug":null,
            "slug_reused":false,"release":null,"previous":null,"live_after":null,"due":null,
            "approved_by":null,"steps":[],"reason":null,"created":1,"started":null,"ended":null}"#;
        Activity {
            kind,
            state,
            live_after: live,
            ..serde_json::from_str(text).unwrap()
        }
    }

    #[test]
    fn each_end_is_what_teams_call_it() {
        use Occasion::{Failed, Live, Recovered, RolledBack};
        let said = |kind, state, live, before| ended(&activity(kind, state, live), before);
        let (push, good) = (Kind::Push, State::Succeeded);
        assert_eq!(said(push, good, Some(1), None), [Live]);
        assert_eq!(said(push, good, Some(1), Some(good)), [Live]);
        assert_eq!(
            said(push, good, Some(1), Some(State::Failed)),
            [Recovered, Live]
        );
        assert_eq!(said(push, good, None, None), []);
        assert_eq!(said(push, State::Failed, Some(1), None), [Failed]);
        assert_eq!(
            said(Kind::Rollback, good, Some(1), Some(State::Failed)),
            [RolledBack]
        );
        assert_eq!(said(Kind::Resume, State::Failed, None, None), [Failed]);
        for kind in [
            Kind::Check,
            Kind::Run,
            Kind::Upload,
            Kind::Variable,
            Kind::Approve,
        ] {
            assert_eq!(said(kind, State::Failed, Some(1), None), []);
            assert_eq!(said(kind, good, Some(1), Some(State::Failed)), []);
        }
        // A cron's run before it.
        let failed = Some(State::Failed);
        assert_eq!(said(Kind::Cron, State::Failed, Some(1), None), [Failed]);
        assert_eq!(
            said(Kind::Cron, State::Failed, Some(1), Some(good)),
            [Failed]
        );
        assert_eq!(said(Kind::Cron, State::Failed, Some(1), failed), []);
        assert_eq!(said(Kind::Cron, good, Some(1), failed), [Recovered]);
        assert_eq!(said(Kind::Cron, good, Some(1), Some(good)), []);
        for state in [State::Cancelled, State::Superseded, State::Running] {
            assert_eq!(said(push, state, Some(1), None), []);
        }
        let mut kept = activity(push, good, Some(1));
        kept.reason = Some(wharf_wire::view::Reason {
            code: INACTIVE.into(),
            message: String::new(),
            hint: None,
        });
        assert_eq!(ended(&kept, None), []);
    }

    #[test]
    fn attempts_grow_apart_up_to_two_hours() {
        let pauses: Vec<u64> = (1..=9).map(|n| pause(n).as_secs()).collect();
        assert_eq!(pauses, [5, 15, 45, 135, 405, 1215, 3645, 7200, 7200]);
        assert_eq!(pause(u32::MAX), LONGEST);
    }
}
