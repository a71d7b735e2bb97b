//! What `git push -o` asked for. An option that nobody knows is a warning, never a failure.

use super::limits::Wish;
use crate::report;

/// The options of one push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether the pusher watches.
    pub wait: Wait,
    /// Whether a slug that is there may be used.
    pub rebuild: Rebuild,
    /// Whether anything happens.
    pub run: Run,
    /// Whether it waits for the deploy window.
    pub when: When,
    /// What becomes of the environment.
    pub wish: Wish,
    /// The parent of a new environment: its id or its branch, as it was written.
    pub parent: Option<String>,
    /// What people say of a new environment.
    pub title: Option<String>,
    /// Whether a new environment begins with its parent's data; none: as the project has it.
    pub data: Option<Data>,
    /// Lines about what is not understood.
    pub warnings: Vec<String>,
}

/// Whether the pusher watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// To the end.
    Yes,
    /// `-o nowait`.
    No,
}

/// Whether a slug that is there may be used, as the pusher wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// `-o rebuild`: never.
    Yes,
    /// As usual.
    No,
}

/// Whether anything happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Yes.
    Real,
    /// `-o dry-run`: it is only said what would.
    Dry,
}

/// Whether it waits for the deploy window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// It does where there is one.
    InWindow,
    /// `-o now`, or `--now`.
    Now,
}

impl When {
    /// As a command line says it.
    pub fn of(now: bool) -> When {
        match now {
            true => When::Now,
            false => When::InWindow,
        }
    }
}

/// What a new environment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Data {
    /// Its parent's data.
    Clone,
    /// None.
    Empty,
}

impl Data {
    /// As a command line says it.
    pub fn of(clone: bool) -> Data {
        match clone {
            true => Data::Clone,
            false => Data::Empty,
        }
    }
}

const STATUS: &str = "environment.status";
const PARENT: &str = "environment.parent";
const TITLE: &str = "environment.title";
const CLONE: &str = "environment.clone_parent_on_create";
/// Every option, as it is written.
const KNOWN: [&str; 10] = [
    "dry-run", "nowait", "now", "rebuild", "parent", "title", STATUS, PARENT, TITLE, CLONE,
];
/// Characters of a title.
pub const MAX_TITLE: usize = 80;
/// Bytes of the longest name that a parent could have.
const MAX_PARENT: usize = 200;
/// How near a known option must be to be meant.
const NEAR: f64 = 0.7;
/// Warnings of one push: further ones tell nobody more.
const MAX_WARNINGS: usize = 10;

/// A title of an environment that may be recorded and shown; none where the text is none.
pub fn title_of(text: &str) -> Option<String> {
    let title = text.trim();
    let fits = title.chars().count() <= MAX_TITLE && !title.chars().any(char::is_control);
    fits.then(|| title.to_owned())
}

impl Options {
    /// Reads them; the last one of a name counts.
    pub fn read(options: &[String]) -> Options {
        let mut read = Options {
            wait: Wait::Yes,
            rebuild: Rebuild::No,
            run: Run::Real,
            when: When::InWindow,
            wish: Wish::AsItIs,
            parent: None,
            title: None,
            data: None,
            warnings: Vec::new(),
        };
        let mut wrong = Vec::new();
        for option in options {
            wrong.extend(read.take(option).err());
        }
        let warnings = wrong.iter().take(MAX_WARNINGS);
        read.warnings = warnings.flat_map(|text| report::warning(text)).collect();
        read
    }

