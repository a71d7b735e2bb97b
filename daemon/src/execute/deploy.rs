//! The deploy stage: release, commands, processes beside the old ones, checks, switch, drain.
//!
//! In one paragraph: the release is recorded; where it has commands, crons end; where these need it,
//! visitors are kept away and workers stopped; static content is made, the application installed or
//! updated, and given sample data where it is new; its processes start beside the old ones and must be healthy, and its checks must end well;
//! the route is written, which is the commit point and lets visitors in; late commands run; the old
//! processes are drained and stopped when all that is said. Until the route is written every failure
//! leaves the old release serving.

use std::time::Instant;

use wharf_wire::event::Event;

use super::activity::Act;
use super::bound::Bound;
use super::build::Built;
use super::changes::Changes;
use super::commands::{self, Work};
use super::crons::quiet;
use super::failure::Failure;
use super::launch::{self, Launched};
use super::replaced::Replaced;
use super::resume::makes;
use super::{
    assets, checks, closed, housekeeping, maintenance, mirror, release, retire, route, seed,
    services, snapshots, sync, target, variables,
};
use crate::plan::step::Step;
use crate::run::sandbox::Sandbox;
use crate::store::insist::insist;
use crate::store::process::ProcessRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// Makes a slug serve as a new release; returns its number.
///
/// # Errors
/// What the pusher should read; what served before serves on.
pub async fn deploy(act: &Act, built: Built) -> Result<u32, Failure> {
    for reduced in act.world.isolation.reduced() {
        let text = format!("reduced isolation: {reduced}");
        act.log.event(Event::Warning { text });
    }
    variables::say_changed(act, &built.given).await?;
    let release = release::make(act, built).await?;
    let number = release.number;
    let mut changes = Changes::default();
    if let Err(failure) = Box::pin(prepare_and_serve(act, &release, &mut changes)).await {
        release::give_up(act, number).await;
        return Err(Box::pin(closed::failed(act, failure, &changes, &release)).await);
    }
    maintenance::say_lifted(act);
    mirror::follow(act, &release.commit).await;
    commands::after(act, &release).await;
    housekeeping::after(act).await;
    Ok(number)
}

/// Does what comes after the commit point of a deployment that the last daemon did not end; returns
/// what serves.
pub async fn finish(act: &Act) -> Option<u32> {
    let (key, recorder, id) = (act.key(), &act.world.recorder, act.task.id.as_str());
    let number = act.task.release.expect("routed only with a release");
    // It serves: nothing may say otherwise for want of the store.
    let ready = || recorder.set_release(key, number, ReleaseState::Ready);
    insist(id, "its release", ready).await;
    let live = || recorder.set_live(key, Some(number));
    insist(id, "what is live", live).await;
    let mut processes = insist(id, "its processes", || recorder.processes_of(key)).await;
    processes.retain(|process| process.release == number);
    launch::confirm(&act.world, &processes).await;
    let release = insist(id, "its release", || recorder.release(key, number)).await;
    if let Some(release) = &release {
        mirror::follow(act, &release.commit).await;
    }
    if let Some(release) = release.filter(|_| makes(act.task.kind)) {
        commands::after(act, &release).await;
        housekeeping::after(act).await;
    }
    Some(number)
}

/// Makes an earlier release serve again; returns its number.
///
/// # Errors
/// What its user should read; what served before serves on.
pub async fn roll_back(act: &Act) -> Result<Option<u32>, Failure> {
    let number = act
        .task
        .release
        .expect("what goes back is recorded with its target");
    let release = act.world.recorder.release(act.key(), number).await?;
    let release = release.filter(|release| release.state == ReleaseState::Ready);
    let release = release.ok_or_else(|| {
        Failure::new("no-release", format!("r{number} cannot serve again"))
            .hint("see which can: wharf releases")
    })?;
    let commit = release.commit.get(..8).unwrap_or(&release.commit);
    act.did(
        "release",
        format!("r{number} again, commit {commit}"),
        Instant::now(),
    );
    if let Err(failure) = Box::pin(serve_again(act, &release)).await {
        services::put_back(act).await;
        return Err(failure);
    }
    mirror::follow(act, &release.commit).await;
    Ok(Some(number))
}

/// Has a release serve again that served before.
///
/// # Errors
/// As [`roll_back`].
pub(super) async fn serve_again(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    match act.previous == Some(release.number) {
        true => services::ensure_again(act, &release.application, &act.log).await?,
        false => services::ensure(act, &release.application).await?,
    }
    let sandbox = release::sandbox(act, release).await?;
    Box::pin(serve(act, release, &sandbox, Proof::Health)).await
}

