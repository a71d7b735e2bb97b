//! The deploy stage: release, deploy commands, processes beside the old ones, switch, drain.
//!
//! In one paragraph: the release is recorded; its deploy commands run; its processes start beside
//! the old ones and must be healthy; the route is written, which is the commit point; late commands
//! run; the old processes are drained and stopped when all that is said. Until the route is written every failure
//! leaves the old release serving.

use std::path::PathBuf;
use std::time::Instant;

use wharf_config::application::{self, Application};
use wharf_wire::event::Event;

use super::activity::Act;
use super::bound::Bound;
use super::build::Built;
use super::command::{self, Command};
use super::failure::Failure;
use super::launch::{self, Launched};
use super::replaced::Replaced;
use super::resume::makes;
use super::route::{self, Target};
use super::slug_key::SlugKey;
use super::{housekeeping, mirror, numbers, retire, variables};
use crate::disk;
use crate::plan::step::Step;
use crate::run::sandbox::{APP, Access, Bind, Sandbox};
use crate::store::insist::insist;
use crate::store::now;
use crate::store::process::ProcessRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// Makes a slug serve as a new release; returns its number.
///
/// # Errors
/// What the pusher should read; what served before serves on.
pub async fn deploy(act: &Act, built: Built) -> Result<u32, Failure> {
    let release = make_release(act, built).await?;
    let number = release.number;
    match serve(act, &release, CommandUse::Run).await {
        Ok(()) => {}
        Err(failure) => {
            give_up(act, number).await;
            return Err(failure);
        }
    }
    mirror::follow(act, &release.commit).await;
    after(act, &release).await;
    housekeeping::after(act).await;
    Ok(number)
}

/// Does what comes after the commit point of a deployment that the last daemon did not end; returns
/// what serves.
pub async fn finish(act: &Act) -> Option<u32> {
    let (key, recorder, id) = (act.key(), &act.world.recorder, act.task.id.as_str());
    let number = act.task.release.expect("routed only with a release");
    // It serves: nothing may say otherwise for want of the store.
    let ready = || recorder.set_release(key, number, ReleaseState::Ready);
    insist(id, "its release", ready).await;
    let live = || recorder.set_live(key, Some(number));
    insist(id, "what is live", live).await;
    let mut processes = insist(id, "its processes", || recorder.processes_of(key)).await;
    processes.retain(|process| process.release == number);
    launch::confirm(&act.world, &processes).await;
    let release = insist(id, "its release", || recorder.release(key, number)).await;
    if let Some(release) = &release {
        mirror::follow(act, &release.commit).await;
    }
    if let Some(release) = release.filter(|_| makes(act.task.kind)) {
        after(act, &release).await;
        housekeeping::after(act).await;
    }
    Some(number)
}

/// Makes an earlier release serve again; returns its number.
///
/// # Errors
/// What its user should read; what served before serves on.
pub async fn roll_back(act: &Act) -> Result<Option<u32>, Failure> {
    let number = act
        .task
        .release
        .expect("what goes back is recorded with its target");
    let release = act.world.recorder.release(act.key(), number).await?;
    let release = release.filter(|release| release.state == ReleaseState::Ready);
    let release = release.ok_or_else(|| {
        Failure::new("no-release", format!("r{number} cannot serve again"))
            .hint("see which can: wharf releases")
    })?;
    let commit = release.commit.get(..8).unwrap_or(&release.commit);
    act.did(
        "release",
        format!("r{number} again, commit {commit}"),
        Instant::now(),
    );
    serve(act, &release, CommandUse::Skip).await?;
    mirror::follow(act, &release.commit).await;
    Ok(Some(number))
}

/// Whether deploy commands run: not at a rollback, since data is not touched by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandUse {
    Run,
    Skip,
}

