//! A daemon that was built without them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wharf_config::host::Traces as Asked;

use crate::execute::World;
use crate::journal::Facts;

/// Tells nobody.
#[derive(Debug, Default)]
pub struct Traces(());

impl Traces {
    /// An activity has ended.
    pub fn ended(&self, _: &Facts) {}

    /// Why nobody is told, where the operator wants that.
    pub fn trouble(&self, asked: &Asked) -> Option<String> {
        let why = "traces go nowhere: this wharfd was built without the feature otel";
        asked.endpoint.as_ref().map(|_| why.to_owned())
    }
}

/// Says so once.
pub async fn deliver(world: Arc<World>, _: CancellationToken) {
    if let Some(trouble) = world.traces.trouble(&world.settings().host.traces) {
        tracing::warn!("{trouble}");
    }
}
