//! Commands that a guide names in a sentence or a table.

use std::{fs, path::Path};

use wharf_tests::guide::{GUIDES, text, typed};

/// What commands begin with.
const PROGRAMS: [&str; 9] = [
    "wharf ",
    "wharfd ",
    "git ",
    "sudo ",
    "systemctl ",
    "journalctl ",
    "ssh ",
    "make ",
    "apt ",
];

/// Each is one that is typed in a guide, too, and so is run.
#[test]
fn what_is_named_is_typed_somewhere() {
    let commands: Vec<_> = GUIDES.into_iter().flat_map(typed).collect();
    let mut problems = Vec::new();
    for guide in GUIDES {
        for named in spans(&text(guide)) {
            let is_typed = commands.iter().any(|typed| typed.text.contains(&named));
            let is_command = PROGRAMS.iter().any(|program| named.starts_with(program));
            if is_command && !is_typed {
                problems.push(format!("docs/{guide}: {named}"));
            }
        }
    }
    assert!(
        problems.is_empty(),
        "no test runs:\n{}",
        problems.join("\n")
    );
}

/// What stands between backticks, outside of blocks.
fn spans(page: &str) -> Vec<String> {
    let mut spans = Vec::new();
    for (number, text) in page.split("\n```").enumerate() {
        // Every second part is a block.
        if number % 2 == 0 {
            let words = text.split('`').skip(1).step_by(2);
            spans.extend(words.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
    }
    spans
}

/// What a page has in blocks of code, a line each.
fn lines(page: &str) -> Vec<String> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    let lines = blocks.flat_map(str::lines).map(|line| {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        line.split("  #").next().unwrap_or_default().to_owned()
    });
    lines.collect()
}

/// Every command of ours that any page names or shows is one that the command line has.
#[test]
fn pages_name_commands_that_are_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut problems = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(docs.join("docs")).unwrap() {
        let file = entry.unwrap().path();
        // Two of them are what somebody really typed: `tests/tests/ssh`.
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".md") || ["story.md", "shop.md"].contains(&name.as_ref()) {
            continue;
        }
        let page = fs::read_to_string(&file).unwrap();
        for line in spans(&page).into_iter().chain(lines(&page)) {
            let said = match line.split_once(' ') {
                Some(("wharf", words)) => by_wharf(words),
                Some(("wharfd", words)) => by_wharfd(words),
                _ => continue,
            };
            seen += 1;
            if let Err(error) = said {
                problems.push(format!("{}: {line}: {error}", file.display()));
            }
        }
    }
    assert!(seen > 300, "commands are found at all: {seen}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn by_wharf(line: &str) -> Result<(), String> {
    let parsed = wharf_cli::args::parse(words("wharf", line).map(Into::into));
    parsed
        .map(drop)
        .or_else(|error| judge(&format!("{:?}", error.kind()), &error.to_string()))
}

fn by_wharfd(line: &str) -> Result<(), String> {
    let parsed = wharf_daemon::life::command().try_get_matches_from(words("wharfd", line));
    parsed
        .map(drop)
        .or_else(|error| judge(&format!("{:?}", error.kind()), &error.to_string()))
}

/// A command line's words as far as they are not the shell's.
fn words(program: &str, line: &str) -> impl Iterator<Item = String> {
    let line = line
        .split(['<', '>', '|', ';', '&'])
        .next()
        .unwrap_or_default();
    let words = line.split_whitespace().map(|word| {
        // A release and a time stand for one.
        let word = match word.trim_matches(|c| "[]".contains(c)) {
            "rN" => "r1",
            "TIME" => "1h",
            other => other,
        };
        word.to_owned()
    });
    let words: Vec<_> = words.collect();
    std::iter::once(program.to_owned()).chain(words)
}

/// One that is named only, without what it needs, is good as well.
fn judge(kind: &str, text: &str) -> Result<(), String> {
    let is_named_only = kind.contains("Missing")
        || kind.contains("Display")
        || text.contains("but none was supplied");
    match is_named_only {
        true => Ok(()),
        false => Err(text.lines().next().unwrap_or_default().to_owned()),
    }
}
