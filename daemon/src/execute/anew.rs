//! Other data, and what serves deployed anew on it: its commands bring the data to what its code wants.
//!
//! Whatever dies on the way, it begins with the data once more: what commands did by then is thrown away.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::activity::Act;
use super::arrival::{Manner, Rest, fetch, replace};
use super::build::Built;
use super::failure::Failure;
use super::slug_key::SlugKey;
use super::{deploy, standing, variables};
use crate::plan::limits::Status;
use crate::store::release::ReleaseRecord;

/// Has data come, take its place, and the live release's slug deployed on it; returns the new release.
///
/// # Errors
/// What its user should read. Before the data takes its place the environment is as it was; after it the
/// environment is paused.
pub(super) async fn anew(
    act: &mut Act,
    manner: &Manner,
    rest: Rest,
    come: impl AsyncFnOnce(&Act, &ReleaseRecord, &Path) -> Result<(), Failure>,
) -> Result<Option<u32>, Failure> {
    let release = live(act).await?;
    let built = built(act, &release).await?;
    let cancel = act.cancel.clone();
    if act.is_touched() {
        // Half of the old and half of the new is no data, whoever wanted it stopped.
        act.cancel = CancellationToken::new();
    }
    let begin = async |act: &Act, arriving: &Path| come(act, &release, arriving).await;
    fetch(act, begin).await?;
    replace(act, manner, rest).await?;
    act.cancel = cancel;
    match Box::pin(deploy::deploy(act, built)).await {
        Ok(number) => Ok(Some(number)),
        Err(failure) => {
            let name = &act.key().id;
            let hint = format!(
                "{name} is paused; mend what failed, push that; {}",
                manner.otherwise
            );
            Err(failure.hint(hint))
        }
    }
}

/// What serves, or was to serve again before this one died.
async fn live(act: &Act) -> Result<ReleaseRecord, Failure> {
    let name = act.key().id.as_str();
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
