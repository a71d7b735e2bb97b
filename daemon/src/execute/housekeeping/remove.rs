//! Removing one thing: forgotten in the record first, then gone by one rename, then removed, so
//! that a death in between leaves no lie and the next start finishes it.

use std::io;
use std::path::Path;

use super::super::failure::Failure;
use super::super::world::World;
use crate::disk::{self, DiskError};
use crate::plan::retention::{Cache, Removal, Slug, Thing};
use crate::store::stock::View;

/// Whether a thing went, or something came to need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// With so many bytes.
    Away(u64),
    /// It is needed again.
    Not,
}

/// Removes a thing, unless something needs it by now.
///
/// # Errors
/// When it cannot be forgotten or removed.
pub(super) async fn remove(world: &World, removal: &Removal, view: &View) -> Result<Went, Failure> {
    let (recorder, paths) = (&world.recorder, &world.paths);
    match &removal.thing {
        Thing::Release { key, number } => {
            if !recorder.prune_release(key, *number, view).await? {
                return Ok(Went::Not);
            }
            let directory = paths.release(&key.project, &key.id, *number);
            blocking(|| disk::remove_tree(&directory))?;
            Ok(Went::Away(removal.bytes))
        }
        Thing::Slug(slug) => remove_slug(world, slug).await,
        Thing::Cache(cache) => remove_cache(world, cache),
        Thing::Log(activity) => {
            blocking(|| {
                disk::remove_file(&paths.events(activity))?;
                disk::remove_file(&paths.raw(activity))
            })?;
            Ok(Went::Away(removal.bytes))
        }
        Thing::Data(activity) => {
            let kept = paths.kept(activity);
            blocking(|| {
                let bytes = disk::measure(&kept);
                let going = paths.going(&kept);
                std::fs::rename(&kept, &going).map_err(disk::at("remove", &kept))?;
                disk::remove_tree(&going)?;
                Ok(Went::Away(bytes))
            })
        }
        Thing::Record(activity) => Ok(match recorder.forget_activity(activity).await? {
            true => Went::Away(0),
            false => Went::Not,
        }),
    }
}

/// Whoever builds the same holds the turn: it found the slug, and records so before it lets go.
async fn remove_slug(world: &World, slug: &Slug) -> Result<Went, Failure> {
    let turn = world.building.turn(&slug.base);
    let Ok(turn) = turn.try_lock() else {
        return Ok(Went::Not);
    };
    if !world.recorder.forget_slug(&slug.key).await? {
        return Ok(Went::Not);
    }
    let directory = world.paths.slugs().join(&slug.key);
    let going = world.paths.going(&directory);
    blocking(|| move_away(&directory, &going))?;
    // Under its name the same may be built again at once.
    drop(turn);
    blocking(|| disk::remove_tree(&going))?;
    Ok(Went::Away(slug.bytes))
}

fn remove_cache(world: &World, cache: &Cache) -> Result<Went, Failure> {
    let path = world.paths.cache(&cache.project, &cache.trust_domain);
    let going = world.paths.going(&path);
    let moved = world.caches.unless_held(&path, || move_away(&path, &going));
    let Some(moved) = moved else {
        return Ok(Went::Not);
    };
    blocking(|| {
        moved?;
        let bytes = match cache.bytes {
            0 => disk::measure(&going),
            measured => measured,
        };
        disk::remove_tree(&going)?;
        Ok(Went::Away(bytes))
    })
}

fn move_away(directory: &Path, going: &Path) -> Result<(), DiskError> {
    match std::fs::rename(directory, going) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(disk::at("remove", directory)),
    }
}

fn blocking<T>(act: impl FnOnce() -> Result<T, DiskError>) -> Result<T, Failure> {
    tokio::task::block_in_place(act)
        .map_err(|error| Failure::host("cannot remove what is past retention", &error))
}
