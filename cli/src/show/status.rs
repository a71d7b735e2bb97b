//! The daemon's own state, and the projects it serves.

use wharf_wire::view::{Pending, Project, Status};

use super::{render, table, variables, when};
use crate::failure::plain;

/// Draws the daemon's state as a short list.
pub fn draw(status: &Status) -> String {
    let lines = [
        (
            "daemon",
            format!(
                "wharfd {}, pid {}, up {}",
                status.version,
                status.pid,
                when::lasted(status.uptime_seconds.saturating_mul(1_000))
            ),
        ),
        (
            "router",
            format!(
                "{}{}",
                status.router,
                if status.router_up {
                    ""
                } else {
                    ", does not answer"
                }
            ),
        ),
        (
            "work",
            format!("{} running, {} waiting", status.running, status.waiting),
        ),
        (
            "serves",
            format!(
                "{}{}, {}",
                count(status.environments, "environment"),
                standing(status),
                count(status.projects, "project")
            ),
        ),
        ("state", status.state.clone()),
    ];
    let pending = pending(status);
    let pending = pending.into_iter().map(|text| ("pending", text));
    lines
        .into_iter()
        .chain(pending)
        .map(|(word, text)| format!("{word:<8}{}\n", plain(&text)))
        .collect()
}

/// What waits for a redeploy, a line for each environment.
fn pending(status: &Status) -> Vec<String> {
    let line = |one: &Pending| {
        let waits = variables::waits(one.variables);
        format!("{} of {}: {waits}", one.environment, one.project)
    };
    let mut lines: Vec<String> = status.pending.iter().map(line).collect();
    if status.pending_left_out > 0 {
        let more = count(status.pending_left_out, "environment");
        lines.push(format!("... and {more} more"));
    }
    lines
}

/// How many live, where not all do.
fn standing(status: &Status) -> String {
    if status.active == status.environments {
        return String::new();
    }
    let counts = [
        (status.active, "active"),
        (status.paused, "paused"),
        (status.inactive, "inactive"),
    ];
    let counts = counts.into_iter().filter(|(number, _)| *number > 0);
    let counts: Vec<String> = counts
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    format!(" ({})", counts.join(", "))
}

fn count(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Draws the projects. `width` is the terminal's, if there is one.
pub fn draw_projects(projects: &[Project], width: Option<u16>) -> String {
    let mut table = table(&["PROJECT", "ENVIRONMENTS", "DOMAIN", "REPOSITORY"], width);
    for project in projects {
        table.add_row([
            plain(&project.name),
            project.environments.to_string(),
            plain(&project.domain),
            plain(&project.repository),
        ]);
    }
    render(&mut table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_drawn() {
        let status = Status {
            version: "0.1.0".into(),
            pid: 42,
            uptime_seconds: 3_720,
            router: "127.0.0.1:7080".into(),
            router_up: false,
            state: "/var/lib/wharf".into(),
            waiting: 0,
            running: 2,
            projects: 1,
            environments: 4,
            active: 2,
            paused: 1,
            inactive: 1,
            pending: vec![Pending {
                project: "shop".into(),
                environment: "staging".into(),
                variables: 2,
            }],
            pending_left_out: 1,
        };
        insta::assert_snapshot!(draw(&status));
    }

    #[test]
    fn projects_are_drawn() {
        let shop = Project {
            name: "shop".into(),
            repository: "/srv/git/shop.git".into(),
            domain: "shop.example.com".into(),
            environments: 4,
        };
        insta::assert_snapshot!(draw_projects(&[shop], None));
    }
}
