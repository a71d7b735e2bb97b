//! Data that comes back where a deployment fails: from its snapshot on nobody but the deployment works with it,
//! until it serves, or all is as it was.
//!
//! Visitors are kept away, and what served is stopped: nothing that anybody was told is stored can be lost with
//! what the deployment did. The route says that the environment is paused, so that a daemon that starts starts
//! nothing; the next one that takes the activity up puts the data back first.

use std::time::Instant;

use wharf_config::application::{Application, Mount};
use wharf_wire::event::Event;
use wharf_wire::route::{Route, Unavailable};
use wharf_wire::view::Reason;

use super::activity::Act;
use super::arrival::{self, Rest};
use super::changes::Changes;
use super::commands::Work;
use super::failure::Failure;
use super::{deploy, maintenance, retire, route, services, snapshots};
use crate::fail;
use crate::plan::deployment::Data;
use crate::plan::limits::Status;
use crate::plan::services::lasts;
use crate::plan::step::Step;
use crate::store::insist::insist;
use crate::store::release::ReleaseRecord;
use crate::store::snapshot::SnapshotState;

/// Whether the data is to come back where the deployment fails.
///
/// # Errors
/// When what serves cannot be read.
pub(super) async fn is_wanted(
    act: &Act,
    release: &ReleaseRecord,
    work: Work,
) -> Result<bool, Failure> {
    let policy = &act.environment.policy;
    let is_fresh = act.task.kind.deploys_anew();
    if !policy.restore_on_failure
        || !act.is_recorded()
        || is_fresh
        || !work.may_change_data(release)
    {
        return Ok(false);
    }
    let Some(live) = live(act).await? else {
        return Ok(false);
    };
    let mut mounts = live.application.mounts.values();
    let mut kept = live.application.services.values();
    if !mounts.any(|kind| *kind == Mount::Data) && !kept.any(|one| lasts(one.kind)) {
        return Ok(false);
    }
    let serves = maintenance::serving(act).is_some();
    if !serves {
        let text = "it is paused: where this fails its data does not come back by itself";
        act.log.event(Event::Warning { text: text.into() });
    }
    Ok(serves)
}

/// What serves, or served when this one began.
async fn live(act: &Act) -> Result<Option<ReleaseRecord>, Failure> {
    match act.previous {
        Some(live) => Ok(act.world.recorder.release(act.key(), live).await?),
        None => Ok(None),
    }
}

/// Keeps everybody away from the data.
///
/// # Errors
/// That the router does not follow, or a process may go on; it is opened again then.
pub(super) async fn close(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    act.step(Step::Close, async {
        let began = Instant::now();
        let Some(serving) = maintenance::serving(act) else {
            return Ok(());
        };
        let key = act.key();
        let reason = Reason {
            code: "data-held".into(),
            message: format!(
                "{} is deployed, and nobody else may change its data meanwhile",
                key.id
            ),
            hint: Some("do it again once that is done".into()),
        };
        act.shuts(act.world.hands.close(key, reason).await);
        let shut = Route {
            upstream: None,
            processes: Default::default(),
            unavailable: Some(Unavailable::Paused { wake: false }),
            ..serving
        };
        maintenance::keep_away(act, release, shut).await?;
        let paused = || act.world.recorder.set_status(key, Status::Paused);
        insist(&act.task.id, "that it is paused", paused).await;
        retire::stop_applications(act).await?;
        let text = "nobody works with the data but this deployment; requests wait, then see a page";
        act.did("close", text, began);
        Ok(())
    })
    .await
}

/// Opens what an activity closed before its daemon died, with the data as it was.
///
/// # Errors
/// Why that cannot be done; it stays closed.
pub(super) async fn open_again(act: &mut Act) -> Result<(), Failure> {
    if !matches!(act.data(), Data::Closed | Data::Changed) {
        return Ok(());
    }
    put_back(act)
        .await
        .map_err(|failure| not_back(act, failure))?;
    act.status = Status::Active;
    Ok(())
}

/// What a failed deployment ends with: what it closed is open again, and the data is as it was.
pub(super) async fn failed(
    act: &Act,
    failure: Failure,
    changes: &Changes,
    release: &ReleaseRecord,
) -> Failure {
    let data = act.data();
    if !matches!(data, Data::Closed | Data::Changed) {
        services::put_back(act).await;
        return changes.told(failure, release);
    }
    match Box::pin(put_back(act)).await {
        Ok(()) if data == Data::Changed => failure,
        Ok(()) => changes.told(failure, release),
        Err(why) => {
            // It is paused: none of them runs.
            services::put_back(act).await;
            let text = not_back(act, why).reason;
            act.log.event(Event::Warning { text: text.message });
            let failure = changes.told(failure, release);
            failure.hint(text.hint.unwrap_or_default())
        }
    }
}

fn not_back(act: &Act, why: Failure) -> Failure {
    let (id, name) = (&act.task.id, &act.key().id);
    let message = format!(
        "the data is not as it was, and {name} stays paused: {}",
        why.reason.message
    );
    Failure {
        details: why.details,
        ..Failure::new(&why.reason.code, message)
    }
    .hint(format!(
        "bring it back: wharf snapshot restore {id} -e {name}; then: wharf resume -e {name}"
    ))
}

async fn put_back(act: &Act) -> Result<(), Failure> {
    let data = act.data();
    act.step(Step::PutBack, async {
        let began = Instant::now();
        // It was never closed, or is open since before a death: then people may have written.
        if !route::is_paused(&act.world.paths, act.key()) {
            return Ok(());
        }
        let environment = act.world.recorder.environment(act.key()).await?;
        let gone = || Failure::new("no-release", "what served is not recorded any more");
        let (environment, live) = environment.zip(live(act).await?).ok_or_else(gone)?;
        // Whoever stopped the deployment did not want this stopped.
        let (kind, id) = (act.task.kind, act.task.id.clone());
        let aside = Act::aside(&act.world, &environment, kind, live.number, id)?;
        let text = match data {
            Data::Changed => {
                let log = &act.log;
                let standing = services::as_it_stands(&aside, &live.application, log).await?;
                restore(&aside, &standing).await?;
                arrival::say_kept(act);
                format!(
                    "the data of snapshot {}, as before the deploy commands",
                    act.task.id
                )
            }
            _ => "nothing had changed".to_owned(),
        };
        Box::pin(deploy::serve_again(&aside, &live)).await?;
        act.did(
            "put back",
            format!("{text}; r{} serves again", live.number),
            began,
        );
        maintenance::say_lifted(act);
        Ok(())
    })
    .await
}

/// Has the snapshot's data take the place of what the deployment left.
async fn restore(aside: &Act, application: &Application) -> Result<(), Failure> {
    let id = aside.task.id.as_str();
    let record = aside.world.recorder.snapshot(id).await?;
    let record = record.filter(|record| record.state == SnapshotState::Good);
    let record =
        record.ok_or_else(|| Failure::new("snapshot-bad", format!("snapshot {id} is not good")))?;
    let arriving = arrival::arriving(aside);
    let fetched = snapshots::fetch_and_read_in(aside, &record, &arriving, Some(application)).await;
    if fetched.is_err() {
        arrival::throw_away(&arriving);
    }
    fetched?;
    fail::point(format_args!("put back: fetched"));
    retire::stop_processes(aside).await?;
    fail::point(format_args!("put back: stopped"));
    arrival::take_place(aside, Rest::Stays)?;
    fail::point(format_args!("put back: replaced"));
    Ok(())
}
