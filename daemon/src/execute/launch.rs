//! The processes of a release: started beside the old ones, good once they are healthy.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use wharf_config::application::{self, Application, At, Health, Protocol};
use wharf_config::name::ProcessName;
use wharf_wire::route::{FastCgi, Upstream};

use super::activity::Act;
use super::bound::granted;
use super::failure::Failure;
use super::health::{self, Candidates, Question};
use super::port::{self, Reservation};
use super::{ready, replaced, target};
use crate::plan::step::Step;
use crate::run::job::{self, Backoff, Job, JobId};
use crate::run::keepers::Keeper;
use crate::run::meter::Excess;
use crate::run::sandbox::{Access, Bind, Forward, Network, SOCKETS, Sandbox};
use crate::store::process::ProcessRecord;
use crate::store::release::ReleaseRecord;

/// The name of the process that answers requests.
pub const WEB: &str = "web";
/// Where the limits of what runs in a release are in the host's configuration.
pub const LIMITS: &str = "processes";
/// The Unix socket that a process may listen on.
const SOCKET: &str = "/run/app/web.sock";
/// The port of each process whose network is its own.
pub const PRIVATE_PORT: u16 = 8080;
/// How long a process may take to end after TERM.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long a process that never served may take to end.
const SHORT_GRACE: Duration = Duration::from_secs(2);
/// The same when somebody cancelled: all of it is gone within a second.
const CANCELLED: Duration = Duration::from_millis(300);
/// How long a warm release may take to answer before a new process is started.
const WARM: Duration = Duration::from_millis(500);

/// The processes that were started, and where they listen.
#[derive(Debug, Default)]
pub struct Launched {
    /// Every process, the web process first.
    pub processes: Vec<Process>,
    /// Where requests go; none without a web process.
    pub upstream: Option<Upstream>,
    /// Where those go that routes lead to other processes, by name.
    pub others: BTreeMap<String, Upstream>,
}

/// A process with its keeper.
#[derive(Debug)]
pub struct Process {
    /// Its record.
    pub record: ProcessRecord,
    /// Who looks after it.
    pub keeper: Keeper,
    /// Where its command is written.
    pub at: At,
    /// Its port's reservation, while it starts.
    _reserved: Option<Reservation>,
}

/// Starts every process of a release and waits until the web process is healthy. When this fails,
/// everything that it started is stopped again. A web process of this release that is among `old`
/// and still good is used again: it was kept warm.
///
/// # Errors
/// What the pusher should read, with the process's own output.
pub async fn launch(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    old: &[ProcessRecord],
) -> Result<Launched, Failure> {
    let mut launched = Launched::default();
    let done = start_all(act, release, sandbox, old, &mut launched).await;
    match done {
        Ok(()) => Ok(launched),
        Err(failure) => {
            stop(act, &launched.processes).await;
            Err(failure)
        }
    }
}

async fn start_all(
    act: &Act,
    release: &ReleaseRecord,
    sandbox: &Sandbox,
    old: &[ProcessRecord],
    launched: &mut Launched,
) -> Result<(), Failure> {
    let (application, number) = (&release.application, release.number);
    let answering = &reached(sandbox);
    if let Some(web) = &application.web {
        let warm = warm(act, release, old).await;
        let process = match warm {
            Some(process) => process,
            None => start(act, number, WEB, web, answering).await?,
        };
        launched.processes.push(process);
        let process = launched.processes.last().expect("just pushed");
        let looks = &application.deploy.health;
        let health = ready::healthy(act, looks, web.protocol, scripts(application), process);
        launched.upstream = Some(act.step(Step::Health, health).await?);
    }
    for (name, other) in &application.processes {
        let process = start(act, number, name.as_str(), other, answering).await?;
        launched.processes.push(process);
        let process = launched.processes.last().expect("just pushed");
        // Only the web process answers where `deploy.health` says.
        let looks = Health {
            path: None,
            ..application.deploy.health.clone()
        };
        let health = ready::healthy(act, &looks, other.protocol, None, process);
        launched.others.insert(name.to_string(), health.await?);
    }
    for (name, worker) in &application.workers {
        let process = start(act, number, name.as_str(), worker, sandbox).await?;
        launched.processes.push(process);
    }
    Ok(())
}

/// The sandbox of a process that answers requests: where its network is its own, its port is reached
/// through a socket.
fn reached(sandbox: &Sandbox) -> Sandbox {
    let mut sandbox = sandbox.clone();
    if sandbox.network == Network::None {
        let into = Forward::In {
            socket: format!("{SOCKETS}/port.sock").into(),
            port: PRIVATE_PORT,
            instead: Some(SOCKET.into()),
        };
        sandbox.forwards.push(into);
    }
    sandbox
}

