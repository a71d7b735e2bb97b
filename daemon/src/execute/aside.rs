//! What is done in a release without a turn in the queue: nobody follows it, and nobody cancels it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Commit;

use super::activity::Act;
use super::failure::Failure;
use super::world::World;
use crate::plan::parking::Leave;
use crate::store::activity::Task;
use crate::store::environment::EnvironmentRecord;
use crate::store::log::Log;

impl Act {
    /// What something works with in a release that is there; `id` is the activity that it belongs to.
    ///
    /// # Errors
    /// That its project is gone.
    pub fn aside(
        world: &Arc<World>,
        environment: &EnvironmentRecord,
        kind: Kind,
        release: u32,
        id: String,
    ) -> Result<Act, Failure> {
        let task = Task {
            id,
            number: 0,
            key: environment.key.clone(),
            branch: environment.branch.clone(),
            kind,
            state: State::Running,
            actor: None,
            commit: Commit::default(),
            rebuild: false,
            release: Some(release),
            source: None,
            slug: None,
            leave: Leave::default(),
            parked: false,
        };
        let cancel = CancellationToken::new();
        Act::new(
            Arc::clone(world),
            task,
            Some(release),
            None,
            Log::silent(),
            cancel,
        )
    }
}