async fn serve(act: &Act, release: &ReleaseRecord, commands: CommandUse) -> Result<(), Failure> {
    let mut target = target(act, release)?;
    let sandbox = sandbox(act, release).await?;
    if commands == CommandUse::Run {
        run_commands(act, release, &sandbox).await?;
    }
    let old = retire::processes(act).await?;
    let route = route::read(&act.world.paths, act.key());
    let launched = launch::launch(act, release, &sandbox, &old).await?;
    target.upstream = launched.upstream.clone();
    let progress = route::Progress::default();
    let switch = route::switch(act, target, &progress);
    if let Err(failure) = act.step(Step::Route, switch).await {
        launch::stop(act, &launched.processes).await;
        return Err(failure);
    }
    // Past the commit point: nothing below may fail the activity.
    for process in &launched.processes {
        if process.record.name != launch::WEB
            && let Err(error) = process.keeper.confirm().await
        {
            tracing::warn!(
                error = super::failure::chain(&error),
                "worker not confirmed"
            );
        }
    }
    if !progress.is_followed() {
        // Requests may still go to the old processes; the next deployment ends them.
        let text = "the router does not answer: the old release may be seen until it does";
        act.log.event(Event::Warning { text: text.into() });
        return Ok(());
    }
    match Replaced::by(act, release.number, &launched, old, route).await {
        Ok(replaced) => act.replaces(replaced),
        Err(failure) => tracing::warn!(error = failure.reason.message, "old processes stay"),
    }
    Ok(())
}

/// Records that a release will never serve.
async fn give_up(act: &Act, release: u32) {
    let (recorder, failed) = (&act.world.recorder, ReleaseState::Failed);
    let record = || recorder.set_release(act.key(), release, failed);
    insist(&act.task.id, "that its release failed", record).await;
}

async fn make_release(act: &Act, built: Built) -> Result<ReleaseRecord, Failure> {
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
        Ok(record)
    })
    .await
}

/// The release's directory, with its record for an operator's eyes, and its mounts.
fn make_directories(act: &Act, release: &ReleaseRecord) -> Result<(), Failure> {
    let disk_failure = |error: disk::DiskError| Failure::host("cannot make the release", &error);
    let paths = &act.world.paths;
    let directory = paths.release(&act.project.name, &act.key().id, release.number);
    disk::make_directory(&directory).map_err(disk_failure)?;
    let slug = paths.slugs().join(&release.slug);
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

/// What the release's commands and processes see: the slug, read-only, with its mounts over it.
async fn sandbox(act: &Act, release: &ReleaseRecord) -> Result<Sandbox, Failure> {
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
    for path in release.application.mounts.keys() {
        sandbox.binds.push(Bind {
            source: paths.mount(&act.project.name, &act.key().id, path),
            target: PathBuf::from(APP).join(path.as_path()),
            access: Access::Write,
        });
    }
    sandbox
        .environment
        .extend(variables::for_release(act, release).await?);
    Ok(sandbox)
}

async fn run_commands(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
) -> Result<(), Failure> {
    let steps = &release.application.deploy.run;
    let bound = Bound::of_deploy(&act.settings.host.deploy);
    for (index, step) in steps.iter().enumerate() {
        let number = number(index);
        let failed = format!("deploy failed in command {number} of {}", steps.len());
        let record = Step::Command(number);
        let command = command_of("deploy", record, step, sandbox.clone(), &bound, failed);
        command::run(act, command).await?;
    }
    keep_what_they_wrote(act, steps.len()).await
}

/// Makes durable what commands wrote into the mounts: they do not run again for this release, so a
/// power cut may not take it back once the release serves.
async fn keep_what_they_wrote(act: &Act, commands: usize) -> Result<(), Failure> {
    if commands == 0 {
        return Ok(());
    }
    let state = act.world.paths.state();
    let syncing = tokio::task::spawn_blocking(move || disk::sync_filesystem(&state));
    // It also waits for what others write, and cannot be told to stop.
    let synced = tokio::select! {
        synced = syncing => synced,
        () = act.cancel.cancelled() => return Err(Failure::cancelled()),
    };
    synced
        .expect("syncing does not panic")
        .map_err(|error| Failure::host("what the commands wrote may not last", &error))
}

/// The late commands that have not begun yet: the site already serves, so their failure is a
/// warning.
async fn after(act: &Act, release: &ReleaseRecord) {
    let steps = &release.application.deploy.after;
    let begun = act.late_commands();
    let left = steps.iter().enumerate().skip(begun as usize);
    if left.len() == 0 {
        return;
    }
    let bound = Bound::of_deploy(&act.settings.host.deploy);
    let done = async {
        let sandbox = sandbox(act, release).await?;
        for (index, step) in left {
            let number = number(index);
            let failed = format!("late command {number} of {} failed", steps.len());
            let record = Step::After(number);
            let command = command_of("after", record, step, sandbox.clone(), &bound, failed);
            command::run(act, command).await?;
        }
        keep_what_they_wrote(act, steps.len()).await
    };
    if let Err(failure) = done.await {
        let text = format!(
            "{}; the release serves all the same",
            failure.reason.message
        );
        act.log.event(Event::Warning { text });
        for line in failure.details {
            act.log.event(Event::Output {
                text: line.trim_start_matches(crate::report::TOOL).to_owned(),
            });
        }
    }
}

/// A step's number in the record.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("configuration is bounded")
}

