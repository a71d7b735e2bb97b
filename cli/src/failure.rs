//! Why a command did not do what it was asked, and how that reads.

use std::{error::Error, fmt, io::Write as _};

use anstyle::{AnsiColor, Style};
use wharf_wire::{Refusal, outcome::Exit, view::Reason};

use crate::{
    record::{self, NotDone},
    show,
};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// A command's failure: how the process exits, what is wrong, what caused it, what to do next.
#[derive(Debug)]
pub struct Failure {
    /// How the process exits.
    pub exit: Exit,
    message: String,
    hints: Vec<String>,
    cause: Option<Box<dyn Error + Send + Sync>>,
    code: Option<String>,
    away: bool,
    /// All reasons, which people have read in lines already.
    reasons: Vec<Reason>,
}

impl Failure {
    /// A failure with a lower-case message that names the thing.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            hints: Vec::new(),
            cause: None,
            code: None,
            away: false,
            reasons: Vec::new(),
        }
    }

    /// It was not done, for reasons that people have read in lines already.
    pub fn told(exit: Exit, reasons: Vec<Reason>) -> Failure {
        let first = reasons.first();
        Failure {
            code: first.map(|reason| reason.code.clone()),
            hints: first
                .and_then(|first| first.hint.clone())
                .into_iter()
                .collect(),
            reasons: reasons.clone(),
            ..Failure::new(
                exit,
                first.map_or_else(
                    || "it was not done".to_owned(),
                    |first| first.message.clone(),
                ),
            )
        }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    /// Ends the command without a word, such as when nobody reads its output any more.
    pub fn quiet(exit: Exit) -> Failure {
        Failure::new(exit, "")
    }

    /// Names it for programs; else its exit status does.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Failure {
        self.code = Some(code.into());
        self
    }

    /// The daemon is away, as it is while it begins again.
    #[must_use]
    pub fn away(mut self) -> Failure {
        self.away = true;
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        self.cause = Some(cause.into());
        self
    }

    /// Whether asking again in a moment may do.
    pub fn is_away(&self) -> bool {
        self.away
    }

    /// The first next step.
    pub fn first_hint(&self) -> Option<&str> {
        self.hints.first().map(String::as_str)
    }

    /// Tells people, on standard error, and with `json` programs as well, on standard output.
    pub fn report(&self, json: bool) {
        self.print();
        if json {
            self.print_json();
        }
    }

    /// Tells programs.
    pub fn print_json(&self) {
        if self.exit == Exit::Ok {
            return;
        }
        // Nobody is left to be told that standard output is gone.
        drop(show::json(&self.record()));
    }

    /// What programs are told.
    pub fn record(&self) -> NotDone {
        NotDone {
            error: record::Error {
                code: match &self.code {
                    Some(code) => code.clone(),
                    None => named(self.exit).to_owned(),
                },
                message: self.to_string(),
                hints: self.hints.clone(),
                exit: self.exit.code(),
                reasons: self.reasons.clone(),
            },
        }
    }

    /// Prints `error:` and `hint:` lines on standard error.
    fn print(&self) {
        if self.message.is_empty() || !self.reasons.is_empty() {
            return;
        }
        say("error:", ERROR, &self.to_string());
        for hint in &self.hints {
            self::hint(hint);
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        let mut next = self.cause.as_deref().map(|error| error as &dyn Error);
        while let Some(error) = next {
            write!(out, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}

impl Error for Failure {}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure {
            // A refusal that calls itself a success is still not done.
            exit: match refusal.exit {
                Exit::Ok => Exit::Failed,
                other => other,
            },
            message: refusal.message,
            hints: refusal.hint.into_iter().collect(),
            cause: None,
            code: Some(refusal.code),
            away: false,
            reasons: Vec::new(),
        }
    }
}

/// The code of what has none of its own.
fn named(exit: Exit) -> &'static str {
    match exit {
        Exit::Ok | Exit::Failed => "failed",
        Exit::Usage => "usage",
        Exit::DeployFailed => "deploy-failed",
        Exit::Unreachable => "unreachable",
        Exit::NotFound => "not-found",
        Exit::Refused => "refused",
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Failure {
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let words = first.trim_start_matches("error: ").split_whitespace();
        let words: Vec<&str> = words.collect();
        Failure::usage(words.join(" ")).hint("see how: wharf --help")
    }
}

/// Prints a line for people.
pub fn note(text: &str) {
    line(&plain(text));
}

/// Prints a line of the daemon, with its leading word coloured as [`Failure::print`] does.
pub fn spoken(text: &str) {
    let success = AnsiColor::Green.on_default().bold();
    for (word, style) in [
        ("error:", ERROR),
        ("warning:", WARNING),
        ("hint:", HINT),
        ("success:", success),
    ] {
        if let Some(rest) = text.strip_prefix(word) {
            return say(word, style, rest.trim_start());
        }
    }
    note(text);
}

/// Prints a `hint:` line.
pub fn hint(text: &str) {
    say("hint:", HINT, text);
}

/// Prints a `warning:` line.
pub fn warning(text: &str) {
    say("warning:", WARNING, text);
}

fn say(word: &str, style: Style, text: &str) {
    line(&format!("{style}{word}{style:#} {}", plain(text)));
}

fn line(text: &str) {
    let written = writeln!(anstream::stderr().lock(), "{text}");
    // Nobody is left to be told that standard error is gone.
    drop(written);
}

/// Text from elsewhere, fit for a terminal: one line, no control or direction characters.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\t' => ' ',
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
            letter if letter.is_control() => '?',
            letter => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_elsewhere_cannot_drive_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\r\n\u{202e}c\td"), "a?[31mb???c d");
    }

    #[test]
    fn the_chain_of_causes_is_said_once() {
        let failure = Failure::new(Exit::Failed, "cannot read x")
            .because(std::io::Error::other("disk on fire"));
        assert_eq!(failure.to_string(), "cannot read x: disk on fire");
    }

    #[test]
    fn a_refusal_never_exits_well() {
        let refusal = Refusal {
            code: "x".into(),
            message: "no".into(),
            hint: None,
            exit: Exit::Ok,
        };
        assert_eq!(Failure::from(refusal).exit, Exit::Failed);
    }
}
