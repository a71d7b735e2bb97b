//! The life of the process: flags, place, lock, store, router, loop, socket, signals.

mod check;
mod lock;
mod log;
mod means;
mod private;
mod stop;
mod store;
mod supervise;
mod told;
mod user;
mod whole;

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wharf_config::place::{Place, PlaceKind};

use crate::dispatch::{self, Desk, Dispatch, Event};
use crate::doctor;
use crate::execute::failure::chain;
use crate::listen;
use crate::metrics;
use crate::notify;
use crate::settings::Settings;
use crate::store::paths::Paths;
use crate::traces;
use crate::watch;
use means::Means;

/// Bytes that a thread's stack may take: of these only what is used.
const STACK: usize = 16 << 20;

/// The daemon of Wharf: git pushes become deployments.
///
/// Without a command it serves until SIGTERM or SIGINT; applications go on without it.
#[derive(Debug, Parser)]
#[command(name = "wharfd", version)]
pub struct Flags {
    /// Serve the whole host: /etc/wharf, /var/lib/wharf, /run/wharf
    #[arg(long, global = true)]
    system: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Check configuration and database; print every key with the file and line, flag or variable that it
    /// came from
    Check {
        /// Print what can be found without a daemon instead, as JSON: for `wharf doctor`
        #[arg(long)]
        json: bool,
    },
    /// Stop the daemon, the router and every application of this place
    Stop,
    /// Copy the database now, into the directory of its daily backups; or all of Wharf into a file
    Backup {
        /// All that cannot be made again: configuration, database, mounts, logs
        #[arg(long, value_name = "FILE")]
        all: Option<PathBuf>,
        /// Slugs, too: nothing has to be built again then
        #[arg(long, requires = "all")]
        slugs: bool,
    },
    /// Write manual pages
    #[command(hide = true)]
    Man {
        /// Where to
        directory: PathBuf,
    },
    /// Put a backup in the database's place; what was there is put aside
    Restore {
        /// The backup; without it, the newest one
        file: Option<PathBuf>,
        /// Begin with an empty record instead
        #[arg(long, conflicts_with = "file")]
        empty: bool,
        /// Bring back all that `wharfd backup --all` wrote
        #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "empty"])]
        all: Option<PathBuf>,
        /// Put the Wharf aside that is here
        #[arg(long, requires = "all")]
        replace: bool,
    },
}

/// The command line, for the reference.
pub fn command() -> clap::Command {
    Flags::command()
}

/// Why the process ends with a failure; displayed whole, with the next step.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// Files that people wrote are no good.
    #[error("{0}")]
    Configuration(String),
    /// The database is no good.
    #[error("{0}")]
    Store(String),
    /// It cannot run here.
    #[error("error: {message}\n{hint}")]
    Host {
        /// What is wrong.
        message: String,
        /// `hint: …` with its line end, or nothing.
        hint: String,
    },
}