fn command_of<'a>(
    label: &'a str,
    record: Step,
    step: &'a application::Step,
    sandbox: Sandbox,
    bound: &'a Bound,
    failed: String,
) -> Command<'a> {
    Command {
        label,
        step: record,
        name: &step.name,
        text: &step.run,
        sandbox,
        bound,
        failed,
    }
}

/// Where requests go once this release serves.
///
/// # Errors
/// That its directory of static files is not there, or leads out of the slug.
fn target(act: &Act, release: &ReleaseRecord) -> Result<Target, Failure> {
    Ok(Target {
        release: release.number,
        public: public(act, &release.application, &release.slug)?,
        upstream: None,
    })
}

/// The directory of static files in the slug, every link in its path resolved: one that leads out
/// of the slug would publish the host's files.
///
/// # Errors
/// That it is not there, or leads out of the slug.
pub fn public(
    act: &Act,
    application: &Application,
    slug: &str,
) -> Result<Option<PathBuf>, Failure> {
    let Some(public) = &application.public else {
        return Ok(None);
    };
    let slug = act.world.paths.slugs().join(slug);
    let found = tokio::task::block_in_place(|| {
        let slug = slug.canonicalize()?;
        let public = slug.join(public.as_path()).canonicalize()?;
        Ok::<_, std::io::Error>((public.starts_with(&slug) && public.is_dir()).then_some(public))
    });
    match found {
        Ok(Some(directory)) => Ok(Some(directory)),
        Ok(None) | Err(_) => Err(Failure::new(
            "public-missing",
            format!("public = \"{public}\" is no directory of the build's result"),
        )
        .hint("does the build make it there? links must not lead out of the tree")),
    }
}

/// Starts those of the live release's processes again that are not there; it is routed once it is
/// healthy.
///
/// # Errors
/// Why it does not serve.
pub async fn restore(
    act: &Act,
    release: &ReleaseRecord,
    present: &[ProcessRecord],
) -> Result<Launched, Failure> {
    let mut target = target(act, release)?;
    let sandbox = sandbox(act, release).await?;
    let mut missing = release.clone();
    for record in present {
        let application = &mut missing.application;
        application
            .workers
            .retain(|name, _| name.as_str() != record.name);
        if record.name == launch::WEB {
            application.web = None;
        }
    }
    let launched = launch::launch(act, &missing, &sandbox, &[]).await?;
    for process in &launched.processes {
        if process.record.name != launch::WEB {
            process
                .keeper
                .confirm()
                .await
                .map_err(|error| Failure::host("a worker's keeper went away", &error))?;
        }
    }
    // A web process that lived on is routed as it was.
    let routed = route::read(&act.world.paths, act.key());
    let routed = routed.is_some_and(|route| route.release == release.number);
    if missing.application.web.is_some() || !routed {
        target.upstream = launched.upstream.clone();
        route::write(act, target).await?;
        route::confirm(act)
            .await
            .map_err(|error| Failure::host("the router does not follow", &error))?;
    }
    Ok(launched)
}
