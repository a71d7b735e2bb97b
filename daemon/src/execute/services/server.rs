//! Which servers the host has.

use std::io;
use std::path::{Path, PathBuf};

use wharf_config::application::{Service, ServiceKind};
use wharf_config::name::ProcessName;

use super::external;
use crate::execute::failure::Failure;
use crate::execute::runtime::{Runtimes, fits};
use crate::execute::world::World;
use crate::plan::admission::Found;
use crate::plan::services::{Server, clients};

/// Where servers are; sandboxes see all of them.
const DIRECTORIES: [&str; 5] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/usr/libexec",
];
/// Where Debian has PostgreSQL, a directory a version.
const POSTGRESQL: &str = "/usr/lib/postgresql";
/// Where Debian has RabbitMQ's own programs: those in a user's path insist on its package's user.
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin";
/// How the directory of its distribution is called, before the version.
const RABBITMQ_VERSION: &str = "rabbitmq_server-";

/// What the host has of a service's server.
pub async fn find(world: &World, service: &Service) -> Found {
    if !service.provider.is_own() {
        return external::find(world, service).await;
    }
    match look(&world.runtimes, service).await {
        Looked::Fits(server) => Found::Fits(server.version),
        Looked::Other(version) => Found::Other(version),
        Looked::Missing(_) => Found::Missing,
    }
}

/// The server of a service.
///
/// # Errors
/// That the host has none that fits.
pub(super) async fn insist(
    runtimes: &Runtimes,
    name: &ProcessName,
    service: &Service,
) -> Result<Server, Failure> {
    let (message, hint) = match look(runtimes, service).await {
        Looked::Fits(server) => return Ok(server),
        Looked::Other(version) => (
            format!(
                "this host has {} {version}, not {service}",
                service.kind.as_str()
            ),
            "ask the host's operator for it, or ask for the version that is there",
        ),
        Looked::Missing(program) => (
            format!(
                "this host has no {program}, which {} needs",
                service.kind.as_str()
            ),
            "ask the host's operator to install it",
        ),
    };
    let message = format!("service {name}: {message}");
    Err(Failure::new("service-missing", message).hint(hint))
}

/// The server of just this version, where the host has it.
pub(super) async fn of_version(
    runtimes: &Runtimes,
    service: &Service,
    version: &str,
) -> Option<Server> {
    let service = Service {
        version: Some(version.to_owned()),
        ..service.clone()
    };
    match look(runtimes, &service).await {
        Looked::Fits(server) => Some(server),
        Looked::Other(_) | Looked::Missing(_) => None,
    }
}

enum Looked {
    Fits(Server),
    /// The newest of those that are there.
    Other(String),
    /// This program is not there.
    Missing(&'static str),
}

async fn look(runtimes: &Runtimes, service: &Service) -> Looked {
    if service.kind == ServiceKind::Custom {
        // Its commands say what they need.
        return Looked::Fits(Server {
            program: PathBuf::new(),
            version: "0".to_owned(),
        });
    }
    let programs = tokio::task::spawn_blocking({
        let kind = service.kind;
        move || programs(kind)
    });
    let mut newest: Option<String> = None;
    for program in programs.await.unwrap_or_default() {
        let said = match service.kind {
            // It knows no such option: it would start.
            ServiceKind::Rabbitmq => version_of_directory(&program),
            _ => runtimes.version(&program, "--version").await,
        };
        let Some(version) = said else {
            continue;
        };
        if fits(&version, service.version.as_deref()) {
            let missing = clients(service.kind)
                .iter()
                .find(|client| place(client).is_none());
            return match missing {
                Some(client) => Looked::Missing(client),
                None => Looked::Fits(Server { program, version }),
            };
        }
        newest.get_or_insert(version);
    }
    match newest {
        Some(version) => Looked::Other(version),
        None => Looked::Missing(names(service.kind)[0]),
    }
}

/// Whether an instance's version is what a service asks for.
pub(super) fn fits_said(version: &str, service: &Service) -> bool {
    fits(version, service.version.as_deref())
}

/// The client program of a kind of databases, with its others beside it; of several versions the newest, which
/// understands the older ones.
pub(super) fn clients_of(kind: ServiceKind) -> Option<PathBuf> {
    if kind != ServiceKind::Postgresql {
        let all = ["mariadb-dump", "mariadb"].map(place);
        return all.into_iter().collect::<Option<Vec<_>>>()?.pop();
    }
    let versions = postgresql().unwrap_or_default().into_iter();
    let clients = versions.map(|directory| directory.join("psql"));
    let good = |client: &PathBuf| client.is_file() && client.with_file_name("pg_dump").is_file();
    clients.chain(place("psql")).find(good)
}

/// The version that is part of the name of the directory in which RabbitMQ really is.
fn version_of_directory(program: &Path) -> Option<String> {
    let real = program.canonicalize().ok()?;
    let mut names = real.iter().filter_map(|name| name.to_str());
    names.find_map(|name| name.strip_prefix(RABBITMQ_VERSION).map(str::to_owned))
}

/// What a kind's server is called, the usual name first.
fn names(kind: ServiceKind) -> &'static [&'static str] {
    match kind {
        ServiceKind::Mariadb => &["mariadbd", "mysqld"],
        ServiceKind::Postgresql => &["postgres"],
        ServiceKind::Redis => &["redis-server"],
        ServiceKind::Valkey => &["valkey-server"],
        ServiceKind::Memcached => &["memcached"],
        ServiceKind::Rabbitmq => &["rabbitmq-server"],
        ServiceKind::Custom => &["sh"],
    }
}

/// The programs of a kind that are there, the newest first where they are told apart.
fn programs(kind: ServiceKind) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if kind == ServiceKind::Rabbitmq {
        let programs = names(kind)
            .iter()
            .map(|name| Path::new(RABBITMQ).join(name));
        return programs.filter(|program| program.is_file()).collect();
    }
    if kind == ServiceKind::Postgresql {
        let versions = postgresql().unwrap_or_default().into_iter();
        let programs = versions.map(|directory| directory.join("postgres"));
        found = programs.filter(|program| program.is_file()).collect();
    }
    // Links of one program are one.
    found.extend(names(kind).iter().filter_map(|name| place(name)));
    let mut seen = Vec::new();
    found.retain(|program| {
        let real = program.canonicalize().unwrap_or_else(|_| program.clone());
        let is_new = !seen.contains(&real);
        seen.push(real);
        is_new
    });
    found
}

fn place(name: &str) -> Option<PathBuf> {
    let mut places = DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(name));
    places.find(|place| place.is_file())
}

/// The directories of PostgreSQL's programs, the newest version's first.
fn postgresql() -> io::Result<Vec<PathBuf>> {
    let mut versions = Vec::new();
    for entry in crate::disk::entries(Path::new(POSTGRESQL))? {
        let entry = entry?;
        let version = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok());
        versions.extend(version.map(|version| (version, entry.path().join("bin"))));
    }
    versions.sort();
    let directories = versions.into_iter().rev().map(|(_, directory)| directory);
    Ok(directories.collect())
}
