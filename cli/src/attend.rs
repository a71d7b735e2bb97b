//! A command in an environment, with this process's own input and output: the daemon hands over the
//! other ends of its streams, and bytes go between the two.

mod pump;
mod terminal;

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope, Terminal},
    outcome::Exit,
};

use crate::{
    daemon::{Answer, Conversation},
    failure::Failure,
};
use pump::Streams;
pub use terminal::is_at_a_terminal;

/// Runs a command, or a shell where none is given, until it ends; returns its exit status.
///
/// # Errors
/// As [`attend`].
pub fn run(place: &Place, scope: Scope, command: Option<Vec<String>>) -> Result<u8, Failure> {
    attend(place, |terminal| Ask::Run {
        scope,
        command,
        terminal,
    })
}

/// Attends what is asked for, at this terminal if there is one, until it ends; returns its exit status.
///
/// # Errors
/// It could not be run, or was ended before its time.
pub fn attend(place: &Place, ask: impl FnOnce(Option<Terminal>) -> Ask) -> Result<u8, Failure> {
    let mut conversation = Conversation::begin(place, ask(terminal::here()))?;
    let streams = Streams::begin(conversation.passed()?)?;
    let ended = conversation.answer();
    streams.finish();
    match ended? {
        Answer::Ran(code) => Ok(code),
        Answer::End(exit) => Ok(exit.code()),
        Answer::Queued(_) | Answer::Line(_) | Answer::Raw(_) | Answer::Item(_) => Err(
            Failure::new(Exit::Unreachable, "the daemon did not say how it ended"),
        ),
    }
}
