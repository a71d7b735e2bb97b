//! A release: its record, its directories, what its commands and processes see, what of it requests
//! reach.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use wharf_config::application::{self, Application};
use wharf_wire::event::Event;

use super::activity::Act;
use super::build::Built;
use super::failure::Failure;
use super::slug_key::SlugKey;
use super::{assets, mount, numbers, services, variables};
use crate::disk;
use crate::plan::step::Step;
use crate::run::job::JobId;
use crate::run::sandbox::{APP, Access, Bind, Label, Network, Sandbox, User};
use crate::store::insist::insist;
use crate::store::now;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// How long a deployment looks at one mount that has a quota.
const A_LOOK: Duration = Duration::from_millis(500);

/// Records that a release will never serve.
pub(super) async fn give_up(act: &Act, release: u32) {
    let (recorder, failed) = (&act.world.recorder, ReleaseState::Failed);
    let record = || recorder.set_release(act.key(), release, failed);
    insist(&act.task.id, "that its release failed", record).await;
}

/// Records a release and makes its directories.
///
/// # Errors
/// When it cannot be recorded or made; it never serves then.
pub(super) async fn make(act: &Act, built: Built) -> Result<ReleaseRecord, Failure> {
    let began = Instant::now();
    act.step(Step::Release, async {
        let highest = tokio::task::block_in_place(|| numbers::highest(&act.world.paths, act.key()))
            .map_err(|error| Failure::host("cannot look at the releases", &error))?;
        let record = ReleaseRecord {
            number: highest + 1,
            state: ReleaseState::Making,
            slug: built.slug.to_string(),
            commit: built.commit,
            subject: act.task.commit.subject.clone(),
            application: built.application,
            variables: built.given,
            activity: act.task.id.clone(),
            created: now(),
        };
        let record = act.world.recorder.make_release(act.key(), record).await?;
        if let Err(failure) = tokio::task::block_in_place(|| make_directories(act, &record)) {
            give_up(act, record.number).await;
            return Err(failure);
        }
        let text = match record.application.mounts.len() {
            0 => format!("r{}", record.number),
            1 => format!("r{}, 1 mount", record.number),
            mounts => format!("r{}, {mounts} mounts", record.number),
        };
        act.did("release", text, began);
        say_full(act, &record);
        Ok(record)
    })
    .await
}

/// Says which mounts hold more than they may: what is deployed may be what makes room.
fn say_full(act: &Act, release: &ReleaseRecord) {
    let paths = &act.world.paths;
    let place = |path: &_| paths.mount(&act.project.name, &act.key().id, path);
    let over = || mount::over(&release.application, A_LOOK, place);
    for text in tokio::task::block_in_place(over) {
        act.log.event(Event::Warning { text });
    }
}

/// The release's directory, with its record for an operator's eyes, and its mounts.
fn make_directories(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    let disk_failure = |error: disk::DiskError| Failure::host("cannot make the release", &error);
    let paths = &act.world.paths;
    let directory = paths.release(&act.project.name, &act.key().id, release.number);
    disk::make_directory(&directory).map_err(disk_failure)?;
    assets::make_directories(act, release)?;
    let slug = paths.slugs().join(&release.slug);
    let mounts = paths.mounts(&act.project.name, &act.key().id);
    if !release.application.mounts.is_empty() && !mounts.exists() {
        disk::make_directory(&mounts).map_err(disk_failure)?;
        disk::count_apart(&mounts);
    }
    for path in release.application.mounts.keys() {
        let mount = paths.mount(&act.project.name, &act.key().id, path);
        if mount.exists() {
            continue;
        }
        // As the freeze made the mount point, so the mount: a file or a directory.
        if slug.join(path.as_path()).is_file() {
            disk::make_directory(mount.parent().expect("below the mounts"))
                .and_then(|()| disk::atomic_write(&mount, b"", 0o644))
                .map_err(disk_failure)?;
        } else {
            disk::make_directory(&mount).map_err(disk_failure)?;
        }
    }
    let record = serde_json::json!({
        "release": release.number,
        "commit": release.commit,
        "slug": release.slug,
        "activity": release.activity,
        "created": release.created,
    });
    let bytes = serde_json::to_vec_pretty(&record).expect("plain data");
    disk::atomic_write(&directory.join("release.json"), &bytes, 0o600)
        .map_err(|error| Failure::host("cannot make the release", &error))
}

/// The environment by the name under which it has a user on the host.
pub(super) fn account(act: &Act) -> JobId {
    let name = format!("{}.{}", act.project.name, act.key().id);
    JobId::parse(&name).expect("both names are such")
}

/// Whom an activity's commands and processes run for.
pub(super) fn label(act: &Act) -> Label {
    let id = |name: &str| JobId::parse(name).expect("both names are such");
    Label {
        project: id(act.project.name.as_str()),
        environment: id(act.key().id.as_str()),
    }
}

/// What the release's commands and processes see: the slug, read-only, with its mounts over it.
///
/// # Errors
/// That its slug is gone, or its variables cannot be told.
pub(super) async fn sandbox(act: &Act, release: &ReleaseRecord) -> Result<Sandbox, Failure> {
    let slug = SlugKey::parse(&release.slug)
        .map_err(|error| Failure::host("a release without a slug", &error))?;
    let paths = &act.world.paths;
    let directory = paths.slugs().join(slug.as_str());
    if !directory.is_dir() {
        return Err(
            Failure::new("slug-missing", format!("slug {} is gone", slug.short())).hint(format!(
                "build it anew: wharf redeploy --rebuild -e {}",
                act.key().id
            )),
        );
    }
    let mut sandbox = Sandbox::new(directory, Access::Read);
    sandbox.user = User::Environment(account(act));
    sandbox.label = Some(label(act));
    sandbox.binds.extend(assets::binds(act, release));
    for path in release.application.mounts.keys() {
        sandbox.binds.push(Bind {
            source: paths.mount(&act.project.name, &act.key().id, path),
            target: PathBuf::from(APP).join(path.as_path()),
            access: Access::Write,
        });
    }
    sandbox.network = match release.application.network {
        application::Network::Shared => Network::Shared,
        application::Network::Private => Network::None,
    };
    let variables = variables::for_release(act, release).await?;
    sandbox.environment.extend(variables);
    services::relate(act, &release.application, &mut sandbox).await?;
    Ok(sandbox)
}

/// The directory of static files in the slug, every link in its path resolved: one that leads out
/// of the slug would publish the host's files.
///
/// # Errors
/// That it is not there, or leads out of the slug.
pub(super) fn public(
    act: &Act,
    application: &Application,
    slug: &str,
) -> Result<Option<PathBuf>, Failure> {
    let Some(public) = &application.public else {
        return Ok(None);
    };
    if assets::holds_public(application) {
        // Made in the deploy.
        return Ok(None);
    }
    let slug = act.world.paths.slugs().join(slug);
    let directory = inside(&slug, public.as_path()).filter(|directory| directory.is_dir());
    directory.map(Some).ok_or_else(|| {
        Failure::new(
            "public-missing",
            format!("public = \"{public}\" is no directory of the build's result"),
        )
        .hint("does the build make it there? links must not lead out of the tree")
    })
}

/// A path below a directory, every link in it resolved; none where it leads out.
pub(super) fn inside(directory: &Path, path: &Path) -> Option<PathBuf> {
    tokio::task::block_in_place(|| {
        let top = directory.canonicalize().ok()?;
        let found = top.join(path).canonicalize().ok()?;
        found.starts_with(&top).then_some(found)
    })
}
