//! An environment begins with nothing again: all of its data is put aside, and what serves is deployed anew, as in a
//! new environment.

use std::path::Path;
use std::time::Instant;

use wharf_config::project::Kind as Type;

use super::activity::Act;
use super::anew::anew;
use super::arrival::{Manner, Rest, mounts_in, services_in};
use super::failure::Failure;
use super::services;
use crate::disk;
use crate::store::paths::Paths;
use crate::store::release::ReleaseRecord;

/// Puts the data aside and deploys the live release's slug on fresh data; returns the new release.
///
/// # Errors
/// As [`anew`]; that it is production.
pub(super) async fn reset(act: &mut Act) -> Result<Option<u32>, Failure> {
    let name = act.key().id.to_string();
    if act.environment.kind == Type::Production {
        let message = format!("{name} is production, whose data is never reset");
        return Err(
            Failure::new("production", message).hint("see which are not: wharf environments")
        );
    }
    let manner = Manner {
        code: "data-restored",
        done: "put aside",
        whose: "a new environment's".to_owned(),
        otherwise: format!("or begin again: wharf data reset -e {name}"),
    };
    Box::pin(anew(act, &manner, Rest::Goes, fresh)).await
}

/// Makes what mounts and services of a new environment hold.
async fn fresh(act: &Act, release: &ReleaseRecord, arriving: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    let failed = |error: disk::DiskError| Failure::host("cannot make fresh data", &error).or_full();
    let slug = act.world.paths.slugs().join(&release.slug);
    let (mounts, own) = (mounts_in(arriving), services_in(arriving));
    tokio::task::block_in_place(|| {
        disk::remove_tree(arriving)?;
        for directory in [arriving, &mounts, &own] {
            disk::make_directory(directory)?;
        }
        for path in release.application.mounts.keys() {
            let mount = mounts.join(Paths::mount_name(path));
            // As the freeze made the mount point, so the mount: a file or a directory.
            match slug.join(path.as_path()).is_file() {
                true => disk::atomic_write(&mount, b"", 0o644)?,
                false => disk::make_directory(&mount)?,
            }
        }
        Ok(())
    })
    .map_err(failed)?;
    services::fresh(act, &release.application, &own).await?;
    tokio::task::block_in_place(|| disk::sync_filesystem(arriving)).map_err(failed)?;
    act.did("fetch", "fresh data, as in a new environment", began);
    Ok(())
}
