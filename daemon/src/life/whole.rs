//! All of Wharf in the daemon's life: into one file, and back.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use wharf_config::place::Place;

use super::{End, lock, store};
use crate::backup::pack::pack;
use crate::backup::unpack::{Present, unpack};
use crate::backup::{Slugs, WholeError};
use crate::report;
use crate::settings::Settings;
use crate::store::paths::Paths;

/// `wharfd backup --all`: also while the daemon runs.
///
/// # Errors
/// That there is no archive.
pub(super) fn back_up(place: &Place, file: &Path, slugs: bool) -> Result<(), End> {
    let paths = Paths::new(place);
    may(&paths)?;
    let slugs = match slugs {
        true => Slugs::Taken,
        false => Slugs::Left,
    };
    let file = &absolute(file)?;
    let packed = pack(place, &paths, slugs, file)
        .map_err(|error| End::host("there is no backup", &error))?;
    for line in &packed.left_out {
        eprintln!("warning: not in it as it was: {line}");
    }
    println!("{} ({})", file.display(), report::size(packed.bytes));
    println!("hint: secrets are in it: keep it where nobody else reads it");
    println!("hint: repositories are not in it: copy them as well");
    Ok(())
}

/// `wharfd restore --all`.
///
/// # Errors
/// Why nothing is restored.
pub(super) fn restore(place: &Place, file: &Path, replace: bool) -> Result<(), End> {
    let (paths, file) = (Paths::new(place), &absolute(file)?);
    let failed = |error: WholeError| {
        let hint = match &error {
            WholeError::Occupied(_) => "put it aside with --replace, or choose another host",
            WholeError::Running => "stop them: wharfd stop",
            WholeError::Bad { .. } => "take a copy of it that is whole",
            WholeError::Room { .. } => "make room, or let the state be on a larger disk",
            _ => "see what it says; what was brought is taken away again",
        };
        End::host("nothing is restored", &error).hint(hint)
    };
    // Looked through before a single directory is made.
    crate::backup::look::look(file, &paths).map_err(failed)?;
    let state = paths.state();
    std::fs::create_dir_all(&state)
        .map_err(|error| End::host(&format!("cannot make {}", state.display()), &error))?;
    may(&paths)?;
    let _lock = lock::hold(&paths, "stop it with everything first: wharfd stop")?;
    let present = match replace {
        true => Present::PutAside,
        false => Present::Refuse,
    };
    let done = unpack(place, &paths, file, present).map_err(failed)?;
    println!(
        "restored from {}, which Wharf {} wrote",
        file.display(),
        done.manifest.wharf
    );
    for aside in &done.aside {
        println!("what was there is in {}", aside.display());
    }
    for one in &done.lost {
        println!(
            "{} is built and deployed again when the daemon starts",
            one.key
        );
    }
    say_what_is_missing(place);
    println!("hint: now: {}", store::start(&paths));
    Ok(())
}

/// Repositories are the git host's; without them nothing can be built, and without hooks nobody pushes.
fn say_what_is_missing(place: &Place) {
    match Settings::load(place) {
        Ok(settings) => {
            for (name, project) in &settings.projects {
                let repository = project.repository.display();
                if !project.repository.exists() {
                    println!("warning: {name}: {repository} is not here yet: copy it first");
                }
                println!("hint: its hooks: wharf hook install {repository}");
            }
        }
        Err(problems) => println!(
            "warning: the configuration is no good here:\n{}",
            problems.render(report::WIDTH)
        ),
    }
}

/// A file's whole path: its directory is synced, too.
fn absolute(file: &Path) -> Result<PathBuf, End> {
    let failed = |error| End::host(&file.display().to_string(), &error);
    match std::path::absolute(file).map_err(failed)? {
        whole if whole.is_dir() => Err(failed(std::io::ErrorKind::IsADirectory.into())),
        whole => Ok(whole),
    }
}

/// The state's owner, or root: the daemon could not read what another wrote.
fn may(paths: &Paths) -> Result<(), End> {
    let state = paths.state();
    let found = std::fs::metadata(&state)
        .map_err(|error| End::host(&state.display().to_string(), &error))?;
    let me = rustix::process::geteuid();
    if me.is_root() || found.uid() == me.as_raw() {
        return Ok(());
    }
    Err(End::Host {
        message: format!("{} belongs to somebody else", state.display()),
        hint: "hint: do it as root: sudo wharf admin ...\n".to_owned(),
    })
}
