//! Rings the daemon's bell after git has moved the refs, then watches.
//!
//! Nothing depends on how this ends: the daemon owns the work as soon as it is recorded, and git
//! ignores the exit status.

use std::{
    ffi::OsString,
    path::Path,
    time::{Instant, SystemTime},
};

use wharf_wire::{
    FromDaemon, ToDaemon,
    hook::{Claim, Push, Watch},
};

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

/// So many daemons one push is followed through.
const RETURNS: usize = 5;

/// A push that the daemon has recorded.
struct Ringing {
    daemon: Daemon,
    activities: Vec<String>,
    claims: Vec<Claim>,
}

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
    if let Some(ringing) = ringing {
        follow(&mut say, &stub, ringing);
    }
    0
}

/// Hands the push over, to the daemon or to the spool, and says so where it is not the daemon.
fn ring(say: &mut Say, stub: &Stub, input: &Input) -> Option<Ringing> {
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
fn hand_over(stub: &Stub, push: &Push) -> Result<Ringing, Trouble> {
    let mut daemon = Daemon::greet(stub, "post-receive")?;
    daemon.until(Instant::now() + stub.verdict);
    daemon.send_push(push, ToDaemon::Ring)?;
    match daemon.receive()? {
        FromDaemon::Queued { activities } => Ok(Ringing {
            daemon,
            activities,
            claims: push.claims.clone(),
        }),
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

/// Prints the daemon's lines until it or the pusher has had enough. A daemon that goes away and comes back, as in
/// an upgrade, is asked to go on.
fn follow(say: &mut Say, stub: &Stub, ringing: Ringing) {
    let Ringing {
        mut daemon,
        activities,
        claims,
    } = ringing;
    let mut watch = Watch {
        activities,
        since: 0,
        claims,
    };
    for _ in 0..=RETURNS {
        match print(say, stub, daemon, &mut watch.since) {
            Left::Done => return,
            Left::Lost(why) => return lost(say, &why, &watch.activities),
            Left::Away => match again(stub, &watch) {
                Ok(next) => daemon = next,
                Err(_) => break,
            },
        }
    }
    lost(say, "the daemon went away", &watch.activities);
}

/// The daemon that is there by now, asked to go on.
fn again(stub: &Stub, watch: &Watch) -> Result<Daemon, Trouble> {
    let mut daemon = Daemon::greet(stub, "post-receive")?;
    daemon.send(&ToDaemon::Watch(watch.clone()))?;
    Ok(daemon)
}

/// How a daemon is left.
enum Left {
    /// All is said, or nobody reads any more.
    Done,
    /// It went away in the middle.
    Away,
    /// It cannot be listened to, and why.
    Lost(String),
}

/// Prints one daemon's lines; `since` is when it was last heard. git keeps the pipe of a pusher who is gone, so it
/// is looked whether anybody reads.
fn print(say: &mut Say, stub: &Stub, mut daemon: Daemon, since: &mut u64) -> Left {
    let mut heard = Instant::now();
    while !say.is_left() {
        match daemon.is_heard(LOOK) {
            Ok(false) if heard.elapsed() < stub.silence => continue,
            Ok(false) => return Left::Lost("the daemon is silent".to_owned()),
            // What it is tells the reading.
            Ok(true) | Err(_) => heard = Instant::now(),
        }
        daemon.until(heard + stub.silence);
        match daemon.receive() {
            Ok(FromDaemon::Line(line)) => {
                say.later(&line);
                // It was logged in this millisecond or before.
                *since = now().saturating_add(1);
            }
            Ok(FromDaemon::End { .. }) => {
                say.flush();
                return Left::Done;
            }
            Ok(_) => return Left::Lost("the daemon sent what is no line".to_owned()),
            Err(Trouble::Absent(Absent::Late)) => {
                return Left::Lost("the daemon is silent".to_owned());
            }
            Err(Trouble::Absent(_)) => {
                say.flush();
                return Left::Away;
            }
            Err(Trouble::Refused(refusal)) => return Left::Lost(refusal.message),
        }
        // Lines that came together go out together.
        if !daemon.has_more() {
            say.flush();
        }
    }
    Left::Done
}

/// Milliseconds since 1970, as the daemon's log counts them.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

fn lost(say: &mut Say, why: &str, activities: &[String]) {
    say.later(&format!("warning: {why}; the deploy is recorded"));
    for activity in activities {
        say.later(&format!("hint: see: wharf log {activity} -f"));
    }
    say.flush();
}
