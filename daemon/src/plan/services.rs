//! How services are run: for each kind the commands that make its data, start it, ask whether it
//! answers, write out and read in what it holds; and how an application reaches it.
//!
//! Commands are constant scripts of ours; what differs stands in their arguments and variables. A
//! service finds its data at [`APP`], and its socket is at the same path for itself and for the
//! application: [`Setting::directory`].

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::json;
use wharf_config::application::{Service, ServiceKind, service_prefix};
use wharf_config::name::ProcessName;
use wharf_sandbox::sandbox::{APP, SERVICES};

mod custom;
pub mod external;
mod mariadb;
mod memcached;
mod postgresql;
mod rabbitmq;
mod redis;
pub mod rows;
mod version;

pub use version::{Step, read_version, says_version, step};

/// The database that each server of databases has for its application, and the user that owns it.
pub const DATABASE: &str = "main";
/// The user that an application is.
pub const APPLICATION: &str = "app";
/// The user that Wharf is.
pub const ADMIN: &str = "wharf";

/// Runs a program in the script's place; a text that it reads first is at [`SETUP`], which is in memory.
const SERVE: &str = "umask 077; if [ -n \"${WHARF_SETUP-}\" ]; then \
                     printf '%s\\n' \"$WHARF_SETUP\" >/tmp/setup; unset WHARF_SETUP; fi; exec \"$@\"";
/// Where that text is.
const SETUP: &str = "/tmp/setup";
/// The variable that it comes in.
const SETUP_TEXT: &str = "WHARF_SETUP";
/// Runs a program in the script's place.
const RUN: &str = "umask 077; exec \"$@\"";
/// What the socket is called that leads to a service's port.
pub const SOCKET_OF_PORT: &str = "port.sock";

/// A server that the host has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its program.
    pub program: PathBuf,
    /// Its version: numbers with dots between.
    pub version: String,
}

/// What a service's commands are made of.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// What the application calls it.
    pub name: &'a ProcessName,
    /// What is asked for.
    pub service: &'a Service,
    /// What the host has.
    pub server: &'a Server,
    /// Its passwords.
    pub passwords: &'a Passwords,
}

/// A service's passwords: letters, digits, `-` and `_`; and what they are for.
#[derive(Clone, PartialEq, Eq)]
pub struct Passwords {
    /// Wharf's own.
    pub admin: String,
    /// The application's.
    pub application: String,
    /// What its database in an instance of the operator's is called, and its user there.
    pub external: Option<String>,
    /// The port of this host's own that leads to it, where it knows no sockets.
    pub port: Option<u16>,
}

impl Passwords {
    /// Who the application is.
    fn user(&self) -> &str {
        self.external.as_deref().unwrap_or(APPLICATION)
    }

    /// Which database is its own.
    fn database(&self) -> &str {
        self.external.as_deref().unwrap_or(DATABASE)
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords(****)")
    }
}

/// A command: what `/bin/sh -c` gets, with what it finds as `"$@"`, and its variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// A script.
    pub text: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its variables, beside those of every sandbox.
    pub variables: BTreeMap<String, String>,
}

/// How a service is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Makes the data of one that has none yet.
    pub make: Option<Command>,
    /// Starts it.
    pub start: Start,
    /// Ends well once it answers.
    pub ready: Option<Command>,
    /// Brings data to the server's version that an earlier one has made.
    pub upgrade: Option<Command>,
    /// How what it holds comes out and in; none where it holds nothing that lasts.
    pub content: Option<Content>,
}

/// How a service is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// By a server, which stays in the foreground.
    Server(Command),
    /// By a door that leads to an instance of the operator's.
    Door {
        /// What its socket is called.
        socket: &'static str,
    },
}

/// How what a service holds comes out and in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Writes all of it to its standard output.
    pub dump: Command,
    /// Reads it from its standard input.
    pub load: Load,
    /// A shell for people.
    pub shell: Option<Command>,
    /// Prints a line for each table: its name, a tab, how many rows it has.
    pub count: Option<Command>,
}

/// Into what a service's content is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// Into one that runs and holds nothing yet.
    Served(Command),
    /// Into the directory of one that does not run.
    Files(Command),
}

impl Command {
    fn new(text: &str, arguments: impl IntoIterator<Item = impl Into<String>>) -> Command {
        Command {
            text: text.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            variables: BTreeMap::new(),
        }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Command {
        self.variables.insert(name.to_owned(), value.into());
        self
    }
}

impl Setting<'_> {
    /// The directory of its socket, in every sandbox.
    fn directory(&self) -> String {
        directory(self.name)
    }

    fn program(&self) -> String {
        self.server.program.display().to_string()
    }

    /// A program that is installed beside the server's own.
    fn beside(&self, name: &str) -> String {
        self.server
            .program
            .with_file_name(name)
            .display()
            .to_string()
    }
}

/// The directory of a service's socket, in every sandbox.
pub fn directory(name: &ProcessName) -> String {
    format!("{SERVICES}/{name}")
}

/// How a service is run.
pub fn recipe(setting: &Setting<'_>) -> Recipe {
    if let Some(external) = external::recipe(setting) {
        return external;
    }
    match setting.service.kind {
        ServiceKind::Mariadb => mariadb::recipe(setting),
        ServiceKind::Postgresql => postgresql::recipe(setting),
        ServiceKind::Redis | ServiceKind::Valkey => redis::recipe(setting),
        ServiceKind::Memcached => memcached::recipe(setting),
        ServiceKind::Rabbitmq => rabbitmq::recipe(setting),
        ServiceKind::Custom => custom::recipe(setting),
    }
}

