//! The build stage: a slug that is there is used again; else checkout, steps, freeze.

use std::path::Path;
use std::time::Instant;

use wharf_config::application::{self, Application};
use wharf_config::files::Files;
use wharf_wire::event::Event;

use super::activity::Act;
use super::bound::Bound;
use super::checkout::{CheckoutError, checkout};
use super::command::{self, Command};
use super::failure::Failure;
use super::freeze::{self, Freeze, FreezeError, MountKind, MountPoint};
use super::slug_key::{FORMAT, Ingredients, SlugKey, explain};
use super::variables::{self, CACHE, Seen};
use super::world::World;
use super::{repository, runtime, source};
use crate::disk;
use crate::plan::step::Step;
use crate::plan::variables::Given;
use crate::report;
use crate::run::sandbox::{Access, Bind, HOME, Sandbox};
use crate::settings;
use crate::store::StoreError;
use crate::store::environment::EnvironmentKey;
use crate::store::slug::SlugRecord;

/// At most this many files, links and directories in a slug.
const MAX_ENTRIES: u64 = 2_000_000;
/// At most this many bytes in a slug.
const MAX_BYTES: u64 = 10 << 30;

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
    let (application, ingredients, given) = ingredients(act, &commit).await?;
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
        && let Some(slug) = usable(&act.world, &base).await?
    {
        act.world
            .recorder
            .set_slug(&act.task.id, slug.as_str(), true)
            .await?;
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
    let made = make(act, &application, &given, &ingredients, &slug, &commit).await;
    let work = act.world.paths.build(&act.task.id);
    let removed = tokio::task::block_in_place(|| disk::remove_tree(&work));
    // Why it was not made is what its pusher should read.
    made?;
    removed.map_err(|error| Failure::host("cannot remove the work directory", &error))?;
    act.world
        .recorder
        .set_slug(&act.task.id, slug.as_str(), false)
        .await?;
    Ok(Built {
        application,
        slug,
        commit,
        given,
    })
}

async fn ingredients(
    act: &Act,
    commit: &str,
) -> Result<(Application, Ingredients, Given), Failure> {
    let repository = act.project.repository.clone();
    let id = commit.to_owned();
    let (files, tree) = tokio::task::spawn_blocking(move || {
        Ok::<_, repository::RepositoryError>((
            source::files(&repository, &id)?,
            repository::tree_of(&repository, &id)?,
        ))
    })
    .await
    .map_err(|error| Failure::host("cannot read the repository", &error))?
    .map_err(|error| Failure::host("cannot read the repository", &error))?;
    let application = read(&files)?;
    let (given, seen) = variables::given(act, &application).await?;
    let ingredients = weigh(&act.world, &application, tree, act.trust_domain(), seen).await?;
    Ok((application, ingredients, given))
}

