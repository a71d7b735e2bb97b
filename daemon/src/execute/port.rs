//! Ports for processes and services that start.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::failure::Failure;

/// Ports that processes are given: below the range that outgoing connections take.
const PORTS: Range<u16> = 20_000..30_000;
/// Ports that services keep: apart from those, so that no process takes the one of a service that rests.
const KEPT: Range<u16> = 30_000..32_768;
/// Ports of those that are looked at.
const LOOKED_AT: usize = 64;

/// Keeps a port from everybody else who asks for one here.
#[derive(Debug)]
pub(super) struct Reservation {
    _held: UnixListener,
}

/// A port of [`PORTS`] that nobody listens on at this moment, and its reservation: until its process
/// listens, another that is started at the same moment, by whichever daemon, gets another port. An
/// abstract name is the whole machine's, goes with its holder, and leaves the port to the process.
pub(super) fn free() -> Result<(u16, Reservation), Failure> {
    for _ in 0..200 {
        let port = rand::random_range(PORTS);
        let name = SocketAddr::from_abstract_name(format!("wharf-port-{port}"));
        let Ok(reserved) = name.and_then(|name| UnixListener::bind_addr(&name)) else {
            continue;
        };
        if is_free(port) {
            return Ok((port, Reservation { _held: reserved }));
        }
    }
    Err(none("process"))
}

/// Some ports of those that services keep on which nobody listens at this moment.
pub(super) fn to_keep() -> Vec<u16> {
    let any = std::iter::repeat_with(|| rand::random_range(KEPT));
    any.take(LOOKED_AT).filter(|port| is_free(*port)).collect()
}

/// Whether nobody listens on a port of the loopback's.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// That there is none for something.
pub(super) fn none(what: &str) -> Failure {
    Failure::new("no-port", format!("no free port for the {what}"))
        .hint("this is the host's trouble, not your code's: tell its operator")
}
