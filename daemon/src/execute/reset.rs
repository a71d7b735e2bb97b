//! An environment begins with nothing again: all of its data is put aside, and what serves is deployed anew, as in a
//! new environment.
//!
//! Whatever dies on the way, it begins from nothing once more: what its commands did by then is thrown away.

use std::path::Path;
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use wharf_config::project::Kind as Type;

use super::activity::Act;
use super::arrival::{Manner, Rest, fetch, mounts_in, replace, services_in};
use super::build::Built;
use super::failure::Failure;
use super::slug_key::SlugKey;
use super::{deploy, services, standing, variables};
use crate::disk;
use crate::plan::limits::Status;
use crate::store::paths::Paths;
use crate::store::release::ReleaseRecord;

/// Puts the data aside and deploys the live release's slug on fresh data; returns the new release.
///
/// # Errors
/// What its user should read. Before the data is put aside the environment is as it was; after it the environment
/// is paused.
pub(super) async fn reset(act: &mut Act) -> Result<Option<u32>, Failure> {
    let release = live(act).await?;
    let built = built(act, &release).await?;
    let name = act.key().id.to_string();
    let manner = Manner {
        code: "data-restored",
        done: "put aside",
        whose: "a new environment's".to_owned(),
        otherwise: String::new(),
    };
    let cancel = act.cancel.clone();
    if act.is_touched() {
        // Half of the old and half of the new is no data, whoever wanted it stopped.
        act.cancel = CancellationToken::new();
    }
    fetch(act, async |act, arriving| {
        fresh(act, &release, arriving).await
    })
    .await?;
    replace(act, &manner, Rest::Goes).await?;
    act.cancel = cancel;
    act.world.recorder.forget_seeded(act.key()).await?;
    match deploy::deploy(act, built).await {
        Ok(number) => Ok(Some(number)),
        Err(failure) => Err(failure.hint(format!(
            "{name} is paused; mend what failed, push that, or begin again: wharf data reset -e {name}"
        ))),
    }
}

/// What serves, or was to serve again before this one died.
async fn live(act: &Act) -> Result<ReleaseRecord, Failure> {
    let name = act.key().id.as_str();
    if act.environment.kind == Type::Production {
        let message = format!("{name} is production, whose data is never reset");
        return Err(
            Failure::new("production", message).hint("see which are not: wharf environments")
        );
    }
    match act.status {
        Status::Active => {}
        Status::Paused if act.is_touched() => {}
        Status::Paused => {
            return Err(Failure::new("status", format!("{name} is paused"))
                .hint(format!("start it again: wharf resume -e {name}")));
        }
        Status::Inactive | Status::Deleting => return Err(standing::inactive(act)),
    }
    let release = match act.previous {
        Some(live) => act.world.recorder.release(act.key(), live).await?,
        None => None,
    };
    release.ok_or_else(|| {
        let message = format!("{name} serves nothing that could be deployed anew");
        Failure::new("no-release", message)
            .hint(format!("deploy it first: wharf redeploy -e {name}"))
    })
}

/// The slug that it serves, with today's variables.
async fn built(act: &Act, release: &ReleaseRecord) -> Result<Built, Failure> {
    let slug = SlugKey::parse(&release.slug)
        .map_err(|error| Failure::host("a release without a slug", &error))?;
    if !act.world.paths.has_slug(slug.as_str()) {
        let text = format!("slug {} is gone", slug.short());
        let hint = format!(
            "build it anew: wharf redeploy --rebuild -e {}",
            act.key().id
        );
        return Err(Failure::new("slug-missing", text).hint(hint));
    }
    let (given, _) = variables::given(act, &release.application).await?;
    let recorder = &act.world.recorder;
    recorder.set_slug(&act.task.id, slug.as_str(), true).await?;
    Ok(Built {
        application: release.application.clone(),
        slug,
        commit: release.commit.clone(),
        given,
    })
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
