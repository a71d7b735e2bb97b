//! Parts of pages that are made from the code. `UPDATE_DOCS=1` writes them anew.

use std::fs;

use crate::root;

/// What stands in a page between two texts, held against what it is made from.
#[track_caller]
pub(crate) fn part_is(page: &str, start: &str, end: &str, made: &str) {
    let file = root().join(page);
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once(start).unwrap();
    let (part, tail) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{start}{made}{end}{tail}")).unwrap();
        return;
    }
    let mut lines = part.lines().zip(made.lines());
    let other = lines.find(|(is, should)| is != should);
    assert!(
        part == made,
        "{page} is not as it is made, first at {other:?}: UPDATE_DOCS=1 makes it anew"
    );
}

/// The rows of a page's table, held against what they are made from.
#[track_caller]
fn table_is(page: &str, start: &str, made: &str) {
    part_is(page, start, "\n\n", made.trim_end_matches('\n'));
}

#[test]
fn the_page_of_codes_has_those_of_findings() {
    let start = "| Code | What it looks at |\n|---|---|\n";
    table_is(
        "docs/troubleshooting.md",
        start,
        &wharf_wire::finding::rows(),
    );
}

#[test]
fn the_journal_s_catalog_is_made_from_the_code() {
    let file = root().join("systemd/wharf.catalog");
    let made = wharf_daemon::journal::catalog();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, made).unwrap();
        return;
    }
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        made,
        "UPDATE_DOCS=1 makes it anew"
    );
}

/// What is open and why is said where the probes are, and held by what they find; what is tried by
/// those who mean ill is said where the test program `hostile` has it from.
#[test]
fn the_page_of_isolation_has_every_probe_and_every_hostility() {
    let probes = wharf_tests::PROBES
        .iter()
        .map(|probe| format!("| {} | {} | {} |\n", probe.name, probe.tries, probe.said()));
    let start = "| Probe | What it tries | In bubblewrap and in units |\n|---|---|---|\n";
    table_is("docs/isolation.md", start, &probes.collect::<String>());
    let hostilities = wharf_tests::HOSTILITIES.iter().map(|one| one.row());
    let start = "| Test | Class | What it tries | What comes of it |\n|---|---|---|---|\n";
    table_is("docs/isolation.md", start, &hostilities.collect::<String>());
}

#[test]
fn the_page_of_commands_is_made_from_the_command_line() {
    let page = "docs/commands.md";
    let wharf = wharf_cli::reference::page(wharf_cli::args::command());
    let wharf = wharf.trim_start_matches("\n## wharf\n");
    part_is(page, "\n## wharf\n", "\n## wharfd\n", wharf);
    let wharfd = wharf_cli::reference::page(wharf_daemon::life::command());
    let wharfd = wharfd.trim_start_matches("\n## wharfd\n");
    part_is(page, "\n## wharfd\n", "\n## Names of other", wharfd);
    let start = "| Name | Command |\n|---|---|\n";
    table_is(page, start, &wharf_cli::reference::names());
}

#[test]
fn the_page_of_the_journal_is_made_from_the_code() {
    let page = "docs/journal.md";
    let start = "| Field | What it says |\n|---|---|\n";
    table_is(page, start, &wharf_daemon::journal::fields());
    let start = "| `MESSAGE_ID` | What happened |\n|---|---|\n";
    table_is(page, start, &wharf_daemon::journal::messages());
}

/// That a daemon tells just these is held by `tests/tests/live/metrics.rs`.
#[test]
fn the_page_of_metrics_is_made_from_the_code() {
    let start = "| Metric | Labels | What it is |\n|---|---|---|\n";
    table_is("docs/metrics.md", start, &wharf_daemon::metrics::page());
}
