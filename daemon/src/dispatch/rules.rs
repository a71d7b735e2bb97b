//! What the operator says of environments, followed as soon as it is said.
//!
//! The files of the host and the projects are read again when they change, and the branch that a
//! repository's HEAD names is production where nobody declared one. What either means for the
//! environments that are there is recorded here; what they serve stays until their next deployment.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;

use tokio::sync::watch;
use wharf_config::name::{BranchName, ProjectName};
use wharf_config::problem::Problems;
use wharf_config::project::Project;

use super::baseline;
use crate::execute::failure::chain;
use crate::execute::route::{self, Followed};
use crate::execute::world::sibling;
use crate::execute::{World, refs, secure};
use crate::plan::places::{Place, Places};
use crate::report::WIDTH;
use crate::settings::{Settings, trust_domain};
use crate::store::StoreError;
use crate::store::environment::{EnvironmentRecord, Rule};

/// What came of reading the configuration again.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// How many projects there are.
    pub projects: usize,
    /// Whether the router follows.
    pub followed: Followed,
    /// What of the router is not as it is asked for.
    pub router: Vec<String>,
    /// Why metrics are not told where they should be.
    pub metrics: Option<String>,
}

/// Reads the configuration again. A host's file that is no good leaves everything as it was; a
/// project's file leaves that project as it was.
///
/// # Errors
/// All problems of the host's files.
pub async fn reload(
    world: &Arc<World>,
    settings: &watch::Sender<Arc<Settings>>,
) -> Result<Reloaded, Problems> {
    let place = world.place.clone();
    let taken = tokio::task::spawn_blocking(move || Settings::take(&place)).await;
    let taken = taken.expect("reading the configuration does not panic");
    if world.watching.refused(taken.as_ref().err()) && taken.is_ok() {
        tracing::info!("the host's configuration is good again");
    }
    let new = match taken {
        Ok(new) => new,
        Err(problems) => {
            tracing::error!(
                WHARF_ERROR = "configuration",
                "the configuration is refused, the old one counts:\n{}",
                problems.render(WIDTH)
            );
            return Err(problems);
        }
    };
    let projects = new.projects.len();
    if *world.settings() == new {
        // Certificates may be others all the same.
        return Ok(Reloaded {
            projects,
            followed: Followed::Yes,
            router: secure::apply(world).await,
            metrics: world.metrics.trouble(),
        });
    }
    if let Err(error) = baseline::know(world, &new).await {
        // Compared later; until then nobody can have pushed but through a hook.
        tracing::error!(error = chain(&error), "new projects are not recorded");
    }
    new.say_broken();
    new.say_mended(&world.settings());
    let (old, new) = (world.settings(), Arc::new(new));
    settings.send_replace(Arc::clone(&new));
    tracing::info!("the configuration was read again");
    let (hooks, changed) = (new.other_hooks(&old), new.changed_since(&old));
    if !hooks.is_empty() {
        refresh_hooks(&hooks).await;
    }
    for name in &changed {
        follow(world, &new.projects[name]).await;
    }
    // Addresses have its port.
    let router = secure::apply(world).await;
    let metrics = world.metrics.settled(new.host.metrics.as_ref()).await;
    // The host's own word counts for every project.
    let concerned = (old.host == new.host).then_some(&changed);
    let followed = route::refresh(world, concerned).await;
    Ok(Reloaded {
        projects,
        followed,
        router,
        metrics,
    })
}

/// Has the hooks say what the operator says now: what a push gets while no daemon is there stands in
/// them.
async fn refresh_hooks(projects: &BTreeSet<ProjectName>) {
    let refreshed = match sibling("wharf") {
        Ok(wharf) => {
            let mut command = tokio::process::Command::new(wharf);
            command.args(["hook", "refresh"]).stdin(Stdio::null());
            command.args(projects.iter().map(ProjectName::as_str));
            command.kill_on_drop(true).output().await
        }
        Err(error) => Err(error),
    };
    match refreshed {
        Ok(output) => {
            for line in String::from_utf8_lossy(&output.stderr).lines() {
                tracing::info!("hooks: {line}");
            }
        }
        Err(error) => tracing::error!(%error, "the hooks are not up to date: wharf hook status"),
    }
}

/// Has every environment follow what is said of it now.
pub async fn follow_all(world: &Arc<World>) {
    for project in world.settings().projects.values() {
        follow(world, project).await;
    }
}

/// Looks whether a repository's HEAD names another branch than before.
pub async fn after_change(world: &Arc<World>, name: &ProjectName) {
    let settings = world.settings();
    if let Some(project) = settings.projects.get(name)
        && world.heads.put(name, head(project).await)
    {
        follow(world, project).await;
        route::refresh(world, Some(&BTreeSet::from([name.clone()]))).await;
    }
}

async fn head(project: &Project) -> Option<BranchName> {
    let repository = project.repository.clone();
    let read = tokio::task::spawn_blocking(move || refs::head(&repository)).await;
    read.expect("reading HEAD does not panic")
}

async fn follow(world: &Arc<World>, project: &Project) {
    let head = head(project).await;
    world.heads.put(&project.name, head.clone());
    if let Err(error) = try_follow(world, project, head.as_ref()).await {
        tracing::error!(
            WHARF_PROJECT = %project.name,
            error = chain(&error),
            "its environments do not follow its rules yet"
        );
    }
}

async fn try_follow(
    world: &Arc<World>,
    project: &Project,
    head: Option<&BranchName>,
) -> Result<(), StoreError> {
    if project.production(head).is_none() {
        // HEAD cannot be read, or names no branch: what was production must not become less by that.
        return Ok(());
    }
    let records = world.recorder.environments(Some(project.name.clone()));
    let changed = changed(project, head, &records.await?);
    if changed.is_empty() {
        return Ok(());
    }
    for rule in &changed {
        tracing::info!(
            WHARF_PROJECT = %rule.key.project,
            WHARF_ENVIRONMENT = %rule.key.id,
            "{} is a {} environment now",
            rule.key.id,
            rule.kind
        );
    }
    world.recorder.set_rules(changed).await?;
    // Production is never paused, and what is none any more may be.
    world.pausing.notify_one();
    Ok(())
}

/// What is to be recorded of a project's environments.
fn changed(
    project: &Project,
    head: Option<&BranchName>,
    records: &[EnvironmentRecord],
) -> Vec<Rule> {
    let places = records.iter().cloned().map(Place::from).collect();
    let places = Places::new(project, head, places);
    let changed = records.iter().filter_map(|record| rule(&places, record));
    changed.collect()
}

/// What is to be recorded of an environment; none where it is so already.
fn rule(places: &Places<'_>, record: &EnvironmentRecord) -> Option<Rule> {
    let environment = places.environment(&record.branch);
    let by_rule = environment.parent.map(|parent| parent.to_string());
    let parent = match &record.chosen_parent {
        Some(chosen) if by_rule.is_some() => Some(chosen.clone()),
        _ => by_rule,
    };
    let rule = Rule {
        key: record.key.clone(),
        kind: environment.kind.as_str().to_owned(),
        parent,
        trust_domain: trust_domain(environment.kind).to_owned(),
    };
    let is_so = record.kind == rule.kind
        && record.parent == rule.parent
        && record.trust_domain == rule.trust_domain;
    (!is_so).then_some(rule)
}

#[cfg(test)]
mod tests;
