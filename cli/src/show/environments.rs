//! The environments of a project, as a tree with what serves.

use comfy_table::ColumnConstraint;
use wharf_wire::view::{Activity, Environment};

use super::variables::waits;
use super::{render, short, table, when};
use crate::failure::plain;

/// The address' column, from 0.
const URL: usize = 4;

/// Draws one tree a project. `width` is the terminal's, if there is one.
pub fn draw(environments: &[Environment], now: u64, width: Option<u16>) -> String {
    let mut projects: Vec<&str> = Vec::new();
    for environment in environments {
        if !projects.contains(&environment.project.as_str()) {
            projects.push(&environment.project);
        }
    }
    let mut table = table(
        &[
            "ENVIRONMENT",
            "SERVES",
            "TO PARENT",
            "STATE",
            "URL",
            "LAST ACTIVITY",
        ],
        width,
    );
    let several = projects.len() > 1;
    for project in &projects {
        let own: Vec<&Environment> = environments
            .iter()
            .filter(|one| one.project == *project)
            .collect();
        if several {
            table.add_row([plain(project)]);
        }
        for (stem, environment) in branches(&own) {
            table.add_row([
                format!(
                    "{}{stem}{}",
                    if several { "  " } else { "" },
                    name(environment)
                ),
                serves_and_waits(environment),
                to_parent(environment),
                state(environment),
                environment.url.as_deref().map(plain).unwrap_or_default(),
                environment
                    .activity
                    .as_ref()
                    .map(|one| newest(one, now))
                    .unwrap_or_default(),
            ]);
        }
    }
    // A wrapped address cannot be followed.
    if let Some(column) = table.column_mut(URL) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    render(&mut table)
}

/// Says what one environment is, a line each.
pub fn draw_one(environment: &Environment) -> String {
    let parent = environment.parent.as_deref().unwrap_or("none");
    let url = environment.url.as_deref().unwrap_or("none");
    let rows = [
        ("environment", environment.id.as_str()),
        ("branch", &environment.branch),
        ("title", &environment.title),
        ("type", &environment.kind),
        ("parent", parent),
        ("status", &environment.status),
        ("serves", &serves(environment)),
        ("url", url),
        ("pending", &pending(environment)),
    ];
    let line = |(name, value): &(&str, &str)| {
        let line = format!("{name:<12} {}", plain(value));
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// The environments in tree order, each with the lines that are drawn before its name. One whose
/// parent is missing, or whose parents form a ring, stands at the top, so that none is ever left out.
fn branches<'a>(all: &[&'a Environment]) -> Vec<(String, &'a Environment)> {
    let ids: Vec<&str> = all.iter().map(|one| one.id.as_str()).collect();
    let is_top = |one: &Environment| match &one.parent {
        Some(parent) => !ids.contains(&parent.as_str()),
        None => true,
    };
    let mut drawn = Vec::new();
    for top in all.iter().filter(|one| is_top(one)) {
        drawn.push((String::new(), *top));
        children(top, "", all, &mut drawn);
    }
    for rest in all {
        if !drawn.iter().any(|(_, one)| std::ptr::eq(*one, *rest)) {
            drawn.push((String::new(), *rest));
        }
    }
    drawn
}

