//! What should serve and does not is started again: after a reboot, or when a keeper died.

use std::sync::Arc;
use std::time::Duration;

use wharf_wire::outcome::{Kind, State};
use wharf_wire::route::Route;

use super::fleet::Member;
use super::{Desk, Event, services};
use crate::execute;
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::replaced::{self, Replaced};
use crate::execute::{World, deploy, launch, maintenance, route};
use crate::fail;
use crate::plan::limits::Status;
use crate::store::activity::Task;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::process::ProcessRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// Environments that are mended at the same time, at most: a start is work for the host.
pub(super) const AT_ONCE: usize = 4;
/// The wait before another attempt; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_secs(5);
/// See [`FIRST`].
const LONGEST: Duration = Duration::from_secs(300);

/// An environment to look after.
#[derive(Debug)]
pub struct Mend {
    /// Which.
    pub(super) key: EnvironmentKey,
    pause: Duration,
}

/// What was found in an environment.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Processes that live and should.
    pub(super) members: Vec<Member>,
    /// Processes that live and should not, to which requests may still be in flight.
    pub(super) replaced: Vec<ProcessRecord>,
    /// Set when some are missing, or the table names another release.
    pub(super) due: Option<Due>,
    /// Why it is to be looked at again: what a process does is not known, and it was left alone.
    pub(super) unknown: Option<Failure>,
}

/// A live release some of whose processes are gone, or that the table does not name.
#[derive(Debug)]
pub(super) struct Due {
    trouble: String,
    environment: EnvironmentRecord,
    release: ReleaseRecord,
    present: Vec<ProcessRecord>,
}

impl Mend {
    /// The first look at an environment.
    pub(super) fn first(key: EnvironmentKey) -> Mend {
        Mend { key, pause: FIRST }
    }

    /// Starts again what is missing; says when to try again where that failed. The caller sees to
    /// it that nothing else happens in the environment meanwhile.
    pub(super) async fn mend(&self, world: &Arc<World>, desk: &Desk) -> Option<(Duration, Mend)> {
        let key = &self.key;
        let Err(failure) = self.try_mend(world, desk).await else {
            return None;
        };
        tracing::error!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            WHARF_ERROR = failure.reason.code,
            "what served is not started again, next attempt in {} s: {}",
            self.pause.as_secs(),
            failure.reason.message
        );
        let next = Mend {
            key: key.clone(),
            pause: (self.pause * 2).min(LONGEST),
        };
        Some((self.pause, next))
    }

    async fn try_mend(&self, world: &Arc<World>, desk: &Desk) -> Result<(), Failure> {
        let Some(environment) = world.recorder.environment(&self.key).await? else {
            return Ok(());
        };
        let found = adopt(world, environment).await?;
        for member in found.members {
            desk.send(Event::Watch(member)).await;
        }
        if !found.replaced.is_empty() {
            // A router that has not heard of the last switch may still send requests to them.
            let (project, id) = (self.key.project.as_str(), self.key.id.as_str());
            let followed = world.router.load(project, id).await;
            followed.map_err(|error| Failure::host("the router does not follow", &error))?;
        }
        let replaced = Replaced::left(world, found.replaced);
        desk.send(Event::Retire(replaced)).await;
        if let Some(unknown) = found.unknown {
            return Err(unknown);
        }
        match found.due {
            Some(due) => due.restart(world, desk).await,
            None => Ok(()),
        }
    }
}

