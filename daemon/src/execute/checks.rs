//! Commands that must end well against the new release before it may serve.
//!
//! Each finds in `WHARF_CHECK_URL` an address at which the release answers as it will for visitors,
//! files, processes and all: a router of the daemon's own, on the loopback interface, for as long as
//! the checks take. Nobody else's requests come there.

mod door;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use wharf_wire::route::{Access, Route, Who};

use self::door::Door;
use super::activity::Act;
use super::bound::Bound;
use super::command;
use super::commands::{command_of, number};
use super::failure::Failure;
use super::target::Target;
use crate::disk;
use crate::plan::step::Step;
use crate::run::sandbox::{self, Network, Sandbox};
use crate::store::release::ReleaseRecord;

/// Where a check finds the release.
const URL: &str = "WHARF_CHECK_URL";

/// Runs the checks of a release whose processes are healthy.
///
/// # Errors
/// Which one failed, and why: the release may not serve.
pub(super) async fn run(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    target: &Target,
) -> Result<(), Failure> {
    let checks = &release.application.checks;
    if checks.is_empty() {
        return Ok(());
    }
    let preview = Preview::open(act, target).await?;
    let mut sandbox = sandbox.clone();
    for bind in &mut sandbox.binds {
        bind.access = sandbox::Access::Read;
    }
    let door = match sandbox.network {
        Network::Shared => None,
        Network::None => Some(Door::open(act, preview.address, &mut sandbox)?),
    };
    let url = door.as_ref().map_or(&preview.url, |door| &door.url);
    sandbox.environment.insert(URL.to_owned(), url.clone());
    let bound = Bound::of_checks(&act.settings.host.deploy);
    let mut done = Ok(());
    for (index, step) in checks.iter().enumerate() {
        let number = number(index);
        let failed = format!("check {number} of {} failed", checks.len());
        let command = command_of("check", Step::Check(number), step, &sandbox, &bound, failed);
        done = command::run(act, command).await;
        if done.is_err() {
            break;
        }
    }
    if let Some(door) = door {
        door.close().await;
    }
    preview.close().await;
    done
}

/// A release as visitors would meet it, at an address that nobody knows.
struct Preview {
    address: SocketAddr,
    url: String,
    directory: PathBuf,
    serving: JoinHandle<std::io::Result<()>>,
    stop: DropGuard,
}

impl Preview {
    async fn open(act: &Act, target: &Target) -> Result<Preview, Failure> {
        let failed =
            |error: std::io::Error| Failure::host("cannot show the release to its checks", &error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (paths, project, id) = (&act.world.paths, &act.project.name, &act.key().id);
        let file = paths.preview(project, id, target.release);
        let directory = file.parent().expect("below the release").to_owned();
        let url = format!("http://{address}");
        let mut hosts = act.hosts();
        hosts.push(address.ip().to_string());
        let route = Route {
            version: wharf_wire::VERSION,
            project: project.to_string(),
            environment: id.to_string(),
            release: target.release,
            generation: 0,
            hosts,
            url: url.clone(),
            kind: wharf_wire::route::Kind::None,
            noindex: true,
            access: Access {
                who: Who::Everyone,
                ..Access::default()
            },
            public: target.public.clone(),
            over: target.over.clone(),
            upstream: target.upstream.clone(),
            protocol: target.protocol.clone(),
            processes: target.processes.clone(),
            rules: target.rules.clone(),
            locations: target.locations.clone(),
            unavailable: None,
            maintenance: None,
        };
        let bytes = serde_json::to_vec(&route).expect("a route is plain data with UTF-8 paths");
        tokio::task::block_in_place(|| {
            disk::make_directory(&directory)?;
            disk::atomic_write(&file, &bytes, 0o600)
        })
        .map_err(|error| Failure::host("cannot show the release to its checks", &error))?;
        let stop = CancellationToken::new();
        let serving = wharf_router::preview(directory.clone(), listener, stop.clone());
        Ok(Preview {
            address,
            url,
            directory,
            serving: tokio::spawn(serving),
            stop: stop.drop_guard(),
        })
    }

    async fn close(self) {
        drop(self.stop);
        match self.serving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the release was not shown to its checks"),
            Err(error) => tracing::error!(%error, "the release was not shown to its checks"),
        }
        let removed = tokio::task::block_in_place(|| disk::remove_tree(&self.directory));
        if let Err(error) = removed {
            tracing::warn!(error = super::failure::chain(&error), "leftovers stay");
        }
    }
}
