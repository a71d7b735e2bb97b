//! One activity, from the queue to its end.

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wharf_config::name::BranchName;
use wharf_config::project::{Environment, Project};
use wharf_wire::event::{Ended, Event, Stage};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Reason;

use super::failure::Failure;
use super::world::World;
use super::{build, deploy, retire};
use crate::settings::{self, Settings};
use crate::store::activity::{Ending, Task};
use crate::store::environment::EnvironmentKey;
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
    /// What people follow.
    pub log: Log,
    /// Set when somebody stops it.
    pub cancel: CancellationToken,
    /// Whether deploy commands have begun, so that data may have changed.
    pub touched: std::sync::atomic::AtomicBool,
    record: Record,
}

/// Whether steps are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// As those of an activity.
    Steps,
    /// Not at all: nobody asked for it, a new daemon starts again what served.
    Nothing,
}

/// How an activity ended: recorded first, then said.
#[derive(Debug)]
pub struct Conclusion {
    /// For the store.
    pub ending: Ending,
    /// For the people.
    pub ended: Ended,
}

/// Performs an activity and says how it ended. Never fails: a failure is a conclusion.
pub async fn perform(world: Arc<World>, task: Task, cancel: CancellationToken) -> Conclusion {
    let began = Instant::now();
    let kind = task.kind;
    let name = task.key.id.to_string();
    let log = world.logs.open(&task.id);
    let previous = match world.recorder.environment(&task.key).await {
        Ok(record) => record.and_then(|record| record.live),
        Err(error) => return conclude_failure(&name, None, error.into(), began, false),
    };
    let act = match Act::new(world, task, previous, Record::Steps, log, cancel) {
        Ok(act) => act,
        Err(failure) => return conclude_failure(&name, previous, failure, began, false),
    };
    let done = match kind {
        Kind::Push | Kind::Redeploy => make_and_deploy(&act).await,
        Kind::Rollback => deploy::roll_back(&act).await,
        Kind::Delete => retire::delete(&act).await,
    };
    match done {
        Ok(live) => conclude_success(&act, live, began),
        Err(failure) => {
            let touched = act.touched.load(std::sync::atomic::Ordering::Relaxed);
            conclude_failure(&name, previous, failure, began, touched)
        }
    }
}