/// What a release must show before it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// It is healthy: it has served before.
    Health,
    /// Its checks end well, too.
    Checks,
}

async fn prepare_and_serve(
    act: &Act,
    release: &ReleaseRecord,
    changes: &mut Changes,
) -> Result<(), Failure> {
    // Known before any command changes something.
    target::files(act, &release.application, &release.slug)?;
    Box::pin(sync::first(act, release)).await?;
    services::ensure(act, &release.application).await?;
    let sandbox = release::sandbox(act, release).await?;
    let bound = Bound::of_deploy(&act.settings.host.deploy);
    let work = Work::ask(act, release, &sandbox, &bound).await?;
    quiet::crons(act, release, work).await?;
    if closed::is_wanted(act, release, work).await? {
        closed::close(act, release).await?;
    } else {
        maintenance::begin(act, release, &sandbox, &bound, work).await?;
        quiet::workers(act, release, work).await?;
    }
    if work.may_change_data(release) {
        snapshots::before_deploy(act).await?;
    }
    assets::say_where(act, &release.application);
    assets::deploy(act, release, &sandbox, &bound, changes).await?;
    work.run(act, release, &sandbox, &bound, changes).await?;
    seed::first(act, release, &sandbox, &bound, changes).await?;
    Box::pin(serve(act, release, &sandbox, Proof::Checks)).await
}

async fn serve(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    proof: Proof,
) -> Result<(), Failure> {
    let mut target = target::of(act, release)?;
    let old = retire::processes(act).await?;
    let launched = launch::launch(act, release, sandbox, &old).await?;
    target.serves(&launched, &release.application, None);
    let checked = match proof {
        Proof::Checks => checks::run(act, release, sandbox, &target).await,
        Proof::Health => Ok(()),
    };
    if let Err(failure) = checked {
        launch::stop(act, &launched.processes).await;
        return Err(failure);
    }
    let route = route::read(&act.world.paths, act.key());
    let progress = route::Progress::default();
    let switch = route::switch(act, target, &progress);
    if let Err(failure) = act.step(Step::Route, switch).await {
        launch::stop(act, &launched.processes).await;
        return Err(failure);
    }
    // Past the commit point: nothing below may fail the activity.
    for process in &launched.processes {
        if process.record.name != launch::WEB
            && let Err(error) = process.keeper.confirm().await
        {
            tracing::warn!(
                error = super::failure::chain(&error),
                "worker not confirmed"
            );
        }
    }
    if !progress.is_followed() {
        // Requests may still go to the old processes; the next deployment ends them.
        let text = "the router does not answer: the old release may be seen until it does";
        act.log.event(Event::Warning { text: text.into() });
        return Ok(());
    }
    match Replaced::by(act, release, &launched, old, route).await {
        Ok(replaced) => act.replaces(replaced),
        Err(failure) => tracing::warn!(error = failure.reason.message, "old processes stay"),
    }
    Ok(())
}

/// Starts those of the live release's processes again that are not there; it is routed once it is
/// healthy.
///
/// # Errors
/// Why it does not serve.
pub async fn restore(
    act: &Act,
    release: &ReleaseRecord,
    present: &[ProcessRecord],
) -> Result<Launched, Failure> {
    let mut target = target::of(act, release)?;
    services::ensure_again(act, &release.application, &act.log).await?;
    let sandbox = release::sandbox(act, release).await?;
    let mut missing = release.clone();
    for record in present {
        let application = &mut missing.application;
        application
            .workers
            .retain(|name, _| name.as_str() != record.name);
        application
            .processes
            .retain(|name, _| name.as_str() != record.name);
        if record.name == launch::WEB {
            application.web = None;
        }
    }
    let launched = launch::launch(act, &missing, &sandbox, &[]).await?;
    for process in &launched.processes {
        if process.record.name != launch::WEB {
            process
                .keeper
                .confirm()
                .await
                .map_err(|error| Failure::host("a worker's keeper went away", &error))?;
        }
    }
    // What lived on is routed as it was.
    let routed = route::read(&act.world.paths, act.key());
    let routed = routed.filter(|route| route.release == release.number);
    let answers = missing.application.web.is_some() || !missing.application.processes.is_empty();
    if answers || routed.is_none() {
        target.serves(&launched, &release.application, routed);
        route::write(act, target).await?;
        route::confirm(act)
            .await
            .map_err(|error| Failure::host("the router does not follow", &error))?;
    }
    Ok(launched)
}
