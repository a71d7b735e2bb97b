//! What systemd is told while the daemon lives: how much there is to do, and that the loop goes round.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::dispatch::{Desk, Event};
use crate::plan::queue::Load;

/// Tells it until the daemon ends. Where systemd wants to hear from the loop (`WatchdogSec=`), each word that
/// it lives is the loop's own: one that hangs says nothing, and is started anew.
pub(super) async fn keep(mut loads: watch::Receiver<Load>, desk: Desk, stop: CancellationToken) {
    let Some(mut ticks) = sd_notify::watchdog_enabled().map(half) else {
        return statuses(&mut loads, &stop).await;
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = loads.changed() => match changed {
                Ok(()) => say_load(&mut loads).await,
                Err(_) => return,
            },
            _ = ticks.tick() => {
                if desk.ask(|reply| Event::Work { reply }).await.is_none() {
                    return;
                }
                say(NotifyState::Watchdog).await;
            }
        }
    }
}

/// That pushes are taken now.
pub(super) fn ready() {
    let status = Load::default().to_string();
    report(sd_notify::notify(&[
        NotifyState::Ready,
        NotifyState::Status(&status),
    ]));
}

/// That it ends, and what does not.
pub(super) fn stopping() {
    let status = NotifyState::Status("stopping; applications go on");
    report(sd_notify::notify(&[NotifyState::Stopping, status]));
}

/// Twice in the time that it may be silent, as sd_watchdog_enabled(3) advises.
fn half(time: Duration) -> tokio::time::Interval {
    let mut ticks = interval(time / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn statuses(loads: &mut watch::Receiver<Load>, stop: &CancellationToken) {
    while let Some(Ok(())) = stop.run_until_cancelled(loads.changed()).await {
        say_load(loads).await;
    }
}

async fn say_load(loads: &mut watch::Receiver<Load>) {
    let status = loads.borrow_and_update().to_string();
    say(NotifyState::Status(&status)).await;
}

/// Not on the threads of the loop: whoever is told may be busy.
async fn say(state: NotifyState<'_>) {
    let said = state.to_string();
    let told =
        tokio::task::spawn_blocking(move || sd_notify::notify(&[NotifyState::Custom(&said)]));
    report(
        told.await
            .unwrap_or_else(|error| Err(io::Error::other(error))),
    );
}

fn report(told: io::Result<()>) {
    if let Err(error) = told {
        tracing::warn!(%error, "systemd is not told");
    }
}
