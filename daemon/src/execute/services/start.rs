//! Starting a service, and knowing that it runs as it should.

use std::time::{Duration, Instant};

use wharf_config::application::{Network, Service};
use wharf_config::name::ProcessName;

use super::command::{self, Stand};
use super::{GRACE, One, content, entrance, external, held, make, server, stop, upgrade};
use crate::disk;
use crate::execute::activity::Act;
use crate::execute::failure::Failure;
use crate::execute::ready::{last_lines, tail};
use crate::execute::{launch, route};
use crate::fail;
use crate::plan::limits::Status;
use crate::plan::services::{self as plan, Command, Start};
use crate::run::job::{self, Backoff, Door, Job, JobId};
use crate::run::keeper::State;
use crate::run::keepers::{Keeper, Watch};
use crate::run::sandbox::Sandbox;
use crate::store::service::ServiceRecord;

/// How long a service may take to answer: it may have to read what it holds, or mend it.
const READY: Duration = Duration::from_secs(300);
/// The same of one whose server the operator runs: that answered a moment ago.
const OPENED: Duration = Duration::from_secs(20);
/// How long one question to it may take.
pub(super) const QUESTION: Duration = Duration::from_secs(20);
/// The wait between two questions at first; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(50);
/// The longest such wait.
const LONGEST: Duration = Duration::from_secs(1);
/// How long it may take to bring its data to another version.
const UPGRADE: Duration = Duration::from_secs(3600);

/// Sees to it that a service runs as it is asked for, and answers.
pub(super) async fn ensure(
    act: &Act,
    name: &ProcessName,
    service: &Service,
    network: Network,
) -> Result<(), Failure> {
    let began = Instant::now();
    upgrade::settle(act, name)?;
    let mut one = One::asked(act, name, service).await?;
    // Whose network is its own has the way to it inside.
    let entered = plan::port(service).is_some() && network == Network::Shared;
    if entered {
        one.entrance = Some(entrance::port(act, name).await?);
    }
    let settings = one.settings();
    let record = act.world.recorder.service(act.key(), name).await?;
    let record = match record {
        Some(record) if runs(act, &one, &record, &settings).await => return Ok(()),
        Some(record) => record,
        None => unused(act, &one),
    };
    let version = made_by(act, &one, &record)?;
    let step = judge(&one, &record, version.as_deref())?;
    is_there(act, &one, &record)?;
    external::insist_it_is_its_own(act, &one)?;
    let before = replace(act, &one, record, Before { version, step }).await?;
    if entered {
        one.entrance = Some(entrance::free_port(act, name).await?);
    }
    let one = make::make(act, one).await?;
    let settings = one.settings();
    begin(act, &one, before, settings).await?;
    let version = match one.server.version.as_str() {
        "0" => String::new(),
        version => format!(" {version}"),
    };
    let kind = service.kind.as_str();
    let text = match &one.external {
        None => format!("{name}: {kind}{version} answers"),
        Some(external) => {
            let called = &external.instance.name;
            format!("{name}: {kind}{version} of instance {called} answers")
        }
    };
    act.did("service", text, began);
    Ok(())
}

/// What was there before a service is started.
struct Before {
    version: Option<String>,
    step: plan::Step,
}

/// Whether a service runs as it is asked for. What was recorded with its settings has answered.
async fn runs(act: &Act, one: &One<'_>, record: &ServiceRecord, settings: &str) -> bool {
    let same = record.kind == one.service.kind
        && record.settings == settings
        && record.version.as_deref() == Some(one.server.version.as_str());
    let instance = record.instance.as_deref().filter(|_| same);
    let Some(id) = instance.and_then(|instance| JobId::parse(instance).ok()) else {
        return false;
    };
    let Ok(keeper) = act.world.keepers.connect(&id).await else {
        return false;
    };
    matches!(keeper.confirm().await, Ok(State::Started { .. }))
}

