//! Making a slug: checkout, patches, steps, static content, freeze.

use std::path::Path;
use std::time::Instant;

use wharf_config::application::{self, Application, BuildNetwork};
use wharf_config::name::RelPath;
use wharf_wire::event::Event;

use super::activity::Act;
use super::bound::Bound;
use super::checkout::{CheckoutError, checkout};
use super::command::{self, Command};
use super::failure::{Failure, chain};
use super::freeze::{self, Freeze, FreezeError, MountKind, MountPoint};
use super::release::label;
use super::slug_key::{Ingredients, SlugKey};
use super::variables;
use super::{assets, layers, patch};
use crate::disk;
use crate::plan::step::Step;
use crate::plan::variables::Given;
use crate::report;
use crate::run::sandbox::{Access, Bind, CACHE, HOME, Network, Sandbox};
use crate::store::slug::SlugRecord;

/// At most this many files, links and directories in a slug.
pub(super) const MAX_ENTRIES: u64 = 2_000_000;
/// At most this many bytes in a slug.
pub(super) const MAX_BYTES: u64 = 10 << 30;

/// What a slug is made of, and its name.
#[derive(Debug)]
pub(super) struct Recipe<'a> {
    /// The configuration at the commit.
    pub(super) application: &'a Application,
    /// What is set for its environment.
    pub(super) given: &'a Given,
    /// What is applied to its tree.
    pub(super) patches: &'a patch::Found,
    /// Static content that the build makes.
    pub(super) assets: Option<&'a application::Assets>,
    /// All that counts for its key.
    pub(super) ingredients: &'a Ingredients,
    /// What it will be called.
    pub(super) slug: &'a SlugKey,
    /// The commit, in hex.
    pub(super) commit: &'a str,
}

/// Makes a slug in the activity's work directory, which its caller removes.
///
/// # Errors
/// What the pusher should read.
pub(super) async fn make(act: &Act, recipe: &Recipe<'_>) -> Result<(), Failure> {
    let work = act.world.paths.build(&act.task.id);
    let bound = Bound::of_build(&act.settings.host.build);
    act.step(Step::Checkout, check_out(act, &bound, recipe.commit, &work))
        .await?;
    let cache = act.world.paths.cache(&act.project.name, act.trust_domain());
    let _in_use = act
        .world
        .caches
        .hold(&cache)
        .map_err(|error| Failure::host("cannot make the build cache", &error))?;
    let sandbox = sandbox(act, recipe, &work)?;
    let build = &recipe.application.build;
    let patches = Some(recipe.patches).filter(|found| !found.patches.is_empty());
    let place = patch::place(build);
    let groups: Vec<&[application::Step]> = build.groups().collect();
    for at in 0..=groups.len() {
        if let Some(found) = patches
            && at == place
        {
            patch::apply(act, &bound, build, found, &work).await?;
        }
        let Some(group) = groups.get(at) else { break };
        run(act, recipe, group, (at, groups.len()), &sandbox, &bound).await?;
    }
    if let Some(assets) = recipe.assets {
        assets::build(act, assets, &sandbox, &bound).await?;
    }
    act.step(Step::Freeze, freeze(act, &bound, recipe, &work))
        .await
}

/// Runs one command, or several at the same time, as one recorded step.
async fn run(
    act: &Act,
    recipe: &Recipe<'_>,
    group: &[application::Step],
    (at, of): (usize, usize),
    sandbox: &Sandbox,
    bound: &Bound,
) -> Result<(), Failure> {
    let number = u32::try_from(at + 1).expect("configuration is bounded");
    let record = Step::Build(number);
    let commands: Vec<Command<'_>> = group
        .iter()
        .map(|step| Command {
            label: "build",
            step: record.clone(),
            name: &step.name,
            text: &step.run,
            at: &step.at,
            sandbox: sandbox.clone(),
            bound,
            failed: format!("build failed in step {number} of {of}"),
        })
        .collect();
    match &commands[..] {
        [command] if !group[0].inputs.is_empty() => {
            let work = act.world.paths.build(&act.task.id);
            let runtimes = &recipe.ingredients.runtimes;
            let run = layers::run(act, command, &group[0], runtimes, &work);
            act.step(record, run).await
        }
        [command] => act.step(record, command::execute(act, command)).await,
        commands => command::together(act, record, commands).await,
    }
}

