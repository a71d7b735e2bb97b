//! Servers on other data than the environment's own, beside those that serve: nobody but us reaches them.

use std::path::{Path, PathBuf};

use super::command::Stand;
use super::{GRACE, One, start};
use crate::disk;
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::launch;
use crate::run::job::JobId;

/// Has a server run on each of these directories while the work goes on, which is told where their sockets are. No
/// record has them: a daemon that starts ends them.
///
/// # Errors
/// That one does not start or may go on, and the work's.
pub(super) async fn beside<T>(
    act: &Act,
    all: &[(&One<'_>, PathBuf)],
    work: impl AsyncFnOnce(&Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut instances = Vec::with_capacity(all.len());
    for (one, _) in all {
        instances.push(start::instance(act, one)?);
    }
    // The first one's name is nobody else's.
    let name = instances.first().map_or("", JobId::as_str);
    let sockets = act.world.paths.scratch_sockets(name);
    let worked = async {
        for ((one, data), id) in all.iter().zip(&instances) {
            let stand = Stand {
                data: data.clone(),
                sockets: sockets.clone(),
            };
            start::serve(act, one, id, &stand).await?;
        }
        work(&sockets).await
    };
    let worked = worked.await;
    for id in &instances {
        launch::stop_instance(&act.world, id.as_str(), None, GRACE).await?;
    }
    if !instances.is_empty() {
        let removed = tokio::task::block_in_place(|| disk::remove_tree(&sockets));
        removed.map_err(|error| Failure::host("cannot remove a socket directory", &error))?;
    }
    worked
}
