//! Services whose server the operator runs: a database there for each environment.
//!
//! What an environment's service holds is a directory as every other's is, and all that is in it is the database's
//! name: so data that comes takes its place by the same rename, and what is put aside is kept as long. The
//! database itself goes once no such directory names it any more.

use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use wharf_config::application::{Provider, Service, ServiceKind};
use wharf_config::host::{Instance, Reach};
use wharf_config::name::ProcessName;

use super::command::{self, Stand};
use super::server::{clients_of, fits_said};
use super::{One, Passwords};
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::housekeeping::names;
use crate::execute::world::World;
use crate::fail;
use crate::identity::Account;
use crate::plan::admission::Found;
use crate::plan::services::external as plan;
use crate::plan::services::{Server, Setting};
use crate::run::job::{Door, End};

mod client;
mod ledger;

pub(in crate::execute) use ledger::sweep;
use ledger::{Entry, Pointer};

/// An instance of the operator's, as it is now.
#[derive(Debug, Clone)]
pub(super) struct External {
    pub(super) instance: Instance,
    /// What it answers to, and a password-less attempt must not get.
    strangers: Vec<String>,
}

/// What the host has of an instance for a service.
pub(super) async fn find(world: &World, service: &Service) -> Found {
    let settings = world.settings();
    match plan::choose(service, &settings.host.services) {
        Ok(instance) if clients_of(instance.kind).is_some() => Found::Fits(String::new()),
        Ok(_) => Found::Missing,
        Err((message, hint)) => Found::Refused(message, hint),
    }
}

/// The instance of a service, and its version; none where Wharf runs the server.
///
/// # Errors
/// That there is none, it does not answer, or has another version.
pub(super) async fn server(
    act: &Act,
    name: &ProcessName,
    service: &Service,
) -> Result<Option<(External, Server)>, Failure> {
    if service.provider == Provider::Own {
        return Ok(None);
    }
    let failed = |message: String| {
        Failure::new("service-missing", format!("service {name}: {message}"))
            .details(service.at.lines(crate::report::WIDTH))
    };
    let declared = &act.settings.host.services;
    let instance =
        plan::choose(service, declared).map_err(|(message, hint)| failed(message).hint(hint))?;
    let program = clients_of(instance.kind).ok_or_else(|| {
        let kind = instance.kind.as_str();
        failed(format!("this host has no client programs of {kind}"))
            .hint("ask the host's operator to install them")
    })?;
    let question = plan::ask_version(instance.kind).to_owned();
    let said = client::tell(&act.world, instance, question, None).await?;
    let called = &instance.name;
    let Some(version) = plan::version(instance.kind, &said) else {
        let said = said.trim();
        return Err(failed(format!(
            "instance {called} is no {service}: it says {said:?}"
        ))
        .hint("the host's operator looks at services in wharfd.toml"));
    };
    if !fits_said(&version, service) {
        let kind = service.kind.as_str();
        return Err(failed(format!(
            "instance {called} is {kind} {version}, not {service}"
        ))
        .hint("ask for the version that is there, or the host's operator for another instance"));
    }
    let own = Account::of(crate::identity::own_uid()).actor().name;
    let external = External {
        instance: instance.clone(),
        strangers: vec![instance.user.clone(), own],
    };
    Ok(Some((external, Server { program, version })))
}

impl External {
    /// The door that leads to it, in a directory that is there.
    pub(super) fn door(&self, directory: &Path, socket: &str) -> Door {
        let to = match &self.instance.reach {
            Reach::Socket(path) => End::Socket(path.clone()),
            Reach::Tcp { host, port } => End::Port {
                host: host.clone(),
                port: *port,
            },
        };
        Door {
            from: End::Socket(directory.join(socket)),
            to,
        }
    }

    /// What is different once a door leads elsewhere.
    pub(super) fn settings(&self, service: &str) -> String {
        format!("{service} {} {}", self.instance.name, self.instance.reach)
    }
}

/// What a service's database is called, as this directory has it.
///
/// # Errors
/// That it names one of somebody else's.
pub(super) fn named(
    act: &Act,
    name: &ProcessName,
    directory: &Path,
) -> Result<Option<String>, Failure> {
    let found = tokio::task::block_in_place(|| {
        let Some(pointer) = Pointer::read(directory)? else {
            return Ok(None);
        };
        let entry = Entry::read(&act.world.paths, &pointer.database)?;
        Ok(Some((pointer, entry)))
    });
    let found = found.map_err(|error: std::io::Error| {
        Failure::host("cannot read which database a service has", &error)
    })?;
    match found {
        None => Ok(None),
        // A service of another kind may have written there what it liked.
        Some((pointer, Some(entry))) if entry.is_of(act.key(), name) => Ok(Some(pointer.database)),
        Some((pointer, _)) => {
            let message = format!("service {name}: {} was not made for it", pointer.database);
            let place = directory.display();
            Err(Failure::new("service-data", message)
                .hint(format!("the host's operator looks at {place}")))
        }
    }
}