impl End {
    fn host(what: &str, error: &(dyn std::error::Error + 'static)) -> End {
        End::Host {
            message: format!("{what}: {}", chain(error)),
            hint: String::new(),
        }
    }

    fn hint(self, hint: &str) -> End {
        match self {
            End::Host { message, .. } => End::Host {
                message,
                hint: hint.lines().map(|line| format!("hint: {line}\n")).collect(),
            },
            other => other,
        }
    }

    /// The exit status: 78 where only a person can mend it, so that systemd does not try again.
    pub fn status(&self) -> u8 {
        match self {
            End::Configuration(_) | End::Store(_) => 78,
            End::Host { .. } => 1,
        }
    }
}

/// Lives.
///
/// # Errors
/// Why it could not.
pub fn live(flags: Flags) -> Result<(), End> {
    private::begin()
        .map_err(|error| End::host("cannot keep its memory out of core files", &error))?;
    let socket = listen::handed_over()
        .map_err(|error| End::host("what systemd hands over is no socket", &error))?;
    let kind = if flags.system {
        PlaceKind::System
    } else {
        PlaceKind::Discover
    };
    let place = Place::from_env(kind).map_err(|error| End::host("no place to be", &error))?;
    let mut ports = Vec::new();
    if let Some(Command::Check { json }) = flags.command {
        if json && let Ok(settings) = Settings::load(&place) {
            ports = doctor::ports(&settings);
        }
        user::become_the_daemons(&place)
            .map_err(|error| End::host("cannot look as the daemon's user", &error))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // All that a deployment does lies on one stack, and frames of a build without optimization are large.
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|error| End::host("cannot start", &error))?;
    match flags.command {
        Some(Command::Check { json: true }) => runtime.block_on(store::print(&place, ports)),
        Some(Command::Check { json: false }) => check::check(&place, kind),
        Some(Command::Backup { all: None, .. }) => store::back_up(&place),
        Some(Command::Backup {
            all: Some(file),
            slugs,
        }) => whole::back_up(&place, &file, slugs),
        Some(Command::Restore {
            all: Some(file),
            replace,
            ..
        }) => whole::restore(&place, &file, replace),
        Some(Command::Restore { file, empty, .. }) => store::restore(&place, file, empty),
        Some(Command::Man { directory }) => clap_mangen::generate_to(Flags::command(), directory)
            .map_err(|error| End::host("cannot write manual pages", &error)),
        Some(Command::Stop) => runtime.block_on(stop::stop(&place)),
        None => runtime.block_on(serve(place, kind, socket)),
    }
}

async fn serve(
    place: Place,
    kind: PlaceKind,
    handed_over: Option<UnixListener>,
) -> Result<(), End> {
    let journal = log::start();
    let paths = Paths::new(&place);
    paths
        .make()
        .map_err(|error| End::host("cannot make its directories", &error))?;
    let _lock = lock::hold(
        &paths,
        "it serves already; to stop it with everything: wharfd stop",
    )?;
    let socket = place.socket();
    let means = Means::gather(place, paths, journal.is_some()).await?;
    let world = Arc::new(means.world);
    let stopping = CancellationToken::new();

    let findings = dispatch::find(&world).await.map_err(|failure| End::Host {
        message: failure.reason.message,
        hint: String::new(),
    })?;
    let router = supervise::router(Arc::clone(&world), kind, stopping.clone()).await?;
    let (dispatch, desk) = Dispatch::new(Arc::clone(&world), means.settings);
    let telling = told::keep(dispatch.loads(), desk.clone(), stopping.clone());
    let looping = tokio::spawn(dispatch.run());
    let listener = match handed_over {
        Some(listener) => listen::take(listener, &socket),
        None => listen::bind(&socket),
    };
    let listener = listener
        .map_err(|error| End::host(&format!("cannot listen on {}", socket.display()), &error))?;
    dispatch::take_up(&world, &desk, findings)
        .await
        .map_err(|error| End::host("cannot take up what was left", &error))?;
    dispatch::baseline::know(&world, &world.settings())
        .await
        .map_err(|error| End::host("cannot record the projects", &error))?;
    dispatch::rules::follow_all(&world).await;
    let watching = watch::start(Arc::clone(&world), desk.clone(), stopping.clone());
    let accepting = tokio::spawn(listen::accept(
        listener,
        Arc::clone(&world),
        desk.clone(),
        stopping.clone(),
    ));
    let making_up = tokio::spawn(dispatch::make_up(Arc::clone(&world), desk.clone()));
    let scheduling = tokio::spawn(dispatch::crons::look_after(
        Arc::clone(&world),
        stopping.clone(),
    ));
    let (pausing, waking) = (
        tokio::spawn(dispatch::pausing::look_after(
            Arc::clone(&world),
            desk.clone(),
            stopping.clone(),
        )),
        tokio::spawn(dispatch::waking::listen(
            Arc::clone(&world),
            desk.clone(),
            stopping.clone(),
        )),
    );
    let snapshotting = tokio::spawn(dispatch::snapshots::look_after(
        Arc::clone(&world),
        desk.clone(),
        stopping.clone(),
    ));
    let backups = tokio::spawn(store::look_after(Arc::clone(&world), stopping.clone()));
    let posting = tokio::spawn(notify::post::deliver(Arc::clone(&world), stopping.clone()));
    let tracing_ends = tokio::spawn(traces::deliver(Arc::clone(&world), stopping.clone()));
    let measuring = tokio::spawn(metrics::serve(Arc::clone(&world), stopping.clone()));
    // Who starts it may ask from then on.
    let asked = world.settings().host.metrics.clone();
    world.metrics.settled(asked.as_ref()).await;
    say_ready(&world);
    let telling = tokio::spawn(telling);

    wait_for_the_end(&desk).await?;
    tracing::info!("stopping; applications go on");
    told::stopping();
    stopping.cancel();
    desk.send(Event::Stop).await;
    making_up.abort();
    for task in [
        looping,
        accepting,
        router,
        backups,
        watching,
        scheduling,
        pausing,
        snapshotting,
        waking,
        telling,
        posting,
        measuring,
        tracing_ends,
    ] {
        if let Err(error) = task.await {
            tracing::error!(%error, "a part of the daemon ended badly");
        }
    }
    Ok(())
}

async fn wait_for_the_end(desk: &Desk) -> Result<(), End> {
    let signals = |kind| signal(kind).map_err(|error| End::host("no signals", &error));
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    let mut hangup = signals(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload(desk).await,
        }
    }
}

/// Reads the configuration again, as `wharf reload` has it done; nobody but the log hears what came of it.
async fn reload(desk: &Desk) {
    match desk.ask(|reply| Event::Reload { reply }).await {
        Some(Ok(_)) => tracing::info!("the configuration is read again"),
        Some(Err(problems)) => tracing::error!(
            WHARF_ERROR = "configuration",
            "the configuration is bad and does not count:\n{problems}"
        ),
        None => {}
    }
}

/// Tells whoever started it: systemd by its socket, `wharf init` by a line on standard output.
fn say_ready(world: &crate::execute::World) {
    use std::io::Write;
    tracing::info!(
        "projects: {}; requests on port {}",
        world.settings().projects.len(),
        world.router.port()
    );
    told::ready();
    let mut stdout = std::io::stdout();
    if let Err(error) = stdout.write_all(b"ready\n").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody reads standard output");
    }
}
