//! How the router serves by TLS: a file that the daemon writes, and what the router says of it.
//!
//! The daemon writes [`Settings`] by one rename and then says [`crate::route::ToRouter::Secure`]. A
//! router that starts reads the file by itself, so TLS survives restarts of both.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

/// What the router does beside its routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Always [`crate::VERSION`].
    pub version: u32,
    /// Where a router serves plain HTTP that is told nothing else when it starts.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// None: plain HTTP only.
    pub tls: Option<Tls>,
}

/// Where and with what visitors are served by TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The address.
    pub listen: SocketAddr,
    /// Certificates with their keys; the first one is for who asks for none of their names.
    pub certificates: Vec<Pair>,
    /// Whether who comes by plain HTTP is sent to `https://`.
    pub redirect: bool,
    /// For how many seconds browsers are told to come by TLS only; none: nothing is said.
    pub hsts: Option<u64>,
}

/// A certificate and its key, as files in PEM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The certificate, then those that vouch for it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How TLS stands in a router.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secured {
    /// The address on which it really serves by TLS.
    pub listen: Option<SocketAddr>,
    /// Certificates in use.
    pub certificates: u32,
    /// What is not as it was asked for, at most [`Secured::MOST`]; what was there before goes on.
    pub problems: Vec<String>,
}

impl Secured {
    /// Problems that are said at a time.
    pub const MOST: usize = 20;
}
