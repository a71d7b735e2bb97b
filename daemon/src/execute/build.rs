//! The build stage: a slug that is there is used again; else checkout, steps, freeze.

use std::path::Path;
use std::time::Instant;

use wharf_config::application::{self, Application, Step};
use wharf_config::files::Files;
use wharf_config::name::ProjectName;
use wharf_wire::event::Event;

use super::activity::Act;
use super::failure::Failure;
use super::make::{Recipe, make};
use super::slug_change::explain;
use super::slug_key::{FORMAT, Ingredients, SlugKey};
use super::variables::Seen;
use super::world::World;
use super::{assets, patch, repository, runtime, source, tree_changes, variables};
use crate::disk;
use crate::metrics::Origin;
use crate::plan::variables::Given;
use crate::report;
use crate::settings;
use crate::store::StoreError;
use crate::store::environment::EnvironmentKey;
use crate::store::slug::{SlugRecord, within};

/// What the deploy stage takes over.
#[derive(Debug)]
pub struct Built {
    /// The configuration at the commit.
    pub application: Application,
    /// The slug in the store.
    pub slug: SlugKey,
    /// The commit, in hex.
    pub commit: String,
    /// What was set for the environment when the build began.
    pub given: Given,
}

/// Makes or finds the slug of the activity's commit.
///
/// # Errors
/// What the pusher should read.
pub async fn build(act: &Act) -> Result<Built, Failure> {
    let began = Instant::now();
    let commit = act.task.commit.new.clone().ok_or_else(|| {
        Failure::new("no-commit", "there is no commit to deploy").hint("push the branch again")
    })?;
    let Weighed {
        mut application,
        patches,
        ingredients,
        given,
    } = ingredients(act, &commit).await?;
    let own_assets = assets::of_build(act, &mut application, &commit).await?;
    for source in &application.sources {
        act.log.event(Event::StepStarted {
            label: "detected".into(),
            text: source.clone(),
        });
    }
    for warning in &application.warnings {
        act.log.event(Event::Warning {
            text: warning.clone(),
        });
    }
    let base = ingredients.key();
    // Whoever builds the same at this moment is waited for, and its slug used.
    let turn = act.world.building.turn(base.as_str());
    let _turn = tokio::select! {
        turn = turn.lock() => turn,
        () = act.cancel.cancelled() => return Err(Failure::cancelled()),
    };
    if let Some(slug) = built_before(act, &base).await? {
        act.did("build", format!("slug {} is built", slug.short()), began);
        return Ok(Built {
            application,
            slug,
            commit,
            given,
        });
    }
    if !act.task.rebuild
        && let Some(slug) = usable(&act.world, &act.project.name, &base).await?
    {
        act.world
            .recorder
            .set_slug(&act.task.id, slug.as_str(), true)
            .await?;
        act.world.metrics.slug(Origin::Reused);
        let text = format!(
            "reused slug {} (same tree, same build settings)",
            slug.short()
        );
        act.did("build", text, began);
        return Ok(Built {
            application,
            slug,
            commit,
            given,
        });
    }
    let slug = if act.task.rebuild {
        base.rebuilt(&act.task.id)
    } else {
        base
    };
    say_why(act, &ingredients, &slug).await?;
    say_border(act, &ingredients).await?;
    patch::say_left(act, &patches);
    let recipe = Recipe {
        application: &application,
        given: &given,
        patches: &patches,
        assets: own_assets.as_ref(),
        ingredients: &ingredients,
        slug: &slug,
        commit: &commit,
    };
    let from = Instant::now();
    let made = make(act, &recipe).await;
    let result = if made.is_ok() { "succeeded" } else { "failed" };
    act.world.metrics.built(result, from.elapsed());
    let paths = &act.world.paths;
    let (work, applied) = (paths.build(&act.task.id), paths.patches(&act.task.id));
    let removed = tokio::task::block_in_place(|| {
        disk::remove_tree(&applied).and_then(|()| disk::remove_tree(&work))
    });
    // Why it was not made is what its pusher should read.
    made?;
    removed.map_err(|error| Failure::host("cannot remove the work directory", &error))?;
    act.world
        .recorder
        .set_slug(&act.task.id, slug.as_str(), false)
        .await?;
    act.world.metrics.slug(Origin::Built);
    Ok(Built {
        application,
        slug,
        commit,
        given,
    })
}

