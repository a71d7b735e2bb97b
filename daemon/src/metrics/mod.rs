//! What monitoring is told: counted where it happens, asked where it is known, and never labelled by
//! the name of a project, an environment or a host, so that there are as many series on a large host as
//! on a small one.

mod page;
mod serve;
mod text;

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

pub use page::{TOLD, page};
pub use serve::serve;
use tokio::sync::watch;
use tokio::time::timeout;
use wharf_config::host::Metrics as At;

use crate::journal::Facts;

/// Names with words that Wharf has a closed set of.
type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// From a switch to a shop's build, in seconds.
const BOUNDS: [f64; 12] = [
    0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// The longest wait for an address to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has happened since the daemon started. Clones count the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    activities: Family<Labels<3>, Counter>,
    durations: Histograms<1>,
    builds: Histograms<1>,
    slugs: Family<Labels<1>, Counter>,
    standing: watch::Sender<Option<Standing>>,
}

/// Where one can ask by now.
#[derive(Debug, Clone)]
struct Standing {
    asked: Option<At>,
    /// Why nobody can, all the same.
    trouble: Option<String>,
}

/// Where the slug of an activity came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was made.
    Built,
    /// It was there.
    Reused,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let histograms: fn() -> Histogram = || Histogram::new(BOUNDS);
        Metrics {
            activities: Family::default(),
            durations: Family::new_with_constructor(histograms),
            builds: Family::new_with_constructor(histograms),
            slugs: Family::default(),
            standing: watch::Sender::new(None),
        }
    }
}

impl Metrics {
    /// An activity has ended, as the journal is told.
    pub fn ended(&self, facts: &Facts) {
        let (Some(kind), Some(result)) = (facts.kind, facts.result) else {
            return;
        };
        let of = type_word(facts.environment_type.as_deref().unwrap_or_default());
        let labels = [("kind", kind.word()), ("result", result), ("type", of)];
        self.activities.get_or_create(&labels).inc();
        let seconds = Duration::from_micros(facts.duration.unwrap_or_default()).as_secs_f64();
        let durations = self.durations.get_or_create(&[("kind", kind.word())]);
        durations.observe(seconds);
    }

    /// A build has ended.
    pub fn built(&self, result: &'static str, took: Duration) {
        let builds = self.builds.get_or_create(&[("result", result)]);
        builds.observe(took.as_secs_f64());
    }

    /// An activity has its slug.
    pub fn slug(&self, origin: Origin) {
        let origin = match origin {
            Origin::Built => "built",
            Origin::Reused => "reused",
        };
        self.slugs.get_or_create(&[("origin", origin)]).inc();
    }

    /// Why nobody can ask, where the operator wants that.
    pub fn trouble(&self) -> Option<String> {
        let standing = self.standing.borrow();
        standing.as_ref().and_then(|now| now.trouble.clone())
    }

    /// The same, once it is tried where the operator wants it now.
    pub async fn settled(&self, asked: Option<&At>) -> Option<String> {
        let mut standing = self.standing.subscribe();
        let is_tried =
            |now: &Option<Standing>| now.as_ref().is_some_and(|now| now.asked.as_ref() == asked);
        match timeout(PATIENCE, standing.wait_for(is_tried)).await {
            Ok(Ok(now)) => now.as_ref().and_then(|now| now.trouble.clone()),
            Ok(Err(_)) | Err(_) => Some("metrics are not told where they should be yet".to_owned()),
        }
    }

    fn stands(&self, asked: Option<&At>, trouble: Option<String>) {
        let asked = asked.cloned();
        self.standing
            .send_replace(Some(Standing { asked, trouble }));
    }
}

/// The word for a type of environments; `none` where there is none.
fn type_word(word: &str) -> &'static str {
    ["production", "staging", "development"]
        .into_iter()
        .find(|known| *known == word)
        .unwrap_or("none")
}
