//! Patches that are applied to the tree before or between the build's commands, by git itself.
//!
//! git runs in the sandbox of a build step: what is in a patch is a stranger's. It refuses by itself
//! what leads out of the directory, through a link or into `.git`.

mod conflict;
mod find;
mod target;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::{Duration, Instant};

use wharf_config::application::Build;
use wharf_wire::event::Event;

pub use self::find::{Found, Patch, find};

use super::activity::Act;
use super::bound::Bound;
use super::command::{Quiet, quietly};
use super::failure::Failure;
use super::release::label;
use super::repository;
use crate::disk;
use crate::plan::step::Step;
use crate::run::runner::Exit;
use crate::run::sandbox::{Access, Bind, Network, PATCHES, Sandbox};

/// Applies one patch, or none of it.
const APPLY: &str = "exec git apply --whitespace=nowarn \"$PATCH\"";
/// Ends well where it is applied already.
const CHECK: &str = "exec git apply --whitespace=nowarn --reverse --check \"$PATCH\"";
/// The longest that one patch may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of git's words that are read.
const SAID: usize = 64 * 1024;
/// Bytes of the largest file that a patch may make.
const LARGEST: u64 = 256 << 20;

/// What is applied, as the key of a slug has it.
pub fn ingredients(build: &Build, found: &Found) -> Vec<String> {
    // By its place: two steps may have changed their names.
    let after = Some(place(build)).filter(|place| *place > 0 && !found.patches.is_empty());
    let patches = found.patches.iter();
    after
        .map(|place| format!("after step {place}"))
        .into_iter()
        .chain(patches.map(|patch| format!("{} {}", patch.path, patch.id)))
        .collect()
}

/// After so many groups of commands they are applied.
pub fn place(build: &Build) -> usize {
    let Some(after) = &build.patches.after else {
        return 0;
    };
    let at = build
        .groups()
        .position(|group| group.iter().any(|step| step.name == *after));
    at.map_or(0, |at| at + 1)
}

/// Says what is there and is not applied.
pub fn say_left(act: &Act, found: &Found) {
    for text in &found.left {
        act.log.event(Event::StepStarted {
            label: "patches".into(),
            text: text.clone(),
        });
    }
    for pattern in &found.unmatched {
        act.log.event(Event::Warning {
            text: format!("build.patches: no file of the tree is like {pattern}"),
        });
    }
}

/// Applies all patches in order, as one recorded step.
///
/// # Errors
/// The first that does not apply: then nothing goes on with the directory.
pub async fn apply(
    act: &Act,
    bound: &Bound,
    build: &Build,
    found: &Found,
    work: &Path,
) -> Result<(), Failure> {
    let after = u32::try_from(place(build)).expect("configuration is bounded");
    act.step(Step::Patch(after), all(act, bound, build, found, work))
        .await
}

async fn all(
    act: &Act,
    bound: &Bound,
    build: &Build,
    found: &Found,
    work: &Path,
) -> Result<(), Failure> {
    let began = Instant::now();
    let directory = act.world.paths.patches(&act.task.id);
    let mut sandbox = sandbox(work, &directory);
    sandbox.label = Some(label(act));
    let (mut applied, mut there) = (0, 0);
    for (at, patch) in found.patches.iter().enumerate() {
        let name = write(act, bound, patch, &directory, at).await?;
        let job = Job {
            bound,
            sandbox: &sandbox,
            name: &name,
            number: at + 1,
        };
        let said = match job.git(act, APPLY).await? {
            Ok(()) => {
                applied += 1;
                say(act, patch, "applied");
                continue;
            }
            Err(said) => said,
        };
        if job.git(act, CHECK).await?.is_ok() {
            there += 1;
            say(act, patch, "already there");
            continue;
        }
        return Err(conflict(act, build, patch, work, &said).await);
    }
    tokio::task::block_in_place(|| disk::remove_tree(&directory))
        .map_err(|error| Failure::host("cannot remove the patches", &error))?;
    let there = match there {
        0 => String::new(),
        there => format!(", {there} already there"),
    };
    act.did("patches", format!("{applied} applied{there}"), began);
    Ok(())
}

fn say(act: &Act, patch: &Patch, what: &str) {
    let text = format!("{}: {what}", target::shown(&patch.path));
    act.log.event(Event::Output { text });
}

