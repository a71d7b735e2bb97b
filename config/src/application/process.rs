//! `[web]`, `[processes]` and `[workers]`: processes that run as long as their release serves.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{At, parts::entries, step::command};
use crate::{name::ProcessName, plain::quoted, reader::Item};

const MAX_WORKERS: usize = 16;
/// The longest that a worker may take to end: whoever waits for it deploys.
const MAX_GRACE: Duration = Duration::from_secs(10 * 60);
const MAX_PROCESSES: usize = 16;

/// A process that runs as long as its release serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// What `/bin/sh -c` gets.
    pub start: String,
    /// What it speaks, where it answers requests.
    #[serde(default)]
    pub protocol: Protocol,
    /// How long it may take to end once it was asked to, where a worker says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
    /// Where it is written. Not stored.
    #[serde(skip)]
    pub at: At,
}

impl Process {
    /// A process that is started so.
    pub fn new(start: impl Into<String>, protocol: Protocol) -> Self {
        Self {
            start: start.into(),
            protocol,
            grace: None,
            at: At::Nowhere,
        }
    }

    /// The same, written there.
    #[must_use]
    pub fn at(self, at: At) -> Self {
        Self { at, ..self }
    }
}

/// What a process that answers requests speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http,
    /// FastCGI, as php-fpm does.
    Fastcgi,
}

/// Which network deploy commands and processes have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// The host's.
    #[default]
    Shared,
    /// Each a loopback device of its own, and Unix sockets.
    Private,
}

impl Network {
    pub(super) fn is_shared(&self) -> bool {
        *self == Self::Shared
    }
}

/// The words for it.
pub(super) const NETWORK: [(&str, Network); 2] =
    [("shared", Network::Shared), ("private", Network::Private)];

/// Whether a process answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// It does, and speaks this unless it says otherwise.
    With(Protocol),
    /// It does not.
    Nobody,
}

/// A process: its command, or a table with `start`.
pub(super) fn process(item: &Item<'_>, answers: Answers) -> Option<Process> {
    let mut protocol = match answers {
        Answers::With(protocol) => protocol,
        Answers::Nobody => Protocol::Http,
    };
    if let DeValue::String(_) = item.value() {
        let at = At::Spot(item.spot());
        return command(item).map(|start| Process::new(start, protocol).at(at));
    }
    let table = item.table("\"python3 server.py\"")?;
    if let Answers::With(_) = answers
        && let Some(item) = table.get("protocol")
    {
        let words = [("http", Protocol::Http), ("fastcgi", Protocol::Fastcgi)];
        protocol = item.one_of(&words).unwrap_or(protocol);
    }
    let mut grace = None;
    if let Answers::Nobody = answers
        && let Some(item) = table.get("grace")
    {
        grace = item.duration(MAX_GRACE);
    }
    let start = table.get("start");
    if start.is_none() {
        let message = format!("{} has no `start`", quoted(item.path()));
        table.missing(&["start"], message, "write start = \"COMMAND\" below it");
    }
    table.finish();
    let start = start?;
    let at = At::Spot(start.spot());
    command(&start).map(|start| Process {
        grace,
        ..Process::new(start, protocol).at(at)
    })
}

/// The processes beside the web process that answer requests, by name.
pub(super) fn processes(item: &Item<'_>) -> BTreeMap<ProcessName, Process> {
    named(item, MAX_PROCESSES, "processes", |item| {
        process(item, Answers::With(Protocol::Http))
    })
}

/// The workers by name.
pub(super) fn workers(item: &Item<'_>) -> BTreeMap<ProcessName, Process> {
    named(item, MAX_WORKERS, "workers", |item| {
        process(item, Answers::Nobody)
    })
}

fn named(
    item: &Item<'_>,
    most: usize,
    what: &str,
    read: impl Fn(&Item<'_>) -> Option<Process>,
) -> BTreeMap<ProcessName, Process> {
    let one = |item: &Item<'_>| {
        if item.key() == "web" {
            let why = match what {
                "workers" => "the web process is no worker",
                _ => "the web process stands by itself",
            };
            item.bad_key("bad-name", why, "write it in [web]");
            return None;
        }
        let (name, process) = (
            item.key_as("mailer = \"python3 mailer.py\"", ProcessName::parse),
            read(item),
        );
        name.zip(process)
    };
    let entries = entries(item, most, what);
    entries.iter().filter_map(one).collect()
}
