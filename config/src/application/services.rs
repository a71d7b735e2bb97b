//! `[services]`: databases, caches and queues of an environment, which outlive its releases.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::{At, parts::entries, step::command};
use crate::{
    name::ProcessName,
    plain::quoted,
    reader::{Item, Table, suggestion},
};

const MAX_SERVICES: usize = 16;
const EXAMPLE: &str = "\"mariadb:10.11\"";

/// A service that an application relates to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What it is.
    pub kind: ServiceKind,
    /// Numbers with dots between; `10.11` asks for any 10.11.x. None: what the host has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Bytes of memory that it may take, as far as the operator lets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// The commands of one that Wharf knows nothing of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Custom>,
    /// Where it is written. Not stored.
    #[serde(skip)]
    pub at: At,
}

/// The commands of a service of the developer's own: each what `/bin/sh -c` gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Custom {
    /// Starts it; it stays in the foreground.
    pub start: String,
    /// Ends with 0 once it answers.
    pub ready: Option<String>,
    /// Writes all that it holds.
    pub dump: Option<String>,
    /// Reads what `dump` wrote, while it does not run and holds nothing.
    pub restore: Option<String>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// A kind of service that Wharf knows how to run.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ServiceKind {
            $($(#[$doc])* $variant,)+
        }

        impl ServiceKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

kinds! {
    /// `mariadb`
    Mariadb = "mariadb",
    /// `postgresql`
    Postgresql = "postgresql",
    /// `redis`
    Redis = "redis",
    /// `valkey`
    Valkey = "valkey",
    /// `memcached`
    Memcached = "memcached",
    /// `custom`: commands of the developer's own.
    Custom = "custom",
}

impl ServiceKind {
    /// Reads its word, as the record holds it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        match &self.version {
            Some(version) => write!(f, ":{version}"),
            None => Ok(()),
        }
    }
}

/// How a service's variables begin: its name in capitals.
pub fn prefix(name: &ProcessName) -> String {
    name.as_str().to_ascii_uppercase().replace('-', "_")
}

/// The services by name.
pub(super) fn services(item: &Item<'_>) -> BTreeMap<ProcessName, Service> {
    let mut services = BTreeMap::<ProcessName, Service>::new();
    for item in entries(item, MAX_SERVICES, "services") {
        let name = item.key_as("database = \"mariadb:10.11\"", ProcessName::parse);
        let Some((name, service)) = name.zip(service(&item)) else {
            continue;
        };
        match services.keys().find(|one| prefix(one) == prefix(&name)) {
            Some(other) => {
                let why = format!(
                    "has the variables of {}: {}_URL",
                    quoted(other.as_str()),
                    prefix(&name)
                );
                item.bad_key("bad-name", why, "give one of the two another name");
            }
            None => drop(services.insert(name, service)),
        }
    }
    services
}

/// A service: `"mariadb:10.11"`, or a table with `type`.
fn service(item: &Item<'_>) -> Option<Service> {
    if let DeValue::String(_) = item.value() {
        let service = typed(item)?;
        if service.kind == ServiceKind::Custom {
            let hint = "write { type = \"custom\", start = \"COMMAND\" }";
            item.bad("a custom service needs its commands", hint);
            return None;
        }
        return Some(service);
    }
    let table = item.table(EXAMPLE)?;
    let kind = table.get("type");
    if kind.is_none() {
        let message = format!("{} has no `type`", quoted(item.path()));
        table.missing(
            &["type"],
            message,
            "write type = \"mariadb:10.11\" below it",
        );
    }
    let service = kind.and_then(|item| typed(&item));
    let memory = table
        .get("memory")
        .and_then(|item| memory(&item, service.as_ref().map(|service| service.kind)));
    let is_custom = service
        .as_ref()
        .map(|service| service.kind == ServiceKind::Custom);
    // Where the type is wrong, nobody knows which keys there may be.
    let custom = match is_custom {
        Some(false) => None,
        Some(true) | None => custom(&table, item, is_custom == Some(true)),
    };
    table.finish();
    let service = service?;
    if service.kind == ServiceKind::Custom && custom.is_none() {
        return None;
    }
    Some(Service {
        memory,
        custom,
        ..service
    })
}

/// What it may take, at least what its server needs to live at all.
fn memory(item: &Item<'_>, kind: Option<ServiceKind>) -> Option<u64> {
    let size = item.size()?;
    let megabytes = match kind? {
        ServiceKind::Mariadb => 192,
        ServiceKind::Postgresql => 64,
        ServiceKind::Redis | ServiceKind::Valkey | ServiceKind::Memcached => 32,
        ServiceKind::Custom => 0,
    };
    if size >= megabytes * 1_000_000 {
        return Some(size);
    }
    let hint = format!("write \"{megabytes}M\" or more");
    item.bad("its server does not live on that", &hint);
    None
}

fn custom(table: &Table<'_>, item: &Item<'_>, needed: bool) -> Option<Custom> {
    let get = |key| table.get(key).and_then(|item| command(&item));
    let start = table.get("start");
    if start.is_none() && needed {
        let message = format!("{} has no `start`", quoted(item.path()));
        table.missing(&["start"], message, "write start = \"COMMAND\" below it");
    }
    let (ready, dump, restore) = (get("ready"), get("dump"), get("restore"));
    Some(Custom {
        start: start.and_then(|item| command(&item))?,
        ready,
        dump,
        restore,
    })
}

/// `mariadb:10.11`, or without a version.
fn typed(item: &Item<'_>) -> Option<Service> {
    let text = item.text(EXAMPLE)?;
    let (word, version) = match text.split_once(':') {
        None => (text, None),
        Some((word, version)) => (word, Some(version)),
    };
    let Some(kind) = ServiceKind::parse(word) else {
        let all = || ServiceKind::ALL.iter().map(|kind| kind.as_str());
        let hint = match suggestion(word, all()) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => format!("known are {}", all().collect::<Vec<_>>().join(", ")),
        };
        item.bad(format!("unknown service {}", quoted(word)), &hint);
        return None;
    };
    let number =
        |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if let Some(version) = version
        && !(version.split('.').count() <= 4 && version.split('.').all(number))
    {
        let why = format!("version {} is not like 10 or 10.11", quoted(version));
        item.bad(
            why,
            &format!("write \"{word}:MAJOR\" or \"{word}:MAJOR.MINOR\""),
        );
        return None;
    }
    Some(Service {
        kind,
        version: version.map(str::to_owned),
        memory: None,
        custom: None,
        at: At::Spot(item.spot()),
    })
}