/// Adopts the processes that live and stops those that should not; says what is to be started
/// again, and takes it out of the table until it is.
///
/// # Errors
/// When the store cannot be read or the route cannot be written.
pub(super) async fn adopt(
    world: &Arc<World>,
    environment: EnvironmentRecord,
) -> Result<Found, Failure> {
    // Nothing goes on here that would need it: whoever began it has died.
    let mut route = route::read(&world.paths, &environment.key);
    if let Some(held) = route.take_if(|route| maintenance::activity_of(route).is_some()) {
        maintenance::lift_left(world, &environment.key, held).await?;
        route = route::read(&world.paths, &environment.key);
    }
    // What the table says is what serves, also where the record did not get that far.
    let mut live = route
        .as_ref()
        .map(|route| route.release)
        .or(environment.live);
    // But a release that is not recorded is nothing to go by: an older record was restored.
    if let Some(number) = live
        && live != environment.live
        && world
            .recorder
            .release(&environment.key, number)
            .await?
            .is_none()
    {
        live = environment.live;
    }
    if let Some(number) = live.filter(|_| live != environment.live) {
        let ready = ReleaseState::Ready;
        world
            .recorder
            .set_release(&environment.key, number, ready)
            .await?;
        world.recorder.set_live(&environment.key, live).await?;
    }
    if stays_paused(world, &environment, route.as_ref(), live).await? {
        return stop_paused(world, &environment.key).await;
    }
    let upstream = route.as_ref().and_then(|route| route.upstream.clone());
    let suspended = upstream.is_none();
    let serving = match live {
        Some(number) => world.recorder.release(&environment.key, number).await?,
        None => None,
    };
    // One that answers and was never routed was never found healthy: its start was interrupted.
    let good = |record: &ProcessRecord| {
        let answers = |release: &ReleaseRecord| {
            let mut processes = release.application.processes.keys();
            processes.any(|name| name.as_str() == record.name)
        };
        let routed = match record.name.as_str() {
            launch::WEB => upstream.as_ref(),
            name if serving.as_ref().is_some_and(answers) => {
                let process = route.as_ref().and_then(|route| route.processes.get(name));
                process.map(|process| &process.upstream)
            }
            _ => return Some(record.release) == live,
        };
        let is_routed = |at| launch::listens(world, record).contains(at);
        Some(record.release) == live && routed.is_some_and(is_routed)
    };
    let mut warm = replaced::warm(world, &environment.key, live).await?;
    let all_warm = warm.clone();
    let begun = begun(world, &environment.key).await?;
    let mut found = Found::default();
    let mut present = Vec::new();
    for record in world.recorder.processes_of(&environment.key).await? {
        if world.retiring.contains(&record.instance) {
            continue;
        }
        let member = match Member::find(world, record.clone()).await {
            Ok(member) => member,
            Err(error) => {
                // Nothing is done to it, and nothing is started in its place.
                let what = format!("cannot find out how {} is", record.instance);
                found.unknown = Some(Failure::host(&what, &error));
                present.push(record);
                continue;
            }
        };
        match member {
            Some(member) if good(&record) => {
                present.push(record);
                found.members.push(member);
            }
            Some(member) if record.name == launch::WEB && warm.contains(&record.release) => {
                // One of each.
                warm.retain(|number| *number != record.release);
                found.members.push(member);
            }
            Some(_) if has_served(world, &record, live, begun.as_ref()).await? => {
                found.replaced.push(record);
            }
            _ => {
                let grace = launch::GRACE;
                let stopped = launch::stop_instance(world, &record.instance, None, grace).await;
                found.unknown = stopped.err().or(found.unknown);
            }
        }
    }
    let lost = services::adopt(
        world,
        &environment.key,
        serving.as_ref(),
        &all_warm,
        &mut found,
    )
    .await?;
    let goes = |task: Task| matches!(task.kind, Kind::Delete | Kind::Deactivate);
    let Some(number) = live.filter(|_| !begun.is_some_and(goes)) else {
        return Ok(found);
    };
    let Some(release) = serving else {
        return Ok(found);
    };
    let is_present = |name: &str| present.iter().any(|record| record.name == name);
    let application = &release.application;
    let web_missing = application.web.is_some() && !is_present(launch::WEB);
    let missing = web_missing
        || application
            .workers
            .keys()
            .chain(application.processes.keys())
            .any(|name| !is_present(name.as_str()));
    let astray = route.as_ref().is_some_and(|route| route.release != number);
    if let Some(route) = route.filter(|_| web_missing && !suspended) {
        route::suspend(world, &environment.key, route).await?;
    }
    let trouble = if let Some(name) = lost {
        format!("service {name} of r{number} is gone; starting it again")
    } else if missing {
        format!("processes of r{number} are gone; starting them again")
    } else if astray {
        format!("requests go to a release that no record knows; r{number} takes its place")
    } else {
        return Ok(found);
    };
    found.due = Some(Due {
        trouble,
        environment,
        release,
        present,
    });
    Ok(found)
}

