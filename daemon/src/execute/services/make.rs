//! What a service holds, made where it has nothing yet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{One, command};
use crate::disk::{self, DiskError};
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::ready::last_lines;
use crate::run::sandbox::Access;

/// How long making it may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Makes the directory of what a service holds, unless it is there.
///
/// # Errors
/// What its command printed, or the disk's.
pub(super) async fn make(act: &Act, one: &One<'_>) -> Result<PathBuf, Failure> {
    let (project, id) = (&act.project.name, &act.key().id);
    let place = act.world.paths.service(project, id, one.name);
    if place.exists() {
        return Ok(place);
    }
    let making = act.world.paths.making_service(project, id, one.name);
    let failed = |error: DiskError| Failure::host("cannot make a service's directory", &error);
    let top = act.world.paths.mounts(project, id);
    tokio::task::block_in_place(|| begin(&top, &making)).map_err(failed)?;
    if let Some(make) = &one.recipe.make {
        let sandbox = command::sandbox(act, (making.clone(), Access::Write), None, make);
        let words = format!("make-{}", one.name);
        if let Err(printed) = command::run(act, &words, sandbox, make, LIMIT).await? {
            return Err(broken(one, &printed));
        }
    }
    tokio::task::block_in_place(|| {
        // Else the name could outlive a power cut, and what is below it not.
        disk::sync_filesystem(&making)?;
        disk::rename(&making, &place)
    })
    .map_err(failed)?;
    Ok(place)
}

/// An empty directory to make it in; what a death left there is gone.
fn begin(top: &Path, making: &Path) -> Result<(), DiskError> {
    let above = making.parent().expect("below the environment's data");
    if !top.exists() {
        disk::make_directory(top)?;
        disk::count_apart(top);
    }
    if !above.exists() {
        disk::make_directory(above)?;
    }
    disk::remove_tree(making)?;
    disk::make_directory(making)
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