/// What goes into the slug of a commit, with what it was read from.
struct Weighed {
    application: Application,
    patches: patch::Found,
    ingredients: Ingredients,
    given: Given,
}

async fn ingredients(act: &Act, commit: &str) -> Result<Weighed, Failure> {
    let repository = act.project.repository.clone();
    let id = commit.to_owned();
    let looked = tokio::task::spawn_blocking(move || look(&repository, &id));
    let (application, tree, patches) = looked
        .await
        .map_err(|error| Failure::host("cannot read the repository", &error))??;
    let applied = patch::ingredients(&application.build, &patches);
    let (given, seen) = variables::given(act, &application).await?;
    let domain = act.trust_domain();
    let ingredients = weigh(&act.world, &application, tree, applied, domain, seen).await?;
    Ok(Weighed {
        application,
        patches,
        ingredients,
        given,
    })
}

/// The configuration at a commit, its tree, and what is applied to that. Blocks.
///
/// # Errors
/// That something of it cannot be read, or is not valid.
pub fn look(
    repository: &Path,
    commit: &str,
) -> Result<(Application, String, patch::Found), Failure> {
    let failed = |error| Failure::host("cannot read the repository", &error);
    let files = source::files(repository, commit).map_err(failed)?;
    let tree = repository::tree_of(repository, commit).map_err(failed)?;
    let application = read(&files)?;
    let patches = patch::find(repository, &tree, &application.build.patches)?;
    Ok((application, tree, patches))
}

/// What would go into a slug of this tree with these patches.
///
/// # Errors
/// That the host has not the runtime.
pub async fn weigh(
    world: &World,
    application: &Application,
    tree: String,
    patches: Vec<String>,
    trust_domain: &str,
    seen: Seen,
) -> Result<Ingredients, Failure> {
    Ok(Ingredients {
        format: FORMAT,
        tree,
        steps: application.build.steps.iter().map(ingredient).collect(),
        patches,
        assets: assets::ingredients(application),
        mounts: application.mounts.keys().map(ToString::to_string).collect(),
        runtimes: runtime::of(&world.runtimes, application).await?,
        variables: seen.plain,
        secrets: seen.secrets,
        trust_domain: trust_domain.to_owned(),
    })
}

/// The configuration at a commit.
///
/// # Errors
/// That it cannot be read, or is not valid.
pub async fn application(act: &Act, commit: &str) -> Result<Application, Failure> {
    let (repository, id) = (act.project.repository.clone(), commit.to_owned());
    let files = tokio::task::spawn_blocking(move || source::files(&repository, &id)).await;
    let files = files
        .map_err(|error| Failure::host("cannot read the repository", &error))?
        .map_err(|error| Failure::host("cannot read the repository", &error))?;
    read(&files)
}

/// A step as the key has it. `&` leads one that runs at the same time as the one before it: no
/// command that can end well begins so.
fn ingredient(step: &Step) -> String {
    match step.beside {
        true => format!("& {}", step.run),
        false => step.run.clone(),
    }
}

fn read(files: &Files) -> Result<Application, Failure> {
    application::read(files).map_err(|problems| {
        Failure::new("config-invalid", "the configuration is not valid")
            .details(problems.render(report::WIDTH).lines().map(str::to_owned))
            .hint("mend it and push again; wharf check says the same before a push")
    })
}

/// What a slug is made of; none where an older Wharf recorded it otherwise.
#[must_use]
pub fn made_of(slug: &SlugRecord) -> Option<Ingredients> {
    serde_json::from_str(&slug.ingredients).ok()
}

/// The newest slug of these ingredients that a project may use, if it is recorded and its directory
/// stands: one that a build made, or that was imported into the project.
///
/// # Errors
/// The store's.
pub async fn usable(
    world: &World,
    project: &ProjectName,
    base: &SlugKey,
) -> Result<Option<SlugKey>, StoreError> {
    let bases = [base.to_string(), within(base.as_str(), project.as_str())];
    let record = world.recorder.newest_slug(bases).await?;
    let key = record.and_then(|record| SlugKey::parse(&record.key).ok());
    Ok(key.filter(|key| world.paths.slugs().join(key.as_str()).is_dir()))
}

