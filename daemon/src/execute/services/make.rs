//! What a service holds, made where it has nothing yet.

use std::path::Path;
use std::time::Duration;

use super::{One, command, external};
use crate::disk::{self, DiskError};
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::ready::last_lines;
use crate::fail;

/// How long making it may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Makes what a service holds, unless it is there; the service with it.
///
/// # Errors
/// What its command printed, or the disk's.
pub(super) async fn make<'a>(act: &Act, one: One<'a>) -> Result<One<'a>, Failure> {
    let (project, id) = (&act.project.name, &act.key().id);
    let place = act.world.paths.service(project, id, one.name);
    if place.exists() {
        external::renew(act, &one).await?;
        return Ok(one);
    }
    let making = act.world.paths.making_service(project, id, one.name);
    let top = act.world.paths.mounts(project, id);
    let counted = tokio::task::block_in_place(|| count_apart(&top));
    counted.map_err(|error| failed(&error))?;
    let one = fresh(act, one, &making).await?;
    tokio::task::block_in_place(|| {
        // Else the name could outlive a power cut, and what is below it not.
        disk::sync_filesystem(&making)?;
        fail::point(format_args!("service: made"));
        disk::rename(&making, &place)
    })
    .map_err(|error| failed(&error))?;
    Ok(one)
}

/// Makes what a service holds that holds nothing, in a directory of this name; what was there is gone. The service
/// with it.
///
/// # Errors
/// What its command printed, or the disk's.
pub(super) async fn fresh<'a>(
    act: &Act,
    one: One<'a>,
    directory: &Path,
) -> Result<One<'a>, Failure> {
    external::discard(act, one.name, directory).await;
    tokio::task::block_in_place(|| {
        disk::remove_tree(directory)?;
        disk::make_directory(directory)
    })
    .map_err(|error| failed(&error))?;
    if let Some(external) = &one.external {
        Box::pin(external::make(act, &one, external, directory)).await?;
        return one.with(act, directory).await;
    }
    let Some(make) = &one.recipe.make else {
        return Ok(one);
    };
    let sandbox = command::alone(act, directory.to_owned(), make);
    let words = format!("make-{}", one.name);
    match command::run(act, &words, sandbox, make, LIMIT).await? {
        Ok(()) => Ok(one),
        Err(printed) => Err(broken(&one, &printed)),
    }
}

/// The environment's data, which is counted apart where the file system does that.
fn count_apart(top: &Path) -> Result<(), DiskError> {
    if !top.exists() {
        disk::make_directory(top)?;
        disk::count_apart(top);
    }
    Ok(())
}

fn failed(error: &DiskError) -> Failure {
    Failure::host("cannot make a service's directory", error)
}

fn broken(one: &One<'_>, printed: &str) -> Failure {
    let (name, kind) = (one.name, one.service.kind.as_str());
    Failure::new(
        "service-broken",
        format!("the data of service {name} ({kind}) cannot be made"),
    )
    .details(last_lines(printed.as_bytes()))
    .hint("this is the host's trouble, not your code's: tell its operator")
}
