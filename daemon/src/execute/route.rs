//! The switch: one rename is the commit point, then the router confirms.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wharf_config::name::ProjectName;
use wharf_wire::route::{Access, Route, Unavailable, Who};

use super::activity::Act;
use super::failure::{Failure, chain};
use super::front::{self, Front};
use super::maintenance;
use super::refs::Defaults;
use super::router::RouterError;
use super::target::Target;
use super::world::World;
use crate::disk;
use crate::store::environment::EnvironmentKey;
use crate::store::insist::insist;
use crate::store::paths::Paths;
use crate::store::release::ReleaseState;

/// How long the router may take to follow. One that died is started again within a second.
const FOLLOW: Duration = Duration::from_secs(30);
/// The same where somebody waits who only changed what people wrote.
const REFRESH: Duration = Duration::from_secs(5);
/// The longest wait between two attempts.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// How far a switch came, also where it failed.
#[derive(Debug, Default)]
pub struct Progress {
    committed: AtomicBool,
    followed: AtomicBool,
}

impl Progress {
    /// Whether the route is written: from here on nothing is undone.
    pub fn is_committed(&self) -> bool {
        self.committed.load(Ordering::Relaxed)
    }

    /// Whether the router sends new requests there: only then the old processes may end.
    pub fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Relaxed)
    }
}

/// Writes the route: the commit point, told by `progress`. Recorded as live once it is durable.
///
/// # Errors
/// Before the commit point: what served before serves on.
pub async fn switch(act: &Act, target: Target, progress: &Progress) -> Result<(), Failure> {
    let release = target.release;
    write(act, target).await?;
    progress.committed.store(true, Ordering::Relaxed);
    if confirm(act).await.is_ok() {
        progress.followed.store(true, Ordering::Relaxed);
    }
    let (recorder, id) = (&act.world.recorder, act.task.id.as_str());
    let ready = || recorder.set_release(act.key(), release, ReleaseState::Ready);
    insist(id, "its release", ready).await;
    let live = || recorder.set_live(act.key(), Some(release));
    insist(id, "what is live", live).await;
    Ok(())
}

/// Writes the route file by one rename.
///
/// # Errors
/// When it cannot be recorded or written.
pub async fn write(act: &Act, target: Target) -> Result<(), Failure> {
    let route = Route {
        version: wharf_wire::VERSION,
        project: act.project.name.to_string(),
        environment: act.key().id.to_string(),
        release: target.release,
        generation: 0,
        hosts: act.hosts(),
        url: act.url(),
        kind: front::kind(act.environment.kind),
        // Nobody's, until its front is put on.
        noindex: true,
        access: Access {
            who: Who::Names(Default::default()),
            ..Access::default()
        },
        public: target.public,
        over: target.over,
        upstream: target.upstream,
        protocol: target.protocol,
        processes: target.processes,
        rules: target.rules,
        locations: target.locations,
        unavailable: None,
        maintenance: None,
    };
    store(&act.world, act.key(), route).await
}

/// Makes the router follow what an activity wrote; see [`follow`].
///
/// # Errors
/// That it did not within [`FOLLOW`].
pub async fn confirm(act: &Act) -> Result<(), RouterError> {
    follow(&act.world, act.key(), FOLLOW).await
}

/// Makes the router follow what was written. One that is away reads it when it starts, one that is
/// busy is asked again.
///
/// # Errors
/// That it did not `within` this time; it may still send requests where it did before.
async fn follow(world: &World, key: &EnvironmentKey, within: Duration) -> Result<(), RouterError> {
    let (project, environment) = (key.project.as_str(), key.id.as_str());
    let until = Instant::now() + within;
    let mut pause = Duration::from_millis(50);
    loop {
        let Err(error) = world.router.load(project, environment).await else {
            return Ok(());
        };
        let last = Instant::now() + pause >= until;
        tracing::error!(
            WHARF_PROJECT = project,
            WHARF_ENVIRONMENT = environment,
            error = chain(&error),
            last,
            "the router does not follow"
        );
        if last {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE);
    }
}

