//! The database in the daemon's life: opened, looked through, backed up, restored.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use wharf_config::place::Place;
use wharf_wire::view::Finding;

use super::{End, lock};
use crate::certificates;
use crate::doctor;
use crate::execute::World;
use crate::execute::failure::chain;
use crate::execute::router::Router;
use crate::guard;
use crate::settings::Settings;
use crate::store::backup::{self, Kind};
use crate::store::findings;
use crate::store::open::{self, OpenError};
use crate::store::paths::Paths;
use crate::store::restore::{self, Source};
use crate::store::{Database, Fault};

/// The wait after a daily backup that could not be taken.
const AGAIN: Duration = Duration::from_secs(3600);

impl End {
    /// What only a person can mend, and how.
    pub(super) fn fault(fault: &Fault, paths: &Paths) -> End {
        let mut text = format!("error: {fault} ({})\n", fault.code());
        for hint in fault.hints(paths) {
            writeln!(text, "hint: {hint}").expect("a string takes everything");
        }
        End::Store(text)
    }

    fn store(error: &OpenError, paths: &Paths) -> End {
        match error {
            OpenError::Fault(fault) => End::fault(fault, paths),
            other => End::host("cannot open the store", other),
        }
    }
}

/// Opens the database.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn open(paths: &Paths) -> Result<Database, End> {
    open::open(paths).map_err(|error| {
        if let OpenError::Fault(fault) = &error {
            tracing::error!(WHARF_ERROR = fault.code(), "{fault}");
        }
        End::store(&error, paths)
    })
}

/// Looks at the database without changing anything.
///
/// # Errors
/// What is wrong with it, and what to do.
pub(super) fn check(paths: &Paths) -> Result<(), End> {
    match open::sound(paths, open::Look::Whole) {
        Ok(_) => Ok(()),
        Err(error) => Err(End::store(&error, paths)),
    }
}

/// `wharfd check --json`: what `wharf doctor` says where no daemon answers; `ports` is what was seen of
/// other programs before this became the daemon's user.
///
/// # Errors
/// That the findings cannot be printed.
pub(super) async fn print(place: &Place, ports: Vec<Finding>) -> Result<(), End> {
    use std::io::Write;
    let paths = &Paths::new(place);
    let mut found = findings::findings(paths, open::Look::Whole);
    match Settings::load(place) {
        Ok(settings) => {
            found.extend(doctor::broken(&settings));
            found.extend(match Router::new(place.router_socket()).status().await {
                Ok(serving) => doctor::router(serving, &settings, paths),
                // It is the daemon that starts it; whether that could is told by its port.
                Err(_) => ports,
            });
            let look = doctor::Look {
                place,
                paths,
                settings: &settings,
                has_journal: paths.is_system(),
            };
            found.extend(doctor::findings(look).await);
            found.extend(guard::findings(place, paths, &settings));
            found.extend(certificates::findings(&settings, SystemTime::now()));
        }
        Err(problems) => {
            let (first, more) = (problems.first(), problems.len().saturating_sub(1));
            let mut text = format!(
                "no daemon starts with these files: {}: {}",
                first.word(),
                first.message
            );
            if more > 0 {
                text.push_str(&format!("; and {more} more"));
            }
            found.push(Finding::error("configuration", text, "wharfd check"));
        }
    }
    let text = serde_json::to_string(&found).expect("findings are plain data");
    let mut out = std::io::stdout();
    writeln!(out, "{text}").map_err(|error| End::host("standard output", &error))
}

