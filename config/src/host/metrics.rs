//! `[metrics]`: where monitoring asks.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::read::Merge;
use crate::reader::{Item, Table};

/// Where metrics are told to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metrics {
    /// A TCP address of this machine's own.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(at) => write!(f, "{at}"),
            Self::Unix(at) => write!(f, "{}", at.display()),
        }
    }
}

/// How `wharfd check` prints what counts where nobody wrote anything.
pub(super) const SHOWN: [(&str, &str); 1] = [("metrics.listen", "\"off\"")];

/// Reads the section.
pub(super) fn merge(table: &Table<'_>, m: &mut Merge<'_>) {
    m.key(table.get("listen"), "metrics.listen", listen, |h, v| {
        h.metrics = v
    });
}

fn listen(item: &Item<'_>) -> Option<Option<Metrics>> {
    item.parsed("\"127.0.0.1:9464\"", |text| match text {
        "off" => Ok(None),
        path if Path::new(path).is_absolute() => match path.len() <= crate::place::MAX_SOCKET {
            true => Ok(Some(Metrics::Unix(path.into()))),
            false => Err("the path of a Unix socket has at most 107 bytes"),
        },
        address => match address.parse::<SocketAddr>() {
            Ok(at) if at.ip().is_loopback() => Ok(Some(Metrics::Tcp(at))),
            Ok(_) => Err("must be of this machine's own, such as 127.0.0.1:9464: nobody is asked who they are there"),
            Err(_) => Err("must be an address and a port, the path of a Unix socket from / on, or \"off\""),
        },
    })
}
