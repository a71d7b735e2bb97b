//! What happened, newest first.

use wharf_wire::{
    outcome::{Kind, State},
    view::Activity,
};

use super::{render, short, table, when};
use crate::failure::plain;

/// Characters of a reason or a subject in the table: each activity should stay on one line.
const SHOWN: usize = 48;

/// Draws the table. `width` is the terminal's, if there is one.
pub fn draw(activities: &[Activity], now: u64, width: Option<u16>) -> String {
    let mut table = table(
        &[
            "ID", "WHERE", "WHAT", "STATE", "WHEN", "TOOK", "WHO", "COMMIT",
        ],
        width,
    );
    for activity in activities {
        table.add_row([
            plain(&activity.id),
            plain(&format!("{}/{}", activity.project, activity.environment)),
            what(activity),
            state(activity),
            when::ago(now, activity.created),
            took(activity, now),
            plain(&activity.actor.name),
            commit(activity),
        ]);
    }
    render(&mut table)
}

/// Draws one activity with its steps.
pub fn draw_one(activity: &Activity, now: u64, width: Option<u16>) -> String {
    let mut drawn = draw(std::slice::from_ref(activity), now, width);
    if let Some(reason) = &activity.reason {
        drawn.push_str(&format!("reason: {}\n", plain(&reason.message)));
        if let Some(hint) = &reason.hint {
            drawn.push_str(&format!("hint: {}\n", plain(hint)));
        }
    }
    if activity.steps.is_empty() {
        return drawn;
    }
    let mut steps = table(&["STAGE", "STEP", "RESULT", "TOOK"], width);
    for step in &activity.steps {
        let result = step.result.as_deref().unwrap_or("did not end");
        let result = match step.exit_code {
            Some(code) => format!("{result}, exit code {code}"),
            None => result.to_owned(),
        };
        let took = step.ended.map(|ended| ended.saturating_sub(step.started));
        steps.add_row([
            step.stage.word().to_owned(),
            plain(&step.name),
            plain(&result),
            took.map(when::lasted).unwrap_or_default(),
        ]);
    }
    drawn.push('\n');
    drawn.push_str(&render(&mut steps));
    drawn
}

fn what(activity: &Activity) -> String {
    let kind = activity.kind.word();
    match activity.release {
        Some(release) => format!("{kind} r{release}"),
        None => kind.to_owned(),
    }
}

fn state(activity: &Activity) -> String {
    match &activity.reason {
        // It says itself that it waits.
        Some(reason) if is_said(activity.state, &reason.message) => {
            beginning(&plain(&reason.message))
        }
        Some(reason) => {
            let word = activity.state.word();
            format!("{word}: {}", beginning(&plain(&reason.message)))
        }
        None => activity.state.word().to_owned(),
    }
}

fn is_said(state: State, message: &str) -> bool {
    state == State::Waiting && message.starts_with("waits ")
}

/// As much of a text as a table shows.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

fn took(activity: &Activity, now: u64) -> String {
    match (activity.started, activity.ended) {
        // It was built, and rests.
        _ if activity.state == State::Waiting => String::new(),
        (Some(started), Some(ended)) => when::lasted(ended.saturating_sub(started)),
        (Some(started), None) => when::lasted(now.saturating_sub(started)),
        (None, _) => String::new(),
    }
}