/// The web process of this release that was kept warm, if it is still good.
async fn warm(act: &Act, release: &ReleaseRecord, old: &[ProcessRecord]) -> Option<Process> {
    // Any other is on its way out.
    let kept = replaced::warm(&act.world, act.key(), act.previous).await;
    let kept = kept.is_ok_and(|warm| warm.contains(&release.number));
    let record = old
        .iter()
        .find(|record| kept && record.name == WEB && record.release == release.number)?;
    let id = JobId::parse(&record.instance).ok()?;
    let keeper = act.world.keepers.connect(&id).await.ok()?;
    let candidates = Candidates::of(&act.world.paths, record);
    let application = &release.application;
    let mut last = String::new();
    let question = Question {
        path: application.deploy.health.path.as_deref(),
        protocol: application.web.as_ref()?.protocol,
        scripts: scripts(application),
    };
    let answers = health::wait(&candidates, &question, &mut last);
    if tokio::time::timeout(WARM, answers).await.is_err() {
        tracing::warn!(
            instance = record.instance,
            last,
            "a warm release is not good"
        );
        return None;
    }
    act.did("start", "its web process was kept warm", Instant::now());
    let record = record.clone();
    Some(Process {
        record,
        keeper,
        at: At::Nowhere,
        _reserved: None,
    })
}

/// Which scripts a web process is asked for.
fn scripts(application: &Application) -> Option<FastCgi> {
    let speaks = application.web.as_ref().map(|web| web.protocol);
    (speaks == Some(Protocol::Fastcgi)).then(|| target::scripts(application))
}

async fn start(
    act: &Act,
    release: u32,
    name: &str,
    process: &application::Process,
    sandbox: &Sandbox,
) -> Result<Process, Failure> {
    let step = if name == WEB {
        Step::Start
    } else {
        Step::Worker(name.to_owned())
    };
    act.step(step, async {
        let (port, reserved) = match sandbox.network {
            Network::Shared => port::free().map(|(port, reserved)| (port, Some(reserved)))?,
            Network::None => (0, None),
        };
        let random: u32 = rand::random();
        let instance = format!("{}.r{release}.{name}.{random:08x}", act.key().id);
        let id = JobId::parse(&instance)
            .map_err(|error| Failure::host("cannot name a process", &error))?;
        let record = ProcessRecord {
            instance: instance.clone(),
            key: act.key().clone(),
            release,
            name: name.to_owned(),
            port,
        };
        // Recorded before anything of it is there: what is not recorded could never be found,
        // stopped and removed.
        act.world.recorder.add_process(record.clone()).await?;
        match spawn(act, &id, port, &process.start, sandbox.clone()).await {
            Ok(keeper) => Ok(Process {
                record,
                keeper,
                at: process.at.clone(),
                _reserved: reserved,
            }),
            Err(failure) => {
                stop_instance(&act.world, &instance, None, SHORT_GRACE).await?;
                Err(failure)
            }
        }
    })
    .await
}

async fn spawn(
    act: &Act,
    id: &JobId,
    port: u16,
    command: &str,
    sandbox: Sandbox,
) -> Result<Keeper, Failure> {
    let secrets = match act.world.has_journal {
        true => Some(act.world.recorder.secrets(act.key()).await?),
        false => None,
    };
    let job = job(act, id, port, command, sandbox, secrets)?;
    tokio::task::block_in_place(|| act.world.jobs.write(&job))
        .map_err(|error| Failure::host("cannot write a job", &error))?;
    let spawned = act.world.keepers.spawn(id).await;
    spawned.map_err(|error| Failure::host("cannot start a keeper", &error))
}

fn job(
    act: &Act,
    id: &JobId,
    port: u16,
    command: &str,
    mut sandbox: Sandbox,
    journal: Option<Vec<String>>,
) -> Result<Job, Failure> {
    let paths = &act.world.paths;
    let directory = paths.socket_directory(id.as_str());
    std::fs::create_dir_all(&directory)
        .map_err(|error| Failure::host("cannot make a socket directory", &error))?;
    sandbox.binds.push(Bind {
        source: directory,
        target: SOCKETS.into(),
        access: Access::Write,
    });
    let port = match sandbox.network {
        Network::Shared => port,
        Network::None => PRIVATE_PORT,
    };
    for (name, value) in [
        ("PORT", port.to_string()),
        ("HOST", Ipv4Addr::LOCALHOST.to_string()),
        ("SOCKET", SOCKET.to_owned()),
    ] {
        sandbox.environment.insert(name.to_owned(), value);
    }
    sandbox.limits = granted(sandbox.limits, &act.settings.host.processes);
    let output = paths.output(id.as_str());
    Ok(Job {
        id: id.clone(),
        sandbox,
        command: command.to_owned(),
        arguments: Vec::new(),
        kind: job::Kind::Process(job::Process {
            record: output.with_extension("exit"),
            output,
            socket: act.world.keepers.socket(id),
            restart: Backoff::default(),
            first_start_fails_is_final: true,
            journal,
            door: None,
        }),
    })
}

/// What to do about what took too much.
pub(super) fn raise(excess: &Excess) -> String {
    let (key, instead) = (excess.resource.key(), excess.resource.instead());
    format!("{instead}, or ask the host's operator to raise {LIMITS}.limits.{key}")
}

/// What the release of a process says of it, where it is a worker.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn worker_of(
    world: &super::World,
    record: &ProcessRecord,
) -> Result<Option<application::Process>, Failure> {
    let release = world.recorder.release(&record.key, record.release).await?;
    Ok(release.and_then(|mut release| {
        let name = ProcessName::parse(&record.name).ok()?;
        release.application.workers.remove(&name)
    }))
}

