//! Ports for processes that start.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::failure::Failure;

/// Ports that processes are given: below the range that outgoing connections take.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

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
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok((port, Reservation { _held: reserved }));
        }
    }
    Err(Failure::new("no-port", "no free port for the process")
        .hint("this is the host's trouble, not your code's: tell its operator"))
}