/// What would go into a slug of this tree.
///
/// # Errors
/// That the host has not the runtime.
pub async fn weigh(
    world: &World,
    application: &Application,
    tree: String,
    trust_domain: &str,
    seen: Seen,
) -> Result<Ingredients, Failure> {
    Ok(Ingredients {
        format: FORMAT,
        tree,
        steps: application
            .build
            .steps
            .iter()
            .map(|step| step.run.clone())
            .collect(),
        patches: Vec::new(),
        assets: Vec::new(),
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

fn read(files: &Files) -> Result<Application, Failure> {
    application::read(files).map_err(|problems| {
        Failure::new("config-invalid", "the configuration is not valid")
            .details(problems.render(report::WIDTH).lines().map(str::to_owned))
            .hint("mend it and push again; wharf check says the same before a push")
    })
}

/// The newest slug of these ingredients, if it is recorded and its directory stands.
///
/// # Errors
/// The store's.
pub async fn usable(world: &World, base: &SlugKey) -> Result<Option<SlugKey>, StoreError> {
    let record = world.recorder.newest_slug(base.as_str()).await?;
    let key = record.and_then(|record| SlugKey::parse(&record.key).ok());
    Ok(key.filter(|key| world.paths.slugs().join(key.as_str()).is_dir()))
}

/// The slug that this activity made or found in an earlier attempt, if it is there still.
async fn built_before(act: &Act, base: &SlugKey) -> Result<Option<SlugKey>, StoreError> {
    let Some(before) = &act.task.slug else {
        return Ok(None);
    };
    let record = act.world.recorder.slug(before).await?;
    let own = record.filter(|record| record.base == base.as_str());
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
    Ok(slug.and_then(|slug| serde_json::from_str(&slug.ingredients).ok()))
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
    ingredients: &Ingredients,
) -> Result<Option<String>, StoreError> {
    let own = ingredients.trust_domain.as_str();
    let other = match own {
        settings::PROTECTED => settings::OPEN,
        _ => settings::PROTECTED,
    };
    let elsewhere = Ingredients {
        trust_domain: other.to_owned(),
        ..ingredients.clone()
    };
    let built = usable(world, &elsewhere.key()).await?;
    Ok(built.map(|_| format!("{own} branches use no slug of {other} ones")))
}

async fn say_border(act: &Act, ingredients: &Ingredients) -> Result<(), Failure> {
    if let Some(why) = border(&act.world, ingredients).await? {
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

/// How many files differ; none where the older tree is gone.
async fn changed_files(act: &Act, old: &str, new: &str) -> Option<u64> {
    let repository = act.project.repository.clone();
    let (old, new) = (old.to_owned(), new.to_owned());
    let counted =
        tokio::task::spawn_blocking(move || repository::changed_files(&repository, &old, &new));
    counted.await.ok()?.ok()
}

async fn make(
    act: &Act,
    application: &Application,
    given: &Given,
    ingredients: &Ingredients,
    slug: &SlugKey,
    commit: &str,
) -> Result<(), Failure> {
    let work = act.world.paths.build(&act.task.id);
    let bound = Bound::of_build(&act.settings.host.build);
    act.step(Step::Checkout, check_out(act, &bound, commit, &work))
        .await?;
    let cache = act.world.paths.cache(&act.project.name, act.trust_domain());
    let _in_use = act
        .world
        .caches
        .hold(&cache)
        .map_err(|error| Failure::host("cannot make the build cache", &error))?;
    let sandbox = sandbox(act, application, given, &work)?;
    let steps = &application.build.steps;
    for (index, step) in steps.iter().enumerate() {
        let number = u32::try_from(index + 1).expect("configuration is bounded");
        command::run(
            act,
            Command {
                label: "build",
                step: Step::Build(number),
                name: &step.name,
                text: &step.run,
                sandbox: sandbox.clone(),
                bound: &bound,
                failed: format!("build failed in step {number} of {}", steps.len()),
            },
        )
        .await?;
    }
    act.step(
        Step::Freeze,
        freeze(act, &bound, application, ingredients, slug, &work),
    )
    .await
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
            let failure = Failure::new("checkout-failed", super::failure::chain(&error));
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

fn sandbox(
    act: &Act,
    application: &Application,
    given: &Given,
    work: &Path,
) -> Result<Sandbox, Failure> {
    let mut sandbox = Sandbox::new(work.to_owned(), Access::Write);
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
    sandbox
        .environment
        .extend(variables::for_build(act, application, given));
    Ok(sandbox)
}

async fn freeze(
    act: &Act,
    bound: &Bound,
    application: &Application,
    ingredients: &Ingredients,
    slug: &SlugKey,
    work: &Path,
) -> Result<(), Failure> {
    let began = Instant::now();
    let (store, work, key) = (act.world.paths.slugs(), work.to_owned(), slug.clone());
    let mount_points: Vec<MountPoint> = application
        .mounts
        .keys()
        .map(|path| MountPoint {
            path: path.to_string(),
            kind: MountKind::Guess,
        })
        .collect();
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
            other => Failure::new("slug-refused", super::failure::chain(&other))
                .hint("a slug holds regular files, directories and links only"),
        })
    });
    let frozen = frozen.await?;
    for note in &frozen.notes {
        act.log.event(Event::Warning { text: note.clone() });
    }
    let base = ingredients.key().to_string();
    let ingredients = serde_json::to_string(ingredients).expect("strings and maps of strings");
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
    let size = frozen.bytes.div_ceil(1024);
    act.did(
        "slug",
        format!(
            "{}: {}, {size} KiB",
            slug.short(),
            report::count(frozen.files, "file")
        ),
        began,
    );
    Ok(())
}
