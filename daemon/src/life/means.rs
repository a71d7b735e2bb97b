//! Gathers what the daemon works with.

use std::sync::Arc;

use tokio::sync::watch;
use wharf_config::place::Place;

use super::{End, store};
use crate::execute::World;
use crate::execute::archive;
use crate::execute::router::Router;
use crate::execute::world::sibling;
use crate::metrics::Metrics;
use crate::report::WIDTH;
use crate::run::isolation::Isolation;
use crate::run::job::Jobs;
use crate::run::keepers::Keepers;
use crate::run::runner::Runner;
use crate::settings::Settings;
use crate::store::Recorder;
use crate::store::log::Logs;
use crate::store::paths::Paths;
use crate::traces::Traces;

/// The means, and the one handle that replaces the settings.
#[derive(Debug)]
pub(super) struct Means {
    pub(super) world: World,
    pub(super) settings: watch::Sender<Arc<Settings>>,
}

impl Means {
    /// Reads, opens, finds; `has_journal` where the daemon's events go to the journal.
    ///
    /// # Errors
    /// What is missing or wrong, with the next step.
    pub(super) async fn gather(
        place: Place,
        paths: Paths,
        has_journal: bool,
    ) -> Result<Means, End> {
        let settings = Settings::take(&place)
            .map_err(|problems| End::Configuration(problems.render(WIDTH)))?;
        settings.say_broken();
        let database = store::open(&paths)?;
        let isolation = Isolation::find(&paths.state())
            .map_err(|error| End::host("no sandbox", &error).hint(&error.hint()))?;
        for reduced in isolation.reduced() {
            tracing::warn!("reduced isolation: {reduced}");
        }
        let keeper = sibling("wharf-keeper").map_err(|error| End::host("no keeper", &error))?;
        let jobs = Jobs::new(paths.jobs());
        let runner = Runner::new(jobs.clone(), keeper.clone(), &isolation)
            .map_err(|error| End::host("cannot start the runner", &error))?;
        let keepers = Keepers::new(keeper, jobs.clone(), paths.keepers(), &isolation);
        let (sender, receiver) = watch::channel(Arc::new(settings));
        let world = World {
            metrics: Metrics::default(),
            traces: Traces::default(),
            router: Router::new(place.router_socket()),
            place,
            logs: Logs::start(&paths),
            paths,
            recorder: Recorder::new(database),
            settings: receiver,
            jobs,
            isolation,
            runner,
            keepers,
            runtimes: Default::default(),
            durable: Default::default(),
            retiring: Default::default(),
            hands: Default::default(),
            crons: Default::default(),
            building: Default::default(),
            layers: Default::default(),
            watching: Default::default(),
            distances: Default::default(),
            heads: Default::default(),
            routing: Default::default(),
            pushes: Default::default(),
            collecting: Default::default(),
            archives: tokio::sync::Semaphore::new(archive::AT_A_TIME),
            caches: Default::default(),
            repositories: Default::default(),
            keeping: Default::default(),
            has_journal,
            pausing: Default::default(),
            snapshotting: Default::default(),
            telling: Default::default(),
        };
        Ok(Means {
            world,
            settings: sender,
        })
    }
}