/// The slug that this activity made or found in an earlier attempt, if it is there still.
async fn built_before(act: &Act, base: &SlugKey) -> Result<Option<SlugKey>, StoreError> {
    let Some(before) = &act.task.slug else {
        return Ok(None);
    };
    let record = act.world.recorder.slug(before).await?;
    let imported = within(base.as_str(), act.project.name.as_str());
    let bases = [base.as_str(), &imported];
    let own = record.filter(|record| bases.contains(&record.base.as_str()));
    let key = own.and_then(|record| SlugKey::parse(&record.key).ok());
    Ok(key.filter(|key| act.world.paths.slugs().join(key.as_str()).is_dir()))
}

/// What the slug of a release was made of; none where nobody knows any more.
///
/// # Errors
/// The store's.
pub async fn ingredients_of(
    world: &World,
    key: &EnvironmentKey,
    release: u32,
) -> Result<Option<Ingredients>, StoreError> {
    let Some(release) = world.recorder.release(key, release).await? else {
        return Ok(None);
    };
    let slug = world.recorder.slug(&release.slug).await?;
    Ok(slug.as_ref().and_then(made_of))
}

/// Says why a slug of `old` is not used for `new`; `files` differ between their trees, as far as
/// known.
pub fn why(old: &Ingredients, new: &Ingredients, files: Option<u64>) -> Vec<String> {
    let mut why = explain(old, new);
    if let Some(tree) = why.iter_mut().find(|reason| *reason == "tree changed")
        && let Some(files) = files
    {
        *tree = format!("tree changed ({})", report::count(files, "file"));
    }
    why
}

/// Why a slug that the other trust domain has built of the same is not taken over; none where it
/// has built none.
///
/// # Errors
/// The store's.
pub async fn border(
    world: &World,
    project: &ProjectName,
    ingredients: &Ingredients,
) -> Result<Option<String>, StoreError> {
    let (elsewhere, why) = across(ingredients);
    let built = usable(world, project, &elsewhere).await?;
    Ok(built.map(|_| why))
}

/// The same of a slug that is there, at the time when it was built.
///
/// # Errors
/// The store's.
pub async fn border_then(
    world: &World,
    ingredients: &Ingredients,
    slug: &str,
) -> Result<Option<String>, StoreError> {
    let (elsewhere, why) = across(ingredients);
    let recorder = &world.recorder;
    let built = recorder.was_built_before(elsewhere.as_str(), slug).await?;
    Ok(built.then_some(why))
}

/// The key that the same has in the other trust domain, and why no slug of it is used.
fn across(ingredients: &Ingredients) -> (SlugKey, String) {
    let own = ingredients.trust_domain.as_str();
    let other = match own {
        settings::PROTECTED => settings::OPEN,
        _ => settings::PROTECTED,
    };
    let elsewhere = Ingredients {
        trust_domain: other.to_owned(),
        ..ingredients.clone()
    };
    let why = format!("{own} branches use no slug of {other} ones");
    (elsewhere.key(), why)
}

async fn say_border(act: &Act, ingredients: &Ingredients) -> Result<(), Failure> {
    if let Some(why) = border(&act.world, &act.project.name, ingredients).await? {
        act.log.event(Event::StepStarted {
            label: "build".into(),
            text: format!("built again: {why}"),
        });
    }
    Ok(())
}

/// Says why the serving release's slug is not used again.
async fn say_why(act: &Act, new: &Ingredients, slug: &SlugKey) -> Result<(), Failure> {
    let Some(live) = act.previous else {
        return Ok(());
    };
    let Some(old) = ingredients_of(&act.world, act.key(), live).await? else {
        return Ok(());
    };
    let files = match old.tree == new.tree {
        true => None,
        false => changed_files(act, &old.tree, &new.tree).await,
    };
    let mut why = why(&old, new, files);
    if act.task.rebuild {
        why.push("a rebuild was asked for".into());
    }
    if !why.is_empty() {
        let text = format!("new slug {}: {}", slug.short(), why.join(", "));
        act.log.event(Event::StepStarted {
            label: "build".into(),
            text,
        });
    }
    Ok(())
}

/// How many files differ; none where the older tree is gone, or they are too many.
async fn changed_files(act: &Act, old: &str, new: &str) -> Option<u64> {
    let repository = act.project.repository.clone();
    let (old, new) = (old.to_owned(), new.to_owned());
    let counted = tokio::task::spawn_blocking(move || tree_changes::count(&repository, &old, &new));
    counted.await.ok()?.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_no_sequence() {
        let one = Step::new("a", "make a");
        let other = Step {
            beside: true,
            ..one.clone()
        };
        assert_eq!(ingredient(&one), "make a");
        assert_eq!(ingredient(&other), "& make a");
    }
}
