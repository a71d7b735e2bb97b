//! What a new daemon finds and mends before and while it takes its first events.

use std::sync::Arc;

use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Reason;

use super::fleet::Member;
use super::mend::{self, Mend};
use super::{Desk, Event, orders, reconcile};
use crate::execute::activity::never_began;
use crate::execute::failure::Failure;
use crate::execute::{World, route, sweep};
use crate::plan::queue::Ticket;
use crate::plan::recovery::{Found, Recovery, decide};
use crate::store::activity::Task;
use crate::store::environment::EnvironmentKey;
use crate::store::release::ReleaseState;

/// What a new daemon found: processes that live, environments whose release must be started again.
#[derive(Debug)]
pub struct Findings {
    members: Vec<Member>,
    due: Vec<EnvironmentKey>,
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
    let mut findings = Findings {
        members: Vec::new(),
        due: Vec::new(),
    };
    for environment in world.recorder.environments(None).await? {
        let key = environment.key.clone();
        let found = mend::adopt(world, environment).await?;
        findings.members.extend(found.members);
        findings.due.extend(found.due.map(|_| key));
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
    // Before anything else may begin in these environments.
    for key in findings.due {
        desk.send(Event::Mend(Mend::first(key))).await;
    }
    for task in world.recorder.unfinished().await? {
        take_up(&world, &desk, task).await?;
    }
    reconcile::at_start(&world, &desk).await;
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
