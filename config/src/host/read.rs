//! Reads and merges the host's files.

use std::time::Duration;

use super::{Host, Isolation, Unreachable};
use crate::{name::VariableName, place::Place, problem::Problems};

/// Proxies and certificates: what a build behind a company's border cannot do without.
const PASS: [&str; 12] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

pub(super) fn defaults(place: &Place) -> Host {
    let name = |name: &&str| VariableName::parse(name).expect("a good variable name");
    Host {
        domain: None,
        projects: place.projects_dir(),
        unreachable: Unreachable::Refuse,
        parallel: 2,
        pass: PASS.iter().map(name).collect(),
        build_time: Duration::from_secs(45 * 60),
        build_output: 200_000_000,
        keep_releases: 5,
        keep_min_free: 2_000_000_000,
        listen: ([127, 0, 0, 1], 7080).into(),
        isolation: Isolation::Bubblewrap,
        settings: Vec::new(),
    }
}

pub(super) fn load(place: &Place) -> Result<Host, Problems> {
    Ok(defaults(place))
}