async fn make_and_deploy(act: &Act) -> Result<Option<u32>, Failure> {
    if act.task.commit.forced {
        act.log
            .note("forced push: the tree is replaced, data is not touched");
    }
    let built = build::build(act).await?;
    deploy::deploy(act, built).await.map(Some)
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
        record: Record,
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
        let default = super::source::head(&project.repository);
        let environment = project.environment(&task.branch, default.as_ref());
        Ok(Act {
            world,
            task,
            settings,
            project,
            environment,
            previous,
            log,
            cancel,
            touched: std::sync::atomic::AtomicBool::new(false),
            record,
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
        settings::url(&self.hosts()[0], self.world.router.port())
    }

    /// Does a step: recorded as started before its effect and as ended after it.
    ///
    /// # Errors
    /// The step's own, or that it cannot be recorded.
    pub async fn step<T>(
        &self,
        stage: Stage,
        name: &str,
        effect: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if self.cancel.is_cancelled() {
            return Err(Failure::cancelled());
        }
        self.finishing_step(stage, name, effect).await
    }

    /// Does a step that is done even when somebody stops the activity: past the commit point
    /// nothing is left half-way.
    ///
    /// # Errors
    /// The step's own, or that it cannot be recorded.
    pub async fn finishing_step<T>(
        &self,
        stage: Stage,
        name: &str,
        effect: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if self.record == Record::Nothing {
            return effect.await;
        }
        let recorder = &self.world.recorder;
        let number = recorder.step_started(&self.task.id, stage, name).await?;
        tracing::debug!(
            WHARF_PROJECT = %self.key().project,
            WHARF_ENVIRONMENT = %self.key().id,
            WHARF_ACTIVITY = self.task.id,
            WHARF_STAGE = stage.word(),
            WHARF_STEP = name,
            "step started"
        );
        let done = effect.await;
        let (result, code) = match &done {
            Ok(_) => ("succeeded", None),
            Err(failure) if failure.cancelled => ("cancelled", failure.exit_code),
            Err(failure) => ("failed", failure.exit_code),
        };
        recorder
            .step_ended(&self.task.id, number, result, code)
            .await?;
        done
    }

    /// Says what came of a step that prints nothing by itself.
    pub fn did(&self, label: &str, text: impl Into<String>, began: Instant) {
        self.log.event(Event::StepEnded {
            label: label.into(),
            text: text.into(),
            milliseconds: milliseconds(began),
        });
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

fn conclude_success(act: &Act, live: Option<u32>, began: Instant) -> Conclusion {
    let id = &act.key().id;
    let was = act.previous.filter(|previous| Some(*previous) != live);
    let was = was
        .map(|previous| format!(" (was r{previous})"))
        .unwrap_or_default();
    let (verdict, serves) = match (act.task.kind, live) {
        (Kind::Delete, _) => (
            format!("{id} is deleted"),
            format!("{id} serves nothing any more{was}."),
        ),
        (Kind::Rollback, Some(live)) => (
            format!("rolled back to r{live}"),
            format!("{id} now serves r{live}{was}."),
        ),
        (_, Some(live)) => (
            format!("r{live} is live"),
            format!("{id} now serves r{live}{was}."),
        ),
        (_, None) => (format!("{id} is done"), format!("{id} serves nothing.")),
    };
    let mut hints = Vec::new();
    if matches!(act.task.kind, Kind::Push | Kind::Redeploy) {
        hints.push(match act.previous {
            Some(_) => format!("undo with: wharf rollback -e {id}"),
            None => "see all environments with: wharf environments".into(),
        });
    }
    if act.task.kind == Kind::Rollback {
        hints.push("data was not touched; the next push deploys the branch's tip again".into());
    }
    Conclusion {
        ending: Ending {
            state: State::Succeeded,
            reason: None,
            live_after: live,
        },
        ended: Ended {
            state: State::Succeeded,
            verdict,
            details: vec![],
            hints,
            url: live.map(|_| act.url()),
            serves,
            milliseconds: milliseconds(began),
        },
    }
}

/// The conclusion of what ended otherwise. `previous` serves on.
fn conclude_failure(
    environment: &str,
    previous: Option<u32>,
    failure: Failure,
    began: Instant,
    touched: bool,
) -> Conclusion {
    let state = if failure.cancelled {
        State::Cancelled
    } else {
        State::Failed
    };
    let changed = if touched {
        "deploy commands may have changed its data."
    } else {
        "nothing was changed."
    };
    Conclusion {
        ended: Ended {
            state,
            verdict: failure.reason.message.clone(),
            details: failure.details,
            hints: failure.reason.hint.iter().cloned().collect(),
            url: None,
            serves: serves(environment, previous, changed),
            milliseconds: milliseconds(began),
        },
        ending: Ending {
            state,
            reason: Some(failure.reason),
            live_after: previous,
        },
    }
}

/// The last line of what did not succeed.
pub fn serves(environment: &str, live: Option<u32>, changed: &str) -> String {
    match live {
        Some(live) => format!("{environment} still serves r{live}; {changed}"),
        None => format!("{environment} serves nothing yet; {changed}"),
    }
}

/// The conclusion of an activity that never began.
pub fn never_began(
    environment: &str,
    live: Option<u32>,
    state: State,
    reason: Reason,
) -> Conclusion {
    Conclusion {
        ended: Ended {
            state,
            verdict: reason.message.clone(),
            details: vec![],
            hints: reason.hint.iter().cloned().collect(),
            url: None,
            serves: serves(environment, live, "nothing was changed."),
            milliseconds: 0,
        },
        ending: Ending {
            state,
            reason: Some(reason),
            live_after: live,
        },
    }
}
