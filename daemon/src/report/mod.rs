//! What the pusher reads: events become lines.
//!
//! The rules, each held by a test: LF only and no escapes; our own lines at most [`WIDTH`] columns
//! of ASCII; a tool's lines prefixed [`TOOL`], so that none can pass for one of ours; the last line
//! says what serves now.

mod duration;
mod forecast;

pub use duration::duration;
pub use forecast::{Forecast, MadeIn, Slug, inactive as forecast_inactive};

use wharf_config::project::Broken;
use wharf_wire::event::{Ended, Event, Parked};
use wharf_wire::outcome::{Kind, State};

/// Columns of our own lines.
pub const WIDTH: usize = 72;
/// Before each line of a tool's output.
pub const TOOL: &str = "  | ";
/// Columns of the label on the left.
const LABEL: usize = 11;

/// Renders an event. `prefix` names the environment where one push goes to several.
pub fn lines(event: &Event, prefix: &str) -> Vec<String> {
    let width = WIDTH.saturating_sub(prefix.len()).max(40);
    let mut lines = match event {
        Event::Opened {
            kind,
            project,
            branch,
            environment,
            activity,
        } => opened(width, kind.word(), project, branch, environment, activity),
        Event::Note { text } => wrapped(width, "  ", "  ", text),
        Event::Warning { text } => wrapped(width, "warning: ", "  ", text),
        Event::StepStarted { label, text } => started(width, label, text),
        Event::Output { text } => vec![format!("{TOOL}{text}")],
        Event::Elided { lines } => {
            vec![format!(
                "  ... {lines} more lines; all of them: wharf log --raw"
            )]
        }
        Event::StepEnded {
            label,
            text,
            milliseconds,
        } => ended_step(width, label, text, *milliseconds),
        Event::Parked(parked) => parked_activity(width, parked),
        Event::Ended(ended) => ended_activity(width, ended),
    };
    if !prefix.is_empty() {
        for line in &mut lines {
            line.insert_str(0, prefix);
            line.truncate(line.trim_end().len());
        }
    }
    lines
}

/// Says how to stop watching an activity, what that means, and where its log is.
pub type Leaving = fn(&str, Kind) -> String;

/// The line that says how to stop watching an activity of this kind and how to read the log again.
pub fn watching(activity: &str, kind: Kind) -> String {
    let what = kind.noun();
    format!("  Ctrl-C stops watching, not the {what}. Log: wharf log {activity}")
}

/// The same, where the push itself waits.
pub fn waiting_push(activity: &str, _: Kind) -> String {
    format!("  Ctrl-C gives the push up. Log: wharf log {activity}")
}

/// The same, of a move that a command asked for.
pub fn waiting_move(activity: &str, _: Kind) -> String {
    format!("  Ctrl-C gives it up, and nothing moves. Log: wharf log {activity}")
}

/// A refusal: each reason with its hint, then that nothing was accepted.
pub fn reason(message: &str, hint: Option<&str>) -> Vec<String> {
    let mut lines = wrapped(WIDTH, "error: ", "  ", message);
    if let Some(hint) = hint {
        lines.extend(wrapped(WIDTH, "hint: ", "  ", hint));
    }
    lines
}

/// So many of something, as people say it: `1 file`, `2 files`.
pub fn count(number: u64, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

/// Bytes, as `keep` and people say them: `2.0 GB`.
pub fn size(bytes: u64) -> String {
    bytesize::ByteSize(bytes).display().si().to_string()
}

/// A line that must be seen.
pub fn warning(text: &str) -> Vec<String> {
    wrapped(WIDTH, "warning: ", "  ", text)
}

/// A line of our own that needs no attention.
pub fn remark(text: &str) -> Vec<String> {
    wrapped(WIDTH, "wharf: ", "  ", text)
}

/// What becomes of a project whose file is no good.
pub fn refused(broken: &Broken) -> String {
    let file = broken.file.display();
    match broken.kept {
        true => format!("{file} is refused, what it said before counts"),
        false => format!("{file} is refused, its project is left out"),
    }
}

/// Why something was refused, in the first of the lines that its pusher reads, without the word before it.
pub fn why(lines: &[String]) -> &str {
    let first = lines.first().map_or("", String::as_str);
    first.strip_prefix("error: ").unwrap_or(first)
}

fn opened(
    width: usize,
    kind: &str,
    project: &str,
    branch: &str,
    environment: &str,
    activity: &str,
) -> Vec<String> {
    let id = format!("{kind} {activity}");
    opened_as(width, project, branch, environment, &id)
}

fn opened_as(
    width: usize,
    project: &str,
    branch: &str,
    environment: &str,
    id: &str,
) -> Vec<String> {
    let what = format!("wharf: {project}, branch {branch} -> environment {environment}");
    if what.len() + 3 + id.len() <= width {
        vec![format!("{what}   {id}")]
    } else {
        let mut lines = wrapped(width, "", "  ", &what);
        lines.push(format!("  {id}"));
        lines
    }
}

fn started(width: usize, label: &str, text: &str) -> Vec<String> {
    let mut first = format!("  {label:<LABEL$}");
    if !first.ends_with(' ') {
        first.push(' ');
    }
    wrapped(width, &first, &" ".repeat(LABEL + 2), text)
}

fn ended_step(width: usize, label: &str, text: &str, milliseconds: u64) -> Vec<String> {
    let mut lines = started(width, label, text);
    let time = duration(milliseconds);
    let last = lines.last_mut().expect("wrapping gives at least one line");
    if last.len() + 1 + time.len() <= width {
        let gap = width - last.len() - time.len();
        last.push_str(&" ".repeat(gap));
        last.push_str(&time);
    } else {
        lines.push(format!("{time:>width$}"));
    }
    lines
}

fn ended_activity(width: usize, ended: &Ended) -> Vec<String> {
    let mut lines = vec![String::new()];
    let lead = match ended.state {
        State::Succeeded => "success: ",
        State::Cancelled | State::Superseded => "warning: ",
        State::Failed | State::Waiting | State::Running => "error: ",
    };
    let mut verdict = wrapped(width, lead, "  ", &ended.verdict);
    if ended.state == State::Succeeded {
        let total = format!("total {}", duration(ended.milliseconds));
        let first = &mut verdict[0];
        if first.len() + 2 + total.len() <= width {
            let gap = width - first.len() - total.len();
            first.push_str(&" ".repeat(gap));
            first.push_str(&total);
        }
    }
    lines.extend(verdict);
    lines.extend(ended.details.iter().cloned());
    if let Some(long) = ended.maintenance_ms {
        let text = format!("visitors were kept away for {}", duration(long));
        lines.extend(wrapped(width, "  ", "  ", &text));
    }
    if let Some(url) = &ended.url {
        lines.push(format!("  {url}"));
    }
    for hint in &ended.hints {
        lines.extend(wrapped(width, "hint: ", "  ", hint));
    }
    lines.extend(serves(width, &ended.serves));
    lines
}

fn parked_activity(width: usize, parked: &Parked) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(wrapped(width, "success: ", "  ", &parked.verdict));
    for hint in &parked.hints {
        lines.extend(wrapped(width, "hint: ", "  ", hint));
    }
    lines.extend(serves(width, &parked.serves));
    lines
}