    /// The error says what is not understood.
    fn take(&mut self, option: &str) -> Result<(), String> {
        match option.split_once('=') {
            None => match option {
                "nowait" => self.wait = Wait::No,
                "now" => self.when = When::Now,
                "rebuild" => self.rebuild = Rebuild::Yes,
                "dry-run" => self.run = Run::Dry,
                PARENT | TITLE | STATUS | CLONE | "parent" | "title" => {
                    return Err(format!(
                        "push option `{option}` needs a value: {option}=..."
                    ));
                }
                _ => return Err(unknown(option, "")),
            },
            Some((STATUS, "active")) => self.wish = Wish::Active,
            Some((STATUS, "inactive")) => self.wish = Wish::Inactive,
            Some((STATUS, other)) => return Err(bad(STATUS, other, "active or inactive")),
            Some((CLONE, "true" | "1" | "yes")) => self.data = Some(Data::Clone),
            Some((CLONE, "false" | "0" | "no")) => self.data = Some(Data::Empty),
            Some((CLONE, other)) => return Err(bad(CLONE, other, "true or false")),
            Some((PARENT | "parent", name)) => {
                let is_name = |b: u8| b.is_ascii_graphic();
                if !(1..=MAX_PARENT).contains(&name.len()) || !name.bytes().all(is_name) {
                    return Err(bad("parent", name, "an environment"));
                }
                self.parent = Some(name.to_owned());
            }
            Some((TITLE | "title", title)) => {
                let fits = || format!("at most {MAX_TITLE} printable characters");
                self.title = match title_of(title) {
                    Some(title) => Some(title),
                    None => return Err(bad("title", title.trim(), &fits())),
                };
            }
            Some((name @ ("nowait" | "now" | "rebuild" | "dry-run"), _)) => {
                return Err(format!("push option `{name}` takes no value"));
            }
            Some((name, _)) => return Err(unknown(name, "=")),
        }
        Ok(())
    }
}

fn bad(name: &str, value: &str, wanted: &str) -> String {
    format!("push option {name}: `{}` is not {wanted}", shown(value))
}

fn unknown(name: &str, sign: &str) -> String {
    let near = KNOWN
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(nearness, _)| *nearness >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let what = format!("unknown push option `{}{sign}`", shown(name));
    match near {
        Some((_, known)) => format!("{what}; did you mean {known}?"),
        None => format!("{what}; known: {}", KNOWN.join(", ")),
    }
}

/// As it was written, as far as it tells anybody something.
fn shown(text: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    };
    text.chars().take(40).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[&str]) -> Options {
        let options: Vec<String> = options.iter().map(|o| (*o).to_owned()).collect();
        Options::read(&options)
    }

    #[test]
    fn every_option_is_understood_in_both_forms() {
        let all = read(&[
            "nowait",
            "now",
            "rebuild",
            "dry-run",
            "parent=staging",
            "title= A cart that works ",
            "environment.status=inactive",
            "environment.clone_parent_on_create=false",
        ]);
        let wanted = Options {
            wait: Wait::No,
            rebuild: Rebuild::Yes,
            run: Run::Dry,
            when: When::Now,
            wish: Wish::Inactive,
            parent: Some("staging".into()),
            title: Some("A cart that works".into()),
            data: Some(Data::Empty),
            warnings: Vec::new(),
        };
        assert_eq!(all, wanted);
        let long = read(&["environment.parent=feature/a", "environment.title=B"]);
        assert_eq!(long.parent.as_deref(), Some("feature/a"));
        assert_eq!(long.title.as_deref(), Some("B"));
    }

    #[test]
    fn what_is_not_understood_is_a_warning() {
        for (option, says) in [
            ("no-wait", "did you mean nowait?"),
            ("Rebuild", "did you mean rebuild?"),
            ("dryrun", "did you mean dry-run?"),
            (
                "environment.staus=active",
                "did you mean environment.status?",
            ),
            ("ci.skip", "known: dry-run, nowait,"),
            ("parent", "needs a value"),
            ("nowait=1", "takes no value"),
            ("environment.status=paused", "is not active or inactive"),
            ("parent=", "is not an environment"),
            ("parent=a b", "is not an environment"),
            ("title=a\u{1b}[31m", "is not at most 80 printable"),
            ("\u{202e}x", "unknown push option `?x`"),
        ] {
            let read = read(&[option]);
            let said = read.warnings.join(" ").replace("  ", "");
            assert!(said.starts_with("warning: "), "{said}");
            assert!(said.replace("  ", " ").contains(says), "{option}: {said}");
            assert_eq!(
                Options {
                    warnings: Vec::new(),
                    ..read
                },
                Options::read(&[])
            );
        }
        let long = format!("title={}", "x".repeat(81));
        assert_eq!(read(&[&long]).title, None);
        assert!(read(&["x1"; 64]).warnings.len() <= 3 * MAX_WARNINGS);
    }
}
