//! What a new daemon removes before it begins: leftovers of activities that are not going on.

use super::world::World;
use crate::disk;

/// Removes work directories of builds, and half-made slugs that were never recorded.
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
    Ok(())
}

fn remove(path: &std::path::Path) {
    if let Err(error) = disk::remove_tree(path) {
        tracing::warn!(path = %path.display(), error = super::failure::chain(&error), "not swept");
    }
}
