//! `[web]` and `[workers]`: processes that run as long as their release serves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{parts::entries, step::command};
use crate::{name::ProcessName, plain::quoted, reader::Item};

const MAX_WORKERS: usize = 16;

/// A process that runs as long as its release serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What `/bin/sh -c` gets.
    pub start: String,
}

/// A process: its command, or a table with `start`.
pub(super) fn process(item: &Item<'_>) -> Option<Process> {
    if let DeValue::String(_) = item.value() {
        return command(item).map(|start| Process { start });
    }
    let table = item.table("\"python3 server.py\"")?;
    let start = table.get("start").map(|item| command(&item));
    if start.is_none() {
        let message = format!("{} has no `start`", quoted(item.path()));
        table.problem("missing-key", message, "write start = \"COMMAND\" below it");
    }
    table.finish();
    start.flatten().map(|start| Process { start })
}

/// The workers by name.
pub(super) fn workers(item: &Item<'_>) -> BTreeMap<ProcessName, Process> {
    let entries = entries(item, MAX_WORKERS, "workers");
    let worker = |item: &Item<'_>| {
        if item.key() == "web" {
            item.bad_key(
                "bad-name",
                "the web process is no worker",
                "write it in [web]",
            );
            return None;
        }
        let (name, process) = (
            item.key_as("mailer = \"python3 mailer.py\"", ProcessName::parse),
            process(item),
        );
        name.zip(process)
    };
    entries.iter().filter_map(worker).collect()
}
