//! How much room there is where deployments write.

use std::path::Path;

use super::super::world::World;
use crate::disk::{self, DiskError};
use crate::plan::room::{self, FileSystem};

/// The file systems of the state and, where it is another one, of a repository.
///
/// # Errors
/// When one of them cannot be asked.
pub fn file_systems(state: &Path, repository: Option<&Path>) -> Result<Vec<FileSystem>, DiskError> {
    let mut systems = vec![(disk::file_system(state)?, state.to_owned(), "Wharf's state")];
    if let Some(repository) = repository {
        let system = disk::file_system(repository)?;
        if system.0 == systems[0].0.0 {
            systems[0].2 = "Wharf's state, the repository";
        } else {
            systems.push((system, repository.to_owned(), "the repository"));
        }
    }
    let mut found = Vec::with_capacity(systems.len());
    for ((_, mount), path, holds) in systems {
        let free = disk::free_space(&path)?;
        found.push(FileSystem {
            mount: mount.display().to_string(),
            holds,
            bytes: free.bytes,
            files: free.inodes,
        });
    }
    Ok(found)
}

/// What is lacking for a deployment from this repository. Where that cannot be known nothing is
/// refused for it.
pub fn lacks(world: &World, repository: Option<&Path>) -> Vec<String> {
    let wanted = world.settings().host.keep.min_free;
    match tokio::task::block_in_place(|| file_systems(&world.paths.state(), repository)) {
        Ok(systems) => room::lacks(&systems, &wanted),
        Err(error) => {
            let error = super::super::failure::chain(&error);
            tracing::warn!(error, "free space is not known");
            Vec::new()
        }
    }
}

/// Whether the state's own file system lacks room: only there something can be removed.
pub fn is_short(world: &World) -> bool {
    !lacks(world, None).is_empty()
}