fn children<'a>(
    parent: &Environment,
    stem: &str,
    all: &[&'a Environment],
    drawn: &mut Vec<(String, &'a Environment)>,
) {
    let own: Vec<_> = all
        .iter()
        .filter(|one| one.parent.as_deref() == Some(parent.id.as_str()))
        .collect();
    for (index, child) in own.iter().enumerate() {
        let last = index + 1 == own.len();
        drawn.push((format!("{stem}{}", if last { "└─ " } else { "├─ " }), child));
        children(
            child,
            &format!("{stem}{}", if last { "   " } else { "│  " }),
            all,
            drawn,
        );
    }
}

/// The same, and how many variables wait for a deployment.
fn serves_and_waits(environment: &Environment) -> String {
    match environment.pending {
        0 => serves(environment),
        count => format!("{}, {}", serves(environment), waits(count)),
    }
}

/// What makes the variables count that wait.
fn pending(environment: &Environment) -> String {
    match environment.pending {
        0 => "nothing".to_owned(),
        count => format!("{}: wharf redeploy -e {}", waits(count), environment.id),
    }
}

fn name(environment: &Environment) -> String {
    let mut name = environment.id.clone();
    if environment.id != environment.branch {
        name.push_str(&format!(" ({})", environment.branch));
    }
    if !environment.title.is_empty() {
        name.push_str(&format!(": {}", environment.title));
    }
    plain(&name)
}

fn serves(environment: &Environment) -> String {
    match (environment.release, &environment.commit) {
        (None, _) => "nothing".to_owned(),
        (Some(release), commit) => {
            let commit = commit.as_deref().map(short).unwrap_or_default();
            let behind = match (environment.at_tip, &environment.why) {
                (true, _) => String::new(),
                (false, None) => ", not the tip".to_owned(),
                (false, Some(why)) => format!(", not the tip: {why}"),
            };
            plain(&format!("r{release} {commit}{behind}"))
        }
    }
}

/// How many commits it has that its parent has not, and the other way round.
fn to_parent(environment: &Environment) -> String {
    match (environment.ahead, environment.behind) {
        (Some(0), Some(0)) => "=".to_owned(),
        (Some(ahead), Some(0)) => format!("+{ahead}"),
        (Some(0), Some(behind)) => format!("-{behind}"),
        (Some(ahead), Some(behind)) => format!("+{ahead} -{behind}"),
        _ if environment.parent.is_some() => "?".to_owned(),
        _ => String::new(),
    }
}

/// The status, and how its processes do where that is known.
fn state(environment: &Environment) -> String {
    let kept_away = environment.maintenance.as_ref();
    let mut words = vec![environment.status.clone()];
    words.extend(kept_away.map(|who| format!("maintenance by {who}")));
    if !matches!(environment.health.as_str(), "none" | "") {
        words.push(environment.health.clone());
    }
    plain(&words.join(", "))
}

fn newest(activity: &Activity, now: u64) -> String {
    let when = activity
        .ended
        .or(activity.started)
        .unwrap_or(activity.created);
    plain(&format!(
        "{} {} by {} {}, {}",
        activity.kind.word(),
        activity.id,
        activity.actor.name,
        activity.state.word(),
        when::ago(now, when)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::activities::tests::activity;

    pub(crate) fn environment(id: &str, parent: Option<&str>) -> Environment {
        Environment {
            project: "shop".into(),
            id: id.into(),
            branch: id.into(),
            title: String::new(),
            kind: "development".into(),
            parent: parent.map(Into::into),
            ahead: parent.map(|_| 2),
            behind: parent.map(|_| 0),
            status: "active".into(),
            maintenance: None,
            release: Some(7),
            commit: Some("9c1e5f00aa".into()),
            tip: Some("9c1e5f00aa".into()),
            at_tip: true,
            why: None,
            health: "healthy".into(),
            pending: 0,
            url: Some(format!("http://{id}--shop.localhost:7080")),
            activity: Some(activity("4f2a")),
        }
    }

    #[test]
    fn a_tree_is_drawn() {
        let mut login = environment("feature-login-1a2b3c", Some("staging"));
        login.branch = "feature/login".into();
        login.at_tip = false;
        login.why = Some("push 4f2a failed".into());
        login.title = "Sign in".into();
        (login.ahead, login.behind) = (Some(3), Some(1));
        let mut cart = environment("cart", Some("staging"));
        (cart.ahead, cart.behind) = (None, None);
        let mut old = environment("old", Some("main"));
        (old.ahead, old.behind) = (Some(0), Some(0));
        (old.status, old.release, old.url, old.activity) = ("inactive".into(), None, None, None);
        old.health = "none".into();
        let all = [
            environment("main", None),
            environment("staging", Some("main")),
            login,
            cart,
            old,
        ];
        insta::assert_snapshot!(draw(&all, 1_700_000_100_000, None));
    }

    #[test]
    fn several_projects_are_told_apart() {
        let mut other = environment("main", None);
        other.project = "blog".into();
        insta::assert_snapshot!(draw(
            &[environment("main", None), other],
            1_700_000_100_000,
            None
        ));
    }

    #[test]
    fn a_ring_of_parents_is_still_shown() {
        let all = [environment("a", Some("b")), environment("b", Some("a"))];
        let drawn = draw(&all, 0, None);
        assert_eq!(drawn.lines().count(), 3, "{drawn}");
    }
}
