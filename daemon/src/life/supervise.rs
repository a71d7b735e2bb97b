//! The router beside the daemon: started where nobody else does, and again when it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wharf_config::place::PlaceKind;

use super::End;
use crate::execute::failure::chain;
use crate::execute::router::{self, Start};
use crate::execute::world::sibling;
use crate::execute::{World, secure};

/// The wait before the router is started again; doubles up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(100);
/// See [`FIRST`].
const LONGEST: Duration = Duration::from_secs(30);

/// Makes sure that the router serves, and keeps it so until told to stop. The router itself lives
/// on: the next daemon finds it by its control socket. Under systemd it is a unit of its own.
///
/// # Errors
/// That it cannot be started at all.
pub(super) async fn router(
    world: Arc<World>,
    kind: PlaceKind,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, End> {
    let start = Start {
        program: sibling("wharf-router").map_err(|error| End::host("no router", &error))?,
        listen: world.settings().host.listen,
        routes: world.paths.routes(),
        settings: world.paths.router_settings(),
        control: world.place.router_socket(),
        log: world.paths.router_log(),
    };
    let embedded = matches!(kind, PlaceKind::Discover);
    // What it reads when it starts is there by then.
    secure::write(&world, &world.settings().host)
        .map_err(|error| End::host("the router's settings", &error))?;
    if world.router.status().await.is_err() && embedded {
        router::start(&world.router, &start)
            .await
            .map_err(|error| End::host("no router", &error))?;
    }
    say(secure::apply(&world).await);
    Ok(tokio::spawn(async move {
        let mut pause = FIRST;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = until_it_ends(&world) => {}
            }
            tracing::error!("the router is gone");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            // The port that it had, where it was free to choose one: links stay good.
            let mut start = start.clone();
            if start.listen.port() == 0 {
                start.listen.set_port(world.router.port());
            }
            let again = if embedded {
                router::start(&world.router, &start).await
            } else {
                world.router.status().await.map(drop)
            };
            pause = match again {
                Ok(()) => {
                    tracing::info!("the router serves again");
                    say(secure::apply(&world).await);
                    FIRST
                }
                Err(error) => {
                    tracing::error!("router: {}", chain(&error));
                    (pause * 2).min(LONGEST)
                }
            };
        }
    }))
}

fn say(problems: Vec<String>) {
    for problem in problems {
        tracing::error!("router: {problem}");
    }
}

/// Waits on a connection that carries nothing until the router's end closes it.
async fn until_it_ends(world: &World) {
    let Ok(mut connection) = world.router.watch().await else {
        return;
    };
    let mut nothing = [0; 1];
    // Whatever comes: an end, an error, a byte that nobody should send.
    if let Err(error) = connection.read(&mut nothing).await {
        tracing::debug!(%error, "router connection");
    }
}