/// Takes a backup each day, and looks a large database through first: that was too long for the
/// start. Waits for the next time, however far it is.
pub(super) async fn look_after(world: Arc<World>, stop: CancellationToken) {
    let large = std::fs::metadata(world.paths.database())
        .is_ok_and(|found| found.len() > open::LOOKED_THROUGH);
    if large {
        look_through(&world).await;
    }
    loop {
        let wait = backup::due(&world.paths, SystemTime::now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        if world.recorder.fault().is_some() {
            // A copy of what is damaged would push out a good one.
            return;
        }
        let paths = world.paths.clone();
        let taken = tokio::task::spawn_blocking(move || backup::take(&paths, Kind::Daily));
        match taken.await {
            Ok(Ok(backup)) => tracing::info!("the database is copied to {}", backup.display()),
            Ok(Err(error)) => {
                if let Some(fault) = error.damage() {
                    world.recorder.condemn(fault.clone());
                    return;
                }
                tracing::error!(
                    WHARF_ERROR = "store-backup",
                    error = chain(&error),
                    "no backup of the database; trying again in an hour"
                );
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
            Err(error) => {
                tracing::error!(%error, "backup");
                return;
            }
        }
    }
}

async fn look_through(world: &World) {
    let paths = world.paths.clone();
    let looked = tokio::task::spawn_blocking(move || open::sound(&paths, open::Look::Whole));
    match looked.await {
        Ok(Ok(_)) => tracing::info!("the database is sound"),
        Ok(Err(OpenError::Fault(fault))) => world.recorder.condemn(fault),
        Ok(Err(error)) => tracing::warn!(error = chain(&error), "not looked through"),
        Err(error) => tracing::error!(%error, "not looked through"),
    }
}

/// `wharfd backup`: a copy now, also while the daemon runs.
///
/// # Errors
/// That there is none.
pub(super) fn back_up(place: &Place) -> Result<(), End> {
    let paths = Paths::new(place);
    own(&paths)?;
    made(&paths)?;
    let backup = backup::take(&paths, Kind::Daily)
        .map_err(|error| End::host("no backup of the database", &error))?;
    println!("{}", backup.display());
    Ok(())
}

/// `wharfd restore`: a backup, or an empty database, in the place of the one that is there.
///
/// # Errors
/// Why the database is as it was.
pub(super) fn restore(place: &Place, file: Option<PathBuf>, empty: bool) -> Result<(), End> {
    let paths = Paths::new(place);
    own(&paths)?;
    made(&paths)?;
    let stop = format!("stop it first, applications go on: {}", stop(&paths));
    let _lock = lock::hold(&paths, &stop)?;
    let source = match file {
        Some(file) => Source::File(file),
        None if empty => Source::Nothing,
        None => Source::Newest,
    };
    let done = restore::restore(&paths, &source).map_err(|error| {
        let hints = error.hints(&paths);
        let hints = hints.iter().map(|hint| format!("hint: {hint}\n"));
        End::Host {
            message: format!("nothing is restored: {}", chain(&error)),
            hint: hints.collect(),
        }
    })?;
    match done.from {
        Some(backup) => println!("restored from {}", backup.display()),
        None => println!("the record is empty now"),
    }
    if let Some(aside) = done.aside {
        println!("what was there is in {}", aside.display());
    }
    println!("branches that moved since are deployed when the daemon starts");
    println!("hint: now: {}", start(&paths));
    Ok(())
}

/// How the daemon is stopped.
fn stop(paths: &Paths) -> String {
    match paths.is_system() {
        true => "sudo systemctl stop wharfd".to_owned(),
        false => format!("kill $(cat {})", paths.lock().display()),
    }
}

/// How it is started.
pub(super) fn start(paths: &Paths) -> &'static str {
    match paths.is_system() {
        true => "sudo systemctl start wharfd",
        false => "wharf start",
    }
}

/// An earlier Wharf may not have made every directory.
fn made(paths: &Paths) -> Result<(), End> {
    let made = paths.make();
    made.map_err(|error| End::host("cannot make its directories", &error))
}

/// Whoever writes into the state directory must be its owner: the daemon could not read it else.
fn own(paths: &Paths) -> Result<(), End> {
    let state = paths.state();
    let found = std::fs::metadata(&state)
        .map_err(|error| End::host(&state.display().to_string(), &error))?;
    if found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let owner = uzers::get_user_by_uid(found.uid()).map_or_else(
        || found.uid().to_string(),
        |user| user.name().to_string_lossy().into_owned(),
    );
    Err(End::Host {
        message: format!("{} belongs to {owner}", state.display()),
        hint: format!("hint: do it as that user: sudo -u {owner} ...\n"),
    })
}
