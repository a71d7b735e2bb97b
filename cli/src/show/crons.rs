//! The crons of what serves: when they are due, and how they ended.

use wharf_wire::cron::{Cron, CronRun};

use super::{render, table, when};
use crate::failure::plain;

/// Draws the table. `width` is the terminal's, if there is one.
pub fn draw(crons: &[Cron], now: u64, width: Option<u16>) -> String {
    let mut table = table(
        &[
            "CRON", "SCHEDULE", "NEXT", "LAST", "WHEN", "TOOK", "ACTIVITY",
        ],
        width,
    );
    for cron in crons {
        let next = match (&cron.why, cron.next) {
            (Some(why), _) => plain(why),
            (None, Some(next)) => when::until(now, next),
            (None, None) => "never".to_owned(),
        };
        // What goes on tells more than what has ended.
        let run = cron.running.last().or(cron.last.as_ref());
        let [last, when, took, activity] = run.map(|run| columns(run, now)).unwrap_or_default();
        table.add_row([
            plain(&cron.name),
            plain(&cron.schedule),
            next,
            last,
            when,
            took,
            activity,
        ]);
    }
    render(&mut table)
}

fn columns(run: &CronRun, now: u64) -> [String; 4] {
    let took = run.ended.unwrap_or(now).saturating_sub(run.started);
    [
        run.state.word().to_owned(),
        when::ago(now, run.ended.unwrap_or(run.started)),
        when::lasted(took),
        plain(&run.activity),
    ]
}

#[cfg(test)]
mod tests {
    use wharf_wire::outcome::State;

    use super::*;

    #[test]
    fn crons_are_drawn() {
        let now = 1_700_000_000_000;
        let run = |activity: &str, state, started, ended: Option<u64>| CronRun {
            activity: activity.into(),
            release: Some(3),
            state,
            reason: None,
            started: now - started,
            ended: ended.map(|ended| now - ended),
        };
        let cron = |name: &str, schedule: &str| Cron {
            project: "shop".into(),
            environment: "main".into(),
            name: name.into(),
            schedule: schedule.into(),
            run: "bin/sweep".into(),
            overlap: "skip".into(),
            next: Some(now + 190_000),
            why: None,
            running: Vec::new(),
            last: None,
        };
        let crons = [
            Cron {
                last: Some(run("4f2a", State::Failed, 130_000, Some(120_000))),
                ..cron("sweep", "*/5 * * * *")
            },
            Cron {
                running: vec![run("4f2b", State::Running, 90_000, None)],
                last: Some(run("4f2a", State::Succeeded, 400_000, Some(390_500))),
                ..cron("report", "@hourly")
            },
            Cron {
                next: None,
                why: Some("only in production".into()),
                ..cron("mail", "0 3 * * *")
            },
        ];
        insta::assert_snapshot!(draw(&crons, now, None));
    }
}