/// One that never ran. There may be data all the same, which came from elsewhere.
fn unused(act: &Act, one: &One<'_>) -> ServiceRecord {
    ServiceRecord {
        key: act.key().clone(),
        name: one.name.clone(),
        kind: one.service.kind,
        version: None,
        instance: None,
        settings: String::new(),
    }
}

/// The version that made what a service holds: as the data says it, which may have come from elsewhere, or the record.
fn made_by(act: &Act, one: &One<'_>, record: &ServiceRecord) -> Result<Option<String>, Failure> {
    let held = held::version(one.service, &Stand::own(act, one.name).data)?;
    Ok(held.or_else(|| record.version.clone()))
}

/// Ends a service that is to run otherwise, and brings its data to the version that is to use it.
async fn replace(
    act: &Act,
    one: &One<'_>,
    record: ServiceRecord,
    before: Before,
) -> Result<Before, Failure> {
    let (plan::Step::Carry, Some(version)) = (before.step, &before.version) else {
        stop(&act.world, record).await?;
        return Ok(before);
    };
    let earlier = server::of_version(&act.world.runtimes, one.service, version).await;
    let earlier = earlier.ok_or_else(|| out_of_reach(one, version))?;
    Box::pin(upgrade::bring(act, one, &record, earlier)).await?;
    Ok(Before {
        version: Some(one.server.version.clone()),
        step: plan::Step::Same,
    })
}

/// That data cannot be brought along, for want of the server that made it.
fn out_of_reach(one: &One<'_>, version: &str) -> Failure {
    let (kind, now) = (one.service.kind.as_str(), &one.server.version);
    let message = format!(
        "its data is {kind} {version}'s, which {now} cannot read, and this host has no {kind} {version} any more"
    );
    refused(one, &message).hint(format!(
        "the host's operator installs {kind}-{version} beside the newer one, and the next deployment brings the data along; without it give the service another name, and import what a snapshot has"
    ))
}

fn refused(one: &One<'_>, message: &str) -> Failure {
    let message = format!("service {}: {message}", one.name);
    Failure::new("service-data", message).details(one.service.at.lines(crate::report::WIDTH))
}

/// Whether a service may use what was there before.
fn judge(
    one: &One<'_>,
    record: &ServiceRecord,
    before: Option<&str>,
) -> Result<plan::Step, Failure> {
    let kind = one.service.kind;
    let Some(before) = before else {
        return Ok(plan::Step::Same);
    };
    if record.kind != kind {
        let was = record.kind.as_str();
        let message = format!("its data is {was}'s, and {} cannot read it", kind.as_str());
        return Err(refused(one, &message).hint(
            "give the new service another name; the data of the earlier one stays as it is",
        ));
    }
    if one.external.is_some() {
        // What becomes of it with another version its operator has seen to.
        return Ok(plan::Step::Same);
    }
    let now = &one.server.version;
    match plan::step(kind, before, now) {
        plan::Step::Older => {
            let kind = kind.as_str();
            let (message, hint) = match &one.service.version {
                Some(asked) => (
                    format!("its data is {kind} {before}'s, and {kind}:{asked} is asked for"),
                    "nothing goes back to an earlier version but a snapshot of that time together with its release: wharf snapshot restore ID --with-release",
                ),
                None => (
                    format!("its data was used by {kind} {before}, and this host has {now}"),
                    "ask for the newer version, which the host's operator must bring back",
                ),
            };
            Err(refused(one, &message).hint(hint))
        }
        step => Ok(step),
    }
}

/// A name for one run of a service.
pub(super) fn instance(act: &Act, one: &One<'_>) -> Result<JobId, Failure> {
    let random: u32 = rand::random();
    let name = format!("{}.s.{}.{random:08x}", act.key().id, one.name);
    JobId::parse(&name).map_err(|error| Failure::host("cannot name a process", &error))
}

