//! `wharf crons`: which there are, when they are due, how they ended; and one that runs now.

use wharf_config::application::Cron;
use wharf_config::name::ProcessName;
use wharf_wire::ask::Scope;
use wharf_wire::event::Ended;
use wharf_wire::outcome::{Exit, State};
use wharf_wire::view::Item;
use wharf_wire::{FromDaemon, Refusal, cron};

use super::super::peer::Broken;
use super::super::{Session, host, scope::missing};
use super::store;
use crate::dispatch::crons::zone;
use crate::execute::failure::Failure;
use crate::plan::crons::{next, offset};
use crate::plan::limits::Status;
use crate::plan::rights::Act;
use crate::report;
use crate::store::environment::EnvironmentRecord;
use crate::store::now;
use crate::store::release::ReleaseRecord;

impl Session {
    pub(super) async fn crons(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::View, &record)?;
        if let Some(release) = self.serving(&record).await? {
            let zone = zone(&self.world, &record.key.project);
            let held = held(&record);
            for (name, one) in &release.application.crons {
                let why = held.clone().or_else(|| not_here(one, &record));
                let after = offset(one, &record.key, name);
                let runs = self.world.recorder.runs(&record.key, name.as_str()).await;
                let (running, last) = runs.map_err(store)?;
                self.item(Item::Cron(cron::Cron {
                    project: record.key.project.to_string(),
                    environment: record.key.id.to_string(),
                    name: name.to_string(),
                    schedule: one.schedule.to_string(),
                    run: one.run.clone(),
                    overlap: one.overlap.word().to_owned(),
                    next: match why {
                        Some(_) => None,
                        None => next(one, after, &zone, now()),
                    },
                    why,
                    running,
                    last,
                }))
                .await?;
            }
        }
        self.end(Exit::Ok).await
    }

    pub(super) async fn run_cron(&mut self, scope: &Scope, name: &str) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::Run, &record)?;
        let actor = self.actor(&self.project_of(&record)?);
        // What is no name is no cron's name.
        let parsed = ProcessName::parse(name);
        let name = parsed.map_err(|error| missing("unknown-cron", &error.to_string()))?;
        let world = &self.world;
        let ordered = world.crons.order(record.key.clone(), name, actor).await;
        let id = ordered.ok_or_else(|| host("the daemon is stopping".into()))?;
        let activities = vec![id.map_err(refused)?];
        let queued = FromDaemon::Queued {
            activities: activities.clone(),
        };
        self.peer.send(&queued).await?;
        let ends = self.watch(&activities, vec![], report::watching).await?;
        let ran = |end: &Option<Ended>| {
            let end = end.as_ref();
            end.is_some_and(|end| end.state == State::Succeeded)
        };
        // No deployment failed.
        self.end(match ends.iter().all(ran) {
            true => Exit::Ok,
            false => Exit::Failed,
        })
        .await
    }

    pub(super) async fn serving(
        &self,
        record: &EnvironmentRecord,
    ) -> Result<Option<ReleaseRecord>, Broken> {
        let Some(live) = record.live else {
            return Ok(None);
        };
        let release = self.world.recorder.release(&record.key, live).await;
        release.map_err(store)
    }
}

/// Why no cron runs in an environment.
fn held(record: &EnvironmentRecord) -> Option<String> {
    match (record.status(), &record.maintenance) {
        (Status::Active, None) => None,
        (Status::Active, Some(_)) => Some("maintenance is on".to_owned()),
        (status, _) => Some(format!("the environment is {}", status.word())),
    }
}

/// Why a cron does not run in this environment.
fn not_here(cron: &Cron, record: &EnvironmentRecord) -> Option<String> {
    let only = || format!("only in {}", cron.only.join(", "));
    (!cron.is_for(&record.kind)).then(only)
}

fn refused(failure: Failure) -> Broken {
    let reason = failure.or_full().reason;
    Broken::Refused(Refusal {
        exit: match reason.code.as_str() {
            "not-live" | "unknown-cron" => Exit::NotFound,
            "status" | "cron-held" => Exit::Refused,
            _ => Exit::Failed,
        },
        code: reason.code,
        message: reason.message,
        hint: reason.hint,
    })
}
