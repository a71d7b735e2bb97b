//! A request that waits for a paused environment resumes it, where `wake = "request"` allows it.
//!
//! The router tells of it on a connection that stays open; one that breaks is made again, after a
//! wait that grows as long as nothing comes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wharf_config::project::Wake;
use wharf_wire::outcome::Kind;
use wharf_wire::view::Actor;

use super::Desk;
use super::pausing::{activity, send};
use crate::execute::failure::chain;
use crate::execute::router::RouterError;
use crate::execute::{World, refs, route};
use crate::store::environment::key;
use crate::store::status::REQUEST;

/// The wait before the connection is made again; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);
/// See [`FIRST`].
const LONGEST: Duration = Duration::from_secs(300);
/// Who waits for what is still paused after so long is told of again.
const AGAIN: Duration = Duration::from_secs(60);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// Listens to the router, until told to stop.
pub async fn listen(world: Arc<World>, desk: Desk, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        let began = tokio::time::Instant::now();
        let error = tokio::select! {
            () = stop.cancelled() => return,
            error = until_it_ends(&world, &desk) => error,
        };
        tracing::debug!(error = chain(&error), "the router tells of no visitors");
        if began.elapsed() >= GOOD {
            pause = FIRST;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST);
    }
}

/// Resumes whatever somebody waits for, until the connection ends.
async fn until_it_ends(world: &Arc<World>, desk: &Desk) -> RouterError {
    let mut wanted = match world.router.wanted().await {
        Ok(wanted) => wanted,
        Err(error) => return error,
    };
    let mut later = JoinSet::new();
    loop {
        match wanted.next().await {
            Ok((project, environment)) => {
                resume(world, desk, &project, &environment).await;
                later.spawn(remind(Arc::clone(world), project, environment));
            }
            Err(error) => return error,
        }
        while later.try_join_next().is_some() {}
    }
}

/// The router says once what is wanted, until its route is loaded anew: an attempt that failed must
/// not be the last.
async fn remind(world: Arc<World>, project: String, environment: String) {
    tokio::time::sleep(AGAIN).await;
    let Ok(key) = key(&project, &environment) else {
        return;
    };
    if route::is_paused(&world.paths, &key)
        && let Err(error) = world.router.load(&project, &environment).await
    {
        tracing::warn!(error = chain(&error), "the router does not follow");
    }
}

/// Orders one resume, which the record takes once.
async fn resume(world: &World, desk: &Desk, project: &str, environment: &str) {
    let Ok(key) = key(project, environment) else {
        return tracing::error!("the router tells of no environment");
    };
    let record = match world.recorder.environment(&key).await {
        Ok(record) => record,
        Err(error) => return tracing::error!(error = chain(&error), "{key} is not resumed"),
    };
    let Some(record) = record else { return };
    let settings = world.settings();
    let Some(project) = settings.projects.get(&key.project) else {
        return;
    };
    let default = tokio::task::block_in_place(|| refs::default_of(project));
    let environment = settings.environment(project, &record.branch, default.as_ref());
    if environment.policy.wake != Wake::Request {
        return;
    }
    let actor = Actor {
        name: "a visitor".into(),
        source: REQUEST.into(),
    };
    let live = record.live;
    send(desk, activity(record, Kind::Resume, actor, live)).await;
}