/// Whether what a service held is where it was: a server that began anew would serve nothing, and look as if all
/// were well.
fn is_there(act: &Act, one: &One<'_>, record: &ServiceRecord) -> Result<(), Failure> {
    let place = Stand::own(act, one.name).data;
    if record.version.is_none() || place.exists() {
        return Ok(());
    }
    let (name, place) = (one.name, place.display());
    let message = format!("service {name}: its data is gone from this host");
    Err(Failure::new("service-data", message).hint(format!(
        "the host's operator brings {place} back; to begin with nothing, give the service another name"
    )))
}

/// Starts a service and waits until it answers. Where this fails, nothing of it goes on.
async fn begin(act: &Act, one: &One<'_>, before: Before, settings: String) -> Result<(), Failure> {
    let id = instance(act, one)?;
    let instance = id.to_string();
    let mut record = ServiceRecord {
        version: before.version,
        instance: Some(instance.clone()),
        ..unused(act, one)
    };
    // Before anything of it is there: what is not recorded could never be found and stopped.
    act.world.recorder.set_service(record.clone()).await?;
    let started = start(act, one, &id, before.step).await;
    if let Err(failure) = started {
        launch::stop_instance(&act.world, &instance, None, GRACE).await?;
        record.instance = None;
        act.world.recorder.set_service(record).await?;
        return Err(failure);
    }
    record.version = Some(one.server.version.clone());
    record.settings = settings;
    act.world.recorder.set_service(record).await?;
    Ok(())
}

async fn start(act: &Act, one: &One<'_>, id: &JobId, step: plan::Step) -> Result<(), Failure> {
    let stand = Stand::own(act, one.name);
    let keeper = serve(act, one, id, &stand).await?;
    if let (plan::Step::Upgrade, Some(upgrade)) = (step, &one.recipe.upgrade) {
        let words = format!("upgrade-{}", one.name);
        let sandbox = stand.client(act, upgrade);
        let done = command::run(act, &words, sandbox, upgrade, UPGRADE).await?;
        if let Err(printed) = done {
            let message = format!("the data of service {} cannot be upgraded", one.name);
            return Err(
                Failure::new("service-broken", message).details(last_lines(printed.as_bytes()))
            );
        }
    }
    match keeper.confirm().await {
        Ok(State::Started { .. }) => Ok(()),
        Ok(_) => Err(ended(act, one, id).await),
        Err(error) => Err(Failure::host("the keeper went away", &error)),
    }
}

/// Starts a server where it is to stand, and waits until it answers.
///
/// # Errors
/// What the pusher should read; something of it may go on.
pub(super) async fn serve(
    act: &Act,
    one: &One<'_>,
    id: &JobId,
    stand: &Stand,
) -> Result<Keeper, Failure> {
    let own = stand.sockets.join(one.name.as_str());
    // A socket that an earlier one left would be in its way.
    tokio::task::block_in_place(|| {
        disk::remove_tree(&own)?;
        disk::make_directory(&own)
    })
    .map_err(|error| Failure::host("cannot make a socket directory", &error))?;
    let (keeper, longest) = match &one.recipe.start {
        Start::Server(command) => {
            let mut sandbox = stand.server(act, command);
            sandbox.limits = command::limited(act, sandbox.limits, one.service.memory);
            entrance::lead_in(one, &mut sandbox);
            let door = entrance::door(one, &own);
            (spawn(act, id, sandbox, command, door).await?, READY)
        }
        Start::Door { socket } => {
            let nothing = Command::default();
            let sandbox = stand.client(act, &nothing);
            let external = one.external.as_ref();
            let door = external.map(|external| external.door(&own, socket));
            (spawn(act, id, sandbox, &nothing, door).await?, OPENED)
        }
    };
    let mut watch = keeper
        .watch()
        .await
        .map_err(|error| Failure::host("the keeper went away", &error))?;
    if let Some(ready) = &one.recipe.ready {
        let question = Question {
            ready,
            longest,
            instance: Some(id),
        };
        let sandbox = || stand.client(act, ready);
        let over = async {
            over(&mut watch).await;
            ended(act, one, id).await
        };
        answers(act, one, question, sandbox, over).await?;
    }
    Box::pin(external::insist_it_is_shut(act, one, stand)).await?;
    Ok(keeper)
}

