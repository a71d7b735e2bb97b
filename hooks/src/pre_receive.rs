//! Asks the daemon whether the refs may move, before git moves them.

use std::{ffi::OsString, path::Path, process::ExitStatus, time::Instant};

use wharf_wire::{
    FromDaemon, ToDaemon,
    hook::{Push, Verdict},
};

use crate::{
    chain, compare,
    daemon::{Absent, Daemon, Trouble},
    forced,
    input::Input,
    leftovers, push,
    quarantine::{self, ReadError},
    say::Say,
    stub::{self, Stub, Unreachable},
};

const REFUSED: u8 = 1;
const ADMITTED: u8 = 0;
/// `git push -o dry-run`.
const DRY_RUN: &str = "dry-run";

/// The life of the process; returns its exit status. `argument` is the stub's path.
pub fn run(argument: Option<OsString>) -> u8 {
    let mut say = Say::to_stderr();
    let stub = match stub::from_argument(argument.as_deref()) {
        Ok(stub) => stub,
        Err(error) => {
            say.error(&error);
            say.line("hint: mend it on the host with: wharf hook install");
            return REFUSED;
        }
    };
    say.patience = stub.write;
    let input = match Input::read() {
        Ok(input) => input,
        Err(error) => {
            say.error(&error);
            return REFUSED;
        }
    };
    if let (Some(name), Some(path)) = (&stub.chain, &argument) {
        match chain::run(Path::new(path), name, &input) {
            Ok(status) if status.success() => {}
            Ok(status) => return failure(status),
            Err(error) => {
                say.error(&error);
                say.line("hint: it was there before Wharf; see: wharf hook status");
                return REFUSED;
            }
        }
    }
    let push = match push::gather(&input) {
        Ok(push) => push,
        Err(error) => {
            say.error(&error);
            say.line(&format!("hint: {}", error.hint()));
            return REFUSED;
        }
    };
    for (path, error) in leftovers::clear(Path::new(&push.repository), &push.updates) {
        // git refuses the push next, and names the file.
        say.line(&format!("warning: {} stays: {error}", path.display()));
    }
    // Who asks what would happen wants nothing to happen, whoever is away.
    let unreachable = match push.options.iter().any(|option| option == DRY_RUN) {
        true => Unreachable::Refuse,
        false => stub.unreachable,
    };
    tell(&mut say, unreachable, admission(&stub, &push))
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum Undecided {
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<Absent> for Undecided {
    fn from(absent: Absent) -> Self {
        Trouble::from(absent).into()
    }
}

fn admission(stub: &Stub, push: &Push) -> Result<Verdict, Undecided> {
    let until = Instant::now() + stub.verdict;
    let mut daemon = Daemon::greet(stub, "pre-receive")?;
    daemon.until(until);
    daemon.send_push(push, ToDaemon::Admit)?;
    let want = match daemon.receive()? {
        FromDaemon::Want(want) => want,
        FromDaemon::Verdict(verdict) => return Ok(verdict),
        _ => return Err(Absent::Unexpected.into()),
    };
    quarantine::read(&want, push, until, |part| -> Result<(), Undecided> {
        Ok(daemon.send(&ToDaemon::File(part))?)
    })?;
    daemon.send(&ToDaemon::FilesSent)?;
    // A dry run asks once for each branch; where roles count, which are forced is asked once.
    for _ in 0..push.updates.len() + 2 {
        match daemon.receive()? {
            FromDaemon::Verdict(verdict) => return Ok(verdict),
            FromDaemon::Compare(question) => {
                let answer = compare::compare(&question, push, until)?;
                daemon.send(&ToDaemon::Compared(answer))?;
            }
            FromDaemon::AskForced(question) => {
                let answer = forced::forced(&question, push, until)?;
                daemon.send(&ToDaemon::Forced(answer))?;
            }
            _ => break,
        }
    }
    Err(Absent::Unexpected.into())
}

fn tell(say: &mut Say, unreachable: Unreachable, admission: Result<Verdict, Undecided>) -> u8 {
    match admission {
        Ok(verdict) => {
            for line in &verdict.lines {
                say.later(line);
            }
            say.flush();
            if verdict.accepted { ADMITTED } else { REFUSED }
        }
        Err(Undecided::Trouble(Trouble::Refused(refusal))) => {
            say.later(&format!("error: {}", refusal.message));
            if let Some(hint) = &refusal.hint {
                say.later(&format!("hint: {hint}"));
            }
            say.flush();
            REFUSED
        }
        Err(Undecided::Trouble(Trouble::Absent(absent))) => {
            let verb = absent.verb();
            match unreachable {
                Unreachable::Refuse => {
                    say.later(&format!(
                        "error: Wharf {verb} on this host; nothing was pushed"
                    ));
                    say.later(&format!("  {absent}"));
                    say.line("hint: push again later; on the host, look with: wharf doctor");
                    REFUSED
                }
                Unreachable::Accept => {
                    say.later(&format!("warning: Wharf {verb} on this host"));
                    say.later(&format!("  {absent}"));
                    say.line("warning: the push is taken without its checks");
                    ADMITTED
                }
            }
        }
        Err(Undecided::Read(error)) => {
            say.error(&error);
            say.line("hint: nothing was pushed; push again, or on the host: git fsck");
            REFUSED
        }
    }
}

/// The chained hook's own status, as far as one byte can say it.
fn failure(status: ExitStatus) -> u8 {
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .filter(|code| *code != 0)
        .unwrap_or(REFUSED)
}
