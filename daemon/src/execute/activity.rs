//! One activity, from the queue to its end.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wharf_config::name::BranchName;
use wharf_config::project::{Environment, Project};
use wharf_wire::event::{self, Ended, Stage};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Reason;

use super::bound::Bound;
use super::crons::Held;
use super::failure::{Failure, chain};
use super::hands::Closed as Shut;
use super::maintenance::{self, Switch};
use super::parking::{Turn, park};
use super::replaced::Replaced;
use super::resume::resume;
use super::world::World;
use super::{
    build, check, closed, conclude, deploy, dumps, end, promote, reset, retire, route, seed,
    snapshots, standing, sync, tip,
};
use crate::fail;
use crate::journal::{self, Facts, Message};
use crate::plan::beginning::Beginning;
use crate::plan::deployment::{Data, Deployment, Event, Illegal, Outcome, Phase};
use crate::plan::limits::Status;
use crate::plan::step::Step;
use crate::settings::{self, Settings};
use crate::store::activity::{Ending, Task};
use crate::store::environment::EnvironmentKey;
use crate::store::insist::insist;
use crate::store::log::Log;

/// What one activity works with.
#[derive(Debug)]
pub struct Act {
    /// The daemon's means.
    pub world: Arc<World>,
    /// What was asked.
    pub task: Task,
    /// The settings when it began; a reload does not change them half-way.
    pub settings: Arc<Settings>,
    /// Its project.
    pub project: Project,
    /// What its branch is.
    pub environment: Environment,
    /// What serves while it works.
    pub previous: Option<u32>,
    /// What the environment is when it begins.
    pub status: Status,
    /// What people follow.
    pub log: Log,
    /// Set when somebody stops it.
    pub cancel: CancellationToken,
    /// Where it stands; none where nobody asked for it and nothing is recorded: a new daemon
    /// starts again what served.
    states: Option<Mutex<Deployment>>,
    replaced: Mutex<Replaced>,
    /// Since when visitors are kept away for it.
    held: OnceLock<Instant>,
    /// Nothing begins by itself in the environment until it has ended.
    quiet: OnceLock<Held>,
    /// Nobody begins anything there by hand until it has ended.
    shut: OnceLock<Shut>,
    /// What to do the next time, said at its end.
    advice: Mutex<end::Advice>,
    /// Why nothing is deployed, where the code is kept and that is all.
    pub(super) kept: Option<Reason>,
}

/// How an activity ended: recorded first, then said.
#[derive(Debug)]
pub struct Conclusion {
    /// For the store.
    pub ending: Ending,
    /// For the people.
    pub ended: Ended,
    /// Processes that end once all that is said.
    pub replaced: Replaced,
}

/// Performs an activity and says how it ended; none where it is parked. Never fails: a failure is a
/// conclusion.
pub async fn perform(
    world: Arc<World>,
    task: Task,
    cancel: CancellationToken,
) -> Option<Conclusion> {
    let began = Instant::now();
    let (kind, name) = (task.kind, task.key.id.to_string());
    let log = world.logs.open(&task.id);
    // Where it stands is not decided without the record.
    let record = || world.recorder.environment(&task.key);
    let record = insist(&task.id, "its environment", record).await;
    let status = record
        .as_ref()
        .map_or(Status::Active, |record| record.status());
    let previous = record.and_then(|record| record.live);
    let (deployment, task) = match resume(&world, task, &log).await {
        Ok(resumed) => resumed,
        Err(failure) => {
            return Some(conclude::failed(
                kind, &name, previous, failure, began, false,
            ));
        }
    };
    let touched = deployment.is_touched();
    let mut act = match Act::new(world, task, previous, Some(deployment), log, cancel) {
        Ok(act) => act,
        Err(failure) => {
            return Some(conclude::failed(
                kind, &name, previous, failure, began, touched,
            ));
        }
    };
    act.status = status;
    journal::say(
        Message::Started,
        &Facts::of_act(&act),
        format_args!("started: {} of {name}", kind.word()),
    );
    let done = Box::pin(act.perform()).await;
    if done.is_err() {
        maintenance::end(&act).await;
    }
    let mut conclusion = match done {
        Ok(_) if act.phase() == Phase::Parked => return None,
        Ok(live) => conclude::succeeded(&act, live, began),
        Err(failure) if act.is_half_gone() => conclude::half_gone(&act, failure, began),
        Err(failure) => conclude::failed(kind, &name, previous, failure, began, act.is_touched()),
    };
    if conclusion.ending.state != State::Succeeded
        && let Some(live) = previous
        && route::is_paused(&act.world.paths, act.key())
    {
        conclusion.ended.serves = match act.task.kind {
            kind if kind.brings_data() && act.is_touched() => end::replaced_and_paused(kind, &name),
            _ => end::still_paused(&name, live, act.is_touched()),
        };
    }
    if act.data() == Data::PutBack {
        conclusion.ended.serves = end::serves(&name, previous, end::PUT_BACK);
    }
    act.end(conclusion.ending.state);
    conclusion.replaced = std::mem::take(&mut *act.replaced());
    Some(conclusion)
}

