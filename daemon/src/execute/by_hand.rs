//! A command that somebody runs by hand, in what serves: with its variables, on its data.
//!
//! It is recorded before it begins and when it has ended, and takes no turn in the queue: nothing of
//! what serves is changed by it. It goes on in its release where another one goes live meanwhile.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::timeout;
use wharf_wire::ask::{DatabaseAct, Terminal};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Actor, Reason};

use super::activity::Act;
use super::aside::Aside;
use super::bound::{OVER, granted};
use super::failure::Failure;
use super::hands::Place;
use super::services::content;
use super::world::World;
use super::{command, launch, release};
use crate::plan::by_hand::{self, name_of};
use crate::run::job::{Job, JobId, Kind as JobKind};
use crate::run::mask::Mask;
use crate::run::runner::Exit;
use crate::run::running::Running;
use crate::run::sandbox::Sandbox;
use crate::run::streams::{self, Far};
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseRecord;

/// How long a caller whose terminal is gone may take to be missed.
const MISSED: Duration = Duration::from_secs(1);

/// What somebody wants to run.
#[derive(Debug)]
pub struct Wanted {
    /// The environment, in which something serves.
    pub environment: EnvironmentRecord,
    /// Who.
    pub actor: Actor,
    /// What.
    pub what: What,
    /// The terminal that they sit at.
    pub terminal: Option<Terminal>,
}

/// What is run.
#[derive(Debug)]
pub enum What {
    /// A program with its arguments, in the release.
    Program(Vec<String>),
    /// A shell in the release.
    Shell,
    /// Something with one of its services; the only one, where none is named.
    Service(Option<String>, DatabaseAct),
}

/// A command that runs.
#[derive(Debug)]
pub struct ByHand {
    world: Arc<World>,
    aside: Aside,
    job: JobId,
    running: Running,
    place: Place,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this status.
    Code(u8),
    /// It was ended, for this reason.
    Stopped(Reason),
}

/// Records a command and begins it; returns it with the far ends of its streams.
///
/// # Errors
/// That nothing serves there, that it cannot be recorded or begun.
pub async fn begin(
    world: &Arc<World>,
    wanted: Wanted,
    place: Place,
) -> Result<(ByHand, Far), Failure> {
    let release = serving(world, &wanted.environment).await?;
    let words = words(world, &wanted).await?;
    let (kind, actor) = (Kind::Run, wanted.actor.clone());
    let number = Some(release.number);
    let aside = Aside::begin(world, &wanted.environment, kind, actor, number, &words).await?;
    place.is_of(&aside.id);
    match start(world, &wanted, &release, &aside.id).await {
        Ok((job, running, far)) => {
            let by_hand = ByHand {
                world: Arc::clone(world),
                aside,
                job,
                running,
                place,
            };
            Ok((by_hand, far))
        }
        Err(failure) => {
            let reason = failure.reason.clone();
            aside.close(State::Failed, Some(reason)).await;
            Err(failure)
        }
    }
}

/// The release that serves, or would if it were not paused.
async fn serving(world: &World, environment: &EnvironmentRecord) -> Result<ReleaseRecord, Failure> {
    let id = &environment.key.id;
    let nothing = || {
        Failure::new("not-live", format!("nothing serves {id} yet"))
            .hint(format!("see why with: wharf log -e {id}"))
    };
    let number = environment.live.ok_or_else(nothing)?;
    let release = world.recorder.release(&environment.key, number).await?;
    release.ok_or_else(nothing)
}

/// What is recorded of its words, without the environment's secrets.
async fn words(world: &World, wanted: &Wanted) -> Result<String, Failure> {
    let words = match &wanted.what {
        What::Program(words) => words,
        What::Shell => return Ok("a shell".to_owned()),
        What::Service(name, act) => {
            let word = match act {
                DatabaseAct::Dump => "db dump",
                DatabaseAct::Shell => "db shell",
            };
            let words = name.iter().map(String::as_str);
            let words: Vec<&str> = [word].into_iter().chain(words).collect();
            return Ok(by_hand::recorded(&words.join(" ")));
        }
    };
    let secrets = world.recorder.secrets(&wanted.environment.key).await?;
    let mut mask = Mask::new(&secrets);
    // Before they are quoted, which would change a secret; in no word there is a NUL.
    let mut bytes = mask.push(words.join("\0").as_bytes());
    bytes.extend(mask.finish());
    let text = String::from_utf8_lossy(&bytes);
    Ok(by_hand::recorded(&shell_words::join(text.split('\0'))))
}

