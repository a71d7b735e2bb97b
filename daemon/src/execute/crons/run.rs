//! One run of a cron: in what serves, with its variables, on its data, as somebody's own command is.
//!
//! It is recorded before it begins and when it has ended, and takes no turn in the queue. It goes on in
//! its release where another one goes live meanwhile without deploy commands.

use std::sync::Arc;
use std::time::Instant;

use wharf_config::application::{self, Cron};
use wharf_config::name::ProcessName;
use wharf_wire::event::Event;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Actor, Commit};

use super::Place;
use crate::execute::activity::Act;
use crate::execute::aside::{End, close};
use crate::execute::bound::Bound;
use crate::execute::command::{self, Command};
use crate::execute::failure::Failure;
use crate::execute::{World, housekeeping, release};
use crate::order;
use crate::plan::limits::Status;
use crate::plan::step::Step;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::release::ReleaseRecord;

/// A run that is recorded as begun.
#[derive(Debug)]
pub struct Run {
    world: Arc<World>,
    environment: EnvironmentRecord,
    release: ReleaseRecord,
    name: ProcessName,
    cron: Cron,
    id: String,
    place: Place,
    began: Instant,
}

/// Records that a cron begins in what serves.
///
/// # Errors
/// That nothing serves, that it has no such cron, or that it cannot be recorded.
pub async fn begin(
    world: &Arc<World>,
    key: &EnvironmentKey,
    name: &ProcessName,
    actor: Actor,
    place: Place,
) -> Result<Run, Failure> {
    let nothing = || Failure::new("not-live", format!("nothing serves {} yet", key.id));
    let environment = world.recorder.environment(key).await?;
    let environment = environment.ok_or_else(nothing)?;
    let number = environment.live.ok_or_else(nothing)?;
    let status = environment.status();
    if status != Status::Active {
        let message = format!("{} is {}, and no cron runs there", key.id, status.word());
        return Err(Failure::new("status", message).hint(match status {
            Status::Paused => format!("start it again: wharf resume -e {}", key.id),
            _ => format!("let it live: wharf activate -e {}", key.id),
        }));
    }
    let release = world.recorder.release(key, number).await?;
    let release = release.ok_or_else(nothing)?;
    let cron = release.application.crons.get(name).cloned();
    let cron = cron.ok_or_else(|| unknown(key, name))?;
    let commit = Commit {
        subject: name.to_string(),
        ..Commit::default()
    };
    let mut activity = order::of_record(&environment, Kind::Cron, commit, actor);
    activity.target = Some(number);
    let id = world.recorder.begin(activity, &world.paths).await?;
    place.is_of(&id);
    let log = world.logs.open(&id);
    log.event(Event::Opened {
        kind: Kind::Cron,
        project: key.project.to_string(),
        branch: environment.branch.to_string(),
        environment: key.id.to_string(),
        activity: id.clone(),
    });
    log.note(format!("cron {name} in r{number}"));
    Ok(Run {
        world: Arc::clone(world),
        environment,
        release,
        name: name.clone(),
        cron,
        id,
        place,
        began: Instant::now(),
    })
}

/// That what serves has no such cron.
fn unknown(key: &EnvironmentKey, name: &ProcessName) -> Failure {
    let message = format!("what {} serves has no cron `{name}`", key.id);
    Failure::new("unknown-cron", message).hint(format!("see them: wharf crons -e {}", key.id))
}

impl Run {
    /// The activity that it is.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs it to its end, which is recorded then; earlier runs that tell nothing new are forgotten.
    pub async fn attend(mut self) {
        let end = match self.perform().await {
            Ok(()) => End::of(State::Succeeded, None),
            Err(failure) => {
                let state = match failure.cancelled {
                    true => State::Cancelled,
                    false => State::Failed,
                };
                let failure = failure.or_full();
                End {
                    details: failure.details,
                    ..End::of(state, Some(failure.reason))
                }
            }
        };
        let (world, environment) = (&self.world, &self.environment);
        close(world, environment, Kind::Cron, &self.id, self.began, end).await;
        let name = self.name.as_str();
        // Its place is free for the next one only once it can be seen how this one ended.
        drop(self.place);
        housekeeping::after_cron(world, &environment.key, name).await;
    }

    async fn perform(&mut self) -> Result<(), Failure> {
        let (world, id) = (&self.world, self.id.clone());
        let (environment, number) = (&self.environment, self.release.number);
        let mut act = Act::aside(world, environment, Kind::Cron, number, id)?;
        act.log = world.logs.open(&self.id);
        let sandbox = release::sandbox(&act, &self.release).await?;
        let bound = Bound::of_cron(&act.settings.host.processes, self.cron.limit);
        let step = application::Step::asking(&self.cron.run);
        let command = Command {
            label: "cron",
            step: Step::Cron,
            name: &step.name,
            text: &step.run,
            at: &self.cron.at,
            sandbox,
            bound: &bound,
            failed: format!("cron {} failed", self.name),
        };
        let done = command::execute(&act, &command);
        tokio::pin!(done);
        tokio::select! {
            // What has ended by itself has, whoever wanted it gone at the same moment.
            biased;
            done = &mut done => done,
            reason = self.place.stopped(self.cron.grace) => {
                act.cancel.cancel();
                match done.await {
                    Err(failure) if failure.cancelled => Err(Failure { reason, ..failure }),
                    done => done,
                }
            }
        }
    }
}
