//! The processes that serve, as their keepers tell it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Desk, Event};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::execute::launch;
use crate::run::job::JobId;
use crate::run::keeper::{Ended, State};
use crate::run::keepers::{KeeperError, Watch};
use crate::store::environment::EnvironmentKey;
use crate::store::process::ProcessRecord;

/// A process that is to be watched.
#[derive(Debug)]
pub struct Member {
    record: ProcessRecord,
    watch: Watch,
}

impl Member {
    /// Finds a recorded process; none when its keeper is gone.
    ///
    /// # Errors
    /// When that cannot be known.
    pub async fn find(world: &World, record: ProcessRecord) -> Result<Option<Member>, KeeperError> {
        let Ok(id) = JobId::parse(&record.instance) else {
            return Ok(None);
        };
        let watch = match world.keepers.connect(&id).await {
            Ok(keeper) => keeper.watch().await,
            Err(error) => Err(error),
        };
        match watch {
            Ok(watch) => Ok(Some(Member { record, watch })),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It runs; so often it was started again.
    Up {
        /// Since the release went live.
        restarts: u32,
    },
    /// It ended and will be started again.
    Restarting {
        /// How it ended.
        how: String,
        /// After so long.
        wait: Duration,
    },
    /// It ended for good.
    Down {
        /// How it ended.
        how: String,
    },
}

impl Health {
    /// How it ended, and when it starts again, where it does not run.
    fn trouble(&self) -> Option<String> {
        match self {
            Health::Up { .. } => None,
            Health::Restarting { how, wait } => {
                Some(format!("{how}, again in {} s", wait.as_secs()))
            }
            Health::Down { how } => Some(how.clone()),
        }
    }
}

/// How each release's processes are: beside those of what serves there may be warm ones.
pub type Conditions = HashMap<(EnvironmentKey, u32), Condition>;

/// How a release's processes are, the worst first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// What is wrong, a phrase each.
    pub trouble: Vec<String>,
    /// How often processes were started again.
    pub restarts: u32,
    /// Why one of them was, as far as that was seen.
    pub because: Option<String>,
    /// How many processes there are.
    pub processes: u32,
}

/// Every watched process.
#[derive(Debug, Default)]
pub(super) struct Fleet(HashMap<String, Watched>);

#[derive(Debug)]
struct Watched {
    record: ProcessRecord,
    health: Health,
    /// How it ended last, if it did since this daemon watches.
    ended: Option<String>,
}

impl Fleet {
    /// Watches a process. One that is watched already may belong to another release now: a service does.
    pub(super) fn watch(&mut self, member: Member, desk: &Desk, tasks: &mut JoinSet<()>) {
        let Member { record, mut watch } = member;
        let instance = record.instance.clone();
        if let Some(watched) = self.0.get_mut(&instance) {
            watched.record = record;
            return;
        }
        let watched = Watched {
            record,
            health: Health::Up { restarts: 0 },
            ended: None,
        };
        self.0.insert(instance.clone(), watched);
        let desk = desk.clone();
        tasks.spawn(async move {
            loop {
                let state = match watch.next().await {
                    Ok(state) => state,
                    Err(error) => {
                        tracing::debug!(instance, error = chain(&error), "keeper lost");
                        None
                    }
                };
                let health = state.and_then(health);
                let gone = health.is_none();
                desk.send(Event::Process {
                    instance: instance.clone(),
                    health,
                })
                .await;
                if gone {
                    return;
                }
            }
        });
    }

    /// Takes in what a keeper said. Returns whose process it was when the keeper is gone: stopped,
    /// or dead without a word.
    pub(super) fn changed(
        &mut self,
        instance: &str,
        health: Option<Health>,
    ) -> Option<EnvironmentKey> {
        let Some(health) = health else {
            return self.0.remove(instance).map(|watched| watched.record.key);
        };
        let watched = self.0.get_mut(instance)?;
        if watched.health == health {
            return None;
        }
        let record = &watched.record;
        let (project, environment) = (record.key.project.as_str(), record.key.id.as_str());
        match &health {
            Health::Up { restarts } => tracing::info!(
                WHARF_PROJECT = project,
                WHARF_ENVIRONMENT = environment,
                WHARF_RELEASE = record.release,
                "process {} runs (started again {restarts} times)",
                record.name
            ),
            Health::Restarting { .. } | Health::Down { .. } => tracing::warn!(
                WHARF_PROJECT = project,
                WHARF_ENVIRONMENT = environment,
                WHARF_RELEASE = record.release,
                "process {} ended: {}",
                record.name,
                health.trouble().unwrap_or_default()
            ),
        }
        if let Health::Restarting { how, .. } = &health {
            watched.ended = Some(how.clone());
        }
        watched.health = health;
        None
    }

    /// How each release's processes are.
    pub(super) fn conditions(&self) -> Conditions {
        let mut conditions = Conditions::new();
        for watched in self.0.values() {
            let Watched {
                record,
                health,
                ended,
            } = watched;
            let release = (record.key.clone(), record.release);
            let condition = conditions.entry(release).or_default();
            condition.processes += 1;
            match health {
                Health::Up { restarts } => {
                    condition.restarts += restarts;
                    condition.because = condition.because.take().or_else(|| ended.clone());
                }
                Health::Restarting { .. } => {
                    let trouble = health.trouble().unwrap_or_default();
                    let name = &record.name;
                    condition
                        .trouble
                        .push(format!("{name} restarting: {trouble}"));
                }
                Health::Down { how } => {
                    condition
                        .trouble
                        .push(format!("{} down: {how}", record.name));
                }
            }
        }
        conditions
    }
}

fn health(state: State) -> Option<Health> {
    Some(match state {
        State::Started { restarts, .. } => Health::Up { restarts },
        State::Exited {
            status, restart_in, ..
        } => {
            let how = match status {
                Ended::Code(code) => format!("exit code {code}"),
                Ended::Signal(signal) => format!("signal {signal}"),
                Ended::Exceeded(excess) => excess.said(launch::LIMITS),
            };
            match restart_in {
                Some(wait) => Health::Restarting { how, wait },
                None => Health::Down { how },
            }
        }
        State::Stopped => return None,
    })
}
