//! For how long an activity kept visitors away, by its recorded steps.

use wharf_wire::outcome::Kind;
use wharf_wire::view::Step as Row;

use super::deployment::Outcome;
use super::recovery::RESTART;
use super::step::Step;

/// Milliseconds for which an activity kept visitors away, all its attempts together; none where it
/// did not. `ended` is when it ended, if it has: that lets them in at the latest.
pub fn kept_away(kind: Kind, steps: &[Row], ended: Option<u64>) -> Option<u64> {
    // Somebody's own word lasts longer than its activity.
    if matches!(kind, Kind::MaintenanceOn | Kind::MaintenanceOff) {
        return None;
    }
    let (maintenance, route) = (Step::Maintenance.to_string(), Step::Route.to_string());
    let (close, put_back) = (Step::Close.to_string(), Step::PutBack.to_string());
    // What is closed stays so over a death.
    let mut is_closed = false;
    let mut since = None;
    let mut total = None;
    let mut until = |since: &mut Option<u64>, at: u64| {
        if let Some(since) = since.take() {
            *total.get_or_insert(0) += at.saturating_sub(since);
        }
    };
    for step in steps {
        let is_good = step.result.as_deref() == Some(Outcome::Succeeded.word());
        if step.name == maintenance || step.name == close {
            since.get_or_insert(step.started);
            is_closed = step.name == close;
        } else if (step.name == route || step.name == put_back) && is_good {
            // Its rename let them in.
            until(&mut since, step.ended.unwrap_or(step.started));
            is_closed = false;
        } else if step.name == RESTART && !is_closed {
            // The new daemon did, before anything else.
            until(&mut since, step.started);
        }
    }
    if let Some(ended) = ended {
        until(&mut since, ended);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::event::Stage;

    fn row(name: &str, started: u64, ended: u64, result: &str) -> Row {
        Row {
            stage: Stage::Deploy,
            name: name.into(),
            started,
            ended: Some(ended),
            result: Some(result.into()),
            exit_code: None,
        }
    }

    #[test]
    fn it_is_from_the_hold_to_whatever_lets_them_in() {
        let release = row("release", 5, 6, "succeeded");
        let hold = |at| row("maintenance", at, at + 2, "succeeded");
        let command = |result| row("deploy 1", 13, 40, result);
        let good = [
            release.clone(),
            hold(10),
            command("succeeded"),
            row("route", 50, 60, "succeeded"),
            row("after 1", 60, 900, "succeeded"),
        ];
        let bad = [release.clone(), hold(10), command("failed")];
        let late = [
            hold(10),
            command("interrupted"),
            row(RESTART, 45, 45, "redo"),
            hold(100),
            command("succeeded"),
            row("route", 120, 130, "failed"),
        ];
        let back = [
            row("close", 10, 12, "succeeded"),
            command("interrupted"),
            row(RESTART, 45, 45, "fail"),
            row("put back", 46, 70, "succeeded"),
        ];
        for (steps, ended, expected) in [
            (&back[..], Some(90), Some(60)),
            (&good, Some(901), Some(50)),
            (&bad, Some(42), Some(32)),
            (&bad, None, None),
            (&late, Some(150), Some(35 + 50)),
            (&[release], Some(42), None),
        ] {
            assert_eq!(kept_away(Kind::Push, steps, ended), expected, "{steps:?}");
        }
        assert_eq!(kept_away(Kind::MaintenanceOn, &[hold(1)], Some(9)), None);
    }
}
