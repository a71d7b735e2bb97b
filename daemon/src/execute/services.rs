//! Services of an environment: databases, caches and queues, which outlive its releases. Each runs under a
//! keeper as the environment's user, in a network of its own: only who sees its socket reaches it,
//! or who knows its password where it is led to by a port.
//!
//! What a service holds is made in a directory beside its place, synced and renamed, so that whoever is killed
//! leaves nothing or all of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use wharf_config::application::{Application, Provider, Service};
use wharf_config::name::ProcessName;
use wharf_wire::event::Event;

use super::activity::Act;
use super::failure::Failure;
use super::world::World;
use super::{launch, route};
use crate::plan::limits::Status;
use crate::plan::services::{self as plan, Passwords, Recipe, Server, Setting};
use crate::plan::step::Step;
use crate::run::sandbox::{Access, Bind, Forward, Network, SERVICES, Sandbox};
use crate::store::environment::EnvironmentKey;
use crate::store::log::Log;
use crate::store::service::ServiceRecord;

mod attached;
mod beside;
mod command;
pub(super) mod content;
pub(super) mod copy;
mod entrance;
pub(super) mod external;
pub(super) mod fill;
mod held;
mod make;
pub(super) mod room;
pub(super) mod rows;
mod server;
mod start;
mod upgrade;

use command::Stand;
use external::External;
pub(super) use held::as_it_stands;
pub use server::find;

/// How long a service may take to end: it writes out what it has in memory.
pub const GRACE: Duration = Duration::from_secs(60);
/// Bytes of a generated password.
const PASSWORD: usize = 24;

/// A service that an activity works with.
#[derive(Debug, Clone)]
pub(super) struct One<'a> {
    pub(super) name: &'a ProcessName,
    pub(super) service: &'a Service,
    pub(super) server: Server,
    /// Where it is, where the operator runs its server.
    external: Option<External>,
    /// The port of the loopback's that leads to it, where somebody needs that.
    entrance: Option<u16>,
    pub(super) recipe: Recipe,
}

/// Sees to it that each service of an application runs and answers, in the order of their names.
///
/// # Errors
/// What the pusher should read. What ran before and fits goes on.
pub(super) async fn ensure(act: &Act, application: &Application) -> Result<(), Failure> {
    for (name, service) in &application.services {
        // In the heap, as what else works with servers: all of it lies below a deployment on one stack.
        let ensured = Box::pin(async {
            let ensured = start::ensure(act, name, service, application.network).await;
            ensured.map_err(|failure| room::or_full(&act.world.paths.state(), failure))
        });
        act.step(Step::Service(name.to_string()), ensured).await?;
    }
    Ok(())
}

/// The same for an application that served, as its services are now: [`as_it_stands`].
///
/// # Errors
/// As [`ensure`].
pub(super) async fn ensure_again(
    act: &Act,
    application: &Application,
    log: &Log,
) -> Result<(), Failure> {
    for name in application.services.keys() {
        upgrade::settle(act, name)?;
    }
    let standing = as_it_stands(act, application, log).await?;
    ensure(act, &standing).await
}

/// Makes what each service of an application holds that holds nothing yet, below a directory of this name.
///
/// # Errors
/// That this host has no server for one, or what its command printed.
pub(super) async fn fresh(
    act: &Act,
    application: &Application,
    directory: &Path,
) -> Result<(), Failure> {
    for (name, service) in &application.services {
        let one = One::asked(act, name, service).await?;
        make::fresh(act, one, &directory.join(name.as_str())).await?;
    }
    Ok(())
}

/// Has services be again as what serves asks for them, after a deployment that failed: it may have started them
/// otherwise, or anew. Where nothing serves, none runs.
pub(super) async fn put_back(act: &Act) {
    let put = async {
        // It may have been paused by this one itself.
        let runs = act.status == Status::Active && !route::is_paused(&act.world.paths, act.key());
        let live = act.previous.filter(|_| runs);
        let Some(live) = live else {
            return stop_all(&act.world, act.key()).await;
        };
        let recorder = &act.world.recorder;
        let environment = recorder.environment(act.key()).await?;
        let release = recorder.release(act.key(), live).await?;
        let Some((environment, release)) = environment.zip(release) else {
            return Ok(());
        };
        // Whoever stopped the deployment did not want this stopped.
        let (kind, id) = (act.task.kind, act.task.id.clone());
        let aside = Act::aside(&act.world, &environment, kind, live, id)?;
        ensure_again(&aside, &release.application, &act.log).await
    };
    if let Err(failure) = put.await {
        let text = format!("services are not as they were: {}", failure.reason.message);
        tracing::error!(WHARF_ACTIVITY = act.task.id, error = text, "services");
        act.log.event(Event::Warning { text });
    }
}

