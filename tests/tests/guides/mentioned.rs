//! Commands that a guide names in a sentence or a table.

use std::path::Path;

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

/// Every command of `wharf` that any page names is one that the command line has.
#[test]
fn pages_name_commands_that_are_there() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs");
    let mut problems = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(docs).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        for span in spans(&std::fs::read_to_string(&file).unwrap()) {
            let Some(line) = span.strip_prefix("wharf ") else {
                continue;
            };
            seen += 1;
            if let Err(error) = read(line) {
                problems.push(format!("{}: wharf {line}: {error}", file.display()));
            }
        }
    }
    assert!(seen > 200, "commands are found at all: {seen}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Reads a command line; one that is named only, without what it needs, is good as well.
fn read(line: &str) -> Result<(), String> {
    // What a shell does with it is not its own.
    let line = line.split(['<', '>', '|']).next().unwrap_or_default();
    let words = line.split_whitespace();
    // A release and a time stand for one.
    let words = words.map(|word| match word.trim_matches(|c| "[]".contains(c)) {
        "rN" => "r1",
        "TIME" => "1h",
        other => other,
    });
    let all = std::iter::once("wharf").chain(words).map(Into::into);
    let Err(error) = wharf_cli::args::parse(all) else {
        return Ok(());
    };
    let text = error.to_string();
    let kind = format!("{:?}", error.kind());
    let is_named_only = kind.contains("Missing")
        || kind.contains("Display")
        || text.contains("but none was supplied");
    match is_named_only {
        true => Ok(()),
        false => Err(text.lines().next().unwrap_or_default().to_owned()),
    }
}
