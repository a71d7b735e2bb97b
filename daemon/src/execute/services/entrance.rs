//! The way to services that know no sockets: a port of the loopback's, which the service's keeper leads to a socket
//! that only the environment sees, and the forwarder in its sandbox from there to its own port.
//!
//! Sandboxes whose network is their own have the same port to themselves. The host's is anybody's on this machine, so
//! such a service asks for its password; and it is there only as long as somebody needs it.

use std::net::Ipv4Addr;
use std::path::Path;

use wharf_config::name::ProcessName;

use super::One;
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::port;
use crate::plan::services as plan;
use crate::run::job::{Door, End};
use crate::run::sandbox::{Forward, Sandbox};

/// The port that leads to a service: the same for as long as the environment has it.
///
/// # Errors
/// That none is free, or it cannot be recorded.
pub(super) async fn port(act: &Act, name: &ProcessName) -> Result<u16, Failure> {
    let recorder = &act.world.recorder;
    let known = recorder.service_port(act.key(), name, Vec::new()).await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let free = tokio::task::block_in_place(port::to_keep);
    let chosen = recorder.service_port(act.key(), name, free).await?;
    chosen.ok_or_else(|| port::none("service"))
}

/// The same of a service that does not run: another, where somebody listens there meanwhile.
///
/// # Errors
/// As [`port`].
pub(super) async fn free_port(act: &Act, name: &ProcessName) -> Result<u16, Failure> {
    let recorded = port(act, name).await?;
    if tokio::task::block_in_place(|| port::is_free(recorded)) {
        return Ok(recorded);
    }
    let recorder = &act.world.recorder;
    recorder.forget_service_port(act.key(), name).await?;
    port(act, name).await
}

/// Leads a server's port to a socket in its directory.
pub(super) fn lead_in(one: &One<'_>, sandbox: &mut Sandbox) {
    let port = plan::port(one.service);
    sandbox.forwards.extend(port.map(|port| Forward::In {
        socket: plan::socket_of_port(one.name).into(),
        port,
        instead: None,
    }));
}

/// What leads the loopback's port to that socket, in a directory of this host's.
pub(super) fn door(one: &One<'_>, directory: &Path) -> Option<Door> {
    one.entrance.map(|port| Door {
        from: End::Port {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port,
        },
        to: End::Socket(directory.join(plan::SOCKET_OF_PORT)),
    })
}