/// Shows a release where its services are, and how to reach them. What was set by the same names counts instead.
///
/// # Errors
/// That their passwords cannot be recorded.
pub(super) async fn relate(
    act: &Act,
    application: &Application,
    sandbox: &mut Sandbox,
) -> Result<(), Failure> {
    let services = &application.services;
    if services.is_empty() {
        return Ok(());
    }
    let paths = &act.world.paths;
    let sockets = paths.service_sockets(&act.project.name, &act.key().id);
    tokio::task::block_in_place(|| std::fs::create_dir_all(&sockets))
        .map_err(|error| Failure::host("cannot make a socket directory", &error))?;
    sandbox.binds.push(Bind {
        source: sockets,
        target: SERVICES.into(),
        access: Access::Read,
    });
    let mut known = BTreeMap::new();
    for (name, service) in services {
        let holds = Stand::own(act, name).data;
        let passwords = passwords(act, (name, service), &holds).await?;
        if !passwords.are_whole(service) {
            return Err(content::stopped(act, name));
        }
        known.insert(name, passwords);
    }
    let all = services
        .iter()
        .map(|(name, service)| (name, service, &known[name]));
    for (name, value) in plan::variables(all) {
        sandbox.environment.entry(name).or_insert(value);
    }
    for (name, passwords) in &known {
        lead_out(sandbox, name, passwords);
    }
    Ok(())
}

/// Leads a sandbox whose network is its own to a service that knows no sockets: by the same port as the others.
fn lead_out(sandbox: &mut Sandbox, name: &ProcessName, passwords: &Passwords) {
    if let (Some(port), Network::None) = (passwords.port, sandbox.network) {
        sandbox.forwards.push(Forward::Out {
            port,
            socket: plan::socket_of_port(name).into(),
        });
    }
}

/// A service's passwords, made when they are first asked for; and what they are for, as the directory has it that
/// says what the service holds.
async fn passwords(
    act: &Act,
    (name, service): (&ProcessName, &Service),
    holds: &Path,
) -> Result<Passwords, Failure> {
    let external = match service.provider {
        Provider::Own => None,
        Provider::External { .. } => external::named(act, name, holds)?,
    };
    let secret = async |of: &str| {
        let random: [u8; PASSWORD] = rand::random();
        let fresh = BASE64URL_NOPAD.encode(&random);
        // No variable has a dot in its name.
        let name = format!("service.{name}.{of}");
        act.world.recorder.secret(act.key(), &name, fresh).await
    };
    Ok(Passwords {
        admin: secret("admin").await?,
        application: secret("application").await?,
        external,
        port: match plan::port(service) {
            Some(_) => Some(entrance::port(act, name).await?),
            None => None,
        },
    })
}