async fn start(
    world: &Arc<World>,
    wanted: &Wanted,
    release: &ReleaseRecord,
    id: &str,
) -> Result<(JobId, Running, Far), Failure> {
    let act = Act::aside(
        world,
        &wanted.environment,
        Kind::Run,
        release.number,
        id.to_owned(),
    )?;
    let (mut sandbox, text, arguments) = begun(&act, release, wanted).await?;
    let (near, far) = match &wanted.terminal {
        Some(terminal) => {
            let name = name_of(terminal).to_owned();
            sandbox.environment.insert("TERM".to_owned(), name);
            streams::terminal(terminal)
        }
        None => streams::pipes(),
    }
    .map_err(|error| Failure::host("cannot make its streams", &error))?;
    if matches!(wanted.what, What::Shell) {
        // Both shells expand it, so that it says where one is.
        let prompt = format!("{} r{} $PWD $ ", wanted.environment.key.id, release.number);
        let environment = &mut sandbox.environment;
        environment.entry("PS1".to_owned()).or_insert(prompt);
    }
    sandbox.limits = granted(sandbox.limits, &act.settings.host.processes);
    let job = Job {
        id: command::job_id(&act, "run"),
        sandbox,
        command: text,
        arguments,
        kind: JobKind::Attended,
    };
    tokio::task::block_in_place(|| world.jobs.write(&job))
        .map_err(|error| Failure::host("cannot write a job", &error))?;
    match world.runner.attach(&job.id, near).await {
        Ok(running) => Ok((job.id, running, far)),
        Err(error) => {
            forget(world, &job.id);
            Err(Failure::host("cannot start the sandbox", &error))
        }
    }
}

/// Where it runs, the text for its shell, and what that finds as `"$@"`.
async fn begun(
    act: &Act,
    release: &ReleaseRecord,
    wanted: &Wanted,
) -> Result<(Sandbox, String, Vec<String>), Failure> {
    let terminal = wanted.terminal.as_ref();
    Ok(match &wanted.what {
        What::Program(words) => {
            let sandbox = release::sandbox(act, release).await?;
            let text = by_hand::text(Some(words), terminal);
            (sandbox, text, words.clone())
        }
        What::Shell => {
            let sandbox = release::sandbox(act, release).await?;
            (sandbox, by_hand::text(None, terminal), Vec::new())
        }
        What::Service(name, wanted) => {
            let name = name.as_deref();
            let done = content::by_hand(act, &release.application, name, *wanted).await?;
            let (sandbox, command) = done;
            let text = match wanted {
                DatabaseAct::Dump => command.text,
                DatabaseAct::Shell => by_hand::text(Some(&command.arguments), terminal),
            };
            (sandbox, text, command.arguments)
        }
    })
}

impl ByHand {
    /// Waits until it has ended: by itself, because somebody stopped it, or because its caller is
    /// `gone`. Its end is recorded then, and nothing of it is left.
    pub async fn attend(mut self, gone: impl Future<Output = ()>) -> Outcome {
        tokio::pin!(gone);
        let stopped = tokio::select! {
            // What has ended by itself has, whoever left at the same moment.
            biased;
            exit = self.running.ended() => Err(exit),
            reason = self.place.stopped() => Ok(reason),
            () = &mut gone => Ok(left()),
        };
        let (outcome, state) = match stopped {
            // Its terminal ends with the caller, and may have ended it before the caller was missed.
            Err(exit) if is_hung_up(&exit) && timeout(MISSED, gone).await.is_ok() => {
                (Outcome::Stopped(left()), State::Cancelled)
            }
            Err(exit) => ended(exit),
            Ok(reason) => {
                self.world.runner.kill(&self.job);
                self.running.ended().await;
                (Outcome::Stopped(reason), State::Cancelled)
            }
        };
        forget(&self.world, &self.job);
        let reason = match &outcome {
            Outcome::Code(0) => None,
            Outcome::Code(code) => Some(Reason {
                code: "exit-code".into(),
                message: command::said_of(i32::from(*code)),
                hint: None,
            }),
            Outcome::Stopped(reason) => Some(reason.clone()),
        };
        self.aside.close(state, reason).await;
        outcome
    }
}

/// Whether it ended as what loses its terminal does.
fn is_hung_up(exit: &Exit) -> bool {
    let hangup = Signal::HUP.as_raw();
    matches!(exit, Exit::Signal(signal) if *signal == hangup)
        || matches!(exit, Exit::Code(code) if *code == 128 + hangup)
}

fn left() -> Reason {
    Reason {
        code: "caller-gone".into(),
        message: "whoever ran it went away".into(),
        hint: None,
    }
}

/// What an end by itself is; the sandbox may have been killed from outside, too.
fn ended(exit: Exit) -> (Outcome, State) {
    let code = match exit {
        Exit::Code(code) => by_hand::code(code),
        Exit::Signal(signal) => by_hand::code(128 + signal),
        Exit::Exceeded(excess) => {
            let reason = Reason {
                code: OVER.into(),
                message: excess.said(launch::LIMITS),
                hint: Some(launch::raise(&excess)),
            };
            return (Outcome::Stopped(reason), State::Failed);
        }
        Exit::TimedOut(_) | Exit::Silent(_) | Exit::Cancelled | Exit::Lost => {
            let reason = Reason {
                code: "run-lost".into(),
                message: "it ended, and how is not known".into(),
                hint: None,
            };
            return (Outcome::Stopped(reason), State::Failed);
        }
    };
    match code {
        0 => (Outcome::Code(code), State::Succeeded),
        _ => (Outcome::Code(code), State::Failed),
    }
}

/// Removes a job's file, which whoever runs it has removed where all went well.
fn forget(world: &World, job: &JobId) {
    if let Err(error) = tokio::task::block_in_place(|| world.jobs.remove(job)) {
        tracing::warn!(%job, %error, "job file stays");
    }
}
