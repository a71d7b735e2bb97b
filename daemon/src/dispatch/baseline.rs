//! A project that Wharf sees for the first time: what is in its repository is not deployed for that.

use std::collections::BTreeSet;

use wharf_config::name::BranchName;
use wharf_config::project::Project;

use super::spool;
use crate::execute::World;
use crate::execute::failure::chain;
use crate::execute::refs;
use crate::execute::repository::RepositoryError;
use crate::settings::Settings;
use crate::store::StoreError;
use crate::store::baseline::Baseline;
use crate::store::paths::Paths;

/// Takes the baseline of every project that has none yet. It must be done before anybody can push
/// to one. A repository that cannot be read gets it when it is first compared.
///
/// # Errors
/// When it cannot be recorded.
pub async fn know(world: &World, settings: &Settings) -> Result<(), StoreError> {
    let mut spooled = None;
    let known = world.recorder.known_projects().await?;
    for project in settings.projects.values() {
        if known.contains(project.name.as_str()) {
            continue;
        }
        // Pushed while no daemon knew the project: that is somebody's push all the same.
        let spooled = spooled
            .get_or_insert_with(|| tokio::task::block_in_place(|| spool::read(world, settings)));
        let pushed = spool::pushed(spooled, &project.name).collect();
        take(world, settings, project, &pushed).await?;
    }
    Ok(())
}

/// Takes one project's baseline, without the branches that are known to be pushed.
///
/// # Errors
/// When it cannot be recorded.
pub(super) async fn take(
    world: &World,
    settings: &Settings,
    project: &Project,
    pushed: &BTreeSet<BranchName>,
) -> Result<(), StoreError> {
    let read = tokio::task::block_in_place(|| read(&world.paths, settings, project, pushed));
    match read {
        Ok(baseline) => world.recorder.take_baseline(&project.name, baseline).await,
        Err(error) => {
            tracing::error!(
                WHARF_PROJECT = %project.name,
                error = chain(&error),
                "its branches are not known yet"
            );
            Ok(())
        }
    }
}

/// The branches with their tips. One with releases on the disk was deployed before: its record is
/// lost, with an older database that was restored, and it is deployed again.
fn read(
    paths: &Paths,
    settings: &Settings,
    project: &Project,
    pushed: &BTreeSet<BranchName>,
) -> Result<Baseline, RepositoryError> {
    let default = refs::head(&project.repository);
    let mut baseline = Baseline::new();
    for tip in refs::tips(&project.repository)? {
        let Some((branch, commit)) = super::reconcile::served(&tip).zip(tip.commit) else {
            continue;
        };
        let id = settings.environment(project, &branch, default.as_ref()).id;
        if !pushed.contains(&branch) && !paths.releases(&project.name, &id).exists() {
            baseline.insert(branch, commit);
        }
    }
    Ok(baseline)
}
