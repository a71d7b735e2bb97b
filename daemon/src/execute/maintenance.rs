//! Visitors are kept away while commands run that need it, or as long as somebody wants.
//!
//! The route says so, of the release that serves. Whatever becomes of the activity, it is lifted: by
//! the rename that is the commit point, when the activity ends otherwise, or by the next daemon.

use std::time::Instant;

use wharf_config::application::{self, When};
use wharf_wire::route::{Maintenance, Route};

use super::activity::Act;
use super::bound::Bound;
use super::command;
use super::commands::{Work, command_of};
use super::crons::Pace;
use super::crons::quiet::end_crons;
use super::failure::Failure;
use super::release::inside;
use super::route;
use super::world::World;
use crate::journal::{self, Facts, Message};
use crate::plan::step::Step;
use crate::run::sandbox::Sandbox;
use crate::store::environment::EnvironmentKey;
use crate::store::now;
use crate::store::release::ReleaseRecord;

/// Keeps visitors away from what serves, where the release says that its commands need that.
///
/// # Errors
/// That it cannot be told whether they do, or the router does not follow: then no command may run.
pub(super) async fn begin(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    bound: &Bound,
    work: Work,
) -> Result<(), Failure> {
    let commands = work.steps(release).len() + assets(release);
    let Some(serving) = serving(act) else {
        return Ok(());
    };
    let maintenance = &release.application.deploy.maintenance;
    if commands == 0 || maintenance.when == When::Never {
        return Ok(());
    }
    if serving.maintenance.is_some() {
        act.did(
            "maintenance",
            "is on already: somebody switched it on",
            Instant::now(),
        );
        return Ok(());
    }
    if let When::Unless(text) = &maintenance.when {
        let began = Instant::now();
        let step = application::Step::asking(text).at(maintenance.unless_at.clone());
        let failed = "it cannot be told whether maintenance is needed".to_owned();
        let record = Step::ProbeMaintenance;
        let probe = command_of("maintenance", record, &step, sandbox, bound, failed);
        if command::probe(act, probe).await? {
            let text = format!("not needed ({} says so)", shown(text));
            act.did("maintenance", text, began);
            return Ok(());
        }
    }
    act.step(Step::Maintenance, hold(act, release, serving))
        .await
}

fn assets(release: &ReleaseRecord) -> usize {
    let assets = release.application.assets.as_ref();
    assets.map_or(0, |assets| assets.run.len())
}

/// The route of what visitors meet now; none where they meet nothing.
pub(super) fn serving(act: &Act) -> Option<Route> {
    let route = route::read(&act.world.paths, act.key());
    route.filter(|route| act.previous.is_some() && !route::says_paused(route))
}

async fn hold(act: &Act, release: &ReleaseRecord, serving: Route) -> Result<(), Failure> {
    let began = Instant::now();
    keep_away(act, release, serving).await?;
    let waits = humantime::format_duration(release.application.deploy.maintenance.hold);
    act.did(
        "maintenance",
        format!("on; requests wait {waits}, then see a page"),
        began,
    );
    Ok(())
}

/// Has requests wait, then see a page, as long as an activity wants it.
///
/// # Errors
/// That it cannot be recorded or written, or the router does not follow.
pub(super) async fn keep_away(
    act: &Act,
    release: &ReleaseRecord,
    serving: Route,
) -> Result<(), Failure> {
    let long = release.application.deploy.maintenance.hold;
    let milliseconds = u64::try_from(long.as_millis()).unwrap_or(u64::MAX);
    let maintenance = Maintenance {
        activity: Some(act.task.id.clone()),
        hold_until: now().saturating_add(milliseconds),
        page: page(&act.world, release),
        pass: Vec::new(),
    };
    act.holds(Instant::now());
    let route = Route {
        maintenance: Some(maintenance),
        ..serving
    };
    route::store(&act.world, act.key(), route).await?;
    route::confirm(act)
        .await
        .map_err(|error| Failure::host("the router does not follow", &error))?;
    journal::say(
        Message::MaintenanceOn,
        &Facts::of_act(act),
        "maintenance on",
    );
    Ok(())
}

/// The application's own page, if its release has it.
fn page(world: &World, release: &ReleaseRecord) -> Option<std::path::PathBuf> {
    let page = release.application.deploy.maintenance.page.as_ref()?;
    let slug = world.paths.slugs().join(&release.slug);
    let found = inside(&slug, page.as_path()).filter(|page| page.is_file());
    if found.is_none() {
        tracing::warn!(release = release.number, %page, "no such page for maintenance");
    }
    found
}

/// Says how long it was on, where the switch has lifted it.
pub(super) fn say_lifted(act: &Act) {
    let Some(began) = act.held() else { return };
    let long = crate::report::duration(super::activity::milliseconds(began));
    act.did(
        "maintenance",
        format!("lifted; it was on for {long}"),
        Instant::now(),
    );
    let facts = Facts {
        maintenance: Some(super::activity::milliseconds(began)),
        ..Facts::of_act(act)
    };
    journal::say(Message::MaintenanceOff, &facts, "maintenance off");
}

