//! A push is built before its refs may move.
//!
//! What is checked is what a build can tell: the configuration, the checkout, the build's commands,
//! the freeze, and that what is to be served is there. No release is started: that would run new code
//! on the environment's data before its deploy commands, which run once the push is accepted.

use super::activity::Act;
use super::failure::Failure;
use super::{build, promote, refs, target};

/// Makes or finds the slug that the deployment will use; returns what serves, which stays.
///
/// # Errors
/// What the pusher should read; the push is then refused.
pub async fn check(act: &Act) -> Result<Option<u32>, Failure> {
    not_moved(act).await?;
    let child = promote::slug_of_child(act).await?;
    let built = match child {
        Some(built) => built,
        None => build::build(act).await?,
    };
    target::files(act, &built.application, built.slug.as_str())?;
    not_moved(act).await?;
    Ok(act.previous)
}

/// Another push may have been accepted meanwhile: git will not move the branch from there, so that
/// nothing needs to be built. git itself has the last word.
async fn not_moved(act: &Act) -> Result<(), Failure> {
    let path = act.project.repository.clone();
    let name = format!("refs/heads/{}", act.branch());
    let tip = tokio::task::spawn_blocking(move || refs::find_tip(&path, &name))
        .await
        .map_err(|error| Failure::host("cannot read the repository", &error))?
        .map_err(|error| Failure::host("cannot read the repository", &error))?;
    if tip.and_then(|tip| tip.commit) == act.task.commit.old {
        return Ok(());
    }
    Err(Failure::new(
        "moved",
        format!("branch {} has moved meanwhile", act.branch()),
    )
    .hint("fetch, see what came before, and push again"))
}
