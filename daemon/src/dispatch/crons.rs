//! Crons of what serves begin when they are due.
//!
//! One timer, for the one that is due first; what serves is looked at when it may have changed. Nothing
//! is looked at in between, and nothing rings where no application has a cron.

use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wharf_config::name::{ProcessName, ProjectName};
use wharf_wire::view::Actor;

use super::parking::wait_for;
use crate::execute::World;
use crate::execute::crons::run::begin;
use crate::execute::crons::{NoPlace, Order, Place};
use crate::execute::failure::{Failure, chain};
use crate::plan::crons::{Book, Decision, Live};
use crate::store::crons::LiveCrons;
use crate::store::environment::EnvironmentKey;
use crate::store::{StoreError, now};

/// The source of an actor that is a schedule.
pub const SCHEDULE: &str = "schedule";
/// The wait before another look where the record did not answer.
const AGAIN: u64 = 60_000;

type Agenda = Book<EnvironmentKey>;

/// Lets crons begin until told to stop. What goes on then ends with the daemon.
pub async fn look_after(world: Arc<World>, stop: CancellationToken) {
    let Some(mut orders) = world.crons.orders() else {
        return tracing::error!("crons have a scheduler already");
    };
    let mut settings = world.settings.clone();
    let mut book = Agenda::default();
    let mut runs = JoinSet::new();
    let mut again = look(&world, &mut book).await;
    loop {
        begin_what_is_due(&world, &mut book, &mut runs);
        let next = book.earliest().into_iter().chain(again).min();
        tokio::select! {
            () = stop.cancelled() => break,
            changed = settings.changed() => match changed {
                Ok(()) => again = look(&world, &mut book).await,
                Err(_) => break,
            },
            () = world.crons.changed.notified() => again = look(&world, &mut book).await,
            () = world.crons.freed.notified() => {}
            () = wait_for(next) => {
                if again.is_some_and(|again| again <= now()) {
                    again = look(&world, &mut book).await;
                }
            }
            Some(order) = orders.recv() => begin_ordered(&world, order, &mut runs),
            Some(ended) = runs.join_next() => if let Err(error) = ended {
                tracing::error!(%error, "a cron's run ended badly");
            },
        }
    }
    runs.shutdown().await;
}

/// Takes in what serves; returns when to look again where that could not be told.
async fn look(world: &World, book: &mut Agenda) -> Option<u64> {
    match live(world).await {
        Ok(live) => {
            book.follow(live, now());
            None
        }
        Err(error) => {
            tracing::error!(error = chain(&error), "cannot tell which crons there are");
            Some(now().saturating_add(AGAIN))
        }
    }
}

/// The crons of what serves that are to run, by today's types and zones.
async fn live(world: &World) -> Result<Vec<Live<EnvironmentKey>>, StoreError> {
    let live = world.recorder.live_crons().await?;
    let live = live.into_iter().map(|one| {
        let LiveCrons {
            key,
            kind,
            mut crons,
        } = one;
        crons.retain(|_, cron| cron.is_for(&kind));
        Live {
            zone: zone(world, &key.project),
            key,
            crons,
        }
    });
    Ok(live.filter(|one| !one.crons.is_empty()).collect())
}

/// Where a project's times are counted.
pub fn zone(world: &World, project: &ProjectName) -> TimeZone {
    let settings = world.settings();
    let project = settings.projects.get(project);
    let zone = project.and_then(|project| project.zone().cloned());
    zone.unwrap_or_else(TimeZone::system)
}

fn begin_what_is_due(world: &Arc<World>, book: &mut Agenda, runs: &mut JoinSet<()>) {
    for (key, name, decision) in book.take(now(), |key, name| world.crons.stand(key, name)) {
        let why = match decision {
            Decision::Begin => match world.crons.take(&key, &name) {
                Ok(place) => {
                    runs.spawn(scheduled(Arc::clone(world), key, name, place));
                    continue;
                }
                Err(NoPlace::Held) => continue,
                Err(full) => full.to_string(),
            },
            Decision::Wait => continue,
            Decision::Skip(why) => why.said().to_owned(),
        };
        tracing::info!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            "cron {name} is due and not run: {why}"
        );
    }
}

async fn scheduled(world: Arc<World>, key: EnvironmentKey, name: ProcessName, place: Place) {
    let actor = Actor {
        name: "wharf".into(),
        source: SCHEDULE.into(),
    };
    match begin(&world, &key, &name, actor, place).await {
        Ok(run) => run.attend().await,
        Err(failure) => tracing::error!(
            WHARF_PROJECT = %key.project,
            WHARF_ENVIRONMENT = %key.id,
            WHARF_ERROR = failure.reason.code,
            "cron {name} does not begin: {}",
            failure.reason.message
        ),
    }
}

/// Has a cron run that somebody wants to run now, whatever its schedule and its overlap say.
fn begin_ordered(world: &Arc<World>, order: Order, runs: &mut JoinSet<()>) {
    let Order {
        key,
        name,
        actor,
        reply,
    } = order;
    let place = match world.crons.take(&key, &name) {
        Ok(place) => place,
        Err(error) => {
            let message = format!("{}: {error}", key.id);
            let failure = Failure::new("cron-held", message)
                .hint(format!("see what goes on: wharf activities -e {}", key.id));
            drop(reply.send(Err(failure)));
            return;
        }
    };
    let world = Arc::clone(world);
    runs.spawn(async move {
        match begin(&world, &key, &name, actor, place).await {
            Ok(run) => {
                // It goes on, whether somebody is left to hear of it or not.
                drop(reply.send(Ok(run.id().to_owned())));
                run.attend().await;
            }
            Err(failure) => drop(reply.send(Err(failure))),
        }
    });
}
