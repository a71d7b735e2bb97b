//! What a switch left behind: the processes of the earlier release. They end after the activity has,
//! so that nobody waits for them, and the next one may begin meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinSet;
use wharf_wire::route::{Route, Upstream};

use super::activity::Act;
use super::failure::{Failure, chain};
use super::launch::{self, Launched};
use super::services;
use super::world::World;
use crate::fail;
use crate::plan::retention::releases_to_keep_warm;
use crate::store::environment::EnvironmentKey;
use crate::store::process::ProcessRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// The old processes stay at least this long after the switch: a request may be between the
/// router's look at the table and its first byte. Measured: 50 ms are enough.
const LINGER: Duration = Duration::from_millis(50);
/// The longest wait for requests that are in flight to the old processes.
const DRAIN: Duration = Duration::from_secs(30);

/// Processes that are to end.
#[derive(Debug, Default)]
pub struct Replaced {
    processes: Vec<ProcessRecord>,
    /// Where requests may still be in flight to.
    upstreams: Vec<Upstream>,
    /// An environment with services that the new release does not have: somebody ends them, once nothing of the
    /// old one uses them any more.
    services: Option<EnvironmentKey>,
}

/// What came of it.
#[derive(Debug)]
pub struct Retired {
    /// The environments in which processes have ended.
    pub ended: BTreeSet<EnvironmentKey>,
    /// One with services that nothing uses any more: whoever looks after it ends them, while nothing else happens
    /// there, or the next release might be about to use them again.
    pub unused: Option<EnvironmentKey>,
}

impl Replaced {
    /// Those of `old` that `release` replaces: all but its own and the warm ones.
    /// `route` is what the table said before the switch.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub async fn by(
        act: &Act,
        release: &ReleaseRecord,
        launched: &Launched,
        old: Vec<ProcessRecord>,
        route: Option<Route>,
    ) -> Result<Replaced, Failure> {
        let warm = warm(&act.world, act.key(), Some(release.number)).await?;
        let is_warm =
            |record: &ProcessRecord| record.name == launch::WEB && warm.contains(&record.release);
        let own = |record: &ProcessRecord| {
            let mut processes = launched.processes.iter();
            processes.any(|process| process.record.instance == record.instance)
        };
        let used = &release.application.services;
        let services = services::are_left(&act.world, act.key(), used).await?;
        let services = services.then(|| act.key().clone());
        let processes: Vec<ProcessRecord> = old
            .into_iter()
            .filter(|record| !own(record) && !is_warm(record))
            .collect();
        let served = route.filter(|route| {
            let mut processes = processes.iter();
            processes.any(|record| record.release == route.release)
        });
        let goes_on = |old: &Upstream| {
            let mut others = launched.others.values();
            Some(old) == launched.upstream.as_ref() || others.any(|new| new == old)
        };
        let upstreams = served.into_iter().flat_map(|route| {
            let others = route.processes.into_values();
            route
                .upstream
                .into_iter()
                .chain(others.map(|process| process.upstream))
        });
        Ok(Replaced {
            processes,
            upstreams: upstreams.filter(|old| !goes_on(old)).collect(),
            services,
        })
    }

    /// Those that a daemon left that died before they had ended. The router follows what is live.
    pub fn left(world: &World, processes: Vec<ProcessRecord>) -> Replaced {
        let upstreams = processes.iter();
        let upstreams = upstreams.flat_map(|record| launch::listens(world, record));
        Replaced {
            upstreams: upstreams.collect(),
            processes,
            services: None,
        }
    }

    /// Ends them: workers at once, the others when nothing is in flight to them any more. A daemon that
    /// dies meanwhile leaves the rest to the next, which stops what does not serve.
    pub async fn retire(mut self, world: &Arc<World>) -> Retired {
        self.processes
            .retain(|record| world.retiring.begin(&record.instance));
        if self.processes.is_empty() {
            return Retired {
                ended: BTreeSet::new(),
                unused: self.services,
            };
        }
        fail::point(format_args!("retire: starting"));
        let ended: BTreeMap<u32, EnvironmentKey> = self
            .processes
            .iter()
            .map(|record| (record.release, record.key.clone()))
            .collect();
        let mut stopping = JoinSet::new();
        let upstreams = &self.upstreams;
        let (web, others): (Vec<_>, Vec<_>) = self.processes.into_iter().partition(|record| {
            let listens = launch::listens(world, record);
            record.name == launch::WEB || listens.iter().any(|one| upstreams.contains(one))
        });
        for record in others {
            let world = Arc::clone(world);
            stopping.spawn(async move { stop(&world, &record).await });
        }
        drain(world, self.upstreams).await;
        for record in web {
            stop(world, &record).await;
        }
        while stopping.join_next().await.is_some() {}
        for (release, key) in &ended {
            tracing::info!(
                WHARF_PROJECT = %key.project,
                WHARF_ENVIRONMENT = %key.id,
                WHARF_RELEASE = *release,
                "the processes of r{release} have ended"
            );
        }
        fail::point(format_args!("retire: done"));
        Retired {
            ended: ended.into_values().collect(),
            unused: self.services,
        }
    }
}

/// Waits until no request is in flight to any of these.
pub async fn drain(world: &World, upstreams: Vec<Upstream>) {
    if upstreams.is_empty() {
        return;
    }
    tokio::time::sleep(LINGER).await;
    for upstream in upstreams {
        match world.router.drain(upstream, DRAIN).await {
            Ok(0) => {}
            Ok(left) => tracing::warn!("{left} requests to the old release were cut off"),
            Err(error) => tracing::warn!(error = chain(&error), "not drained"),
        }
    }
}

/// Processes that are ending: whoever else finds them leaves them alone.
#[derive(Debug, Default)]
pub struct Retiring(Mutex<BTreeSet<String>>);

impl Retiring {
    /// Whether a process is ending.
    pub fn contains(&self, instance: &str) -> bool {
        self.instances().contains(instance)
    }

    /// False where it is ending already.
    fn begin(&self, instance: &str) -> bool {
        self.instances().insert(instance.to_owned())
    }

    fn end(&self, instance: &str) {
        self.instances().remove(instance);
    }

    fn instances(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

async fn stop(world: &World, record: &ProcessRecord) {
    let grace = launch::grace_of(world, record).await;
    let stopped = launch::stop_instance(world, &record.instance, None, grace);
    if let Err(failure) = stopped.await {
        let (instance, error) = (&record.instance, failure.reason.message);
        tracing::warn!(instance, error, "an old process stays");
    }
    world.retiring.end(&record.instance);
}

/// Numbers of the releases whose web process goes on beside that of the serving one.
///
/// # Errors
/// When the record cannot be read.
pub async fn warm(
    world: &World,
    key: &EnvironmentKey,
    live: Option<u32>,
) -> Result<Vec<u32>, Failure> {
    let warm = world.settings().host.keep_warm as usize;
    if warm == 0 {
        return Ok(Vec::new());
    }
    let releases = world.recorder.releases(key).await?;
    let ready: Vec<u32> = releases
        .iter()
        .filter(|release| release.state == ReleaseState::Ready)
        .map(|release| release.number)
        .collect();
    Ok(releases_to_keep_warm(&ready, live, warm))
}
