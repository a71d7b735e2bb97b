//! What a new daemon finds and mends before and while it takes its first events.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Commit, Reason};

use super::fleet::Member;
use super::{Desk, Event, orders, reconcile};
use crate::execute::activity::{Act, Record, never_began};
use crate::execute::failure::Failure;
use crate::execute::{World, deploy, launch, route, sweep};
use crate::plan::queue::Ticket;
use crate::plan::recovery::{Found, Recovery, decide};
use crate::store::activity::Task;
use crate::store::environment::EnvironmentRecord;
use crate::store::log::Log;
use crate::store::process::ProcessRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// Releases that are started again at the same time, at most: their start is work for the host.
const RESTARTS: usize = 4;

/// What a new daemon found: processes that live, releases that must be started again.
#[derive(Debug)]
pub struct Findings {
    members: Vec<Member>,
    due: Vec<Due>,
}

/// Sweeps leftovers and finds what serves. Runs before the router does, so that after a reboot no
/// request is sent to a port that somebody else may have taken meanwhile.
///
/// # Errors
/// When the store cannot be read or a route cannot be written.
pub async fn find(world: &Arc<World>) -> Result<Findings, Failure> {
    sweep::sweep(world)
        .await
        .map_err(|error| Failure::host("cannot sweep", &error))?;
    let processes = world.recorder.processes().await?;
    let mut findings = Findings {
        members: Vec::new(),
        due: Vec::new(),
    };
    for environment in world.recorder.environments(None).await? {
        let own: Vec<ProcessRecord> = processes
            .iter()
            .filter(|record| record.key == environment.key)
            .cloned()
            .collect();
        adopt(world, environment, own, &mut findings).await?;
    }
    Ok(findings)
}

/// Takes unfinished activities up again, starts what should serve, makes up for missed bells.
///
/// # Errors
/// When the store cannot be read.
pub async fn begin(world: Arc<World>, desk: Desk, findings: Findings) -> Result<(), Failure> {
    for member in findings.members {
        desk.send(Event::Watch(member)).await;
    }
    let unfinished = world.recorder.unfinished().await?;
    let mut restarts = JoinSet::new();
    for due in findings.due {
        // An environment with an activity of its own comes first: one at a time.
        if unfinished
            .iter()
            .any(|task| task.key == due.environment.key)
        {
            due.restart(&world, &desk).await;
        } else {
            let (world, desk) = (Arc::clone(&world), desk.clone());
            restarts.spawn(async move { due.restart(&world, &desk).await });
            if restarts.len() >= RESTARTS {
                restarts.join_next().await;
            }
        }
    }
    for task in unfinished {
        take_up(&world, &desk, task).await?;
    }
    reconcile::at_start(&world, &desk).await;
    while restarts.join_next().await.is_some() {}
    Ok(())
}

/// Takes up an activity that the last daemon did not end.
async fn take_up(world: &Arc<World>, desk: &Desk, task: Task) -> Result<(), Failure> {
    let record = world.recorder.environment(&task.key).await?;
    let ticket = Ticket {
        activity: task.id.clone(),
        project: task.key.project.to_string(),
        environment: task.key.id.to_string(),
        production: record
            .as_ref()
            .is_some_and(|record| record.kind == "production"),
        kind: task.kind,
    };
    let live = record.and_then(|record| record.live);
    if task.state == State::Waiting {
        // Whoever follows it stays until its end.
        world.logs.open(&task.id);
        desk.send(Event::Recorded {
            tickets: vec![ticket],
            reply: None,
        })
        .await;
        return Ok(());
    }
    let repeatable = match task.release {
        Some(number) => world
            .recorder
            .release(&task.key, number)
            .await?
            .is_some_and(|release| release.application.deploy.repeatable),
        None => false,
    };
    let steps = world
        .recorder
        .activity(&task.id)
        .await?
        .map(|activity| activity.steps);
    let steps = steps.unwrap_or_default();
    let names: Vec<(&str, bool)> = steps
        .iter()
        .map(|step| (step.name.as_str(), step.ended.is_some()))
        .collect();
    let routed = task.kind != Kind::Delete
        && task.release.is_some()
        && route::read(&world.paths, &task.key).map(|route| route.release) == task.release;
    let decision = decide(&Found {
        steps: &names,
        routed,
        repeatable,
    });
    tracing::info!(
        WHARF_ACTIVITY = task.id,
        ?decision,
        "taken up after a restart"
    );
    match decision {
        Recovery::Redo => {
            if let Some(half) = task.release.filter(|_| task.kind != Kind::Rollback) {
                let failed = ReleaseState::Failed;
                world.recorder.set_release(&task.key, half, failed).await?;
            }
            world
                .logs
                .open(&task.id)
                .note("Wharf was restarted; this begins again.");
            desk.send(Event::Recorded {
                tickets: vec![ticket],
                reply: None,
            })
            .await;
        }
        Recovery::Finish => {
            let release = task.release.expect("routed only with a release");
            let (key, state) = (&task.key, ReleaseState::Ready);
            world.recorder.set_release(key, release, state).await?;
            world.recorder.set_live(key, Some(release)).await?;
            let reason = Reason {
                code: "restarted".into(),
                message: format!("r{release} is live; Wharf was restarted right after the switch"),
                hint: None,
            };
            let mut end = never_began(&ticket.environment, Some(release), State::Succeeded, reason);
            end.ended.serves = format!("{} now serves r{release}.", ticket.environment);
            orders::close(world, desk, &ticket, end).await;
        }
        Recovery::Fail => {
            let reason = Reason {
                code: "interrupted".into(),
                message: "Wharf was stopped while deploy commands ran".into(),
                hint: Some(format!(
                    "see what they did, then: wharf redeploy -e {} (or set deploy.repeatable)",
                    ticket.environment
                )),
            };
            let mut end = never_began(&ticket.environment, live, State::Failed, reason);
            let changed = "deploy commands may have changed its data.";
            end.ended.serves = crate::execute::activity::serves(&ticket.environment, live, changed);
            orders::close(world, desk, &ticket, end).await;
        }
    }
    Ok(())
}

