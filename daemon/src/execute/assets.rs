//! Static content: made in the build where its configuration is committed, else in the deploy, in
//! directories of the release's own that cover those of the slug.
//!
//! A release's record holds `assets` only where the deploy makes them: so whatever reads it later
//! knows which of the two it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, io};

use wharf_config::application::{Application, Assets};
use wharf_config::name::RelPath;

use super::activity::Act;
use super::bound::Bound;
use super::changes::Changes;
use super::command;
use super::commands::{command_of, keep_what_they_wrote, number};
use super::failure::Failure;
use super::release::inside;
use super::repository::{self, EntryKind};
use crate::disk;
use crate::plan::step::Step;
use crate::run::sandbox::{APP, Access, Bind, Sandbox};
use crate::store::release::ReleaseRecord;

/// What of them goes into a slug's key: with the tree it decides where they are made.
pub(super) fn ingredients(application: &Application) -> Vec<String> {
    let Some(assets) = &application.assets else {
        return Vec::new();
    };
    let rule = assets.committed.iter().map(|path| format!("when {path}"));
    let run = assets.run.iter().map(|step| step.run.clone());
    let outputs = assets.outputs.iter().map(|path| format!("into {path}"));
    rule.chain(run).chain(outputs).collect()
}

/// Takes them out of an application whose build makes them: their configuration is in the commit, or
/// none is asked for.
///
/// # Errors
/// When the repository cannot be read.
pub(super) async fn of_build(
    act: &Act,
    application: &mut Application,
    commit: &str,
) -> Result<Option<Assets>, Failure> {
    let Some(assets) = application.assets.clone() else {
        return Ok(None);
    };
    let Some(committed) = assets.committed.clone() else {
        return Ok(application.assets.take());
    };
    let (path, id) = (act.project.repository.clone(), commit.to_owned());
    let found = tokio::task::spawn_blocking(move || {
        // What is in it does not matter, only that it is there.
        repository::read_files(&path, &id, &[committed.as_str()], 0)
    })
    .await
    .map_err(|error| Failure::host("cannot read the repository", &error))?
    .map_err(|error| Failure::host("cannot read the repository", &error))?;
    let is_there = found.iter().any(|entry| entry.kind == EntryKind::File);
    Ok(application.assets.take_if(|_| is_there))
}

/// Makes them in the build, after its steps.
///
/// # Errors
/// Which command failed, and why.
pub(super) async fn build(
    act: &Act,
    assets: &Assets,
    sandbox: &Sandbox,
    bound: &Bound,
) -> Result<(), Failure> {
    for (index, step) in assets.run.iter().enumerate() {
        let (number, count) = (number(index), assets.run.len());
        let failed = format!("build failed in assets command {number} of {count}");
        let record = Step::BuildAssets(number);
        let command = command_of("assets", record, step, sandbox, bound, failed);
        command::run(act, command).await?;
    }
    Ok(())
}

/// The directories of the slug that a release's own ones will cover.
pub(super) fn outputs(application: &Application) -> impl Iterator<Item = &RelPath> {
    application.assets.iter().flat_map(|assets| &assets.outputs)
}

fn directory(act: &Act, release: &ReleaseRecord, output: &RelPath) -> PathBuf {
    let (project, environment) = (&act.project.name, &act.key().id);
    let paths = &act.world.paths;
    paths.asset(project, environment, release.number, output)
}

/// What covers them in the sandbox of a release: only to be read.
pub(super) fn binds(act: &Act, release: &ReleaseRecord) -> Vec<Bind> {
    let bind = |output: &RelPath| Bind {
        source: directory(act, release, output),
        target: Path::new(APP).join(output.as_path()),
        access: Access::Read,
    };
    outputs(&release.application).map(bind).collect()
}

/// Makes the directories of a new release as they are in its slug, mount points and all.
///
/// # Errors
/// When that cannot be done.
pub(super) fn make_directories(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    let slug = act.world.paths.slugs().join(&release.slug);
    for output in outputs(&release.application) {
        let (from, to) = (slug.join(output.as_path()), directory(act, release, output));
        let parent = to.parent().expect("below the release");
        disk::make_directory(parent)
            .map_err(|error| Failure::host("cannot make the release", &error))?;
        copy(&from, &to)
            .map_err(|error| Failure::host(&format!("cannot copy {output} of the slug"), &error))?;
    }
    Ok(())
}

/// Copies directories, files and links; a slug holds nothing else, and nobody writes there.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, from, to) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&from, &to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Makes them in the deploy.
///
/// # Errors
/// Which command failed, and why.
pub(super) async fn deploy(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    bound: &Bound,
    changes: &mut Changes,
) -> Result<(), Failure> {
    let Some(assets) = &release.application.assets else {
        return Ok(());
    };
    let mut sandbox = sandbox.clone();
    let own = binds(act, release);
    for bind in &mut sandbox.binds {
        if own.contains(bind) {
            bind.access = Access::Write;
        }
    }
    for (index, step) in assets.run.iter().enumerate() {
        let (number, count) = (number(index), assets.run.len());
        let failed = format!("deploy failed in assets command {number} of {count}");
        let record = Step::Assets(number);
        let command = command_of("assets", record, step, &sandbox, bound, failed);
        changes.of(&step.name, command::run(act, command).await)?;
    }
    keep_what_they_wrote(act, assets.run.len()).await
}

/// Says that they are made in the deploy, why, and how they would not be.
pub(super) fn say_where(act: &Act, application: &Application) {
    let Some(committed) = application
        .assets
        .as_ref()
        .and_then(|a| a.committed.as_ref())
    else {
        return;
    };
    let text = format!("in the deploy: {committed} is not committed");
    act.did("assets", text, Instant::now());
    act.advise(format!(
        "commit {committed}, and the build makes the assets: the deploy is shorter"
    ));
}

/// Whether the deploy makes the directory of static files itself.
pub(super) fn holds_public(application: &Application) -> bool {
    let public = application.public.as_ref();
    public.is_some_and(|public| outputs(application).any(|output| output.holds(public)))
}

/// The directory of static files where the deploy made it; none where it is the slug's.
///
/// # Errors
/// That the commands did not make it.
pub(super) fn public(act: &Act, release: &ReleaseRecord) -> Result<Option<PathBuf>, Failure> {
    let application = &release.application;
    let Some(public) = &application.public else {
        return Ok(None);
    };
    let Some(output) = outputs(application).find(|output| output.holds(public)) else {
        return Ok(None);
    };
    let own = directory(act, release, output);
    let rest = public.as_path().strip_prefix(output.as_path());
    let found = inside(&own, rest.expect("it lies below"));
    found
        .filter(|found| found.is_dir())
        .map(Some)
        .ok_or_else(|| {
            Failure::new(
                "public-missing",
                format!("public = \"{public}\" is no directory that the assets' commands made"),
            )
            .hint("do they make it? links must not lead out of it")
        })
}

/// Where the release's own directories cover those of static files, by their path below `public`.
pub(super) fn overlays(act: &Act, release: &ReleaseRecord) -> BTreeMap<PathBuf, PathBuf> {
    let application = &release.application;
    let Some(public) = &application.public else {
        return BTreeMap::new();
    };
    let below = |output: &RelPath| {
        if output.holds(public) || !public.holds(output) {
            return None;
        }
        let path = match public.is_top() {
            true => output.as_path(),
            false => output.as_path().strip_prefix(public.as_path()).ok()?,
        };
        Some((path.to_owned(), directory(act, release, output)))
    };
    outputs(application).filter_map(below).collect()
}
