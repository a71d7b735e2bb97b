//! Addresses that the router is to have, where it does not answer.

use std::net::SocketAddr;

use wharf_wire::view::Finding;

use super::listening::{Listener, listeners};
use crate::settings::Settings;

/// What the kernel calls the router.
const ROUTER: &str = "wharf-router";

/// Who has what the router, which does not answer, is to have. Blocks.
pub fn findings(settings: &Settings) -> Vec<Finding> {
    let host = &settings.host;
    let wanted = [
        ("router.listen", Some(host.listen)),
        ("router.tls.listen", host.tls.listen),
    ];
    let wanted = wanted
        .into_iter()
        .filter_map(|(key, address)| Some((key, address?)));
    // Any free one is never taken.
    let wanted = wanted.filter(|(_, address)| address.port() != 0);
    wanted
        .filter_map(|(key, address)| Some(taken(key, address, listeners(address).first()?)))
        .collect()
}

fn taken(key: &str, address: SocketAddr, by: &Listener) -> Finding {
    let user = uzers::get_user_by_uid(by.uid).map_or_else(
        || by.uid.to_string(),
        |user| user.name().to_string_lossy().into_owned(),
    );
    let program = by.program();
    let who = match &program {
        Some((name, pid)) => format!("{} (pid {pid}, user {user})", name.escape_default()),
        None => format!("a program of the user {user}"),
    };
    let hint = match program {
        // One that lost its control socket, or another place's.
        Some((name, pid)) if name == ROUTER => format!("kill {pid}"),
        _ => format!(
            "ss -ltnp 'sport = :{}'\nstop that program, or give the router another address: {key} in wharfd.toml",
            address.port()
        ),
    };
    let text = format!(
        "the router cannot have {address} ({key}): {who} listens on {}",
        by.address
    );
    Finding::error("port", text, hint)
}
