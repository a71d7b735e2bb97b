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
    /// Who runs its server.
    #[serde(default, skip_serializing_if = "Provider::is_own")]
    pub provider: Provider,
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

/// Who runs a service's server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Provider {
    /// Wharf does, one for each environment.
    #[default]
    Own,
    /// The host's operator does: an environment has a database in it.
    External {
        /// What the host's file calls it; none: the only one of its kind.
        instance: Option<ProcessName>,
    },
}

impl Provider {
    /// Whether Wharf runs it.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// Reads `external` or `external:NAME`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WHAT: &str =
            "must be \"external\", or \"external:NAME\" as the host's operator calls it";
        let instance = match text.split_once(':') {
            None if text == "external" => None,
            Some(("external", name)) => Some(ProcessName::parse(name).map_err(|_| WHAT)?),
            _ => return Err(WHAT),
        };
        Ok(Self::External { instance })
    }
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
    /// The port that it listens on in its own network, where it knows no sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
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
    /// `rabbitmq`
    Rabbitmq = "rabbitmq",
    /// `custom`: commands of the developer's own.
    Custom = "custom",
}

impl ServiceKind {
    /// Reads its word, as the record holds it.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

impl ServiceKind {
    /// Whether an instance of the operator's can have a database for each environment.
    pub fn may_be_external(self) -> bool {
        matches!(self, Self::Mariadb | Self::Postgresql)
    }
}

impl Service {
    /// All that says which server it needs, in words.
    pub fn wanted(&self) -> String {
        match &self.provider {
            Provider::Own => self.to_string(),
            Provider::External { instance: None } => format!("{self}, external"),
            Provider::External {
                instance: Some(name),
            } => format!("{self}, external:{name}"),
        }
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
    let kind = service.as_ref().map(|service| service.kind);
    let provider = table.get("provider").and_then(|item| provider(&item, kind));
    let provider = provider.unwrap_or_default();
    let memory = table
        .get("memory")
        .and_then(|item| memory(&item, kind, &provider));
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
        provider,
        memory,
        custom,
        ..service
    })
}

/// Who runs its server.
fn provider(item: &Item<'_>, kind: Option<ServiceKind>) -> Option<Provider> {
    let provider = item.parsed("\"external\"", Provider::parse)?;
    let kind = kind?;
    if kind.may_be_external() {
        return Some(provider);
    }
    let why = format!(
        "an external {} has no part for each environment",
        kind.as_str()
    );
    item.bad(
        why,
        "only mariadb and postgresql can be external: leave `provider` out",
    );
    None
}

/// What it may take, at least what its server needs to live at all.
fn memory(item: &Item<'_>, kind: Option<ServiceKind>, provider: &Provider) -> Option<u64> {
    let size = item.size()?;
    if !provider.is_own() {
        item.bad(
            "its server is the operator's, who says that there",
            "leave `memory` out",
        );
        return None;
    }
    let megabytes = match kind? {
        ServiceKind::Mariadb => 192,
        ServiceKind::Postgresql => 64,
        ServiceKind::Redis | ServiceKind::Valkey | ServiceKind::Memcached => 32,
        // Half of it is gone before anything is in it.
        ServiceKind::Rabbitmq => 256,
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
    let port = table.get("port").and_then(|item| {
        let port = item.number(1024..=u32::from(u16::MAX))?;
        u16::try_from(port).ok()
    });
    Some(Custom {
        start: start.and_then(|item| command(&item))?,
        ready,
        dump,
        restore,
        port,
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
        provider: Provider::Own,
        memory: None,
        custom: None,
        at: At::Spot(item.spot()),
    })
}