/// What serves now, on the very last line: what does not fit beside it goes before it.
fn serves(width: usize, text: &str) -> Vec<String> {
    match text.split_once("; ") {
        Some((serves, rest)) if text.len() > width => {
            let mut lines = wrapped(width, "", "  ", rest);
            lines.extend(wrapped(width, "", "  ", &format!("{serves}.")));
            lines
        }
        _ => wrapped(width, "", "  ", text),
    }
}

/// Wraps our own text; non-ASCII becomes `?`, so that it never surprises a terminal.
fn wrapped(width: usize, first: &str, rest: &str, text: &str) -> Vec<String> {
    let ascii: String = text
        .chars()
        .map(|c| {
            if c.is_ascii() && !c.is_ascii_control() {
                c
            } else {
                '?'
            }
        })
        .collect();
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        // An id, or an option that somebody copies, stays whole.
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines: Vec<String> = textwrap::wrap(&ascii, options)
        .into_iter()
        .map(|line| line.into_owned())
        .collect();
    if lines.is_empty() {
        vec![first.trim_end().to_owned()]
    } else {
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn success() -> Ended {
        Ended {
            state: State::Succeeded,
            verdict: "r42 is live".into(),
            details: vec![],
            hints: vec!["undo with: wharf rollback -e staging".into()],
            url: Some("https://staging.shop.example.com".into()),
            serves: "staging now serves r42 (was r41).".into(),
            milliseconds: 121_000,
            maintenance_ms: Some(1_500),
        }
    }

    #[test]
    fn a_push_reads_well() {
        let events = [
            Event::Opened {
                kind: Kind::Push,
                project: "shop".into(),
                branch: "staging".into(),
                environment: "staging".into(),
                activity: "4f2a".into(),
            },
            Event::StepStarted {
                label: "build".into(),
                text: "composer install".into(),
            },
            Event::Output {
                text: "error: not one of ours".into(),
            },
            Event::StepEnded {
                label: String::new(),
                text: "done".into(),
                milliseconds: 102_000,
            },
            Event::StepEnded {
                label: "release".into(),
                text: "r42, 14 mounts".into(),
                milliseconds: 12,
            },
            Event::Ended(Box::new(success())),
        ];
        let text: Vec<String> = events.iter().flat_map(|event| lines(event, "")).collect();
        insta::assert_snapshot!(text.join("\n"), @r"
        wharf: shop, branch staging -> environment staging   push 4f2a
          build      composer install
          | error: not one of ours
                     done                                                 1m 42s
          release    r42, 14 mounts                                         0.0s

        success: r42 is live                                        total 2m 01s
          visitors were kept away for 1.5s
          https://staging.shop.example.com
        hint: undo with: wharf rollback -e staging
        staging now serves r42 (was r41).
        ");
    }

    proptest! {
        #[test]
        fn our_own_lines_are_narrow_plain_and_prefixed(
            text in "\\PC{0,300}",
            label in "[a-z]{0,12}",
            milliseconds in 0_u64..100_000_000,
        ) {
            for event in [
                Event::Note { text: text.clone() },
                Event::Warning { text: text.clone() },
                Event::StepStarted { label: label.clone(), text: text.clone() },
                Event::StepEnded { label, text, milliseconds },
            ] {
                for line in lines(&event, "[staging] ") {
                    prop_assert!(line.len() <= WIDTH, "{line}");
                    prop_assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line}");
                    prop_assert!(line.starts_with("[staging]"));
                }
            }
        }
    }
}
