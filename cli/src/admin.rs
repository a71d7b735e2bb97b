//! `wharf admin`: what `wharfd` does for this host as a whole, by a name that people look for.

use std::path::Path;
use std::process::Command;

use wharf_config::place::{Place, PlaceKind};
use wharf_wire::outcome::Exit;

use crate::{args::Admin, failure::Failure, hooks};

/// Has `wharfd` do it, which says what comes of it.
///
/// # Errors
/// That it cannot be run.
pub fn run(admin: &Admin) -> Result<Exit, Failure> {
    let mut wharfd = Command::new(hooks::binaries()?.join("wharfd"));
    if is_system()? {
        wharfd.arg("--system");
    }
    let (word, file, more) = match admin {
        Admin::Backup { file, slugs } => ("backup", file, slugs.then_some("--slugs")),
        Admin::Restore { file, replace } => ("restore", file, replace.then_some("--replace")),
    };
    let status = wharfd
        .arg(word)
        .arg("--all")
        .arg(file)
        .args(more)
        .status()
        .map_err(|error| Failure::new(Exit::Failed, "wharfd cannot be run").because(error))?;
    Ok(match status.success() {
        true => Exit::Ok,
        false => Exit::Failed,
    })
}

/// Whether the system's own Wharf is meant: also where no daemon runs, and nothing was restored yet.
fn is_system() -> Result<bool, Failure> {
    let of = |kind| {
        Place::from_env(kind)
            .map_err(|error| Failure::usage("cannot tell where Wharf is").because(error))
    };
    let (own, system) = (of(PlaceKind::Discover)?, of(PlaceKind::System)?);
    let is_there = |state: &Path| state.exists();
    Ok(own != system && !is_there(&own.state) && is_there(&system.state))
}