impl<'a> One<'a> {
    /// A service with what it holds: where the host has the version of the server that made that, by this one, whatever
    /// is asked for.
    ///
    /// # Errors
    /// That the host has no server for it.
    pub(super) async fn of(
        act: &Act,
        name: &'a ProcessName,
        service: &'a Service,
    ) -> Result<One<'a>, Failure> {
        Self::holding(act, name, service, &Stand::own(act, name).data).await
    }

    /// The same with what this directory holds.
    ///
    /// # Errors
    /// As [`One::of`].
    async fn holding(
        act: &Act,
        name: &'a ProcessName,
        service: &'a Service,
        holds: &Path,
    ) -> Result<One<'a>, Failure> {
        let version = held::version(service, holds)?;
        Self::preferring(act, (name, service), version, holds).await
    }

    /// A service as it is asked for; where no version is, as what it holds has it.
    ///
    /// # Errors
    /// As [`One::of`].
    pub(super) async fn asked(
        act: &Act,
        name: &'a ProcessName,
        service: &'a Service,
    ) -> Result<One<'a>, Failure> {
        Self::like(act, name, service, &Stand::own(act, name).data).await
    }

    /// A service as it is asked for; where no version is, as this directory has it, which may be another one's.
    ///
    /// # Errors
    /// As [`One::of`].
    async fn like(
        act: &Act,
        name: &'a ProcessName,
        service: &'a Service,
        like: &Path,
    ) -> Result<One<'a>, Failure> {
        let version = match &service.version {
            Some(_) => None,
            None => held::version(service, like)?,
        };
        Self::preferring(act, (name, service), version, &Stand::own(act, name).data).await
    }

    async fn preferring(
        act: &Act,
        (name, service): (&'a ProcessName, &'a Service),
        version: Option<String>,
        holds: &Path,
    ) -> Result<One<'a>, Failure> {
        let runtimes = &act.world.runtimes;
        let preferred = match &version {
            Some(version) => server::of_version(runtimes, service, version).await,
            None => None,
        };
        let (external, server) = match (
            Box::pin(external::server(act, name, service)).await?,
            preferred,
        ) {
            (Some((external, server)), _) => (Some(external), server),
            (None, Some(server)) => (None, server),
            (None, None) => (None, server::insist(runtimes, name, service).await?),
        };
        let recipe = recipe(act, (name, service), &server, holds).await?;
        Ok(One {
            name,
            service,
            server,
            external,
            entrance: None,
            recipe,
        })
    }

    /// The same service with what this directory has of it.
    ///
    /// # Errors
    /// That it cannot be told.
    async fn with(self, act: &Act, holds: &Path) -> Result<One<'a>, Failure> {
        let recipe = recipe(act, (self.name, self.service), &self.server, holds).await?;
        Ok(One { recipe, ..self })
    }

    /// All that says whether it is started otherwise now.
    fn settings(&self) -> String {
        let mut service = serde_json::to_string(self.service).expect("a service is plain data");
        if let Some(port) = self.entrance {
            service = format!("{service} at {port}");
        }
        match &self.external {
            Some(external) => external.settings(&service),
            None => service,
        }
    }
}

async fn recipe(
    act: &Act,
    (name, service): (&ProcessName, &Service),
    server: &Server,
    holds: &Path,
) -> Result<Recipe, Failure> {
    let passwords = passwords(act, (name, service), holds).await?;
    let setting = Setting {
        name,
        service,
        server,
        passwords: &passwords,
    };
    Ok(plan::recipe(&setting))
}

/// Ends the services of an environment that are not among these; what they hold stays.
///
/// # Errors
/// That one may go on.
pub async fn stop_others(
    world: &World,
    key: &EnvironmentKey,
    wanted: &BTreeMap<ProcessName, Service>,
) -> Result<(), Failure> {
    let records = world.recorder.services_of(key).await?;
    let others = records
        .into_iter()
        .filter(|record| !wanted.contains_key(&record.name));
    for record in others.filter(|record| record.instance.is_some()) {
        let name = record.name.clone();
        stop(world, record).await?;
        tracing::info!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            "service {name} is not used any more; its data stays"
        );
    }
    Ok(())
}

/// Whether services run in an environment that are not among these.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn are_left(
    world: &World,
    key: &EnvironmentKey,
    wanted: &BTreeMap<ProcessName, Service>,
) -> Result<bool, Failure> {
    let records = world.recorder.services_of(key).await?;
    let mut running = records.iter().filter(|record| record.instance.is_some());
    Ok(running.any(|record| !wanted.contains_key(&record.name)))
}

/// Ends all services of an environment; what they hold stays.
///
/// # Errors
/// That one may go on.
pub async fn stop_all(world: &World, key: &EnvironmentKey) -> Result<(), Failure> {
    stop_others(world, key, &BTreeMap::new()).await
}

/// Ends a service, where it runs.
async fn stop(world: &World, record: ServiceRecord) -> Result<(), Failure> {
    let Some(instance) = &record.instance else {
        return Ok(());
    };
    launch::stop_instance(world, instance, None, GRACE).await?;
    let stopped = ServiceRecord {
        instance: None,
        ..record
    };
    Ok(world.recorder.set_service(stopped).await?)
}
