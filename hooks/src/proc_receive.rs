//! Asks the daemon to build what is pushed, before git moves the refs: `push.on_failure = "reject"`.
//!
//! git waits for an answer for each ref, and refuses the push of a hook that gives none. So this one
//! always answers: with the daemon's judgement; while the daemon is away with what the stub says; and
//! with a refusal when the pusher has gone, for then nobody would hear how it ended.

use std::{ffi::OsString, io, time::Instant};

use wharf_wire::{
    FromDaemon, ToDaemon,
    hook::{Judgement, Push},
};

use crate::{
    daemon::{Absent, Daemon, Trouble},
    proposal::{Answer, Proposal},
    say::{LOOK, Say},
    stub::{self, Stub, Unreachable},
};

/// The life of the process; returns its exit status. `argument` is the stub's path.
pub fn run(argument: Option<OsString>) -> u8 {
    let mut say = Say::to_stderr();
    let stub = stub::from_argument(argument.as_deref());
    let proposal = match Proposal::read(io::stdin().lock(), io::stdout().lock()) {
        Ok(proposal) => proposal,
        Err(error) => {
            say.error(&error);
            say.line("hint: tell whoever runs this host, with the version of its git");
            return 1;
        }
    };
    let mut answers = match stub {
        Ok(stub) => {
            say.patience = stub.write;
            judge(&mut say, &stub, &proposal)
        }
        Err(error) => {
            say.error(&error);
            say.line("hint: mend it on the host with: wharf hook install");
            refuse_all(&proposal, "Wharf's hook on this host is broken")
        }
    };
    if !is_read(&mut say, &answers) {
        answers = refuse_all(&proposal, "the pusher went away");
    }
    if proposal.is_atomic {
        refuse_with_one(&mut answers);
    }
    match proposal.answer(&answers, io::stdout().lock()) {
        Ok(()) => 0,
        Err(error) => {
            say.error(&error);
            1
        }
    }
}

/// Whether the pusher has read what was said. git takes a line before it finds that nobody is there
/// to pass it on to, and takes no further one: where refs would move, only a second one is a proof.
fn is_read(say: &mut Say, answers: &[Answer]) -> bool {
    let is_taken = say.is_taken();
    if is_taken && say.has_spoken() && answers.contains(&Answer::FallThrough) {
        // What follows is about the deployment.
        say.line("");
        return say.is_taken();
    }
    is_taken
}

/// What becomes of each ref, with what the pusher reads of it.
fn judge(say: &mut Say, stub: &Stub, proposal: &Proposal) -> Vec<Answer> {
    let push = match proposal.push() {
        Ok(push) => push,
        Err(error) => {
            say.error(&error);
            say.line(&format!("hint: {}", error.hint()));
            return refuse_all(proposal, &error.to_string());
        }
    };
    // What goes away needs no build.
    if push.updates.iter().all(|update| update.deletes()) {
        return vec![Answer::FallThrough; proposal.len()];
    }
    let mut answers = vec![None; proposal.len()];
    match ask(say, stub, &push, &mut answers) {
        Ok(()) => {}
        Err(Undecided::Left) => return refuse_all(proposal, "the pusher went away"),
        Err(Undecided::Trouble(Trouble::Refused(refusal))) => {
            say.later(&format!("error: {}", refusal.message));
            if let Some(hint) = &refusal.hint {
                say.later(&format!("hint: {hint}"));
            }
            say.flush();
            return refuse_all(proposal, &refusal.message);
        }
        Err(Undecided::Trouble(Trouble::Absent(absent))) => {
            let instead = without_daemon(say, stub, &absent);
            for answer in &mut answers {
                answer.get_or_insert_with(|| instead.clone());
            }
        }
    }
    let unjudged = || Answer::Refuse("Wharf did not judge it".to_owned());
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(unjudged))
        .collect()
}

/// Why there is no judgement.
enum Undecided {
    Trouble(Trouble),
    /// Nobody reads what is said.
    Left,
}

impl<E: Into<Trouble>> From<E> for Undecided {
    fn from(error: E) -> Self {
        Undecided::Trouble(error.into())
    }
}

fn ask(
    say: &mut Say,
    stub: &Stub,
    push: &Push,
    answers: &mut [Option<Answer>],
) -> Result<(), Undecided> {
    let mut daemon = Daemon::greet(stub, "proc-receive")?;
    daemon.until(Instant::now() + stub.verdict);
    daemon.send_push(push, ToDaemon::Propose)?;
    let mut heard = Instant::now();
    loop {
        let is_heard = daemon.is_heard(LOOK)?;
        if say.is_left() {
            return Err(Undecided::Left);
        }
        if !is_heard {
            if heard.elapsed() >= stub.silence {
                return Err(Absent::Late.into());
            }
            continue;
        }
        heard = Instant::now();
        daemon.until(heard + stub.silence);
        match daemon.receive()? {
            FromDaemon::Line(line) => say.later(&line),
            FromDaemon::Judged(Judgement { update, refused }) => {
                let answer = usize::try_from(update)
                    .ok()
                    .and_then(|n| answers.get_mut(n));
                let answer = answer.ok_or(Absent::Unexpected)?;
                *answer = Some(refused.map_or(Answer::FallThrough, Answer::Refuse));
            }
            FromDaemon::End { .. } => return Ok(()),
            _ => return Err(Absent::Unexpected.into()),
        }
        if !daemon.has_more() {
            say.flush();
        }
    }
}

/// What the host wants for a push that cannot be checked.
fn without_daemon(say: &mut Say, stub: &Stub, absent: &Absent) -> Answer {
    let verb = absent.verb();
    match stub.unreachable {
        Unreachable::Refuse => {
            say.later(&format!(
                "error: Wharf {verb} on this host; nothing was pushed"
            ));
            say.later(&format!("  {absent}"));
            say.line("hint: push again later; on the host, look with: wharf doctor");
            Answer::Refuse(format!("Wharf {verb} on this host"))
        }
        Unreachable::Accept => {
            say.later(&format!("warning: Wharf {verb} on this host"));
            say.later(&format!("  {absent}"));
            say.line("warning: the push is taken without its checks");
            Answer::FallThrough
        }
    }
}

fn refuse_all(proposal: &Proposal, reason: &str) -> Vec<Answer> {
    vec![Answer::Refuse(reason.to_owned()); proposal.len()]
}

/// In an atomic push no ref moves where another may not; git would say so in words of its own, which
/// blame the hook.
fn refuse_with_one(answers: &mut [Answer]) {
    if answers.iter().all(|answer| *answer == Answer::FallThrough) {
        return;
    }
    for answer in answers {
        if *answer == Answer::FallThrough {
            *answer = Answer::Refuse("another ref of this atomic push was refused".to_owned());
        }
    }
}
