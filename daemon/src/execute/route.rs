//! The switch: one rename is the commit point, then the router confirms.

use std::path::PathBuf;
use std::time::Instant;

use wharf_config::project::Kind;
use wharf_wire::route::{Route, Unavailable, Upstream};

use super::activity::Act;
use super::failure::{Failure, chain};
use crate::disk;

/// What an environment's requests are to follow.
#[derive(Debug)]
pub struct Target {
    /// The release that serves.
    pub release: u32,
    /// Static files that are tried first.
    pub public: Option<PathBuf>,
    /// The process that answers what is not a file.
    pub upstream: Option<Upstream>,
    /// Nothing serves yet: the release's processes are being started.
    pub unavailable: Option<Unavailable>,
}

/// Writes the route: the commit point. Recorded as live only after it is durable.
///
/// # Errors
/// When it could not be written: then what served before serves on.
pub async fn switch(act: &Act, target: Target) -> Result<(), Failure> {
    let began = Instant::now();
    let release = target.release;
    write(act, target).await?;
    let recorder = &act.world.recorder;
    recorder
        .set_release(
            act.key(),
            release,
            crate::store::release::ReleaseState::Ready,
        )
        .await?;
    recorder.set_live(act.key(), Some(release)).await?;
    confirm(act).await;
    tracing::debug!(took = ?began.elapsed(), "switched");
    Ok(())
}

/// Writes the route file by one rename.
///
/// # Errors
/// When it cannot be recorded or written.
pub async fn write(act: &Act, target: Target) -> Result<(), Failure> {
    let generation = act.world.recorder.next_generation(act.key()).await?;
    let route = Route {
        version: wharf_wire::VERSION,
        project: act.project.name.to_string(),
        environment: act.key().id.to_string(),
        release: target.release,
        generation,
        hosts: act.hosts(),
        url: act.url(),
        noindex: act.environment.kind != Kind::Production,
        public: target.public,
        upstream: target.upstream,
        unavailable: target.unavailable,
    };
    let path = act.world.paths.route(&act.project.name, &act.key().id);
    let bytes = serde_json::to_vec(&route).expect("a route is plain data with UTF-8 paths");
    tokio::task::block_in_place(|| disk::atomic_write(&path, &bytes, 0o644))
        .map_err(|error| Failure::host("cannot write the route", &error))
}

/// Makes the router follow what was written. A router that is away reads it when it starts.
pub async fn confirm(act: &Act) {
    let (project, environment) = (act.project.name.as_str(), act.key().id.as_str());
    if let Err(error) = act.world.router.load(project, environment).await {
        let error = chain(&error);
        tracing::error!(
            WHARF_PROJECT = project,
            WHARF_ENVIRONMENT = environment,
            error,
            "router"
        );
    }
}

/// What the table says of an environment; none where it has no route.
pub fn read(
    act_paths: &crate::store::paths::Paths,
    key: &crate::store::environment::EnvironmentKey,
) -> Option<Route> {
    let bytes = std::fs::read(act_paths.route(&key.project, &key.id)).ok()?;
    serde_json::from_slice(&bytes).ok()
}