/// A live release whose processes are gone.
#[derive(Debug)]
struct Due {
    environment: EnvironmentRecord,
    release: ReleaseRecord,
}

/// Adopts the processes that live and stops those that should not; says what is to be started
/// again, and takes it out of the table until it is.
async fn adopt(
    world: &Arc<World>,
    environment: EnvironmentRecord,
    processes: Vec<ProcessRecord>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    // What the table says is what serves, also where the record did not get that far.
    let route = route::read(&world.paths, &environment.key);
    let live = route
        .as_ref()
        .map(|route| route.release)
        .or(environment.live);
    if let Some(number) = live.filter(|_| live != environment.live) {
        let ready = ReleaseState::Ready;
        world
            .recorder
            .set_release(&environment.key, number, ready)
            .await?;
        world.recorder.set_live(&environment.key, live).await?;
    }
    let mut adopted = 0;
    for record in processes {
        let of_live = Some(record.release) == live;
        match Member::find(world, record.clone()).await {
            Some(member) if of_live => {
                adopted += 1;
                findings.members.push(member);
            }
            _ => launch::stop_instance(world, &record.instance, None, launch::GRACE).await?,
        }
    }
    let Some(number) = live else { return Ok(()) };
    let Some(release) = world.recorder.release(&environment.key, number).await? else {
        return Ok(());
    };
    let application = &release.application;
    let wanted = application.workers.len() + usize::from(application.web.is_some());
    if adopted < wanted {
        if let Some(route) = route {
            route::suspend(world, &environment.key, route).await?;
        }
        findings.due.push(Due {
            environment,
            release,
        });
    }
    Ok(())
}

impl Due {
    /// Starts it again; it is routed once it is healthy.
    async fn restart(self, world: &Arc<World>, desk: &Desk) {
        let (key, number) = (self.environment.key.clone(), self.release.number);
        match self.try_restart(world, desk).await {
            Ok(()) => tracing::info!(
                WHARF_PROJECT = %key.project,
                WHARF_ENVIRONMENT = %key.id,
                WHARF_RELEASE = number,
                "r{number} serves again after a restart"
            ),
            Err(failure) => tracing::error!(
                WHARF_PROJECT = %key.project,
                WHARF_ENVIRONMENT = %key.id,
                WHARF_RELEASE = number,
                WHARF_ERROR = failure.reason.code,
                "r{number} was not started again: {}",
                failure.reason.message
            ),
        }
    }

    async fn try_restart(self, world: &Arc<World>, desk: &Desk) -> Result<(), Failure> {
        let number = self.release.number;
        let task = Task {
            id: self.release.activity.clone(),
            key: self.environment.key,
            branch: self.environment.branch,
            kind: Kind::Redeploy,
            state: State::Running,
            commit: Commit::default(),
            rebuild: false,
            release: Some(number),
        };
        let cancel = CancellationToken::new();
        let world_of_act = Arc::clone(world);
        let act = Act::new(
            world_of_act,
            task,
            Some(number),
            Record::Nothing,
            Log::silent(),
            cancel,
        )?;
        let launched = deploy::restore(&act, &self.release).await?;
        for process in launched.processes {
            if let Some(member) = Member::find(world, process.record).await {
                desk.send(Event::Watch(member)).await;
            }
        }
        Ok(())
    }
}