async fn make_and_deploy(act: &Act) -> Result<Option<u32>, Failure> {
    if act.task.commit.forced {
        act.log
            .note("forced push: the tree is replaced, data is not touched");
    }
    promote::say_source(act);
    let child = match act.task.kind {
        Kind::Promote => promote::slug_of_child(act).await?,
        _ => None,
    };
    let built = match child {
        Some(built) => built,
        None => Box::pin(build::build(act)).await?,
    };
    if park(act, &built).await? == Turn::Parked {
        return Ok(act.previous);
    }
    Box::pin(deploy::deploy(act, built)).await.map(Some)
}

impl Act {
    /// Looks up what the activity's names mean now.
    ///
    /// # Errors
    /// That its project is gone.
    pub fn new(
        world: Arc<World>,
        task: Task,
        previous: Option<u32>,
        states: Option<Deployment>,
        log: Log,
        cancel: CancellationToken,
    ) -> Result<Act, Failure> {
        let settings = world.settings();
        let project = settings
            .projects
            .get(&task.key.project)
            .cloned()
            .ok_or_else(|| {
                Failure::new(
                    "unknown-project",
                    format!("project {} is gone", task.key.project),
                )
                .hint("its file in projects.d was removed or is broken: wharf doctor")
            })?;
        let default = super::refs::head(&project.repository);
        let mut environment = project.environment(&task.branch, default.as_ref());
        // Another branch may have the id by rule: the record's counts.
        environment.id.clone_from(&task.key.id);
        Ok(Act {
            world,
            task,
            settings,
            project,
            environment,
            previous,
            status: Status::Active,
            log,
            cancel,
            states: states.map(Mutex::new),
            replaced: Mutex::default(),
            held: OnceLock::new(),
            quiet: OnceLock::new(),
            shut: OnceLock::new(),
            advice: Mutex::default(),
            kept: None,
        })
    }

    /// Which environment.
    pub fn key(&self) -> &EnvironmentKey {
        &self.task.key
    }

