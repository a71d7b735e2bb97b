//! What git proposes to proc-receive, and what it is answered.
//!
//! git writes `version=1`, perhaps with capabilities; the hook answers the same. git writes the
//! commands, one `<old> <new> <ref>` a line, and the push options where both sides can. The hook
//! answers for each ref `ok <ref>` with `option fall-through`, upon which git moves it itself, or
//! `ng <ref> <reason>`. See `git help githooks`; older and newer git than 2.39 say the same.

use std::io::{self, Read, Write};

use wharf_wire::hook::{MAX_UPDATES, Push, RefUpdate};

use crate::{
    input::{self, InputError},
    pkt_line,
    push::{self, PushError},
};

/// Characters of a reason: git puts it behind the ref on one line.
const MAX_REASON: usize = 200;

/// A push that git holds until it is answered.
pub(crate) struct Proposal {
    commands: Vec<Vec<u8>>,
    options: Vec<String>,
    /// All refs move or none.
    pub(crate) is_atomic: bool,
}

/// What becomes of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// git moves it.
    FallThrough,
    /// It stays; why, in one line.
    Refuse(String),
}

impl Proposal {
    /// Agrees on the protocol with git, and reads all that it proposes.
    ///
    /// # Errors
    /// The pipes', or that git speaks otherwise.
    pub(crate) fn read(mut from: impl Read, mut to: impl Write) -> io::Result<Self> {
        let greeting = pkt_line::read_section(&mut from)?;
        let greeting = greeting.first().ok_or(io::ErrorKind::InvalidData)?;
        let (version, capabilities) = match greeting.iter().position(|b| *b == 0) {
            Some(at) => (&greeting[..at], &greeting[at + 1..]),
            None => (&greeting[..], &[][..]),
        };
        if version != b"version=1" {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a version of the protocol that is not known",
            ));
        }
        let can = |name: &str| {
            capabilities
                .split(|b| *b == b' ')
                .any(|word| word == name.as_bytes())
        };
        let has_options = can("push-options");
        let mut reply = Vec::new();
        let own: &[u8] = if has_options { b"\0push-options" } else { b"" };
        pkt_line::line(&mut reply, &[b"version=1", own])?;
        pkt_line::end(&mut reply);
        to.write_all(&reply)?;
        to.flush()?;
        let commands = pkt_line::read_section(&mut from)?;
        let options = if has_options {
            pkt_line::read_section(&mut from)?
        } else {
            Vec::new()
        };
        Ok(Proposal {
            commands,
            options: options
                .iter()
                .map(|option| String::from_utf8_lossy(option).into_owned())
                .collect(),
            is_atomic: can("atomic"),
        })
    }

    /// How many refs are to be answered for.
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// The push as the daemon is told of it, its updates in git's order.
    ///
    /// # Errors
    /// [`PushError`] when it has no place in the protocol.
    pub(crate) fn push(&self) -> Result<Push, PushError> {
        if self.commands.len() > MAX_UPDATES {
            return Err(InputError::TooMany.into());
        }
        let updates: Vec<RefUpdate> = self
            .commands
            .iter()
            .map(|command| input::parse(command))
            .collect::<Result<_, _>>()?;
        push::of(updates, self.options.clone())
    }

    /// Answers for each ref, in git's order; git moves no ref that it finds no answer for.
    ///
    /// # Errors
    /// The pipe's.
    pub(crate) fn answer(&self, answers: &[Answer], mut to: impl Write) -> io::Result<()> {
        let mut reply = Vec::new();
        for (command, answer) in self.commands.iter().zip(answers) {
            let Some(name) = command.splitn(3, |b| *b == b' ').nth(2) else {
                continue;
            };
            match answer {
                Answer::FallThrough => {
                    pkt_line::line(&mut reply, &[b"ok ", name])?;
                    pkt_line::line(&mut reply, &[b"option fall-through"])?;
                }
                Answer::Refuse(reason) => {
                    let reason = one_line(reason);
                    pkt_line::line(&mut reply, &[b"ng ", name, b" ", reason.as_bytes()])?;
                }
            }
        }
        pkt_line::end(&mut reply);
        to.write_all(&reply)?;
        to.flush()
    }
}

/// ASCII without control characters: it ends up on the pusher's terminal.
fn one_line(reason: &str) -> String {
    let plain = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    reason.chars().map(plain).take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(lines: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            pkt_line::line(&mut bytes, &[line]).unwrap();
        }
        pkt_line::end(&mut bytes);
        bytes
    }

    fn command(name: &str) -> Vec<u8> {
        format!("{} {} {name}", "0".repeat(40), "a".repeat(40)).into_bytes()
    }

    #[test]
    fn a_proposal_is_read_and_answered() {
        let git = [
            section(&[b"version=1\0push-options atomic"]),
            section(&[&command("refs/heads/a b"), &command("refs/heads/c")]),
            section(&[b"nowait"]),
        ]
        .concat();
        let mut said = Vec::new();
        let proposal = Proposal::read(&git[..], &mut said).unwrap();
        assert_eq!(said, section(&[b"version=1\0push-options"]));
        assert!(proposal.is_atomic);
        assert_eq!(
            (proposal.len(), &proposal.options[..]),
            (2, &["nowait".to_owned()][..])
        );
        let mut said = Vec::new();
        let answers = [
            Answer::FallThrough,
            Answer::Refuse("no\x1b[2J harbour\n".to_owned()),
        ];
        proposal.answer(&answers, &mut said).unwrap();
        assert_eq!(
            said,
            section(&[
                b"ok refs/heads/a b",
                b"option fall-through",
                b"ng refs/heads/c no?[2J harbour?"
            ])
        );
    }

    #[test]
    fn a_git_without_options_is_asked_for_none() {
        let git = [
            section(&[b"version=1"]),
            section(&[&command("refs/heads/a")]),
        ]
        .concat();
        let mut said = Vec::new();
        let proposal = Proposal::read(&git[..], &mut said).unwrap();
        assert_eq!(said, section(&[b"version=1"]));
        assert!(!proposal.is_atomic && proposal.options.is_empty());
    }

    #[test]
    fn another_version_and_a_broken_stream_are_errors() {
        for git in [section(&[b"version=2"]), section(&[]), Vec::new()] {
            assert!(Proposal::read(&git[..], Vec::new()).is_err());
        }
    }
}
