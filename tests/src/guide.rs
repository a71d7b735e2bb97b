//! The guides of `docs/` as their readers type them: every command that stands in one, and where a test
//! runs it.

mod places;

use std::fs;

pub use places::{PLACES, Where, place};

use crate::{Said, programs};

/// The three guides.
pub const GUIDES: [&str; 3] = ["developer.md", "sysadmin.md", "operator.md"];

/// A command of a guide.
#[derive(Debug, Clone)]
pub struct Typed {
    /// The guide's file.
    pub guide: &'static str,
    /// The heading above it.
    pub section: String,
    /// What is typed, of more lines where it goes on.
    pub text: String,
    /// What the guide says that comes of it; none where it says nothing.
    pub shown: Option<String>,
}

/// The text of a guide.
pub fn text(guide: &str) -> String {
    let file = programs::workspace().join("docs").join(guide);
    fs::read_to_string(file).expect("the guide is there")
}

/// Every command of a guide, in the order in which it is read.
///
/// # Panics
/// Where a block of code says no language: nobody could tell whether it is to be typed.
pub fn typed(guide: &'static str) -> Vec<Typed> {
    let text = text(guide);
    let mut commands = Vec::new();
    let mut section = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        }
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        let of_block = match language {
            "sh" => script(&block),
            "console" => dialogue(&block),
            "toml" => Vec::new(),
            other => panic!("{guide}: a block in `{other}`; commands stand in sh or console"),
        };
        commands.extend(of_block.into_iter().map(|(text, shown)| Typed {
            guide,
            section: section.clone(),
            text,
            shown,
        }));
    }
    commands
}

type Command = (String, Option<String>);

/// One command a line, but for what a here document holds.
fn script(block: &[&str]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut end = None;
    for line in block {
        match (end, commands.last_mut()) {
            (Some(word), Some((text, _))) => {
                text.push_str(&format!("\n{line}"));
                end = Some(word).filter(|word| word != line);
            }
            _ if line.is_empty() => {}
            _ => {
                commands.push(((*line).to_owned(), None));
                let (_, behind) = line.split_once("<<'").unwrap_or_default();
                end = behind.split('\'').next().filter(|word| !word.is_empty());
            }
        }
    }
    commands
}

/// Commands behind `$ `, with what they print.
fn dialogue(block: &[&str]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Some(String::new()))),
            (None, Some((_, Some(shown)))) => shown.push_str(&format!("{line}\n")),
            (None, _) => panic!("`{line}` stands before any command"),
        }
    }
    commands
}

impl Typed {
    /// Itself with what came of it, which must be good, unless the guide shows trouble, and what the
    /// guide shows.
    #[track_caller]
    pub fn came_to(&self, said: Said) -> Said {
        let mut shown = self.shown.iter().flat_map(|shown| shown.lines());
        let trouble = ["error: ", "warning: "];
        let may_fail = shown.any(|line| trouble.iter().any(|word| line.starts_with(word)));
        let (guide, text) = (self.guide, &self.text);
        assert!(said.code == 0 || may_fail, "docs/{guide}, `{text}`: {said}");
        if let Err(line) = self.compare(&said.out) {
            panic!("docs/{guide} shows what did not come: {line}\n{said}");
        }
        said
    }

    /// Whether what came of it is what the guide shows: the same words, whatever the time, the id or the
    /// port is; `...` stands for any lines, also for none. Else the first line that did not come.
    fn compare(&self, said: &str) -> Result<(), String> {
        let mut said = said.lines().map(words).filter(|line| !line.is_empty());
        let mut anything = false;
        let shown = self.shown.as_deref().unwrap_or("...");
        for line in shown.lines().filter(|line| !line.trim().is_empty()) {
            if line.trim() == "..." {
                anything = true;
                continue;
            }
            let wanted = words(line);
            let came = match anything {
                true => said.any(|line| same(&wanted, &line)),
                false => said.next().is_some_and(|line| same(&wanted, &line)),
            };
            if !came {
                return Err(line.to_owned());
            }
            anything = false;
        }
        match said.next() {
            Some(more) if !anything && self.shown.is_some() => {
                Err(format!("(no more, but came: {})", more.join(" ")))
            }
            _ => Ok(()),
        }
    }
}

/// A line's words, without what differs each time but ids.
fn words(line: &str) -> Vec<String> {
    let words = line.split_whitespace().filter(|word| *word != "remote:");
    words.map(steady).collect()
}

fn steady(word: &str) -> String {
    let number = word.trim_end_matches(['s', 'm']);
    if number.len() < word.len() && number.parse::<f64>().is_ok() {
        return "TIME".to_owned();
    }
    match word.split_once("localhost:") {
        Some((before, after)) => {
            let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            format!("{before}localhost:PORT{rest}")
        }
        None => word.to_owned(),
    }
}

/// Whether a line is as it is shown: for an id any id will do.
fn same(shown: &[String], said: &[String]) -> bool {
    let is_id =
        |word: &str| (4..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_shown_as_one = |word: &str| is_id(word) && word.bytes().any(|b| b.is_ascii_digit());
    shown.len() == said.len()
        && shown
            .iter()
            .zip(said)
            .all(|(shown, said)| shown == said || (is_shown_as_one(shown) && is_id(said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_told_from_what_is_shown() {
        let block = ["a <<'END'", "b", "END", "c  # why"];
        let found: Vec<_> = script(&block).into_iter().map(|(text, _)| text).collect();
        assert_eq!(found, ["a <<'END'\nb\nEND", "c  # why"]);
        let found = dialogue(&["$ a", "one", "$ b"]);
        assert_eq!(found[0], ("a".into(), Some("one\n".into())));
        assert_eq!(found[1], ("b".into(), Some(String::new())));
    }

    #[test]
    fn what_came_is_held_against_what_is_shown() {
        let typed = |shown: &str| Typed {
            guide: "x",
            section: String::new(),
            text: String::new(),
            shown: Some(shown.to_owned()),
        };
        let said = "remote: push cdaa   \nmore\nremote: live at localhost:80/ 0.3s\n";
        for good in [
            "push 4f2a\n...\nlive at localhost:7080/   1.0s\n",
            "...\n",
            "...\nmore\n...\n",
        ] {
            assert_eq!(typed(good).compare(said), Ok(()), "{good}");
        }
        for bad in [
            "push 4f2a\n",
            "more\n...\n",
            "...\nless\n...\n",
            "",
            "push 4f2a\nlive\n",
        ] {
            assert!(typed(bad).compare(said).is_err(), "{bad}");
        }
    }
}