fn commit(activity: &Activity) -> String {
    let Some(new) = &activity.commit.new else {
        // What moves no branch has no commit of its own.
        return match activity.kind {
            Kind::Delete => "deleted".to_owned(),
            kind if kind.runs_beside() => beginning(&plain(&activity.commit.subject)),
            _ => String::new(),
        };
    };
    let forced = if activity.commit.forced {
        " (forced)"
    } else {
        ""
    };
    let subject = plain(&activity.commit.subject);
    format!("{}{forced} {}", plain(short(new)), beginning(&subject))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use wharf_wire::{
        event::Stage,
        outcome::{Kind, State},
        view::{Actor, Commit, Reason, Step},
    };

    pub(crate) fn activity(id: &str) -> Activity {
        Activity {
            id: id.into(),
            project: "shop".into(),
            environment: "staging".into(),
            branch: "staging".into(),
            kind: Kind::Push,
            state: State::Succeeded,
            actor: Actor {
                name: "alice".into(),
                source: "WHARF_USER".into(),
            },
            commit: Commit {
                old: None,
                new: Some("9c1e5f00aa".into()),
                subject: "Sell boats".into(),
                forced: false,
            },
            slug: Some("51ab".into()),
            slug_reused: false,
            release: Some(7),
            source: None,
            previous: Some(6),
            live_after: Some(7),
            due: None,
            approved_by: None,
            steps: Vec::new(),
            maintenance_ms: None,
            reason: None,
            created: 1_700_000_000_000,
            started: Some(1_700_000_000_000),
            ended: Some(1_700_000_042_000),
        }
    }

    #[test]
    fn activities_are_drawn() {
        let mut failed = activity("4f2b");
        (failed.state, failed.release) = (State::Failed, None);
        failed.commit.forced = true;
        failed.commit.subject = "Esc\x1b[2Jape".into();
        failed.reason = Some(Reason {
            code: "build-failed".into(),
            message: "build failed in step 2 of 3".into(),
            hint: None,
        });
        let mut waiting = activity("4f2c");
        waiting.state = State::Waiting;
        (waiting.started, waiting.ended, waiting.release) = (None, None, None);
        let mut parked = waiting.clone();
        parked.id = "4f2e".into();
        parked.reason = Some(Reason {
            code: "approval".into(),
            message: "waits for approval".into(),
            hint: None,
        });
        let mut gone = activity("4f2d");
        gone.kind = Kind::Delete;
        (gone.release, gone.commit.new) = (None, None);
        let all = [parked, gone, waiting, failed, activity("4f2a")];
        insta::assert_snapshot!(draw(&all, 1_700_000_100_000, None));
    }

    #[test]
    fn one_activity_is_drawn_with_its_steps() {
        let mut failed = activity("4f2b");
        failed.state = State::Failed;
        failed.reason = Some(Reason {
            code: "build-failed".into(),
            message: "build failed in step 1 of 1".into(),
            hint: Some("all of its output: wharf log --raw 4f2b".into()),
        });
        let step = |name: &str, result: Option<&str>, exit_code| Step {
            stage: Stage::Build,
            name: name.into(),
            started: 1_700_000_000_000,
            ended: result.map(|_| 1_700_000_001_500),
            result: result.map(str::to_owned),
            exit_code,
        };
        failed.steps = vec![
            step("checkout", Some("succeeded"), None),
            step("build 1", Some("failed"), Some(2)),
            step("build 2", None, None),
        ];
        insta::assert_snapshot!(draw_one(&failed, 1_700_000_100_000, None));
    }

    #[test]
    fn what_is_long_is_cut_in_the_table_and_whole_below() {
        let mut failed = activity("4f2b");
        failed.state = State::Failed;
        failed.commit.subject = "Sell boats ".repeat(8);
        let message = "build failed in step 1 of 1 (npm ci && npm run build), exit code 1";
        failed.reason = Some(Reason {
            code: "build-failed".into(),
            message: message.into(),
            hint: None,
        });
        let drawn = draw_one(&failed, 1_700_000_100_000, None);
        let (table, below) = drawn.split_once("reason: ").unwrap();
        assert!(table.lines().all(|line| line.len() < 180), "{table}");
        assert!(!table.contains(message));
        assert!(below.starts_with(message));
    }

    #[test]
    fn a_narrow_terminal_wraps_inside_its_columns() {
        let drawn = draw(&[activity("4f2a")], 1_700_000_100_000, Some(80));
        assert!(
            drawn.lines().all(|line| line.chars().count() <= 80),
            "{drawn}"
        );
    }
}
