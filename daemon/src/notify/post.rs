//! Delivers what is recorded: to each destination one at a time, to several side by side. Sleeps until
//! something is recorded or due; where nothing waits it waits for a word.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Blame, Letter, Listener, Untold, listeners, shown};
use crate::execute::World;
use crate::execute::failure::chain;
use crate::plan::notify::pause;
use crate::report;
use crate::store::StoreError;
use crate::store::notification::{Failed, Notification};
use crate::store::now;

/// So many are told side by side.
const AT_ONCE: usize = 8;
/// The wait where the record cannot be read or written.
const AGAIN: Duration = Duration::from_secs(30);
/// Between two looks at the clock while something is due: it may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Whose file names a destination, and its name.
type Name = (String, String);

/// Delivers until told to stop. What is on its way then is told again by the next daemon.
pub async fn deliver(world: Arc<World>, stop: CancellationToken) {
    let mut settings = world.settings.clone();
    let mut busy: BTreeSet<Name> = BTreeSet::new();
    let mut sending: JoinSet<Name> = JoinSet::new();
    loop {
        let wait = match start_what_is_due(&world, &mut busy, &mut sending).await {
            Ok(wait) => wait,
            Err(StoreError::Fault(_) | StoreError::Closed) => return,
            Err(error) => {
                tracing::warn!(error = chain(&error), "what is to be told is not known");
                Some(AGAIN)
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = world.telling.notified() => {}
            // Another configuration may have taken a destination away.
            Ok(()) = settings.changed() => {}
            Some(done) = sending.join_next() => match done {
                Ok(name) => {
                    busy.remove(&name);
                }
                Err(error) => {
                    // Whose it was is not known any more, so nobody stays locked out.
                    tracing::error!(%error, "a notification ended badly");
                    sending.shutdown().await;
                    busy.clear();
                }
            },
            () = sleep(wait) => {}
        }
    }
    sending.shutdown().await;
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait.min(LOOK_AGAIN)).await,
        None => std::future::pending().await,
    }
}

/// Starts what is due and may be; says how long until something else is.
async fn start_what_is_due(
    world: &Arc<World>,
    busy: &mut BTreeSet<Name>,
    sending: &mut JoinSet<Name>,
) -> Result<Option<Duration>, StoreError> {
    let known: Vec<Listener> = listeners(&world.settings()).collect();
    let mut wait = None;
    for one in world.recorder.next_notifications().await? {
        let name = (one.scope.clone(), one.name.clone());
        // Whoever ends makes room, and this is looked at again.
        if busy.contains(&name) || busy.len() >= AT_ONCE {
            continue;
        }
        let is_it = |known: &&Listener| known.scope == one.scope && known.notify.name == one.name;
        let Some(listener) = known.iter().find(is_it) else {
            let gone = world.recorder.forget_destination(&name.0, &name.1).await?;
            let shown = shown(&name.0, &name.1);
            let gone = report::count(gone as u64, "notification");
            tracing::warn!("{shown} is not configured any more: {gone} dropped");
            continue;
        };
        let left = Duration::from_millis(one.due.saturating_sub(now()));
        if !left.is_zero() {
            wait = Some(wait.map_or(left, |wait: Duration| wait.min(left)));
            continue;
        }
        busy.insert(name.clone());
        let (world, listener) = (Arc::clone(world), listener.clone());
        sending.spawn(async move {
            tell(&world, &listener, one).await;
            name
        });
    }
    Ok(wait)
}

/// Tells one, and records what came of it.
async fn tell(world: &World, listener: &Listener, one: Notification) {
    let letter = Letter {
        id: &one.id,
        body: &one.body,
    };
    let mail = world.settings().host.mail.clone();
    let recorded = match listener.send(&mail, &letter).await {
        Ok(said) => {
            tracing::debug!(
                WHARF_ACTIVITY = one.activity,
                "told {}: {said}",
                listener.shown()
            );
            world.recorder.notification_taken(one).await
        }
        Err(untold) => not_taken(world, listener, one, untold).await,
    };
    if let Err(error) = recorded {
        // It is told again, under the same id; not at once, or a full disk would have it told for ever.
        tracing::warn!(error = chain(&error), "what was told is not recorded");
        tokio::time::sleep(AGAIN).await;
    }
}

async fn not_taken(
    world: &World,
    listener: &Listener,
    one: Notification,
    untold: Untold,
) -> Result<(), StoreError> {
    let pause = pause(one.attempts + 1);
    let (pause, rests) = match untold.blame {
        Blame::Destination(asked) => (asked.unwrap_or_default().max(pause), true),
        Blame::Message => (pause, false),
    };
    let failed = Failed {
        id: one.id.clone(),
        error: untold.message.clone(),
        due: now() + u64::try_from(pause.as_millis()).unwrap_or(u64::MAX / 2),
        rests,
    };
    let (shown, activity) = (listener.shown(), one.activity.clone());
    let gave_up = world.recorder.notification_failed(one, failed).await?;
    let next = match gave_up {
        true => "it is given up".to_owned(),
        false => format!("again in {} s", pause.as_secs()),
    };
    tracing::warn!(
        WHARF_ACTIVITY = activity,
        WHARF_ERROR = "notify",
        "{shown} is not told: {}; {next}",
        untold.message
    );
    Ok(())
}