/// Lifts what an activity began that did not come to the switch; tries until it is done.
pub(super) async fn end(act: &Act) {
    let key = act.key();
    let own = |route: &Route| activity_of(route) == Some(act.task.id.as_str());
    let Some(route) = route::read(&act.world.paths, key).filter(own) else {
        return;
    };
    while let Err(failure) = lift(&act.world, key, route.clone()).await {
        tracing::error!(
            WHARF_ACTIVITY = act.task.id,
            error = failure.reason.message,
            "maintenance is not lifted; trying again"
        );
        tokio::time::sleep(route::PAUSE).await;
    }
    // One that is away reads what is there when it starts.
    if let Err(error) = route::confirm(act).await {
        tracing::error!(
            error = super::failure::chain(&error),
            "visitors may still wait"
        );
    }
    say_lifted(act);
}

/// The activity for which visitors are kept away.
pub fn activity_of(route: &Route) -> Option<&str> {
    route.maintenance.as_ref()?.activity.as_deref()
}

/// Lifts what an activity began whose daemon has died.
///
/// # Errors
/// When it cannot be recorded or written.
pub async fn lift_left(world: &World, key: &EnvironmentKey, route: Route) -> Result<(), Failure> {
    let (facts, said) = (
        Facts::of_environment(key),
        "maintenance off: nobody needs it any more",
    );
    journal::say(Message::MaintenanceOff, &facts, said);
    lift(world, key, route).await?;
    // Where the router runs already it must hear of it; where not, it will read it.
    let (project, environment) = (key.project.as_str(), key.id.as_str());
    if let Err(error) = world.router.load(project, environment).await {
        tracing::debug!(
            error = super::failure::chain(&error),
            "the router is not there yet"
        );
    }
    Ok(())
}

/// Writes a route without what an activity wanted; what somebody switched on stays.
///
/// # Errors
/// When it cannot be recorded or written.
async fn lift(world: &World, key: &EnvironmentKey, route: Route) -> Result<(), Failure> {
    let route = Route {
        maintenance: None,
        ..route
    };
    route::store(world, key, route).await
}

/// Gives a route what somebody switched on, unless an activity keeps visitors away; says whether
/// that changed it.
///
/// # Errors
/// When the release cannot be read.
pub(super) async fn put_on(
    world: &World,
    key: &EnvironmentKey,
    route: &mut Route,
    front: Wanted,
) -> Result<bool, Failure> {
    let before = route.maintenance.clone();
    if activity_of(route).is_none() {
        route.maintenance = match front.switched {
            false => None,
            true => {
                let release = world.recorder.release(key, route.release).await?;
                Some(Maintenance {
                    page: release.and_then(|release| page(world, &release)),
                    ..Maintenance::default()
                })
            }
        };
    }
    if let Some(maintenance) = &mut route.maintenance {
        maintenance.pass = front.pass;
    }
    Ok(route.maintenance != before)
}

/// What record and settings say of an environment's maintenance.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Whether somebody switched it on.
    pub(super) switched: bool,
    /// Whom it does not concern.
    pub(super) pass: Vec<ipnet::IpNet>,
}

/// `wharf maintenance on` and `off`: recorded, then written; returns what serves.
///
/// # Errors
/// That nothing serves, or it cannot be recorded or written.
pub(super) async fn switch(act: &Act, to: Switch) -> Result<Option<u32>, Failure> {
    let began = Instant::now();
    let name = act.key().id.as_str();
    if act.previous.is_none() {
        let message = format!("{name} serves nothing from which visitors could be kept away");
        return Err(
            Failure::new("no-release", message).hint(format!("see why with: wharf log -e {name}"))
        );
    }
    let who = match to {
        Switch::Off => None,
        Switch::On => {
            let activity = act.world.recorder.activity(&act.task.id).await?;
            Some(activity.map_or_else(String::new, |activity| activity.actor.name))
        }
    };
    act.step(Step::Maintenance, async {
        act.world.recorder.set_maintenance(act.key(), who).await?;
        route::renew_one(&act.world, act.key()).await?;
        // One that is away reads what is there when it starts.
        if route::confirm(act).await.is_err() {
            let text = "the router does not answer: visitors meet what they met until it does";
            let text = text.to_owned();
            act.log.event(wharf_wire::event::Event::Warning { text });
        }
        Ok(())
    })
    .await?;
    if to == Switch::On {
        end_crons(act, "is in maintenance", Pace::Soon).await;
    }
    let text = match to {
        Switch::On => "on; visitors see a page, operators see the site",
        Switch::Off => "off",
    };
    act.did("maintenance", text, began);
    Ok(act.previous)
}

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    /// Visitors are kept away.
    On,
    /// They come in again.
    Off,
}

/// A command's first line, short.
fn shown(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().take(40).collect()
}
