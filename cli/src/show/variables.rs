//! Variables as tables: what counts, where it comes from, what waits.

use wharf_wire::variable::{Difference, Side, Variable, Visible};

use super::{render, short, table};
use crate::failure::plain;

/// Characters of a value that are shown; `wharf variable get` prints it whole.
const SHOWN: usize = 40;

/// Draws them. `width` is the terminal's, if there is one.
pub fn draw(variables: &[Variable], width: Option<u16>) -> String {
    let mut table = table(&["NAME", "VALUE", "FROM", "VISIBLE", "NOTES"], width);
    for one in variables {
        table.add_row([
            plain(&one.name),
            value(one),
            from(one),
            visible(one.visible).to_owned(),
            notes(one),
        ]);
    }
    render(&mut table)
}

/// As `1 variable waits for a redeploy`.
pub fn waits(count: u32) -> String {
    match count {
        1 => "1 variable waits for a redeploy".to_owned(),
        count => format!("{count} variables wait for a redeploy"),
    }
}

fn visible(visible: Visible) -> &'static str {
    visible.word()
}

fn value(one: &Variable) -> String {
    match &one.value {
        Some(value) => cut(value),
        None if one.level == "gone" => "(no longer set)".to_owned(),
        None => "(secret)".to_owned(),
    }
}

fn cut(value: &str) -> String {
    let line = plain(value);
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

fn from(one: &Variable) -> String {
    let target = one.target.as_deref().unwrap_or_default();
    match (one.level.as_str(), &one.commit) {
        ("code", _) => "wharf.toml".to_owned(),
        ("committed", Some(commit)) => plain(&format!("committed in {}", short(commit))),
        ("type", _) => plain(&format!("type {target}")),
        ("environment", _) => plain(target),
        (level, _) => plain(level),
    }
}

fn notes(one: &Variable) -> String {
    let notes = [
        (one.inheritable, "inheritable"),
        (one.json, "JSON"),
        (one.pending, "waits for a redeploy"),
    ];
    let notes = notes.iter().filter(|(is_so, _)| *is_so);
    notes.map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

/// Draws what differs between two environments.
pub fn draw_differences(
    first: &str,
    second: &str,
    differences: &[Difference],
    width: Option<u16>,
) -> String {
    let (first, second) = (plain(first), plain(second));
    let mut table = table(&["NAME", "VISIBLE", &first, &second], width);
    for one in differences.iter().filter(|one| !one.same) {
        let both = one.first.is_some() && one.second.is_some();
        let side = |side: &Option<Side>| match side {
            None => "(not set)".to_owned(),
            Some(side) => match &side.value {
                Some(value) => cut(value),
                None if both => "(secret, differs)".to_owned(),
                None => "(secret)".to_owned(),
            },
        };
        table.add_row([
            plain(&one.name),
            visible(one.visible).to_owned(),
            side(&one.first),
            side(&one.second),
        ]);
    }
    render(&mut table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str, value: Option<&str>, level: &str) -> Variable {
        Variable {
            project: "shop".into(),
            environment: Some("staging".into()),
            name: name.into(),
            value: value.map(Into::into),
            level: level.into(),
            target: None,
            visible: Visible::Both,
            secret: value.is_none(),
            inheritable: false,
            json: false,
            commit: None,
            pending: false,
            set_by: None,
            set_at: None,
        }
    }

    #[test]
    fn variables_are_drawn() {
        let mut token = variable("TOKEN", None, "environment");
        token.target = Some("staging".into());
        (token.inheritable, token.visible) = (true, Visible::Run);
        let mut mode = variable("MODE", Some("a\x1b[31m\nb"), "type");
        (mode.target, mode.pending) = (Some("staging".into()), true);
        let mut flags = variable("FLAGS", Some("x"), "committed");
        flags.commit = Some("9c1e5f00aa".into());
        let mut gone = variable("OLD", None, "gone");
        gone.pending = true;
        let all = [
            flags,
            variable("LONG", Some(&"x".repeat(100)), "code"),
            mode,
            gone,
            token,
        ];
        insta::assert_snapshot!(draw(&all, None));
    }

    #[test]
    fn differences_are_drawn() {
        let side = |value: Option<&str>| {
            Some(Side {
                value: value.map(Into::into),
                secret: value.is_none(),
            })
        };
        let one = |name: &str, first: Option<Side>, second: Option<Side>| Difference {
            name: name.into(),
            visible: Visible::Both,
            same: first == second,
            first,
            second,
        };
        let mut token = one("TOKEN", side(None), side(None));
        token.same = false;
        let all = [
            one("MODE", side(Some("a")), side(Some("b"))),
            one("NEW", None, side(None)),
            one("SAME", side(Some("a")), side(Some("a"))),
            token,
        ];
        insta::assert_snapshot!(draw_differences("main", "staging", &all, None));
    }
}
