//! Problems as people read them.
//!
//! The place is drawn by annotate-snippets. It is given one line of the file at a time, with every
//! character that is not printable ASCII replaced by `?`: nothing that a stranger wrote reaches a
//! terminal raw, and columns stay what an editor shows.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::Problem;
use crate::plain::{boundary, plain, shortened};

/// At most this many problems are drawn, so that the first ones stay on the screen.
const MAX_DRAWN: usize = 20;
/// A message or hint is cut after so many characters.
const MAX_WORDS: usize = 600;
/// So many characters of the source line are shown before the place when the line is long.
const LEAD: usize = 24;

/// Draws all problems, an empty line between two.
pub(super) fn all(problems: &[Problem], width: usize) -> String {
    let mut out = problems
        .iter()
        .take(MAX_DRAWN)
        .map(|p| one(p, width))
        .collect::<Vec<_>>()
        .join("\n");
    if problems.len() > MAX_DRAWN {
        let more = problems.len() - MAX_DRAWN;
        let s = if more == 1 { "" } else { "s" };
        out.push_str(&format!("\n... and {more} more problem{s}\n"));
    }
    out
}

/// Draws one problem.
pub(super) fn one(problem: &Problem, width: usize) -> String {
    let width = width.max(40);
    let mut lines = wrapped("error: ", &problem.message, width);
    lines.extend(place(problem, width));
    if let Some(hint) = &problem.hint {
        lines.extend(wrapped("hint: ", hint, width));
    }
    let mut out = String::new();
    for line in lines {
        out.push_str(&shortened(line.trim_end(), width));
        out.push('\n');
    }
    out
}

fn wrapped(lead: &str, words: &str, width: usize) -> Vec<String> {
    let words = plain(&shortened(words, MAX_WORDS));
    let indent = " ".repeat(lead.len());
    let options = textwrap::Options::new(width)
        .initial_indent(lead)
        .subsequent_indent(&indent)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(&words, options)
        .into_iter()
        .map(|line| line.into_owned())
        .collect()
}

/// The same text, as long as it was, without the secrets that tell by their beginning what they are.
fn without_secrets(text: &str) -> Cow<'_, str> {
    const BEGINS: &str = "whsec_";
    if !text.contains(BEGINS) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(BEGINS);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_secret = |c: char| c.is_ascii_alphanumeric() || "+/=_-".contains(c);
        let end = part.find(|c| !is_secret(c)).unwrap_or(part.len());
        out.push_str(BEGINS);
        out.extend(std::iter::repeat_n('*', end));
        out.push_str(&part[end..]);
    }
    Cow::Owned(out)
}

/// The file, and the line with the caret where the place is known.
pub(super) fn place(problem: &Problem, width: usize) -> Vec<String> {
    let file = plain(&shortened(&problem.file, 200));
    let (Some(text), Some(span), Some((line, column))) = (
        problem.text.as_deref(),
        problem.span.as_ref(),
        problem.position(),
    ) else {
        return vec![format!("  --> {file}")];
    };
    let text = without_secrets(text);
    let shown = Shown::of(
        &text,
        span,
        column,
        width.saturating_sub(line.to_string().len() + 4),
    );
    let label = problem
        .label
        .as_deref()
        .map(|label| shortened(&plain(label), shown.room));
    let level = Level::ERROR.no_name();
    let group = Group::with_level(level)
        .element(Origin::path(&*file).line(line).char_column(column))
        .element(
            Snippet::source(&*shown.source)
                .line_start(line)
                .fold(false)
                .annotation(
                    AnnotationKind::Primary
                        .span(shown.span.clone())
                        .label(label.filter(|l| !l.is_empty())),
                ),
        );
    let drawn = Renderer::plain()
        .term_width(usize::MAX / 4)
        .render(&[group]);
    // It marks lines that it was not given; here they are not missed.
    drawn
        .lines()
        .filter(|line| line.trim() != ":::")
        .map(str::to_owned)
        .collect()
}

/// Up to the line's end. A carriage return elsewhere is a character like others, as for an editor.
fn first_line(text: &str) -> &str {
    let line = text.split('\n').next().unwrap_or_default();
    line.strip_suffix('\r').unwrap_or(line)
}

/// The part of one line that is drawn.
struct Shown {
    source: String,
    span: std::ops::Range<usize>,
    /// Columns that are left for the label.
    room: usize,
}

impl Shown {
    fn of(text: &str, span: &std::ops::Range<usize>, column: usize, width: usize) -> Self {
        let start = boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &text[line_start..];
        let line = first_line(rest);
        let meant = first_line(&text[start..boundary(text, span.end.max(start))]);
        let meant = meant.chars().count().max(1);

        // What is meant may be the line's end itself.
        let at = (column - 1).min(line.chars().count());
        let long = line.chars().count() > width;
        let skip = if long { at.saturating_sub(LEAD) } else { 0 };
        let mut source = String::with_capacity(width);
        if skip > 0 {
            source.push_str("...");
        }
        let from = source.len() + (at - skip);
        source.extend(line.chars().skip(skip).take(width + 1).map(|c| match c {
            ' '..='~' => c,
            '\t' => ' ',
            _ => '?',
        }));
        let source = shortened(&source, width.max(LEAD + 8));
        let to = (from + meant).min(source.len().max(from + 1));
        Self {
            room: width.saturating_sub(to + 1),
            span: from..to,
            source,
        }
    }
}
