//! Why a patch does not apply: which hunk, and which lines of the file differ.

use std::path::Path;

use diffy::patch_set::{FileOperation, FilePatch};
use diffy::{Hunk, Line};

use super::target::{parts, shown, target};
use crate::execute::beneath::{self, Beneath};
use crate::execute::failure::Failure;
use crate::report;

/// Bytes of a file that is compared, at most.
const LARGEST: u64 = 2 << 20;
/// Lines that are shown of those that differ.
const SHOWN: usize = 4;
/// A hunk is looked for so many lines before and after its own place, to say what differs there.
const NEAR: usize = 200;
/// Hunks of one file that are compared.
const HUNKS: usize = 500;

/// The failure of a patch at `path` that git refused with these words.
///
/// `step` may make what is missing.
pub(super) fn explain(
    path: &str,
    patch: &[u8],
    work: &Path,
    said: &str,
    step: Option<String>,
) -> Failure {
    let path = shown(path);
    let text = String::from_utf8_lossy(patch);
    let found = parts(&text)
        .iter()
        .find_map(|part| look(work, part).map(|why| (shown(target(part)), why)));
    let Some((file, why)) = found else {
        let lines = said.lines().take(SHOWN);
        let details = lines.map(|line| format!("{}{}", report::TOOL, shown(line)));
        return Failure::new("patch-conflict", format!("{path} does not apply"))
            .details(details)
            .hint("make the patch anew from the files of this commit");
    };
    match why {
        Why::Missing => {
            let message = format!("{path} does not apply: {file} is not there");
            Failure::new("patch-conflict", message).hint(match step {
                Some(step) => format!(
                    "where a step makes it: patches = {{ files = \"{path}\", after = \"{step}\" }}"
                ),
                None => "take it out of the patch, or remove the patch".to_owned(),
            })
        }
        Why::There => {
            let message = format!("{path} does not apply: {file} is there already, and differs");
            Failure::new("patch-conflict", message)
                .hint("remove the patch where it is no longer needed, else make it anew")
        }
        Why::Unreadable(why) => {
            let message = format!("{path} does not apply: {file} {why}");
            Failure::new("patch-conflict", message).hint("take it out of the patch")
        }
        Why::Differs(differs) => {
            let Differs { hunk, of, lines } = differs;
            let message = format!("{path} does not apply: {file}, hunk {hunk} of {of}");
            Failure::new("patch-conflict", message)
                .details(lines.iter().flat_map(|line| line.shown(&file)))
                .hint("remove the patch where it is no longer needed, else make it anew")
        }
    }
}

/// Why a part of a patch does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// What it changes is not there.
    Missing,
    /// What it makes is there.
    There,
    /// What it changes is no file, or too large.
    Unreadable(&'static str),
    /// Lines are others.
    Differs(Differs),
}

/// Where a file is not what a patch expects.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Differs {
    /// Which hunk of the file's, counted from 1.
    pub(super) hunk: usize,
    /// How many it has.
    pub(super) of: usize,
    /// The first lines that are others.
    pub(super) lines: Vec<Other>,
}

/// A line that is another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Its number, from 1.
    pub(super) number: usize,
    /// What the patch expects.
    pub(super) expected: String,
    /// What is there; none after the end of the file.
    pub(super) found: Option<String>,
}

impl Other {
    fn shown(&self, file: &str) -> [String; 3] {
        let line = |text: &str| shown(text.trim_end_matches(['\n', '\r']));
        let found = match &self.found {
            Some(found) => line(found),
            None => "(the end of the file)".to_owned(),
        };
        [
            format!("  --> {file}:{}", self.number),
            format!("{}expected: {}", report::TOOL, line(&self.expected)),
            format!("{}found:    {found}", report::TOOL),
        ]
    }
}

fn look(work: &Path, part: &FilePatch<'_, str>) -> Option<Why> {
    let path = target(part);
    let file = beneath::read(work, Path::new(path), LARGEST);
    let bytes = match (file, part.operation()) {
        (Ok(Beneath::Absent), FileOperation::Create(_)) => return None,
        (Ok(Beneath::Absent), _) => return Some(Why::Missing),
        (Ok(_), FileOperation::Create(_)) => return Some(Why::There),
        (Ok(Beneath::File(bytes)), _) => bytes,
        (Ok(Beneath::Large), _) => return Some(Why::Unreadable("is too large")),
        (Ok(Beneath::Other), _) => return Some(Why::Unreadable("is no regular file")),
        (Err(_), _) => return Some(Why::Unreadable("leads out of the tree, or cannot be read")),
    };
    let patch = part.patch().as_text()?;
    let text = String::from_utf8_lossy(&bytes);
    compare(&text, patch.hunks()).map(Why::Differs)
}

/// The first hunk that does not fit, applying those before it as git does: at the place nearest to
/// their own where all lines are as expected.
pub(super) fn compare(text: &str, hunks: &[Hunk<'_, str>]) -> Option<Differs> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut drift = 0_isize;
    for (index, hunk) in hunks.iter().take(HUNKS).enumerate() {
        let expected = side(hunk, |line| !matches!(line, Line::Insert(_)));
        let start = hunk.old_range().start().saturating_sub(1);
        let place = start.saturating_add_signed(drift).min(lines.len());
        let fits = |at: usize| lines[at..].starts_with(&expected);
        let outward = (0..=lines.len()).flat_map(|away| {
            let after = (place + away <= lines.len()).then_some(place + away);
            place.checked_sub(away).into_iter().chain(after)
        });
        let Some(at) = outward.into_iter().find(|at| fits(*at)) else {
            return Some(Differs {
                hunk: index + 1,
                of: hunks.len(),
                lines: others(&lines, &expected, place),
            });
        };
        let new = side(hunk, |line| !matches!(line, Line::Delete(_)));
        drift += at as isize - place as isize + new.len() as isize - expected.len() as isize;
        lines.splice(at..at + expected.len(), new);
    }
    None
}

fn side<'a>(hunk: &Hunk<'a, str>, wanted: impl Fn(&Line<'a, str>) -> bool) -> Vec<&'a str> {
    let lines = hunk.lines().iter().filter(|line| wanted(line));
    lines
        .map(|line| match line {
            Line::Context(text) | Line::Delete(text) | Line::Insert(text) => *text,
        })
        .collect()
}

/// The lines that differ where most are as expected, near the hunk's own place.
fn others(lines: &[&str], expected: &[&str], place: usize) -> Vec<Other> {
    let alike = |at: usize| {
        let pairs = expected.iter().zip(&lines[at..]);
        pairs.filter(|(one, other)| one == other).count()
    };
    let near = place.saturating_sub(NEAR)..=(place + NEAR).min(lines.len());
    let best = near.max_by_key(|at| (alike(*at), std::cmp::Reverse(at.abs_diff(place))));
    let at = best.unwrap_or(place);
    let differ = expected.iter().enumerate().filter_map(|(offset, line)| {
        let found = lines.get(at + offset);
        (found != Some(line)).then(|| Other {
            number: at + offset + 1,
            expected: (*line).to_owned(),
            found: found.map(|found| (*found).to_owned()),
        })
    });
    differ.take(SHOWN).collect()
}
