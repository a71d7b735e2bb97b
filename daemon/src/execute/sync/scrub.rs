//! What is done to data that came down before anybody can reach it: the project's own command, in a sandbox that
//! has the copy and nothing else.
//!
//! Its code is what serves where the data is from: a branch must not be able to change what scrubs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_config::application::{Application, At};
use wharf_config::name::ProcessName;
use wharf_config::project::Sanitize;

use super::Source;
use crate::disk;
use crate::execute::activity::Act;
use crate::execute::arrival::{mounts_in, services_in};
use crate::execute::bound::Bound;
use crate::execute::command::{self, Command};
use crate::execute::failure::Failure;
use crate::execute::release;
use crate::execute::services::copy::Came;
use crate::execute::services::rows;
use crate::fail;
use crate::plan::services::rows::Rows;
use crate::plan::step::Step;
use crate::run::sandbox::{APP, Access, Bind, Network, Sandbox};
use crate::store::paths::Paths;

/// Scrubs what came, where the project's file says how, and says how many rows there are before and after.
///
/// # Errors
/// That it failed: nothing of what came may be used.
pub(in crate::execute) async fn scrub(
    act: &Act,
    from: &Source,
    application: &Application,
    arriving: &Path,
) -> Result<(), Failure> {
    let came = Came::of(act, application, &services_in(arriving)).await?;
    let Sanitize::Command(text) = &act.project.sanitize else {
        if came.is_empty() {
            return Ok(());
        }
        let count = async |sockets: &Path| rows::count(act, &came, sockets, "count").await;
        say(act, &came.served(act, count).await?, None);
        return Ok(());
    };
    let scratch = arriving.join("scratch");
    let work = async |sockets: &Path| {
        let before = rows::count(act, &came, sockets, "count").await?;
        let mut sandbox = sandbox(act, from, arriving, &scratch)?;
        if !came.is_empty() {
            came.relate(act, sockets, &mut sandbox).await?;
        }
        fail::point(format_args!("sync: scrubbing"));
        run(act, from, text, sandbox).await?;
        let after = rows::count(act, &came, sockets, "count-again").await?;
        say(act, &before, Some(&after));
        Ok(())
    };
    came.served(act, work).await?;
    tokio::task::block_in_place(|| disk::remove_tree(&scratch))
        .map_err(|error| Failure::host("cannot remove a directory", &error))
}

fn say(
    act: &Act,
    before: &BTreeMap<ProcessName, Rows>,
    after: Option<&BTreeMap<ProcessName, Rows>>,
) {
    for (name, rows) in before {
        let Some(after) = after else {
            act.log.note(format!("{name}: {}", rows.said()));
            continue;
        };
        let nothing = Rows::default();
        let after = after.get(name).unwrap_or(&nothing);
        let changed = match rows.changed(after) {
            changed if changed.is_empty() => "as many in each as before".to_owned(),
            changed => changed,
        };
        let (before, after) = (rows.said(), after.said());
        act.log
            .note(format!("{name}: {before} before, {after} after: {changed}"));
    }
}

/// What the command sees: the code that serves where the data is from, the copy, no network, and none of that
/// environment's variables.
fn sandbox(act: &Act, from: &Source, arriving: &Path, scratch: &Path) -> Result<Sandbox, Failure> {
    let slug = act.world.paths.slugs().join(&from.release.slug);
    if !slug.is_dir() {
        let message = format!(
            "the code of r{} of {} is gone",
            from.release.number,
            from.name()
        );
        return Err(Failure::new("slug-missing", message).hint(format!(
            "build it anew: wharf redeploy --rebuild -e {}",
            from.name()
        )));
    }
    let mut sandbox = Sandbox::new(slug.clone(), Access::Read);
    sandbox.user = crate::run::sandbox::User::Environment(release::account(act));
    sandbox.label = Some(release::label(act));
    sandbox.network = Network::None;
    let mut place = |source: PathBuf, path: &Path| {
        sandbox.binds.push(Bind {
            source,
            target: PathBuf::from(APP).join(path),
            access: Access::Write,
        });
    };
    for path in from.release.application.mounts.keys() {
        let name = Paths::mount_name(path);
        let came = mounts_in(arriving).join(&name);
        if came.exists() {
            place(came, path.as_path());
            continue;
        }
        // It may write there, and nothing of it stays.
        let empty = scratch.join(&name);
        let made = match slug.join(path.as_path()).is_file() {
            true => {
                disk::make_directory(scratch).and_then(|()| disk::atomic_write(&empty, b"", 0o644))
            }
            false => disk::make_directory(&empty),
        };
        made.map_err(|error| Failure::host("cannot make a directory", &error))?;
        place(empty, path.as_path());
    }
    for (name, value) in [
        ("WHARF_PROJECT", act.project.name.to_string()),
        ("WHARF_ENVIRONMENT", act.key().id.to_string()),
        (
            "WHARF_ENVIRONMENT_TYPE",
            act.environment.kind.as_str().to_owned(),
        ),
    ] {
        sandbox.environment.insert(name.to_owned(), value);
    }
    Ok(sandbox)
}

async fn run(act: &Act, from: &Source, text: &str, sandbox: Sandbox) -> Result<(), Failure> {
    let bound = Bound::of_deploy(&act.settings.host.deploy);
    let name = text.lines().next().unwrap_or(text);
    let command = Command {
        label: "sanitize",
        step: Step::Fetch,
        name,
        text,
        at: &At::Nowhere,
        sandbox,
        bound: &bound,
        failed: format!("the data of {} is not scrubbed", from.name()),
    };
    let done = command::execute(act, &command).await;
    done.map_err(|failure| {
        if failure.cancelled || failure.reason.code != bound.code() {
            return failure;
        }
        let hint = failure.reason.hint.unwrap_or_default();
        Failure {
            details: failure.details,
            exit_code: failure.exit_code,
            ..Failure::new("sanitize-failed", failure.reason.message)
        }
        .hint(format!("nothing of it arrived; the command is the one in the project's file: [data] sanitize; {hint}"))
    })
}
