//! memcached: reached through its socket only, which is all that keeps others away; it holds nothing that lasts.

use wharf_config::name::ProcessName;

use super::{Command, RUN, Recipe, Relationship, Setting, Start, directory, socket_is_there};

/// Bytes that it takes beside what it holds.
const OVERHEAD: u64 = 16 << 20;
/// Megabytes that it holds unless the application says otherwise; its own default.
const USUAL: u64 = 64;

fn socket(name: &ProcessName) -> String {
    format!("{}/memcached.sock", directory(name))
}

pub(super) fn relationship(name: &ProcessName) -> Relationship {
    Relationship::socket("memcached", socket(name), None)
}

pub(super) fn recipe(setting: &Setting<'_>) -> Recipe {
    let memory = setting.service.memory;
    let megabytes = memory.map_or(USUAL, |bytes| (bytes.saturating_sub(OVERHEAD) >> 20).max(1));
    let socket = socket(setting.name);
    let start = [
        &setting.program(),
        "-s",
        &socket,
        "-a",
        "0700",
        "-m",
        &megabytes.to_string(),
    ];
    Recipe {
        make: None,
        start: Start::Server(Command::new(RUN, start)),
        // It takes connections as soon as its socket is there.
        ready: Some(socket_is_there(&socket)),
        upgrade: None,
        content: None,
    }
}
