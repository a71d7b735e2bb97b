//! Lines as they come, with a sign of life below them while somebody waits at a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use wharf_config::place::Place;
use wharf_wire::{
    ask::Ask,
    outcome::Exit,
    view::{Item, Reason},
};

use crate::{
    daemon::{Answer, Conversation},
    failure::{self, Failure, plain},
    show,
};

/// How a tool's own output begins; it says nothing about where the work stands.
const TOOL: &str = "| ";

/// Where an answer's lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// They are what was asked for: standard output.
    Data,
    /// They accompany an act: standard error.
    Talk,
}

/// What came of something, beside the lines.
#[derive(Debug)]
pub struct Told {
    /// What was recorded for it.
    pub activities: Vec<String>,
    /// Why it is not done, where lines said so.
    pub reasons: Vec<Reason>,
    /// How the command exits.
    pub exit: Exit,
}

/// Asks, prints lines as they come, and returns how the command exits.
///
/// # Errors
/// As [`Conversation::answer`], or nobody can be told.
pub fn lines(place: &Place, ask: Ask, lines: Lines) -> Result<Exit, Failure> {
    Ok(tell(place, ask, lines)?.exit)
}

/// The same, with what programs want to know of it.
///
/// # Errors
/// As [`lines`].
pub fn tell(place: &Place, ask: Ask, lines: Lines) -> Result<Told, Failure> {
    hear(Conversation::begin(place, ask)?, lines)
}

/// The same of a conversation that has begun.
///
/// # Errors
/// As [`lines`].
pub fn hear(mut conversation: Conversation, lines: Lines) -> Result<Told, Failure> {
    let waiting = Waiting::begin();
    let mut told = Told {
        activities: Vec::new(),
        reasons: Vec::new(),
        exit: Exit::Failed,
    };
    loop {
        let answer = conversation.answer();
        match answer.map_err(|failure| goes_on(failure, &told.activities))? {
            Answer::Line(text) => waiting.print(&plain(&text), lines)?,
            Answer::Queued(activities) => told.activities = activities,
            Answer::Item(item) => {
                if let Item::Reason(reason) = *item {
                    told.reasons.push(reason);
                }
            }
            Answer::Raw(_) | Answer::Ran(_) => {}
            Answer::End(exit) => return Ok(Told { exit, ..told }),
        }
    }
}

/// What is recorded goes on, whoever went away.
fn goes_on(failure: Failure, activities: &[String]) -> Failure {
    activities.iter().fold(failure, |failure, id| {
        failure.hint(format!("wait for it with: wharf activity wait {id}"))
    })
}

/// Asks, and prints events as JSON: an array, or one object a line as they come.
///
/// # Errors
/// As [`lines`].
pub fn events(place: &Place, ask: Ask) -> Result<Exit, Failure> {
    let follows = matches!(ask, Ask::Log { follow: true, .. });
    let mut conversation = Conversation::begin(place, ask)?;
    let mut kept = Vec::new();
    loop {
        match conversation.answer()? {
            Answer::Item(item) => match *item {
                Item::Event(entry) if follows => {
                    let text = serde_json::to_string(&entry).map_err(|error| {
                        Failure::new(Exit::Failed, "cannot write JSON").because(error)
                    })?;
                    show::line(&text)?;
                }
                Item::Event(entry) => kept.push(entry),
                _ => {}
            },
            Answer::Queued(_) | Answer::Raw(_) | Answer::Line(_) | Answer::Ran(_) => {}
            Answer::End(exit) => {
                if !follows {
                    show::json(&kept)?;
                }
                return Ok(exit);
            }
        }
    }
}

/// Asks, and copies bytes to standard output. A terminal gets them without escape sequences, which
/// are whatever a repository's commands chose to print.
///
/// # Errors
/// As [`lines`].
pub fn bytes(place: &Place, ask: Ask) -> Result<Exit, Failure> {
    let mut conversation = Conversation::begin(place, ask)?;
    let mut terminal = io::stdout()
        .is_terminal()
        .then(|| anstream::StripStream::new(io::stdout()));
    loop {
        match conversation.answer()? {
            Answer::Raw(bytes) => match &mut terminal {
                Some(out) => out
                    .write_all(&bytes)
                    .and_then(|()| out.flush())
                    .map_err(|error| {
                        Failure::new(Exit::Failed, "cannot write to the terminal").because(error)
                    })?,
                None => show::data(&bytes)?,
            },
            Answer::Line(text) => failure::note(&text),
            Answer::Queued(_) | Answer::Item(_) | Answer::Ran(_) => {}
            Answer::End(exit) => return Ok(exit),
        }
    }
}

/// The sign of life: elapsed time and what is being done. Nothing where nobody watches.
struct Waiting {
    bar: ProgressBar,
}

impl Waiting {
    fn begin() -> Waiting {
        let watched = io::stderr().is_terminal()
            && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        if !watched {
            return Waiting {
                bar: ProgressBar::hidden(),
            };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}")
                .expect("the template has only known keys"),
        );
        bar.enable_steady_tick(Duration::from_millis(120));
        Waiting { bar }
    }

    fn print(&self, text: &str, lines: Lines) -> Result<(), Failure> {
        self.bar.suspend(|| match lines {
            Lines::Data => show::line(text),
            Lines::Talk => {
                failure::spoken(text);
                Ok(())
            }
        })?;
        let doing = text.trim_start();
        if !doing.is_empty() && !doing.starts_with(TOOL) {
            self.bar.set_message(doing.to_owned());
        }
        Ok(())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