/// Takes an environment's processes out of the table: they are gone and will be started again.
///
/// # Errors
/// When it cannot be recorded or written.
pub async fn suspend(world: &World, key: &EnvironmentKey, route: Route) -> Result<(), Failure> {
    let route = Route {
        upstream: None,
        unavailable: Some(Unavailable::Starting),
        ..route
    };
    store(world, key, route).await?;
    // Where the router runs already it must hear of it; where not, it will read it.
    if let Err(error) = world
        .router
        .load(key.project.as_str(), key.id.as_str())
        .await
    {
        tracing::debug!(error = chain(&error), "the router is not there yet");
    }
    Ok(())
}

/// Writes that an environment is paused: its processes are about to end.
///
/// # Errors
/// When it has no route, or that cannot be recorded or written.
pub async fn pause(world: &World, key: &EnvironmentKey, wake: bool) -> Result<(), Failure> {
    let Some(route) = read(&world.paths, key) else {
        return Err(Failure::new("no-release", format!("{key} has no route")));
    };
    let route = Route {
        upstream: None,
        processes: Default::default(),
        unavailable: Some(Unavailable::Paused { wake }),
        ..route
    };
    store(world, key, route).await
}

/// Whether a route says that its environment is paused.
pub fn says_paused(route: &Route) -> bool {
    matches!(route.unavailable, Some(Unavailable::Paused { .. }))
}

/// Whether the table says that an environment is paused.
pub fn is_paused(paths: &Paths, key: &EnvironmentKey) -> bool {
    read(paths, key).is_some_and(|route| says_paused(&route))
}

/// Takes an environment out of the table.
///
/// # Errors
/// When its file cannot be removed.
pub async fn remove(world: &World, key: &EnvironmentKey) -> Result<(), Failure> {
    let turn = world.routing.turn(&key.to_string());
    let _turn = turn.lock().await;
    let path = world.paths.route(&key.project, &key.id);
    tokio::task::block_in_place(|| disk::remove_file(&path))
        .map_err(|error| Failure::host("cannot remove the route", &error))
}

/// Whether the router follows what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It does.
    Yes,
    /// It is away, and will once it is back.
    OnceBack,
    /// It is there and does not answer: it may follow what was before, until it starts anew.
    Unknown,
}

/// Writes every route of these projects, or of all, anew whose hosts, address or doors the settings have
/// changed, and makes the router follow. What serves stays as it is, and so does all of a project that
/// is gone.
pub async fn refresh(world: &World, projects: Option<&BTreeSet<ProjectName>>) -> Followed {
    match front::outdated(world, projects).await {
        Ok(outdated) => renew_all(world, outdated, Tell::Changed).await,
        Err(failure) => {
            tracing::error!("no route is looked at: {}", failure.reason.message);
            Followed::Yes
        }
    }
}

/// The same for all when a daemon starts: what was written by one that then died, nobody may have told
/// the router.
pub async fn refresh_first(world: &World) {
    match world.recorder.environments(None).await {
        Ok(records) => {
            let keys = records.into_iter().map(|record| record.key).collect();
            renew_all(world, keys, Tell::All).await;
        }
        Err(error) => tracing::error!(error = chain(&error), "no route is looked at"),
    }
}

/// Which routes the router is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    Changed,
    All,
}

async fn renew_all(world: &World, environments: Vec<EnvironmentKey>, tell: Tell) -> Followed {
    let mut followed = Followed::Yes;
    let mut defaults = Defaults::default();
    for key in &environments {
        // Also until the router follows: who comes next finds it as the file says.
        let turn = world.routing.turn(&key.to_string());
        let _turn = turn.lock().await;
        match renew(world, key, &mut defaults).await {
            Ok(Some(changed)) if changed || tell == Tell::All => {
                // All are written: one that is away reads them, and who did not hear of one is not
                // asked for each.
                if followed == Followed::Yes {
                    followed = tell_of(world, key).await;
                }
            }
            Ok(_) => {}
            Err(failure) => tracing::error!(
                WHARF_PROJECT = %key.project,
                WHARF_ENVIRONMENT = %key.id,
                "its route stays as it was: {}",
                failure.reason.message
            ),
        }
    }
    followed
}

