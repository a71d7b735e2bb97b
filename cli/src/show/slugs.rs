//! Slugs: which there are, and why one was built.

use wharf_wire::slug::{Change, ChangeKind, Comparison, Effect, How, Origin, Slug, Tip, Use, Why};

use super::{removals::size, render, short as short_commit, table, when};
use crate::failure::plain;

/// Columns of a line, at most.
const WIDTH: usize = 72;
/// Columns before a name.
const LABEL: usize = 24;

/// Draws the table. `width` is the terminal's, if there is one.
pub fn draw(slugs: &[Slug], now: u64, width: Option<u16>) -> String {
    let heads = ["SLUG", "MADE", "SIZE", "FILES", "TRUST", "USED BY"];
    let mut table = table(&heads, width);
    for slug in slugs {
        let mut key = short(&slug.key).to_owned();
        for (is_so, word) in [(slug.rebuilt, " (rebuilt)"), (slug.imported, " (imported)")] {
            if is_so {
                key.push_str(word);
            }
        }
        table.add_row([
            plain(&key),
            when::ago(now, slug.created),
            size(slug.bytes),
            slug.files.to_string(),
            plain(&slug.trust_domain),
            plain(&users(slug)),
        ]);
    }
    render(&mut table)
}

fn users(slug: &Slug) -> String {
    let used = |used: &Use| {
        let numbers = used.releases.iter().map(|number| format!("r{number}"));
        let numbers = numbers.collect::<Vec<_>>().join(" ");
        let serves = if used.live { " serves" } else { "" };
        format!("{} {numbers}{serves}", used.environment)
    };
    let mut all: Vec<String> = slug.used_by.iter().map(used).collect();
    if slug.left_out > 0 {
        all.push(format!("{} more", slug.left_out));
    }
    match all.is_empty() {
        true => "nothing".to_owned(),
        false => all.join(", "),
    }
}

/// The digits of a key that everything else shows.
fn short(key: &str) -> &str {
    key.get(..6).unwrap_or(key)
}

/// Says why a slug was built and what a redeploy would do: ASCII, at most 72 columns.
pub fn draw_why(why: &Why) -> String {
    let mut lines = Vec::new();
    match (why.release, &why.since) {
        (Some(release), Some(since)) => of_release(release, since, &mut lines),
        _ => say(
            &format!("{} serves nothing yet.", why.environment),
            &mut lines,
        ),
    }
    if let Some(now) = &why.now {
        of_tip(&why.environment, now, &mut lines);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn of_release(release: u32, since: &Comparison, lines: &mut Vec<String>) {
    let slug = short(&since.slug);
    let text = match (since.before, since.origin) {
        (None, Origin::Found) => {
            format!("r{release} is the first release; slug {slug} was there already.")
        }
        (None, _) => format!("r{release} is the first release; slug {slug} was built for it."),
        (Some(before), Origin::Same) => {
            format!(
                "r{release} reused slug {slug} of r{before}: nothing that a build sees changed."
            )
        }
        (Some(before), Origin::Found) => {
            format!("r{release} reused slug {slug}, which was there; since r{before}:")
        }
        (Some(before), Origin::Built) => {
            format!("r{release} was built anew, slug {slug}; since r{before}:")
        }
    };
    say(&text, lines);
    rows(since, lines);
}

fn of_tip(environment: &str, now: &Tip, lines: &mut Vec<String>) {
    let slug = now.comparison.as_ref().map(|one| short(&one.slug));
    let slug = slug.unwrap_or_default();
    let text = match now.effect {
        Effect::Nothing => {
            format!("A redeploy of {environment} now would change nothing: slug {slug} serves.")
        }
        Effect::Redeploy => format!("A redeploy of {environment} now would reuse slug {slug}."),
        Effect::Rebuild => format!("A redeploy of {environment} now would build anew:"),
        Effect::Failure => {
            let reason = now.reason.as_ref();
            let reason = reason.map(|reason| reason.message.as_str());
            let reason = reason.unwrap_or("it cannot be said why");
            format!("A redeploy of {environment} now would fail: {reason}")
        }
    };
    say(&text, lines);
    if let Some(hint) = now.reason.as_ref().and_then(|reason| reason.hint.as_ref()) {
        say(&format!("hint: {hint}"), lines);
    }
    if let Some(comparison) = &now.comparison {
        rows(comparison, lines);
    }
}

fn rows(comparison: &Comparison, lines: &mut Vec<String>) {
    if let Some(before) = comparison.before
        && !comparison.known
    {
        let text = format!("  what r{before} was built of is not known any more");
        say(&text, lines);
    }
    if let Some(border) = &comparison.border {
        say(&format!("  {:<LABEL$}{border}", "built again"), lines);
    }
    for change in &comparison.changes {
        let (label, name) = words(change);
        say(&format!("  {label:<LABEL$}{name}"), lines);
    }
    match comparison.left_out {
        0 => {}
        1 => say("  ... and 1 more", lines),
        more => say(&format!("  ... and {more} more"), lines),
    }
}

fn words(change: &Change) -> (String, String) {
    let how = match change.how {
        How::Added => "added",
        How::Changed => "changed",
        How::Removed => "removed",
        How::Moved => "moved",
    };
    let both = |show: fn(&str) -> &str| {
        let one = |value: &Option<String>| match value {
            Some(value) => show(value).to_owned(),
            None => "none".to_owned(),
        };
        format!("{} -> {}", one(&change.old), one(&change.new))
    };
    let name = &change.name;
    let (what, name) = match change.kind {
        ChangeKind::File => ("file", name.clone()),
        ChangeKind::Tree => ("tree", "the older one is not there any more".to_owned()),
        ChangeKind::Patch => ("patch", name.clone()),
        ChangeKind::Step => ("build step", name.clone()),
        ChangeKind::Assets => ("assets", name.clone()),
        ChangeKind::Mount => ("mount", name.clone()),
        ChangeKind::Runtime => ("runtime", format!("{name} {}", both(|value| value))),
        ChangeKind::Variable => ("variable", name.clone()),
        ChangeKind::Secret => ("secret", name.clone()),
        ChangeKind::TrustDomain => ("trust domain", both(|value| value)),
        ChangeKind::Format => ("slug format", both(|value| value)),
        ChangeKind::Rebuild => {
            return ("rebuild".to_owned(), "somebody asked for it".to_owned());
        }
        ChangeKind::RunVariable => ("run variable", name.clone()),
        ChangeKind::Commit => ("commit", format!("{}, same tree", both(short_commit))),
    };
    (format!("{what} {how}"), name)
}

/// Adds a text as lines; what does not fit goes on further right.
fn say(text: &str, lines: &mut Vec<String>) {
    let ascii: String = plain(text)
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect();
    let mut rest = ascii.as_str();
    let mut indent = "";
    while !rest.is_empty() {
        let room = WIDTH - indent.len();
        let end = match rest.len() <= room {
            true => rest.len(),
            // At a blank, unless that is before the text proper.
            false => match rest[..=room].rfind(' ') {
                Some(blank) if blank > LABEL + 2 || indent.is_empty() && blank > 2 => blank,
                _ => room,
            },
        };
        lines.push(format!("{indent}{}", rest[..end].trim_end()));
        rest = rest[end..].trim_start();
        indent = "    ";
    }
}

#[cfg(test)]
mod tests;
