//! All of it as text, made when somebody asks: what was counted, one question to the record, one to the
//! router, one to the file system.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rustix::fs::statvfs;
use wharf_wire::route::{Answered, Kind};

use super::{Labels, Metrics, type_word};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::store::gauges::Gauges;

type Bytes = Gauge<u64, AtomicU64>;

/// What there is to tell, in the text format of OpenMetrics. What cannot be found out is left out.
pub(super) async fn text(world: &World) -> String {
    let mut all = Registry::default();
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    all.register("wharf", "The daemon", Info::new(version));
    let registry = all.sub_registry_with_prefix("wharf");
    world.metrics.register(registry);
    match world.recorder.gauges().await {
        Ok(gauges) => of_record(registry, &gauges),
        Err(error) => tracing::warn!(error = chain(&error), "metrics lack the record's"),
    }
    of_router(registry, world.router.counted().await.ok());
    of_disk(registry, world);
    let mut text = String::new();
    encode(&mut text, &all).expect("a string takes everything");
    text
}

impl Metrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "activities",
            "Activities that have ended",
            self.activities.clone(),
        );
        registry.register(
            "activity_duration_seconds",
            "From an activity's beginning to its end",
            self.durations.clone(),
        );
        registry.register(
            "build_duration_seconds",
            "Builds; a slug that is reused is none",
            self.builds.clone(),
        );
        registry.register("slugs", "Slugs that activities got", self.slugs.clone());
    }
}

fn of_record(registry: &mut Registry, gauges: &Gauges) {
    let queue = Family::<Labels<1>, Bytes>::default();
    for (state, count) in [("waiting", gauges.waiting), ("running", gauges.running)] {
        queue.get_or_create(&[("state", state)]).set(count);
    }
    registry.register("queue_length", "Activities that have not ended", queue);
    let environments = Family::<Labels<2>, Bytes>::default();
    for (of, status, count) in &gauges.environments {
        let labels = [("status", status_word(status)), ("type", type_word(of))];
        environments.get_or_create(&labels).inc_by(*count);
    }
    registry.register("environments", "Environments that are known", environments);
    gauge(registry, "slugs_kept", "Slugs on the disk", gauges.slugs);
    gauge(
        registry,
        "slug_bytes",
        "What all slugs hold",
        gauges.slug_bytes,
    );
}

fn of_router(registry: &mut Registry, counted: Option<Vec<Answered>>) {
    let is_up = u64::from(counted.is_some());
    gauge(registry, "router_up", "Whether the router answers", is_up);
    let requests = Family::<Labels<2>, Counter>::default();
    for one in counted.unwrap_or_default() {
        let class = match one.class {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let of = match one.kind {
            Kind::Production => "production",
            Kind::Staging => "staging",
            Kind::Development => "development",
            Kind::None => "none",
        };
        let labels = [("class", class), ("type", of)];
        requests.get_or_create(&labels).inc_by(one.requests);
    }
    let help = "Requests that the router has answered since it started";
    registry.register("router_requests", help, requests);
}

fn of_disk(registry: &mut Registry, world: &World) {
    if let Ok(disk) = statvfs(world.paths.state()) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let size = disk.f_blocks.saturating_mul(disk.f_frsize);
        let help = "Free bytes of the state directory's file system";
        gauge(registry, "disk_free_bytes", help, free);
        let help = "Bytes of the state directory's file system";
        gauge(registry, "disk_size_bytes", help, size);
        let help = "Files that can still be made on it";
        gauge(registry, "disk_free_files", help, disk.f_favail);
    }
    let beside = world.paths.beside_database();
    let files = beside.into_iter().chain([world.paths.database()]);
    let sizes = files.filter_map(|file| file.metadata().ok());
    let bytes = sizes.map(|found| found.len()).sum();
    gauge(registry, "database_bytes", "The database's files", bytes);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Bytes::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// The word for how an environment stands.
fn status_word(word: &str) -> &'static str {
    ["active", "inactive", "paused", "deleting"]
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("other")
}
