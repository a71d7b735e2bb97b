//! The life of the process: flags, place, lock, store, router, loop, socket, signals.

mod check;
mod log;
mod means;
mod stop;
mod supervise;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use wharf_config::place::{Place, PlaceKind};

use crate::dispatch::{self, Dispatch, Event};
use crate::execute::failure::chain;
use crate::listen;
use crate::store::paths::Paths;
use means::Means;

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

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Check the configuration and print every key with the file that it came from
    Check,
    /// Stop the daemon, the router and every application of this place
    Stop,
}

/// Why the process ends with a failure; displayed whole, with the next step.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// Files that people wrote are no good.
    #[error("{0}")]
    Configuration(String),
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
                hint: format!("hint: {hint}\n"),
            },
            other => other,
        }
    }

    /// The exit status: 78 where only a person can mend it, so that systemd does not try again.
    pub fn status(&self) -> u8 {
        match self {
            End::Configuration(_) => 78,
            End::Host { .. } => 1,
        }
    }
}

/// Lives.
///
/// # Errors
/// Why it could not.
pub fn live(flags: Flags) -> Result<(), End> {
    let kind = if flags.system {
        PlaceKind::System
    } else {
        PlaceKind::Discover
    };
    let place = Place::from_env(kind).map_err(|error| End::host("no place to be", &error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| End::host("cannot start", &error))?;
    match flags.command {
        Some(Command::Check) => check::check(&place),
        Some(Command::Stop) => runtime.block_on(stop::stop(&place)),
        None => runtime.block_on(serve(place, kind)),
    }
}

async fn serve(place: Place, kind: PlaceKind) -> Result<(), End> {
    log::start();
    let paths = Paths::new(&place);
    paths
        .make()
        .map_err(|error| End::host("cannot make its directories", &error))?;
    let _lock = lock(&paths)?;
    let socket = place.socket();
    let means = Means::gather(place, paths).await?;
    let world = Arc::new(means.world);
    let stopping = CancellationToken::new();

    let findings = dispatch::find(&world).await.map_err(|failure| End::Host {
        message: failure.reason.message,
        hint: String::new(),
    })?;
    let router = supervise::router(Arc::clone(&world), kind, stopping.clone()).await?;
    let (dispatch, desk) = Dispatch::new(Arc::clone(&world), means.settings);
    let looping = tokio::spawn(dispatch.run());
    let listener = listen::bind(&socket)
        .map_err(|error| End::host(&format!("cannot listen on {}", socket.display()), &error))?;
    let accepting = tokio::spawn(listen::accept(
        listener,
        Arc::clone(&world),
        desk.clone(),
        stopping.clone(),
    ));
    let beginning = tokio::spawn(dispatch::begin(Arc::clone(&world), desk.clone(), findings));
    say_ready(&world);

    let mut beginning = Some(beginning);
    wait_for_the_end(&mut beginning).await?;
    tracing::info!("stopping; applications go on");
    stopping.cancel();
    desk.send(Event::Stop).await;
    if let Some(beginning) = beginning {
        beginning.abort();
    }
    for task in [looping, accepting, router] {
        if let Err(error) = task.await {
            tracing::error!(%error, "a part of the daemon ended badly");
        }
    }
    Ok(())
}

/// Waits for a signal. What a new daemon has to mend goes on meanwhile.
async fn wait_for_the_end(
    beginning: &mut Option<tokio::task::JoinHandle<Result<(), crate::execute::Failure>>>,
) -> Result<(), End> {
    let signals = |kind| signal(kind).map_err(|error| End::host("no signals", &error));
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    loop {
        let begun = async {
            match beginning.as_mut() {
                Some(beginning) => beginning.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            begun = begun => {
                *beginning = None;
                match begun {
                    Ok(Ok(())) => tracing::debug!("everything that should serve was looked after"),
                    Ok(Err(failure)) => tracing::error!("at start: {}", failure.reason.message),
                    Err(error) => tracing::error!(%error, "at start"),
                }
            }
        }
    }
}

/// Holds the state directory for this process; dies with it.
fn lock(paths: &Paths) -> Result<std::fs::File, End> {
    use std::io::{Read, Seek, Write};
    let path: PathBuf = paths.lock();
    let failed = |error: std::io::Error| End::host(&path.display().to_string(), &error);
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    if file.try_lock().is_err() {
        let mut holder = String::new();
        file.read_to_string(&mut holder).map_err(failed)?;
        return Err(End::Host {
            message: format!(
                "another wharfd (pid {}) works on {}",
                holder.trim(),
                paths.state().display()
            ),
            hint: "hint: it serves already; to stop it with everything: wharfd stop\n".into(),
        });
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Tells whoever started it: systemd by its socket, `wharf init` by a line on standard output.
fn say_ready(world: &crate::execute::World) {
    use std::io::Write;
    tracing::info!(
        "serving: {} projects, requests on port {}",
        world.settings().projects.len(),
        world.router.port()
    );
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "systemd not told");
    }
    let mut stdout = std::io::stdout();
    if let Err(error) = stdout.write_all(b"ready\n").and_then(|()| stdout.flush()) {
        tracing::debug!(%error, "nobody reads standard output");
    }
}