async fn spawn(
    act: &Act,
    id: &JobId,
    sandbox: Sandbox,
    command: &Command,
    door: Option<Door>,
) -> Result<Keeper, Failure> {
    let journal = match act.world.has_journal {
        true => Some(act.world.recorder.secrets(act.key()).await?),
        false => None,
    };
    let output = act.world.paths.output(id.as_str());
    let job = Job {
        id: id.clone(),
        sandbox,
        command: command.text.clone(),
        arguments: command.arguments.clone(),
        kind: job::Kind::Process(job::Process {
            record: output.with_extension("exit"),
            output,
            socket: act.world.keepers.socket(id),
            restart: Backoff::default(),
            first_start_fails_is_final: true,
            journal,
            door,
        }),
    };
    tokio::task::block_in_place(|| act.world.jobs.write(&job))
        .map_err(|error| Failure::host("cannot write a job", &error))?;
    let spawned = act.world.keepers.spawn(id).await;
    spawned.map_err(|error| Failure::host("cannot start a keeper", &error))
}

/// Waits until a service of another environment answers, which may be starting again just then: the host may have been
/// without power. Not for one's own: where that is to be started again this waits until the activity has ended.
///
/// # Errors
/// That it is paused, or does not answer in time.
pub(super) async fn answers_elsewhere(
    from: &Act,
    one: &One<'_>,
    stand: &Stand,
) -> Result<(), Failure> {
    let is_paused = route::is_paused(&from.world.paths, from.key());
    if is_paused || from.status != Status::Active {
        return Err(content::stopped(from, one.name));
    }
    let Some(ready) = &one.recipe.ready else {
        return content::insist_it_runs(from, one.name).await;
    };
    let question = Question {
        ready,
        longest: READY,
        instance: None,
    };
    let sandbox = || stand.client(from, ready);
    answers(from, one, question, sandbox, std::future::pending()).await
}

/// What tells that a service answers.
struct Question<'a> {
    ready: &'a Command,
    longest: Duration,
    /// Which run of it, where its last words say why it does not.
    instance: Option<&'a JobId>,
}

/// Waits until a service answers, is over, or the time is.
async fn answers(
    act: &Act,
    one: &One<'_>,
    Question {
        ready,
        longest,
        instance,
    }: Question<'_>,
    sandbox: impl Fn() -> Sandbox,
    over: impl Future<Output = Failure>,
) -> Result<(), Failure> {
    let (began, mut pause) = (Instant::now(), FIRST);
    let words = format!("ready-{}", one.name);
    let mut last;
    tokio::pin!(over);
    loop {
        match command::run(act, &words, sandbox(), ready, QUESTION).await? {
            Ok(()) => return Ok(()),
            Err(printed) => last = printed,
        }
        fail::point(format_args!("service {}: no answer yet", one.name));
        if began.elapsed() > longest {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            failure = &mut over => return Err(failure),
            () = act.cancel.cancelled() => return Err(Failure::cancelled()),
        }
        pause = (pause * 2).min(LONGEST);
    }
    let (name, environment) = (one.name, &act.key().id);
    let longest = longest.as_secs();
    let message = format!("service {name} of {environment} did not answer within {longest} s");
    let failure = Failure::new("service-broken", message).details(last_lines(last.as_bytes()));
    Err(match instance {
        Some(id) => failure.details(tail(act, id.as_str()).await),
        None => failure,
    })
}

/// Ends when the service has.
async fn over(watch: &mut Watch) {
    while let Ok(Some(State::Started { .. })) = watch.next().await {}
}

/// That a service ended, with what it said.
async fn ended(act: &Act, one: &One<'_>, id: &JobId) -> Failure {
    let message = format!("service {} ({}) ended at its start", one.name, one.service);
    let details = tail(act, id.as_str()).await;
    Failure::new("service-broken", message)
        .details(details)
        .details(one.service.at.lines(crate::report::WIDTH))
}
