//! The rules of what the pusher reads: those that hold for every transcript.

use std::collections::BTreeMap;

/// Columns of our own lines.
const WIDTH: usize = 72;
/// Before each line of a tool's output.
const TOOL: &str = "  | ";
/// Lines of a step's output that are shown, and the last ones of a failure.
const SHOWN: usize = 200 + 30;

/// Checks the transcript of a push that was accepted and followed to its end; panics with every rule
/// that it breaks.
#[track_caller]
pub fn obeys_the_rules(transcript: &str) {
    let mut broken = broken_lines(transcript);
    let groups = environments(transcript);
    if groups.is_empty() {
        broken.push("no environment is named".to_owned());
    }
    if let Some(rule) = broken_beginning(transcript, groups.len()) {
        broken.push(rule.to_owned());
    }
    for (environment, lines) in &groups {
        for rule in broken_course(lines) {
            broken.push(format!("{environment}: {rule}"));
        }
    }
    report(&broken, transcript);
}

/// Checks what holds for each line of everything that hooks say, refusals too.
#[track_caller]
pub fn lines_obey_the_rules(transcript: &str) {
    report(&broken_lines(transcript), transcript);
}

#[track_caller]
fn report(broken: &[String], transcript: &str) {
    let broken = broken.join("\n");
    assert!(broken.is_empty(), "{broken}\n--- of\n{transcript}");
}

/// What is wrong with single lines.
fn broken_lines(transcript: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if !transcript.ends_with('\n') {
        broken.push("it does not end with a line end".to_owned());
    }
    let mut tool_lines = 0;
    for line in transcript.split_terminator('\n') {
        let own = unprefixed(line).1;
        if line.chars().any(|c| c.is_control() && c != '\t') {
            broken.push(format!("a control character: {line:?}"));
        }
        if own.starts_with(TOOL) {
            tool_lines += 1;
            if tool_lines == SHOWN + 1 {
                broken.push(format!("more than {SHOWN} lines of a tool"));
            }
            continue;
        }
        tool_lines = 0;
        if !line.is_ascii() {
            broken.push(format!("a line of ours that is not ASCII: {line}"));
        }
        // An address is never broken.
        if line.chars().count() > WIDTH && !is_address(own) {
            broken.push(format!("a line of ours wider than {WIDTH}: {line}"));
        }
    }
    broken
}

/// What is wrong with the first lines: the second one tells about Ctrl-C, unless a long first line
/// goes on in it.
fn broken_beginning(transcript: &str, environments: usize) -> Option<&'static str> {
    let mut lines = transcript.lines();
    let first = lines.next().unwrap_or_default();
    if !first.starts_with("wharf: ") {
        return Some("its first line does not say what this is about");
    }
    if environments > 1 && !first.contains(&environments.to_string()) {
        return Some("its first line does not say how many environments there are");
    }
    let told = lines
        .find(|line| !line.starts_with("    "))
        .is_some_and(|line| {
            line.starts_with("  Ctrl-C stops watching, not the ")
                && line.contains(". Log: wharf log ")
        });
    (!told).then_some("its second line does not tell about Ctrl-C and the log")
}

/// What is wrong with the course of one environment's lines.
fn broken_course(lines: &[&str]) -> Vec<String> {
    let mut broken = Vec::new();
    let ours: Vec<&str> = lines
        .iter()
        .filter(|line| !line.starts_with(TOOL))
        .copied()
        .collect();
    let is_verdict = |line: &&str| {
        ["success: ", "error: ", "warning: "]
            .iter()
            .any(|lead| line.starts_with(lead))
    };
    let Some(verdict) = ours.iter().rposition(is_verdict) else {
        broken.push("no verdict".to_owned());
        return broken;
    };
    let end = &ours[verdict..];
    let url = end.iter().position(|line| is_address(line));
    let hint = end.iter().position(|line| line.starts_with("hint: "));
    let deleted = end[0].contains("deleted");
    match (end[0].starts_with("success: ") && !deleted, url, hint) {
        (true, None, _) => broken.push("a success without an address on a line alone".to_owned()),
        (true, Some(url), Some(hint)) if hint < url => {
            broken.push("a hint before the address".to_owned());
        }
        (_, _, None) if !deleted => broken.push("no hint after the verdict".to_owned()),
        _ => {}
    }
    let last = ours.last().copied().unwrap_or_default();
    if !last.contains(" serves ") || is_verdict(&last) || last.starts_with("hint: ") {
        broken.push(format!(
            "the last line does not say what serves now: {last}"
        ));
    }
    broken
}

/// Whether a line holds an address and nothing else.
fn is_address(line: &str) -> bool {
    line.strip_prefix("  ")
        .is_some_and(|address| address.starts_with("http") && !address.contains(' '))
}

/// Each environment's lines, without its prefix.
fn environments(transcript: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in transcript.lines() {
        let (environment, own) = unprefixed(line);
        groups.entry(environment).or_default().push(own);
    }
    if groups.len() > 1 {
        // What concerns the whole push has no prefix.
        groups.remove("");
    }
    groups
}

/// The environment that a line is prefixed with, and the rest of the line.
fn unprefixed(line: &str) -> (&str, &str) {
    line.strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .filter(|(name, _)| !name.contains(' '))
        .map_or(("", line), |(name, own)| {
            (name, own.strip_prefix(' ').unwrap_or(own))
        })
}