/// The port that a service listens on in its own network, where it knows no sockets: a forwarder leads there
/// from [`socket_of_port`].
pub fn port(service: &Service) -> Option<u16> {
    match service.kind {
        ServiceKind::Rabbitmq => Some(rabbitmq::PORT),
        ServiceKind::Custom => service.custom.as_ref()?.port,
        _ => None,
    }
}

/// The socket that leads to a service's port, in every sandbox.
pub fn socket_of_port(name: &ProcessName) -> String {
    format!("{}/{SOCKET_OF_PORT}", directory(name))
}

/// Ends well once a socket is there.
fn socket_is_there(socket: &str) -> Command {
    Command::new("[ -S \"$1\" ]", [socket])
}

/// Whether what a service of this kind holds can be kept, and put back.
pub fn lasts(kind: ServiceKind) -> bool {
    !matches!(kind, ServiceKind::Memcached | ServiceKind::Rabbitmq)
}

/// Whether it is a database, where the others are caches and queues.
pub fn is_database(kind: ServiceKind) -> bool {
    matches!(kind, ServiceKind::Mariadb | ServiceKind::Postgresql)
}

/// The programs beside the server's that its commands need.
pub fn clients(kind: ServiceKind) -> &'static [&'static str] {
    match kind {
        ServiceKind::Mariadb => &["mariadb", "mariadb-dump", "mariadb-install-db"],
        ServiceKind::Redis => &["redis-cli"],
        ServiceKind::Valkey => &["valkey-cli"],
        // Those of PostgreSQL lie beside the server.
        ServiceKind::Postgresql
        | ServiceKind::Memcached
        | ServiceKind::Rabbitmq
        | ServiceKind::Custom => &[],
    }
}

/// How an application reaches a service.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Relationship {
    scheme: &'static str,
    host: String,
    port: Option<u16>,
    /// None where it is reached by its port only.
    socket: Option<String>,
    /// The part of the address behind the user: host, path and options.
    rest: String,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
}

impl Relationship {
    /// One of which there is no more to say than its socket.
    fn socket(scheme: &'static str, socket: String, password: Option<&String>) -> Relationship {
        Relationship {
            scheme,
            host: "localhost".to_owned(),
            port: None,
            rest: socket.clone(),
            socket: Some(socket),
            user: None,
            password: password.cloned(),
            database: None,
        }
    }

    /// One that is reached by a port of the loopback's.
    fn port(scheme: &'static str, passwords: &Passwords, path: &str) -> Relationship {
        let (host, port) = (Ipv4Addr::LOCALHOST.to_string(), passwords.port);
        let number = port.map_or_else(String::new, |port| format!(":{port}"));
        Relationship {
            scheme,
            rest: format!("{host}{number}{path}"),
            host,
            port,
            socket: None,
            user: None,
            password: Some(passwords.application.clone()),
            database: None,
        }
    }

    fn of(name: &ProcessName, service: &Service, passwords: &Passwords) -> Relationship {
        match service.kind {
            ServiceKind::Mariadb => mariadb::relationship(name, passwords),
            ServiceKind::Postgresql => postgresql::relationship(name, passwords),
            ServiceKind::Redis | ServiceKind::Valkey => redis::relationship(name, passwords),
            ServiceKind::Memcached => memcached::relationship(name),
            ServiceKind::Rabbitmq => rabbitmq::relationship(passwords),
            ServiceKind::Custom => custom::relationship(name, passwords),
        }
    }

    fn url(&self) -> String {
        let user = self.user.as_deref().unwrap_or_default();
        let who = match &self.password {
            None if self.user.is_none() => String::new(),
            None => format!("{user}@"),
            Some(password) => format!("{user}:{password}@"),
        };
        format!("{}://{who}{}", self.scheme, self.rest)
    }
}

/// The variables by which an application finds its services, and one that holds all of them as JSON.
pub fn variables<'a>(
    services: impl IntoIterator<Item = (&'a ProcessName, &'a Service, &'a Passwords)>,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let mut all = serde_json::Map::new();
    for (name, service, passwords) in services {
        let one = Relationship::of(name, service, passwords);
        let prefix = service_prefix(name);
        let mut set = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                variables.insert(format!("{prefix}_{key}"), value);
            }
        };
        set("URL", Some(one.url()));
        set("HOST", Some(one.host.clone()));
        set("PORT", one.port.map(|port| port.to_string()));
        set("SOCKET", one.socket.clone());
        set("USER", one.user.clone());
        set("PASSWORD", one.password.clone());
        set("NAME", one.database.clone());
        let described = json!({
            "type": service.to_string(),
            "scheme": one.scheme,
            "url": one.url(),
            "host": one.host,
            "port": one.port,
            "socket": one.socket,
            "username": one.user,
            "password": one.password,
            "path": one.database,
        });
        all.insert(name.to_string(), described);
    }
    if !all.is_empty() {
        let all = serde_json::Value::Object(all).to_string();
        variables.insert("WHARF_RELATIONSHIPS".to_owned(), all);
    }
    variables
}

#[cfg(test)]
mod tests;