/// Writes a patch as it is in the commit: an earlier command may have changed the one in the tree.
async fn write(
    act: &Act,
    bound: &Bound,
    patch: &Patch,
    directory: &Path,
    at: usize,
) -> Result<String, Failure> {
    let name = format!("{:04}.patch", at + 1);
    let (repository, id) = (act.project.repository.clone(), patch.id.clone());
    let path = directory.join(&name);
    act.blocking("the patches", bound, move |_| {
        let blob = repository::blob(&repository, &id)
            .map_err(|error| Failure::host("cannot read a patch", &error))?;
        let directory = path.parent().expect("it has one");
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&path, blob))
            .map_err(|error| Failure::host("cannot write a patch", &error))
    })
    .await?;
    Ok(name)
}

/// The directory that is built and the patches, nothing of the host's or a user's configuration, no
/// repository and no network.
fn sandbox(work: &Path, patches: &Path) -> Sandbox {
    let mut sandbox = Sandbox::new(work.to_owned(), Access::Write);
    sandbox.binds.push(Bind {
        source: patches.to_owned(),
        target: PATCHES.into(),
        access: Access::Read,
    });
    sandbox.network = Network::None;
    sandbox.limits.file_bytes = Some(LARGEST);
    for (name, value) in [
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        // A build may make a repository at its top, whose configuration would count.
        ("GIT_DIR", "/nonexistent"),
        ("LC_ALL", "C"),
        // Not the tree's own programs.
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ] {
        sandbox.environment.insert(name.into(), value.into());
    }
    sandbox
}

struct Job<'a> {
    bound: &'a Bound,
    sandbox: &'a Sandbox,
    name: &'a str,
    number: usize,
}

impl Job<'_> {
    /// Asks git for one thing; what it said where it says no.
    async fn git(&self, act: &Act, text: &str) -> Result<Result<(), String>, Failure> {
        let mut sandbox = self.sandbox.clone();
        let path = format!("{PATCHES}/{}", self.name);
        sandbox.environment.insert("PATCH".into(), path);
        let quiet = Quiet {
            arguments: Vec::new(),
            words: &format!("patch-{}", self.number),
            text,
            sandbox,
            limit: self.bound.left().min(PATIENCE),
            most: SAID,
        };
        let (exit, said) = quietly(act, quiet).await?;
        match exit {
            Exit::Code(0) => Ok(Ok(())),
            Exit::Code(127) => Err(Failure::new("host", "git is not below /usr on this host")
                .hint("this is the host's trouble: ask its operator to install git there")),
            Exit::Code(_) => Ok(Err(String::from_utf8_lossy(&said).into_owned())),
            Exit::Lost => Err(Failure::new(
                "host",
                "a patch was being applied, and how that ended is not known",
            )
            .hint("try again: wharf redeploy")),
            Exit::TimedOut(_) if self.bound.left().is_zero() => {
                let [why, hint] = self.bound.late();
                Err(Failure::new(self.bound.code(), why).hint(hint))
            }
            _ => Ok(Err(
                "it took too much time or room, and was stopped".to_owned()
            )),
        }
    }
}

/// Why a patch does not apply, as its author should read it.
async fn conflict(act: &Act, build: &Build, patch: &Patch, work: &Path, said: &str) -> Failure {
    let (repository, id) = (act.project.repository.clone(), patch.id.clone());
    let (work, said) = (work.to_owned(), said.to_owned());
    let path = patch.path.clone();
    let hint_step = build.patches.after.is_none().then(|| likely_step(build));
    let explained = tokio::task::spawn_blocking(move || {
        let blob = repository::blob(&repository, &id).unwrap_or_default();
        conflict::explain(&path, &blob, &work, &said, hint_step.flatten())
    });
    match explained.await {
        Ok(failure) => failure,
        Err(error) => Failure::host("cannot look at the patch", &error),
    }
}

/// The step that most likely makes what a patch is for: the first that installs something.
fn likely_step(build: &Build) -> Option<String> {
    let installs = |name: &str| {
        ["install", "npm ci", "update", "vendor"]
            .iter()
            .any(|word| name.contains(word))
    };
    let steps = &build.steps;
    let step = steps.iter().find(|step| installs(&step.name));
    Some(step.or(steps.first())?.name.clone())
}
