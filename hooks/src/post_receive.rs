//! Rings the daemon's bell after git has moved the refs, then watches.
//!
//! Nothing depends on how this ends: the daemon owns the work as soon as it is recorded, and git
//! ignores the exit status.

use std::{ffi::OsString, path::Path, time::Instant};

use wharf_wire::{FromDaemon, ToDaemon, hook::Push};

use crate::{
    chain,
    daemon::{Absent, Daemon, Trouble},
    input::Input,
    push,
    say::{LOOK, Say},
    spool,
    stub::{self, Stub},
};

/// The refusal of a daemon that speaks another version of the protocol.
const OTHER_VERSION: &str = "version";

/// The life of the process; returns its exit status, always 0. `argument` is the stub's path.
pub fn run(argument: Option<OsString>) -> u8 {
    let mut say = Say::to_stderr();
    let stub = match stub::from_argument(argument.as_deref()) {
        Ok(stub) => stub,
        Err(error) => {
            say.error(&error);
            say.line("hint: mend it on the host with: wharf hook install");
            return 0;
        }
    };
    say.patience = stub.write;
    let input = match Input::read() {
        Ok(input) => input,
        Err(error) => {
            say.error(&error);
            return 0;
        }
    };
    let ringing = ring(&mut say, &stub, &input);
    if let (Some(name), Some(path)) = (&stub.chain, &argument)
        && let Err(error) = chain::run(Path::new(path), name, &input)
    {
        say.error(&error);
        say.line("hint: it was there before Wharf; see: wharf hook status");
    }
    if let Some((daemon, activities)) = ringing {
        follow(&mut say, &stub, daemon, &activities);
    }
    0
}

/// Hands the push over, to the daemon or to the spool, and says so where it is not the daemon.
fn ring(say: &mut Say, stub: &Stub, input: &Input) -> Option<(Daemon, Vec<String>)> {
    let push = match push::gather(input) {
        Ok(push) => push,
        Err(error) => {
            say.error(&error);
            say.line("hint: the refs have moved; deploy them with: wharf redeploy");
            return None;
        }
    };
    match hand_over(stub, &push) {
        Ok(ringing) => Some(ringing),
        Err(Trouble::Refused(refusal)) if refusal.code != OTHER_VERSION => {
            say.later(&format!("error: {}", refusal.message));
            if let Some(hint) = &refusal.hint {
                say.later(&format!("hint: {hint}"));
            }
            say.flush();
            None
        }
        Err(Trouble::Refused(_)) => {
            keep(say, stub, &push, "has another version");
            None
        }
        Err(Trouble::Absent(absent)) => {
            keep(say, stub, &push, absent.verb());
            None
        }
    }
}

/// Returns once the daemon has recorded the push.
fn hand_over(stub: &Stub, push: &Push) -> Result<(Daemon, Vec<String>), Trouble> {
    let mut daemon = Daemon::greet(stub, "post-receive")?;
    daemon.until(Instant::now() + stub.verdict);
    daemon.send_push(push, ToDaemon::Ring)?;
    match daemon.receive()? {
        FromDaemon::Queued { activities } => Ok((daemon, activities)),
        _ => Err(Absent::Unexpected.into()),
    }
}

fn keep(say: &mut Say, stub: &Stub, push: &Push, verb: &str) {
    match spool::keep(stub.spool.as_deref(), push) {
        Ok(()) => {
            say.later(&format!(
                "warning: Wharf {verb} on this host; the push is recorded"
            ));
            say.line("hint: it is deployed when Wharf is back; see: wharf activities");
        }
        Err(error) => {
            say.later(&format!("error: Wharf {verb} on this host"));
            say.later("warning: the push is in git, and not recorded for Wharf");
            say.later(&format!("  {error}"));
            say.line("hint: Wharf deploys it once it is back; see: wharf activities");
        }
    }
}

/// Prints the daemon's lines until it or the pusher has had enough. git keeps the pipe of a pusher
/// who is gone, so it is looked whether anybody reads.
fn follow(say: &mut Say, stub: &Stub, mut daemon: Daemon, activities: &[String]) {
    let mut heard = Instant::now();
    while !say.is_left() {
        match daemon.is_heard(LOOK) {
            Ok(false) if heard.elapsed() < stub.silence => continue,
            Ok(false) => return lost(say, "the daemon is silent", activities),
            // What it is tells the reading.
            Ok(true) | Err(_) => heard = Instant::now(),
        }
        daemon.until(heard + stub.silence);
        match daemon.receive() {
            Ok(FromDaemon::Line(line)) => say.later(&line),
            Ok(FromDaemon::End { .. }) => return say.flush(),
            Ok(_) => return lost(say, "the daemon sent what is no line", activities),
            Err(Trouble::Absent(Absent::Late)) => {
                return lost(say, "the daemon is silent", activities);
            }
            Err(Trouble::Absent(_)) => return lost(say, "the daemon went away", activities),
            Err(Trouble::Refused(refusal)) => return lost(say, &refusal.message, activities),
        }
        // Lines that came together go out together.
        if !daemon.has_more() {
            say.flush();
        }
    }
}

fn lost(say: &mut Say, why: &str, activities: &[String]) {
    say.later(&format!("warning: {why}; the deploy is recorded"));
    for activity in activities {
        say.later(&format!("hint: see: wharf log {activity} -f"));
    }
    say.flush();
}
