//! What a new daemon removes before it begins: leftovers of activities that are not going on.

use super::launch;
use super::world::World;
use crate::disk;

/// Removes work directories of builds, half-made slugs that were never recorded, and processes
/// whose end was recorded before all of it was tidied up.
///
/// # Errors
/// When a directory cannot be read; a leftover that cannot be removed is only warned about.
pub async fn sweep(world: &World) -> std::io::Result<()> {
    let mut slugs = Vec::new();
    for entry in std::fs::read_dir(world.paths.builds())? {
        remove(&entry?.path());
    }
    for entry in std::fs::read_dir(world.paths.slugs())? {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            slugs.push((name.to_owned(), path.clone()));
        }
    }
    for (key, path) in slugs {
        if matches!(world.recorder.slug(&key).await, Ok(None)) {
            remove(&path);
        }
    }
    match world.recorder.processes().await {
        Ok(recorded) => {
            for id in world.keepers.instances()? {
                if recorded.iter().any(|record| record.instance == id.as_str()) {
                    continue;
                }
                let stopped = launch::stop_instance(world, id.as_str(), None, launch::GRACE).await;
                if let Err(failure) = stopped {
                    tracing::warn!(instance = %id, error = failure.reason.message, "not swept");
                }
            }
        }
        Err(error) => tracing::warn!(error = super::failure::chain(&error), "not swept"),
    }
    Ok(())
}

fn remove(path: &std::path::Path) {
    if let Err(error) = disk::remove_tree(path) {
        tracing::warn!(path = %path.display(), error = super::failure::chain(&error), "not swept");
    }
}
