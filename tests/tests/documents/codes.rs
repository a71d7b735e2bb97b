//! Every stable code of the code stands in `docs/troubleshooting.md`, and no other.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{reference::part_is, root};

const PAGE: &str = "docs/troubleshooting.md";

/// The ways in which the daemon names an error's code, and those of what reads configuration.
const DAEMON: [&str; 10] = [
    "Failure::new(",
    "missing(",
    "code: \"",
    "said.add(",
    "codes.insert(",
    "Problem::new(",
    "finding(",
    "Finding::good(",
    "Finding::warning(",
    "Finding::error(",
];
const CONFIG: [&str; 4] = ["Problem::new(", "problem(", "push_unshown(", "bad_key("];

/// The first string literal behind each of these.
fn codes<'t>(text: &'t str, ways: &'static [&str]) -> impl Iterator<Item = &'t str> {
    ways.iter()
        .flat_map(move |marker| text.split(marker).skip(1).map(move |rest| (marker, rest)))
        .filter_map(|(marker, rest)| {
            if marker.ends_with('"') {
                return rest.split('"').next();
            }
            let call = &rest[..rest.find(')').unwrap_or(rest.len())];
            call.split('"')
                .skip(1)
                .step_by(2)
                .find(|word| is_code(word))
        })
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}

/// The codes of the page: what the rows of its tables begin with.
fn listed() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let words = rows
        .filter_map(|row| row.split_once("` |"))
        .map(|(word, _)| word);
    words.map(str::to_owned).collect()
}

#[test]
fn every_error_code_is_listed() {
    let listed = listed();
    let mut found = 0;
    let mut missing = Vec::new();
    for (directory, ways) in [("daemon/src", &DAEMON[..]), ("config/src", &CONFIG)] {
        for (path, text) in sources(&root().join(directory)) {
            for code in codes(&text, ways) {
                found += 1;
                if !listed.contains(code) {
                    missing.push(format!("{}: {code}", path.display()));
                }
            }
        }
    }
    assert!(found > 20, "codes are found at all");
    assert!(missing.is_empty(), "not in {PAGE}:\n{}", missing.join("\n"));
}

#[test]
fn every_code_that_is_listed_is_one() {
    let programs = ["daemon/src", "config/src", "cli/src", "wire/src"];
    let sources: Vec<_> = programs
        .iter()
        .flat_map(|directory| sources(&root().join(directory)))
        .filter(|(path, _)| {
            !path
                .iter()
                .any(|part| part.to_string_lossy().starts_with("catalogue"))
        })
        .collect();
    let listed = listed();
    assert!(listed.len() > 100, "codes are found at all");
    for code in &listed {
        let quoted = format!("\"{code}\"");
        let is_there = sources.iter().any(|(_, text)| text.contains(&quoted));
        assert!(is_there, "{code} is in {PAGE} and nowhere in the code");
    }
    for entry in wharf_daemon::catalogue::ALL {
        assert!(
            listed.contains(entry.code),
            "{} is in no section",
            entry.code
        );
    }
}

#[test]
fn the_page_of_codes_is_made_from_the_catalogue() {
    let made = wharf_daemon::catalogue::page();
    part_is(
        PAGE,
        "\n### ",
        "\n## Codes of `wharf` itself",
        made.trim_start_matches("### "),
    );
}

/// Every Rust file below a directory, without its tests.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            if path
                .iter()
                .any(|part| part == "tests" || part == "tests.rs")
            {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next();
            let text = text.unwrap_or_default();
            found.push((path, text.to_owned()));
        }
    }
    found
}

/// Every field that anything in the daemon says by name is explained, and nothing else is.
#[test]
fn the_fields_of_the_journal_are_those_of_the_code() {
    let mut said = BTreeSet::new();
    for (_, text) in sources(&root().join("daemon/src")) {
        for rest in text.split("WHARF_").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '_');
            let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
            if behind.starts_with(" = ") && !behind.starts_with(" = \"1") {
                said.insert(format!("WHARF_{name}"));
            }
        }
    }
    let known = wharf_daemon::journal::FIELDS.iter();
    let known: BTreeSet<_> = known.map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(said, known, "daemon/src/journal/page.rs");
}
