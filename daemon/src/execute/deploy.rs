//! The deploy stage: release, deploy commands, processes beside the old ones, switch, drain.
//!
//! In one paragraph: the release is recorded; its deploy commands run; its processes start beside
//! the old ones and must be healthy; the route is written, which is the commit point; the old
//! processes are drained and stopped; late commands run. Until the route is written every failure
//! leaves the old release serving.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wharf_config::application::{Application, Step};
use wharf_wire::event::{Event, Stage};

use super::activity::Act;
use super::build::Built;
use super::command::{self, Command};
use super::failure::Failure;
use super::launch::{self, Launched};
use super::route::{self, Target};
use super::slug_key::SlugKey;
use super::{retire, variables};
use crate::disk;
use crate::plan::recovery::DEPLOY_COMMAND;
use crate::run::sandbox::{APP, Access, Bind, Sandbox};
use crate::store::now;
use crate::store::process::ProcessRecord;
use crate::store::release::{ReleaseRecord, ReleaseState};

/// The longest that a deploy command may take.
const COMMAND_TIME: Duration = Duration::from_secs(3600);

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
            let state = ReleaseState::Failed;
            act.world
                .recorder
                .set_release(act.key(), number, state)
                .await?;
            return Err(failure);
        }
    }
    after(act, &release).await;
    retire::prune(act).await;
    Ok(number)
}

/// Makes an earlier release serve again; returns its number.
///
/// # Errors
/// What its user should read; what served before serves on.
pub async fn roll_back(act: &Act) -> Result<Option<u32>, Failure> {
    let number = act
        .task
        .release
        .expect("a rollback is recorded with its target");
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
    let old_upstream = route::read(&act.world.paths, act.key()).and_then(|route| route.upstream);
    let launched = launch::launch(act, &release.application, release.number, &sandbox).await?;
    target.upstream = launched.upstream.clone();
    let progress = route::Progress::default();
    let switch = route::switch(act, target, &progress);
    if let Err(failure) = act.step(Stage::Deploy, "route", switch).await {
        if !progress.is_committed() {
            launch::stop(act, &launched.processes, launch::GRACE).await?;
            return Err(failure);
        }
        // It serves. The next daemon takes the record from the table.
        tracing::error!(error = failure.reason.message, "the switch is not recorded");
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
    if progress.is_followed() {
        retire::drain_and_stop(act, old, old_upstream, &launched).await;
    } else {
        // Requests may still go to the old processes; the next deployment ends them.
        let text = "the router does not answer: the old release may be seen until it does";
        act.log.event(Event::Warning { text: text.into() });
    }
    Ok(())
}

async fn make_release(act: &Act, built: Built) -> Result<ReleaseRecord, Failure> {
    let began = Instant::now();
    act.step(Stage::Deploy, "release", async {
        let record = ReleaseRecord {
            number: 0,
            state: ReleaseState::Making,
            slug: built.slug.to_string(),
            commit: built.commit,
            subject: act.task.commit.subject.clone(),
            application: built.application,
            activity: act.task.id.clone(),
            created: now(),
        };
        let record = act.world.recorder.make_release(act.key(), record).await?;
        tokio::task::block_in_place(|| make_directories(act, &record))?;
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
    let disk_failure = |error: std::io::Error| Failure::host("cannot make the release", &error);
    let paths = &act.world.paths;
    let directory = paths.release(&act.project.name, &act.key().id, release.number);
    std::fs::create_dir_all(&directory).map_err(disk_failure)?;
    let slug = paths.slugs().join(&release.slug);
    for path in release.application.mounts.keys() {
        let mount = paths.mount(&act.project.name, &act.key().id, path);
        if mount.exists() {
            continue;
        }
        // As the freeze made the mount point, so the mount: a file or a directory.
        if slug.join(path.as_path()).is_file() {
            std::fs::create_dir_all(mount.parent().expect("below the mounts"))
                .and_then(|()| std::fs::File::create_new(&mount).map(drop))
                .map_err(disk_failure)?;
        } else {
            std::fs::create_dir_all(&mount).map_err(disk_failure)?;
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
    let variables =
        variables::for_release(act, &release.application, release.number, &release.commit);
    sandbox.environment.extend(variables.await?);
    Ok(sandbox)
}

async fn run_commands(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
) -> Result<(), Failure> {
    let steps = &release.application.deploy.run;
    for (index, step) in steps.iter().enumerate() {
        let number = index + 1;
        act.touched.store(true, Ordering::Relaxed);
        let failed = format!("deploy failed in command {number} of {}", steps.len());
        let step_name = format!("{DEPLOY_COMMAND}{number}");
        let stage = Stage::Deploy;
        let command = command_of(
            act,
            stage,
            "deploy",
            step_name,
            step,
            sandbox.clone(),
            failed,
        );
        command::run(act, command).await?;
    }
    Ok(())
}

/// The late commands: the site already serves, so their failure is a warning.
async fn after(act: &Act, release: &ReleaseRecord) {
    let steps = &release.application.deploy.after;
    if steps.is_empty() {
        return;
    }
    let done = async {
        let sandbox = sandbox(act, release).await?;
        for (index, step) in steps.iter().enumerate() {
            let number = index + 1;
            let failed = format!("late command {number} of {} failed", steps.len());
            let step_name = format!("after {number}");
            let stage = Stage::PostDeploy;
            let command = command_of(
                act,
                stage,
                "after",
                step_name,
                step,
                sandbox.clone(),
                failed,
            );
            command::run(act, command).await?;
        }
        Ok::<_, Failure>(())
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

fn command_of<'a>(
    act: &Act,
    stage: Stage,
    label: &'a str,
    step_name: String,
    step: &'a Step,
    sandbox: Sandbox,
    failed: String,
) -> Command<'a> {
    Command {
        stage,
        label,
        step: step_name,
        name: &step.name,
        text: &step.run,
        sandbox,
        time: COMMAND_TIME,
        output: act.settings.host.build_output,
        failed,
        code: "deploy-failed",
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
fn public(act: &Act, application: &Application, slug: &str) -> Result<Option<PathBuf>, Failure> {
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
    let mut missing = release.application.clone();
    for record in present {
        missing
            .workers
            .retain(|name, _| name.as_str() != record.name);
        if record.name == launch::WEB {
            missing.web = None;
        }
    }
    let launched = launch::launch(act, &missing, release.number, &sandbox).await?;
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
    if missing.web.is_some() {
        target.upstream = launched.upstream.clone();
        route::write(act, target).await?;
        route::confirm(act)
            .await
            .map_err(|error| Failure::host("the router does not follow", &error))?;
    }
    Ok(launched)
}