/// Makes the router follow a route, where it is there.
async fn tell_of(world: &World, key: &EnvironmentKey) -> Followed {
    let (project, environment) = (key.project.as_str(), key.id.as_str());
    match world.router.load(project, environment).await {
        Ok(_) => Followed::Yes,
        Err(error) if error.is_away() => Followed::OnceBack,
        // Said there, where it does not.
        Err(_) => match follow(world, key, REFRESH).await {
            Ok(()) => Followed::Yes,
            Err(error) if error.is_away() => Followed::OnceBack,
            Err(_) => Followed::Unknown,
        },
    }
}

/// Gives one environment's route what record and settings say now.
///
/// # Errors
/// When that cannot be found out, or written.
pub(super) async fn renew_one(world: &World, key: &EnvironmentKey) -> Result<(), Failure> {
    let turn = world.routing.turn(&key.to_string());
    let _turn = turn.lock().await;
    renew(world, key, &mut Defaults::default()).await.map(drop)
}

/// Gives an environment's route today's front; says whether that changed it. None without a route.
/// The caller has the turn.
///
/// # Errors
/// When that cannot be found out, or written.
async fn renew(
    world: &World,
    key: &EnvironmentKey,
    defaults: &mut Defaults,
) -> Result<Option<bool>, Failure> {
    let route = tokio::task::block_in_place(|| read(&world.paths, key));
    let Some(mut route) = route else {
        return Ok(None);
    };
    let Some(front) = Front::of(world, key, defaults).await? else {
        return Ok(Some(false));
    };
    let wanted = front.maintenance();
    let changed = front.put_on(&mut route);
    if !maintenance::put_on(world, key, &mut route, wanted).await? && !changed {
        return Ok(Some(false));
    }
    route.generation = world.recorder.next_generation(key).await?;
    put(world, key, &route).await?;
    Ok(Some(true))
}

/// Writes a route with the next generation and today's front, whatever it brings of them.
///
/// # Errors
/// When it cannot be recorded or written.
pub(super) async fn store(
    world: &World,
    key: &EnvironmentKey,
    mut route: Route,
) -> Result<(), Failure> {
    let turn = world.routing.turn(&key.to_string());
    let _turn = turn.lock().await;
    if let Some(front) = Front::of(world, key, &mut Defaults::default()).await? {
        let wanted = front.maintenance();
        front.put_on(&mut route);
        maintenance::put_on(world, key, &mut route, wanted).await?;
    }
    route.generation = world.recorder.next_generation(key).await?;
    put(world, key, &route).await
}

async fn put(world: &World, key: &EnvironmentKey, route: &Route) -> Result<(), Failure> {
    let path = world.paths.route(&key.project, &key.id);
    let bytes = serde_json::to_vec(route).expect("a route is plain data with UTF-8 paths");
    // Hashes of passwords are in it.
    let written = tokio::task::block_in_place(|| disk::atomic_write(&path, &bytes, 0o600));
    let Err(error) = written else { return Ok(()) };
    let there = read(&world.paths, key).map(|there| there.generation);
    if there != Some(route.generation) {
        return Err(Failure::host("cannot write the route", &error));
    }
    // It is in its place, so the router may follow it: only its directory is not synced yet.
    settle(&path, error).await;
    Ok(())
}

/// Syncs the directory of a route that is in its place, until that is done.
async fn settle(path: &Path, mut error: disk::DiskError) {
    let directory = path.parent().expect("below the state directory");
    loop {
        tracing::error!(
            error = chain(&error),
            "the route may not last; trying again in {} ms",
            PAUSE.as_millis()
        );
        tokio::time::sleep(PAUSE).await;
        match tokio::task::block_in_place(|| disk::sync_directory(directory)) {
            Ok(()) => return,
            Err(again) => error = again,
        }
    }
}

/// What the table says of an environment; none where it has no route.
pub fn read(paths: &Paths, key: &EnvironmentKey) -> Option<Route> {
    let bytes = std::fs::read(paths.route(&key.project, &key.id)).ok()?;
    serde_json::from_slice(&bytes).ok()
}
