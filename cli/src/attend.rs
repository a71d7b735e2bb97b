//! A command in an environment, with this process's own input and output: the daemon hands over the
//! other ends of its streams, and bytes go between the two.

mod pump;
mod terminal;

use wharf_config::place::Place;
use wharf_wire::{
    ask::{Ask, Scope},
    outcome::Exit,
};

use crate::{
    daemon::{Answer, Conversation},
    failure::Failure,
};
use pump::Streams;
pub use terminal::is_at_a_terminal;

/// Runs a command, or a shell, until it ends; returns its exit status.
///
/// # Errors
/// It could not be run, or was ended before its time.
pub fn attend(place: &Place, scope: Scope, command: Option<Vec<String>>) -> Result<u8, Failure> {
    let ask = Ask::Run {
        scope,
        command,
        terminal: terminal::here(),
    };
    let mut conversation = Conversation::begin(place, ask)?;
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