/// How long a process may take to end after TERM: a worker's own grace, where it has one.
pub async fn grace_of(world: &super::World, record: &ProcessRecord) -> Duration {
    match worker_of(world, record).await {
        Ok(worker) => worker.and_then(|worker| worker.grace).unwrap_or(GRACE),
        Err(_) => GRACE,
    }
}

/// Where a process may listen, if it does.
pub fn listens(world: &super::World, process: &ProcessRecord) -> Vec<Upstream> {
    let socket = Upstream::Unix(world.paths.socket(&process.instance));
    match process.port_of_host() {
        Some(port) => vec![Upstream::Tcp((Ipv4Addr::LOCALHOST, port).into()), socket],
        None => vec![Upstream::Unix(world.paths.door(&process.instance)), socket],
    }
}

/// Tells the keepers of processes that serve that they do: from now on they start them again.
pub async fn confirm(world: &super::World, processes: &[ProcessRecord]) {
    for process in processes {
        let Ok(id) = JobId::parse(&process.instance) else {
            continue;
        };
        let confirmed = match world.keepers.connect(&id).await {
            Ok(keeper) => keeper.confirm().await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = confirmed {
            let error = super::failure::chain(&error);
            tracing::warn!(instance = process.instance, error, "not confirmed");
        }
    }
}

/// Stops processes that never served, side by side, and forgets them. The record of one that cannot
/// be stopped stays, for the next activity.
pub async fn stop(act: &Act, processes: &[Process]) {
    let stopping = processes.iter().map(|process| async {
        let (instance, keeper) = (&process.record.instance, Some(&process.keeper));
        let stop = stop_instance(&act.world, instance, keeper, SHORT_GRACE);
        if act.cancel.is_cancelled() {
            return stop_instance(&act.world, instance, keeper, CANCELLED).await;
        }
        tokio::select! {
            stopped = stop => stopped,
            () = act.cancel.cancelled() => {
                stop_instance(&act.world, instance, keeper, CANCELLED).await
            }
        }
    });
    for stopped in futures_util::future::join_all(stopping).await {
        if let Err(failure) = stopped {
            tracing::error!(
                WHARF_ACTIVITY = act.task.id,
                error = failure.reason.message,
                "a process that never served may go on"
            );
        }
    }
}

/// Kills what goes on of a process although its keeper has ended, or does not answer.
async fn kill_rest(world: &super::World, id: &JobId) -> Result<(), Failure> {
    let what = || format!("cannot see to it that {id} has ended");
    let marks = world.jobs.marks();
    let mark = marks
        .map_err(|error| Failure::host(&what(), &error))?
        .mark(id);
    let killed = tokio::task::spawn_blocking(move || mark.kill()).await;
    match killed.map_err(std::io::Error::other).flatten() {
        Ok(0) => Ok(()),
        Ok(count) => {
            tracing::warn!(instance = %id, "killed {count} processes that had no keeper any more");
            Ok(())
        }
        Err(error) => Err(Failure::host(&what(), &error)),
    }
}

/// Stops one process by its instance, wherever it came from, and removes what it left. Whatever its
/// keeper says, or does not, nothing of it goes on afterwards.
///
/// # Errors
/// When it cannot be recorded, or something may go on: then its record stays, for another attempt.
pub async fn stop_instance(
    world: &super::World,
    instance: &str,
    keeper: Option<&Keeper>,
    grace: Duration,
) -> Result<(), Failure> {
    let Ok(id) = JobId::parse(instance) else {
        return Ok(());
    };
    let stopped = match keeper {
        Some(keeper) => keeper.stop(grace).await,
        None => match world.keepers.connect(&id).await {
            Ok(keeper) => keeper.stop(grace).await,
            Err(error) if error.is_gone() => Ok(()),
            Err(error) => Err(error),
        },
    };
    if let Err(error) = stopped {
        let error = super::failure::chain(&error);
        tracing::warn!(instance, error, "a keeper does not do as it is told");
    }
    kill_rest(world, &id).await?;
    tokio::task::block_in_place(|| {
        let output = world.paths.output(instance);
        let files = [
            output.with_extension("exit"),
            output.with_extension("log.1"),
            output,
        ];
        let done = files.iter().map(|file| crate::disk::remove_file(file));
        let directory = crate::disk::remove_tree(&world.paths.socket_directory(instance));
        for done in done.chain([directory]) {
            if let Err(error) = done {
                tracing::warn!(
                    instance,
                    error = super::failure::chain(&error),
                    "leftovers stay"
                );
            }
        }
        // One that was killed could not tidy up after itself.
        if let Err(error) = world.keepers.forget(&id) {
            tracing::warn!(instance, %error, "a keeper's socket stays");
        }
        if let Err(error) = world.jobs.remove(&id) {
            tracing::warn!(instance, %error, "job file stays");
        }
    });
    // Last: whoever dies before this leaves what the next can find.
    world.recorder.forget_process(instance).await?;
    Ok(())
}
