//! Repositories, pushers, visitors and callers who mean ill, each an example of a class that is real.
//! All of it is held, with an error that a person understands, and a neighbour and the daemon serve
//! throughout. What is tried stands in one table, [`HOSTILITIES`], which `docs/isolation.md` shows.
//!
//! Budget: 4 minutes on two cores.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "../live/app.rs"]
mod app;
#[path = "../live/carried.rs"]
mod carried;
mod host;
mod squat;

mod archives;
mod clients;
mod configuration;
mod links;
mod names;
mod output;
mod patches;
mod processes;
mod requests;
mod trees;
mod visitors;

use std::{collections::BTreeSet, env, fs, path::Path, process::Command};

use wharf_tests::{Came, HOSTILITIES};

/// The words of the table that a person reads where this is tried.
fn says(test: &str) -> &'static str {
    let row = HOSTILITIES.iter().find(|row| row.test == test);
    match row
        .unwrap_or_else(|| panic!("{test} is not in the table"))
        .came
    {
        Came::Says(words) => words,
        Came::Held(_) => panic!("{test} has no words in the table"),
    }
}

/// Each row has its test and each test its row; and the words of a row are those that its test reads.
#[test]
fn the_table_and_the_tests_are_one() {
    let list = Command::new(env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let tests: BTreeSet<&str> = list
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| name.contains("::"))
        .collect();
    let rows: BTreeSet<&str> = HOSTILITIES.iter().map(|row| row.test).collect();
    assert_eq!(rows, tests);
    assert_eq!(rows.len(), HOSTILITIES.len(), "a row stands there twice");
    assert!(rows.len() >= 40, "{}", rows.len());

    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    for row in HOSTILITIES {
        let (file, _) = row.test.split_once("::").unwrap();
        let source = fs::read_to_string(directory.join(file).with_extension("rs")).unwrap();
        let reads = source.contains(&format!("says(\"{}\")", row.test));
        assert_eq!(reads, matches!(row.came, Came::Says(_)), "{}", row.test);
    }
}