    /// The environment's trust domain.
    pub fn trust_domain(&self) -> &'static str {
        settings::trust_domain(self.environment.kind)
    }

    /// The environment's host names.
    pub fn hosts(&self) -> Vec<String> {
        self.settings.hosts(&self.project, &self.environment)
    }

    /// The environment's address for people.
    pub fn url(&self) -> String {
        self.world.url(&self.hosts()[0])
    }

    async fn perform(&mut self) -> Result<Option<u32>, Failure> {
        Box::pin(closed::open_again(self)).await?;
        match (self.phase(), self.task.kind) {
            (Phase::Broken, _) => Err(conclude::interrupted(self).await),
            (Phase::Committed, _) => Ok(deploy::finish(self).await),
            (_, kind) if kind.moves_branch() && self.status == Status::Inactive => {
                self.kept = Some(standing::keep(self).await?);
                Ok(None)
            }
            (_, kind) if kind.moves_branch() => make_and_deploy(self).await,
            (_, Kind::Redeploy | Kind::Rollback | Kind::Activate)
                if self.status == Status::Inactive =>
            {
                // It was deactivated while this waited.
                Err(standing::inactive(self))
            }
            (_, Kind::Redeploy | Kind::Activate) => {
                tip::follow(self).await?;
                make_and_deploy(self).await
            }
            (_, Kind::Rollback) => Box::pin(deploy::roll_back(self)).await,
            (_, Kind::Delete) => retire::delete(self).await,
            (_, Kind::Check) => Box::pin(check::check(self)).await,
            (_, Kind::Seed) => Box::pin(seed::again(self)).await,
            (_, Kind::Deactivate) => retire::deactivate(self).await,
            (_, Kind::Pause) => standing::pause(self).await,
            (_, Kind::Resume) => Box::pin(standing::resume(self)).await,
            (_, Kind::Snapshot) => snapshots::take(self).await,
            (_, Kind::Restore) => Box::pin(snapshots::restore(self)).await,
            (_, Kind::SyncData) => Box::pin(sync::data(self)).await,
            (_, Kind::DatabaseImport) => Box::pin(dumps::import(self)).await,
            (_, Kind::Reset) => Box::pin(reset::reset(self)).await,
            (_, Kind::SnapshotTest) => Box::pin(snapshots::test(self)).await,
            (_, Kind::SnapshotDelete) => snapshots::delete(self).await,
            (_, Kind::MaintenanceOn) => maintenance::switch(self, Switch::On).await,
            (_, Kind::MaintenanceOff) => maintenance::switch(self, Switch::Off).await,
            // It ended when it was recorded.
            (_, _) => Ok(self.previous),
        }
    }

    /// Does a step: recorded as started before its effect and as ended after it. One that only
    /// finishes what was begun is done even when somebody stops the activity.
    ///
    /// # Errors
    /// The step's own, or that it cannot be recorded.
    pub async fn step<T>(
        &self,
        step: Step,
        effect: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if self.cancel.is_cancelled() && !step.is_finishing() {
            return Err(Failure::cancelled());
        }
        if self.states.is_none() {
            return effect.await;
        }
        let (recorder, id) = (&self.world.recorder, self.task.id.as_str());
        let (stage, name) = (step.stage(), step.to_string());
        let point = |at| fail::point(format_args!("step {} {name}: {at}", stage.word()));
        point("starting");
        self.happens(&Event::StepStarted(step))
            .map_err(|illegal| Failure::host("the order of its steps is wrong", &illegal))?;
        let number = recorder.step_started(id, stage, &name).await?;
        tracing::debug!(
            WHARF_PROJECT = %self.key().project,
            WHARF_ENVIRONMENT = %self.key().id,
            WHARF_ACTIVITY = id,
            WHARF_STAGE = stage.word(),
            WHARF_STEP = name,
            "step started"
        );
        point("started");
        let done = effect.await;
        point("done");
        let (outcome, code) = match &done {
            Ok(_) => (Outcome::Succeeded, None),
            Err(failure) if failure.cancelled => (Outcome::Cancelled, failure.exit_code),
            Err(failure) => (Outcome::Failed, failure.exit_code),
        };
        if let (Outcome::Failed, Err(failure)) = (outcome, &done) {
            self.say_failed(stage, &name, failure);
        }
        self.happens(&Event::StepEnded(outcome))
            .map_err(|illegal| Failure::host("the order of its steps is wrong", &illegal))?;
        let record = || recorder.step_ended(id, number, outcome.word(), code);
        if self.phase() == Phase::Committed {
            // Nothing is undone any more, so nothing may fail.
            insist(id, "a step's end", record).await;
        } else {
            record().await?;
        }
        point("ended");
        done
    }

    /// Says to the operator which step failed; why is said with the activity's end, too.
    fn say_failed(&self, stage: Stage, step: &str, failure: &Failure) {
        let facts = Facts {
            stage: Some(stage.word()),
            step: Some(step.to_owned()),
            result: Some(Outcome::Failed.word()),
            exit_code: failure.exit_code,
            error: Some(failure.reason.code.clone()),
            ..Facts::of_act(self)
        };
        let said = format_args!("step failed: {step}: {}", failure.reason.message);
        journal::say(Message::StageFailed, &facts, said);
    }

    /// Does work that blocks, which ends early when somebody stops the activity or its stage has no
    /// time left: its argument then becomes true.
    ///
    /// # Errors
    /// The work's own, that its time was over, or that it panicked.
    pub async fn blocking<T: Send + 'static>(
        &self,
        what: &'static str,
        bound: &Bound,
        work: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        bound.blocking(what, &self.cancel, work).await
    }

    /// Takes an event into the state, if it can happen.
    pub(super) fn happens(&self, event: &Event) -> Result<(), Illegal> {
        if let Some(states) = &self.states {
            let mut state = states.lock().expect("nothing panics while it holds this");
            *state = state.apply(event)?;
        }
        Ok(())
    }

    fn end(&self, state: State) {
        let ended = self.happens(&Event::Ended(state));
        debug_assert_eq!(ended, Ok(()), "an end that contradicts what was done");
        if let Err(illegal) = ended {
            tracing::error!(
                WHARF_ACTIVITY = self.task.id,
                error = chain(&illegal),
                "ends"
            );
        }
    }

    fn look<T>(&self, otherwise: T, look: impl Fn(&Deployment) -> T) -> T {
        match &self.states {
            Some(states) => look(&states.lock().expect("nothing panics while it holds this")),
            None => otherwise,
        }
    }

    fn phase(&self) -> Phase {
        self.look(Phase::Working, Deployment::phase)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.look(false, Deployment::is_stopped)
    }

    /// Whether deploy commands have begun, so that data may have changed.
    pub(super) fn is_touched(&self) -> bool {
        self.look(false, Deployment::is_touched)
    }

    /// Whether it takes the environment down and has come so far that nothing serves any more.
    fn is_half_gone(&self) -> bool {
        let key = self.key();
        matches!(self.task.kind, Kind::Delete | Kind::Deactivate)
            && !self.world.paths.route(&key.project, &key.id).exists()
    }

    /// Whether its environment began with its parent's data.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub(super) async fn is_cloned(&self) -> Result<bool, Failure> {
        let record = self.world.recorder.environment(self.key()).await?;
        Ok(record.is_some_and(|record| record.beginning == Beginning::Cloned))
    }

    /// Lets these processes end after the activity has.
    pub fn replaces(&self, replaced: Replaced) {
        *self.replaced() = replaced;
    }

    fn replaced(&self) -> MutexGuard<'_, Replaced> {
        let replaced = self.replaced.lock();
        replaced.expect("nothing panics while it holds this")
    }

    /// How many late commands have begun.
    pub fn late_commands(&self) -> u32 {
        self.look(0, Deployment::late_commands)
    }

    /// Visitors are kept away for it since then.
    pub(super) fn holds(&self, since: Instant) {
        self.held.get_or_init(|| since);
    }

    /// Since when visitors are kept away for it, where they are.
    pub(super) fn held(&self) -> Option<Instant> {
        self.held.get().copied()
    }

    /// Keeps crons from beginning until it has ended.
    pub(super) fn quiets(&self, held: Held) -> &Held {
        self.quiet.get_or_init(|| held)
    }

    /// Keeps people's own commands away until it has ended.
    pub(super) fn shuts(&self, shut: Shut) {
        self.shut.get_or_init(|| shut);
    }

    /// What became of the data.
    pub(super) fn data(&self) -> Data {
        self.look(Data::Open, Deployment::data)
    }

    /// Says at its good end what to do the next time.
    pub(super) fn advise(&self, text: String) {
        self.advice().lines.push(text);
    }

    /// What is to be said so.
    pub(super) fn advice(&self) -> MutexGuard<'_, end::Advice> {
        let advice = self.advice.lock();
        advice.expect("nothing panics while it holds this")
    }

    /// Says what came of a step that prints nothing by itself.
    pub fn did(&self, label: &str, text: impl Into<String>, began: Instant) {
        self.log.event(event::Event::StepEnded {
            label: label.into(),
            text: text.into(),
            milliseconds: milliseconds(began),
        });
    }

    /// Whether it is recorded, and has a log; else somebody starts again what served.
    pub(super) fn is_recorded(&self) -> bool {
        self.states.is_some()
    }

    /// The name of the branch.
    pub fn branch(&self) -> &BranchName {
        &self.task.branch
    }
}

/// Since then, as the log counts.
pub fn milliseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