async fn check_out(act: &Act, bound: &Bound, commit: &str, work: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    let (repository, commit, work) = (
        act.project.repository.clone(),
        commit.to_owned(),
        work.to_owned(),
    );
    let checked = act.blocking("the checkout", bound, move |stop| {
        // What an earlier attempt left is worth nothing.
        disk::remove_tree(&work).map_err(|error| Failure::host("cannot make room", &error))?;
        checkout(&repository, &commit, &work, stop).map_err(|error| {
            if matches!(error, CheckoutError::Stopped) {
                return Failure::cancelled();
            }
            let hint = error.hint().map(str::to_owned);
            let failure = Failure::new("checkout-failed", chain(&error));
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        })
    });
    let checked = checked.await?;
    for note in &checked.notes {
        act.log.event(Event::Warning { text: note.clone() });
    }
    act.did("checkout", report::count(checked.files, "file"), began);
    Ok(())
}

fn sandbox(act: &Act, recipe: &Recipe<'_>, work: &Path) -> Result<Sandbox, Failure> {
    let application = recipe.application;
    let mut sandbox = Sandbox::new(work.to_owned(), Access::Write);
    sandbox.label = Some(label(act));
    let (paths, project) = (&act.world.paths, &act.project.name);
    let cache = paths.cache(project, act.trust_domain());
    let mut bind = |source: std::path::PathBuf, target: std::path::PathBuf| {
        std::fs::create_dir_all(&source)
            .map_err(|error| Failure::host("cannot make the build cache", &error))?;
        sandbox.binds.push(Bind {
            source,
            target,
            access: Access::Write,
        });
        Ok::<_, Failure>(())
    };
    bind(cache.join("shared"), CACHE.into())?;
    for path in &application.build.cache {
        let below = path.below_home();
        bind(
            paths.home_cache(project, act.trust_domain(), below),
            Path::new(HOME).join(below.as_path()),
        )?;
    }
    if application.build.network.and(act.settings.host.network) == BuildNetwork::None {
        sandbox.network = Network::None;
    }
    sandbox
        .environment
        .extend(variables::for_build(act, application, recipe.given));
    Ok(sandbox)
}

async fn freeze(act: &Act, bound: &Bound, recipe: &Recipe<'_>, work: &Path) -> Result<(), Failure> {
    let began = Instant::now();
    let slug = recipe.slug;
    let (store, work, key) = (act.world.paths.slugs(), work.to_owned(), slug.clone());
    let point = |path: &RelPath, kind: MountKind| MountPoint {
        path: path.to_string(),
        kind,
    };
    let mounts = recipe.application.mounts.keys();
    let mounts = mounts.map(|path| point(path, MountKind::Guess));
    let outputs = assets::outputs(recipe.application).map(|path| point(path, MountKind::Output));
    let mount_points: Vec<MountPoint> = mounts.chain(outputs).collect();
    let frozen = act.blocking("the freeze", bound, move |stop| {
        // A directory of that name is unrecorded: what a death between rename and record left.
        let old = store.join(key.as_str());
        if old.exists() {
            disk::remove_tree(&old)
                .map_err(|error| Failure::host("cannot remove a half slug", &error))?;
        }
        let frozen = freeze::freeze(&Freeze {
            built: &work,
            store: &store,
            key: &key,
            mount_points: &mount_points,
            max_entries: MAX_ENTRIES,
            max_bytes: MAX_BYTES,
            stop,
        });
        frozen.map_err(|error| match error {
            FreezeError::Stopped => Failure::cancelled(),
            FreezeError::Disk(error) => Failure::host("cannot store the slug", &error),
            other => Failure::new("slug-refused", chain(&other))
                .hint("a slug holds regular files, directories and links only"),
        })
    });
    let frozen = frozen.await?;
    for note in &frozen.notes {
        act.log.event(Event::Warning { text: note.clone() });
    }
    let base = recipe.ingredients.key().to_string();
    let ingredients =
        serde_json::to_string(recipe.ingredients).expect("strings and maps of strings");
    act.world
        .recorder
        .add_slug(SlugRecord {
            key: slug.to_string(),
            base,
            project: act.project.name.to_string(),
            trust_domain: act.trust_domain().to_owned(),
            ingredients,
            digest: frozen.digest,
            files: frozen.files,
            bytes: frozen.bytes,
        })
        .await?;
    act.did(
        "slug",
        format!(
            "{}: {}, {}",
            slug.short(),
            report::count(frozen.files, "file"),
            report::size(frozen.bytes)
        ),
        began,
    );
    Ok(())
}