/// Refuses to go on with data of a server of its own in an instance, and the reverse.
///
/// # Errors
/// That they differ.
pub(super) fn insist_it_is_its_own(act: &Act, one: &One<'_>) -> Result<(), Failure> {
    let place = Stand::own(act, one.name).data;
    if !tokio::task::block_in_place(|| place.exists()) {
        return Ok(());
    }
    let pointer = tokio::task::block_in_place(|| Pointer::read(&place));
    let pointer = pointer.map_err(|error| Failure::host("cannot look at a service", &error))?;
    let is = match (&one.external, pointer) {
        (None, None) => return Ok(()),
        (Some(wanted), Some(pointer)) if pointer.instance == wanted.instance.name => return Ok(()),
        (_, Some(pointer)) => format!("in the operator's instance {}", pointer.instance),
        (Some(_), None) => "with a server of its own".to_owned(),
    };
    let message = format!("service {}: its data is {is}", one.name);
    Err(Failure::new("service-data", message)
        .hint("give the new service another name; to move on, dump the one and import it into the other")
        .details(one.service.at.lines(crate::report::WIDTH)))
}

/// Makes a new database for a service, and has this directory name it.
///
/// # Errors
/// That the instance does not, or the disk's.
pub(super) async fn make(
    act: &Act,
    one: &One<'_>,
    external: &External,
    directory: &Path,
) -> Result<(), Failure> {
    let (kind, key) = (external.instance.kind, act.key());
    let random: [u8; 5] = rand::random();
    let chance = BASE32_NOPAD.encode(&random).to_lowercase();
    let whose = (&key.project, &key.id, one.name);
    let database = plan::name(kind, whose, &chance);
    let failed = |error| Failure::host("cannot write down a service's database", &error);
    // Before it is there: what is not written down would never go.
    let entry = Entry::of(&external.instance, key, one.name);
    tokio::task::block_in_place(|| entry.write(&act.world.paths, &database)).map_err(failed)?;
    fail::point(format_args!("service: named"));
    give(act, one, external, &database).await?;
    let pointer = Pointer {
        instance: external.instance.name.clone(),
        database,
    };
    tokio::task::block_in_place(|| pointer.write(directory)).map_err(failed)
}

/// Gives a service's database and its user again what they are to have.
///
/// # Errors
/// That the instance does not.
pub(super) async fn renew(act: &Act, one: &One<'_>) -> Result<(), Failure> {
    let Some(external) = &one.external else {
        return Ok(());
    };
    let holds = Stand::own(act, one.name).data;
    match named(act, one.name, &holds)? {
        Some(database) => give(act, one, external, &database).await,
        None => Ok(()),
    }
}

async fn give(
    act: &Act,
    one: &One<'_>,
    external: &External,
    database: &str,
) -> Result<(), Failure> {
    let passwords = super::passwords(act, (one.name, one.service), Path::new("")).await?;
    let password = passwords.application;
    let said = plan::make(&external.instance, database, &password);
    let told = client::tell(&act.world, &external.instance, said, Some(&password));
    Box::pin(told).await.map(drop)
}

/// Takes away the database that this directory names for a service, since nobody will read of it any more. What was
/// made for somebody else stays, and what the service works with.
pub(super) async fn discard(act: &Act, name: &ProcessName, directory: &Path) {
    let Ok(Some(database)) = named(act, name, directory) else {
        return;
    };
    let own = Stand::own(act, name).data;
    if named(act, name, &own).is_ok_and(|used| used.as_ref() != Some(&database)) {
        ledger::drop_one(&act.world, &database).await;
    }
}

/// The same of all services that there are below a directory.
pub(in crate::execute) async fn discard_all(act: &Act, services: &Path) {
    let names = tokio::task::block_in_place(|| names(services)).unwrap_or_default();
    for name in names
        .iter()
        .filter_map(|name| ProcessName::parse(name).ok())
    {
        discard(act, &name, &services.join(name.as_str())).await;
    }
}

/// Sees to it that nobody comes to the instance through a door without a password.
///
/// # Errors
/// That somebody does.
pub(super) async fn insist_it_is_shut(
    act: &Act,
    one: &One<'_>,
    stand: &Stand,
) -> Result<(), Failure> {
    let Some(external) = &one.external else {
        return Ok(());
    };
    let passwords = super::passwords(act, (one.name, one.service), &stand.data).await?;
    let setting = Setting {
        name: one.name,
        service: one.service,
        server: &one.server,
        passwords: &passwords,
    };
    for command in plan::shut(&setting, &external.strangers) {
        let sandbox = stand.client(act, &command);
        let words = format!("shut-{}", one.name);
        let limit = super::start::QUESTION;
        if command::run(act, &words, sandbox, &command, limit)
            .await?
            .is_ok()
        {
            let called = &external.instance.name;
            let message = format!(
                "service {}: instance {called} lets somebody in without a password",
                one.name
            );
            return Err(Failure::new("service-external", message).hint(
                "the host's operator has it ask everybody: no peer, trust or unix_socket for Wharf's names",
            ));
        }
    }
    Ok(())
}

/// A program of a kind's, beside which its others are.
pub(super) fn program_of(kind: ServiceKind) -> Result<PathBuf, Failure> {
    clients_of(kind).ok_or_else(|| {
        let message = format!("this host has no client programs of {}", kind.as_str());
        Failure::new("service-missing", message)
    })
}

impl Passwords {
    /// Whether they say all that a service needs whose server the operator runs.
    pub(super) fn are_whole(&self, service: &Service) -> bool {
        service.provider == Provider::Own || self.external.is_some()
    }
}
