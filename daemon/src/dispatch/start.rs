//! What a new daemon finds and mends before and while it takes its first events.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use wharf_config::project::Kind as Type;
use wharf_wire::outcome::{Kind, State};

use super::fleet::Member;
use super::mend::{self, Mend};
use super::{Desk, Event, reconcile};
use crate::execute::failure::{Failure, chain};
use crate::execute::replaced::Replaced;
use crate::execute::{World, housekeeping, maintenance, route};
use crate::plan::queue::Ticket;
use crate::store::StoreError;
use crate::store::activity::Task;
use crate::store::environment::EnvironmentKey;
use crate::store::overview::Overview;

/// What a new daemon found: processes that live, environments whose release must be started again.
#[derive(Debug)]
pub struct Findings {
    members: Vec<Member>,
    /// Environments with what may end there once the router has heard of their last switch.
    environments: Vec<(EnvironmentKey, Replaced)>,
    due: Vec<EnvironmentKey>,
}

/// Sweeps leftovers and finds what serves. Runs before the router does, so that after a reboot no
/// request is sent to a port that somebody else may have taken meanwhile.
///
/// # Errors
/// When the store cannot be read or a route cannot be written.
pub async fn find(world: &Arc<World>) -> Result<Findings, Failure> {
    kill_orphans(world)
        .await
        .map_err(|error| Failure::host("cannot look for what the last daemon left", &error))?;
    housekeeping::sweep(world)
        .await
        .map_err(|error| Failure::host("cannot sweep", &error))?;
    let mut findings = Findings {
        members: Vec::new(),
        environments: Vec::new(),
        due: Vec::new(),
    };
    let mut environments = world.recorder.overview(None).await?;
    // Few are started again at a time, in this order.
    environments.sort_by_key(|one| one.record.kind != Type::Production.as_str());
    let busy = busy(world).await?;
    for one in environments {
        let key = one.record.key.clone();
        if !busy.contains(&key) && is_quiet(world, &one) {
            // The router is told of its route a little later, with all others.
            continue;
        }
        let found = mend::adopt(world, one.record).await?;
        findings.members.extend(found.members);
        let replaced = Replaced::left(world, found.replaced);
        findings.environments.push((key.clone(), replaced));
        if found.due.is_some() || found.unknown.is_some() {
            findings.due.push(key);
        }
    }
    Ok(findings)
}

/// The environments that have processes, or an activity that the last daemon did not end.
async fn busy(world: &World) -> Result<BTreeSet<EnvironmentKey>, StoreError> {
    let processes = world.recorder.processes().await?;
    let unfinished = world.recorder.unfinished().await?;
    let activities = unfinished.into_iter().map(|task| task.key);
    Ok(processes
        .into_iter()
        .map(|process| process.key)
        .chain(activities)
        .collect())
}

/// Whether nothing is to be found out about an environment without processes: it serves files, and
/// the table names its release; or it serves nothing, and is not in the table.
fn is_quiet(world: &World, one: &Overview) -> bool {
    let route = route::read(&world.paths, &one.record.key);
    match (&one.live, route) {
        (None, None) => one.record.live.is_none(),
        (Some(live), Some(route)) => {
            live.is_static
                && Some(route.release) == one.record.live
                && route.unavailable.is_none()
                && maintenance::activity_of(&route).is_none()
        }
        _ => false,
    }
}

/// Kills what should have died with the last daemon and did not, before it disturbs whoever begins
/// again. What has a keeper, or had one, is left to whoever adopts it.
async fn kill_orphans(world: &Arc<World>) -> io::Result<()> {
    let (marks, kept) = (world.jobs.marks()?, world.keepers.instances()?);
    let is_kept = move |job: &str| kept.iter().any(|instance| instance.as_str() == job);
    let killed = tokio::task::spawn_blocking(move || marks.kill_if(|job| !is_kept(job)));
    let killed = killed.await.map_err(io::Error::other)??;
    if killed > 0 {
        tracing::warn!("killed {killed} processes that the last daemon left");
    }
    Ok(())
}

/// Looks after what should serve and takes unfinished activities up again, before anybody may order
/// new ones: in each environment they come first.
///
/// # Errors
/// When the store cannot be read.
pub async fn take_up(
    world: &Arc<World>,
    desk: &Desk,
    findings: Findings,
) -> Result<(), StoreError> {
    for member in findings.members {
        desk.send(Event::Watch(member)).await;
    }
    // A router that lived on may not have heard of the last switches.
    for (key, replaced) in findings.environments {
        let (project, environment) = (key.project.as_str(), key.id.as_str());
        match world.router.load(project, environment).await {
            Ok(_) => desk.send(Event::Retire(replaced)).await,
            // What it may still send requests to lives until it follows.
            Err(error) => {
                tracing::error!(error = chain(&error), "the router does not follow {key}");
                desk.send(Event::Mend(Mend::first(key))).await;
            }
        }
    }
    // Before anything else may begin in these environments.
    for key in findings.due {
        desk.send(Event::Mend(Mend::first(key))).await;
    }
    for task in world.recorder.unfinished().await? {
        let (parked, due) = (task.parked, task.leave.due);
        let ticket = ticket(world, task).await?;
        // Whoever follows it stays until its end.
        world.logs.open(&ticket.activity);
        if ticket.kind == Kind::Check || ticket.kind.is_by_hand() {
            desk.send(Event::Abandoned(ticket)).await;
            continue;
        }
        if parked {
            desk.send(Event::Parked { ticket, due }).await;
            continue;
        }
        desk.send(Event::Recorded {
            ids: Vec::new(),
            tickets: vec![ticket],
            reply: None,
        })
        .await;
    }
    Ok(())
}

async fn ticket(world: &World, task: Task) -> Result<Ticket, StoreError> {
    let record = world.recorder.environment(&task.key).await?;
    Ok(Ticket {
        activity: task.id,
        number: task.number,
        project: task.key.project.to_string(),
        environment: task.key.id.to_string(),
        production: record.is_some_and(|record| record.kind == "production"),
        kind: task.kind,
        begun: task.state == State::Running,
    })
}

/// Makes up for bells that nobody heard while no daemon was there.
pub async fn make_up(world: Arc<World>, desk: Desk) {
    reconcile::at_start(&world, &desk).await;
}
