//! TLS of the router: what the operator says becomes its settings, which it reads at each start of its
//! own, and what it says of them.

use std::net::SocketAddr;

use wharf_config::host::{Host, Tls};
use wharf_wire::VERSION;
use wharf_wire::secure::{self, Pair, Settings};

use super::failure::chain;
use super::world::World;
use crate::disk;

/// Gives the router what the host's configuration says of TLS, and has it read that and every
/// certificate again. Returns what is not as it was asked for; what was there before goes on then.
pub async fn apply(world: &World) -> Vec<String> {
    let settings = world.settings();
    let write = || write(world, &settings.host);
    if let Err(error) = tokio::task::block_in_place(write) {
        let problem = format!("the router is not told of TLS: {}", chain(&error));
        tracing::error!("{problem}");
        return vec![problem];
    }
    match world.router.secure(true).await {
        Ok(secured) => {
            let said = secured.problems.iter();
            let mut problems: Vec<String> = said.map(|said| format!("TLS: {said}")).collect();
            problems.extend(elsewhere(world, settings.host.listen).await);
            problems
        }
        // It reads the file once it is there.
        Err(error) if error.is_away() => Vec::new(),
        // One that an earlier Wharf started knows nothing of it, and is asked for nothing.
        Err(_) if settings.host.tls.listen.is_none() => Vec::new(),
        Err(error) => {
            let problem = format!(
                "{}; a restart of wharf-router reads TLS anew",
                chain(&error)
            );
            tracing::error!("TLS: {problem}");
            vec![problem]
        }
    }
}

/// What is wrong with where the router serves plain HTTP. One that the daemon started was told where, and takes
/// another address when it is started again.
async fn elsewhere(world: &World, asked: SocketAddr) -> Vec<String> {
    let Ok(standing) = world.router.status().await else {
        return Vec::new();
    };
    let moved = standing
        .listen
        .filter(|at| standing.problems.is_empty() && asked.port() != 0 && *at != asked)
        .map(|at| {
            format!("the router serves on {at}, and on {asked} once it is started again: wharfd stop, then wharfd")
        });
    standing.problems.into_iter().chain(moved).collect()
}

/// Writes the router's settings where they are not there already.
///
/// # Errors
/// When that fails.
pub fn write(world: &World, host: &Host) -> Result<(), disk::DiskError> {
    let path = world.paths.router_settings();
    let settings = Settings {
        version: VERSION,
        listen: Some(host.listen),
        tls: of(&host.tls),
    };
    let bytes = serde_json::to_vec(&settings).expect("settings are plain data");
    if std::fs::read(&path).ok().as_deref() == Some(&bytes[..]) {
        return Ok(());
    }
    disk::atomic_write(&path, &bytes, 0o600)
}

fn of(tls: &Tls) -> Option<secure::Tls> {
    let pairs = tls.certificates.iter().map(|one| Pair {
        chain: one.chain.clone(),
        key: one.key.clone(),
    });
    Some(secure::Tls {
        listen: tls.listen?,
        certificates: pairs.collect(),
        redirect: tls.redirect,
        hsts: tls.hsts.map(|age| age.as_secs()),
    })
}