/// Whether an environment is paused, which is recorded as the table says it.
async fn stays_paused(
    world: &World,
    environment: &EnvironmentRecord,
    route: Option<&Route>,
    live: Option<u32>,
) -> Result<bool, Failure> {
    let recorded = environment.status();
    if !recorded.lives() {
        return Ok(false);
    }
    let paused = match route {
        Some(route) => route::says_paused(route),
        None => recorded == Status::Paused && live.is_some(),
    };
    let status = match paused {
        true => Status::Paused,
        false => Status::Active,
    };
    if status != recorded || live != environment.live {
        world.recorder.set_status(&environment.key, status).await?;
    }
    Ok(paused)
}

/// Ends what goes on in a paused environment: whoever was to end it, or to start it again, died.
async fn stop_paused(world: &Arc<World>, key: &EnvironmentKey) -> Result<Found, Failure> {
    let mut found = Found::default();
    for record in world.recorder.processes_of(key).await? {
        if world.retiring.contains(&record.instance) {
            continue;
        }
        let grace = launch::grace_of(world, &record).await;
        let stopped = launch::stop_instance(world, &record.instance, None, grace).await;
        found.unknown = stopped.err().or(found.unknown);
    }
    let stopped = execute::services::stop_all(world, key).await;
    found.unknown = stopped.err().or(found.unknown);
    Ok(found)
}

/// The activity that the last daemon began in an environment and did not end.
async fn begun(world: &World, key: &EnvironmentKey) -> Result<Option<Task>, Failure> {
    let unfinished = world.recorder.unfinished().await?;
    let is_it = |task: &Task| task.key == *key && task.state == State::Running;
    let mut begun = unfinished.into_iter();
    Ok(begun.find(|task| is_it(task) && !task.kind.runs_beside()))
}

/// Whether requests may still be in flight to a process that does not serve any more; not to one
/// that an activity was about to switch to.
async fn has_served(
    world: &World,
    record: &ProcessRecord,
    live: Option<u32>,
    begun: Option<&Task>,
) -> Result<bool, Failure> {
    let number = record.release;
    if live == Some(number) || begun.is_some_and(|task| task.release == Some(number)) {
        return Ok(false);
    }
    let release = world.recorder.release(&record.key, number).await?;
    Ok(release.is_some_and(|release| release.state == ReleaseState::Ready))
}

impl Due {
    /// Starts what is missing; it is routed once it is healthy.
    async fn restart(self, world: &Arc<World>, desk: &Desk) -> Result<(), Failure> {
        let number = self.release.number;
        let key = self.environment.key.clone();
        tracing::warn!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            WHARF_RELEASE = number,
            "{}", self.trouble
        );
        let id = self.release.activity.clone();
        let act = Act::aside(world, &self.environment, Kind::Redeploy, number, id)?;
        let launched = Box::pin(deploy::restore(&act, &self.release, &self.present)).await?;
        for process in launched.processes {
            let member = Member::find(world, process.record).await;
            let unknown = |error| Failure::host("cannot watch what was started", &error);
            if let Some(member) = member.map_err(unknown)? {
                desk.send(Event::Watch(member)).await;
            }
        }
        tracing::info!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            WHARF_RELEASE = number,
            "r{number} serves again after a restart"
        );
        fail::point(format_args!("mended {}", key.id));
        Ok(())
    }
}
