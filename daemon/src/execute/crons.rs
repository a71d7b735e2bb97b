//! Which runs of crons go on at this moment: bounded, held back while somebody changes what they work
//! with, and ended before their environment goes.

pub mod quiet;
pub mod run;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use wharf_config::name::ProcessName;
use wharf_wire::view::{Actor, Reason};

use super::failure::Failure;
use crate::plan::crons::Stand;
use crate::store::environment::EnvironmentKey;

/// Runs at a time in one environment.
pub const MOST_IN_ENVIRONMENT: usize = 16;
/// Runs at a time on the host.
pub const MOST: usize = 64;
/// Orders of people that wait for the scheduler, at most.
const BACKLOG: usize = 16;

/// Every run that goes on.
#[derive(Debug)]
pub struct Crons {
    table: Mutex<Table>,
    /// A run has ended.
    left: Notify,
    /// What serves may have changed: the scheduler looks again.
    pub changed: Notify,
    /// What waits for its turn may begin.
    pub freed: Notify,
    orders: mpsc::Sender<Order>,
    /// Taken by the scheduler.
    ordered: Mutex<Option<mpsc::Receiver<Order>>>,
}

/// Somebody wants a cron to run now.
#[derive(Debug)]
pub struct Order {
    /// Where.
    pub key: EnvironmentKey,
    /// Which.
    pub name: ProcessName,
    /// Who.
    pub actor: Actor,
    /// The activity, once it is recorded.
    pub reply: oneshot::Sender<Result<String, Failure>>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    runs: BTreeMap<u64, Entry>,
    /// Environments in which nothing begins.
    held: Vec<EnvironmentKey>,
}

#[derive(Debug)]
struct Entry {
    key: EnvironmentKey,
    name: ProcessName,
    /// Known once it is recorded.
    activity: Option<String>,
    stop: watch::Sender<Option<Stop>>,
    stopped: Arc<AtomicBool>,
}

/// That a run is to end.
#[derive(Debug, Clone)]
struct Stop {
    reason: Reason,
    pace: Pace,
}

/// When it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// By itself within its grace, else it is stopped.
    Soon,
    /// Now.
    AtOnce,
}

/// Why a run may not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// As many go on as may.
    #[error("{0} runs of crons go on {1} already, as many as may at a time")]
    Full(usize, &'static str),
    /// Nothing begins there.
    #[error("nothing may begin there now: a deployment, a pause or maintenance holds crons")]
    Held,
}

/// A run that ended because somebody wanted it gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drained {
    /// The cron's name.
    pub name: ProcessName,
    /// The activity that it was.
    pub activity: Option<String>,
    /// Whether it was stopped; else it came to its own end.
    pub stopped: bool,
}

/// A run's place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    crons: Arc<Crons>,
    number: u64,
    stop: watch::Receiver<Option<Stop>>,
    stopped: Arc<AtomicBool>,
}

/// No cron begins in an environment until this is dropped.
#[derive(Debug)]
pub struct Held {
    crons: Arc<Crons>,
    key: EnvironmentKey,
}

impl Default for Crons {
    fn default() -> Self {
        let (orders, ordered) = mpsc::channel(BACKLOG);
        Crons {
            table: Mutex::default(),
            left: Notify::new(),
            changed: Notify::new(),
            freed: Notify::new(),
            orders,
            ordered: Mutex::new(Some(ordered)),
        }
    }
}

impl Crons {
    /// Has a cron run now; none when no scheduler is there any more.
    pub async fn order(
        &self,
        key: EnvironmentKey,
        name: ProcessName,
        actor: Actor,
    ) -> Option<Result<String, Failure>> {
        let (reply, answer) = oneshot::channel();
        let order = Order {
            key,
            name,
            actor,
            reply,
        };
        self.orders.send(order).await.ok()?;
        answer.await.ok()
    }

    /// What people order, for the scheduler.
    pub fn orders(&self) -> Option<mpsc::Receiver<Order>> {
        let mut ordered = self.ordered.lock().expect("no holder of this lock panics");
        ordered.take()
    }

    /// How a cron is in its environment.
    pub fn stand(&self, key: &EnvironmentKey, name: &ProcessName) -> Stand {
        let table = self.table();
        let own = table.runs.values();
        Stand {
            running: own
                .filter(|run| run.key == *key && run.name == *name)
                .count(),
            held: table.held.contains(key),
        }
    }

    /// Takes a place for a run.
    ///
    /// # Errors
    /// Why it may not begin.
    pub fn take(
        self: &Arc<Self>,
        key: &EnvironmentKey,
        name: &ProcessName,
    ) -> Result<Place, NoPlace> {
        let mut table = self.table();
        if table.held.contains(key) {
            return Err(NoPlace::Held);
        }
        let there = table.runs.values().filter(|run| run.key == *key);
        if there.count() >= MOST_IN_ENVIRONMENT {
            return Err(NoPlace::Full(MOST_IN_ENVIRONMENT, "there"));
        }
        if table.runs.len() >= MOST {
            return Err(NoPlace::Full(MOST, "on this host"));
        }
        let number = table.next;
        table.next += 1;
        let (sender, stop) = watch::channel(None);
        let stopped = Arc::<AtomicBool>::default();
        table.runs.insert(
            number,
            Entry {
                key: key.clone(),
                name: name.clone(),
                activity: None,
                stop: sender,
                stopped: Arc::clone(&stopped),
            },
        );
        Ok(Place {
            crons: Arc::clone(self),
            number,
            stop,
            stopped,
        })
    }

    /// Stops the run of this activity at once, for this reason; false where none goes on.
    pub fn stop(&self, activity: &str, reason: &Reason) -> bool {
        let table = self.table();
        let mut runs = table.runs.values();
        let found = runs.find(|run| run.activity.as_deref() == Some(activity));
        if let Some(run) = found {
            run.say(reason, Pace::AtOnce);
        }
        found.is_some()
    }

    /// Lets no cron begin in an environment until what is returned is dropped.
    pub fn hold(self: &Arc<Self>, key: &EnvironmentKey) -> Held {
        self.table().held.push(key.clone());
        Held {
            crons: Arc::clone(self),
            key: key.clone(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no holder of this lock panics")
    }
}

impl Held {
    /// Waits until no run goes on in the environment, and says how each one ended.
    pub async fn drain(&self, reason: &Reason, pace: Pace) -> Vec<Drained> {
        let mut told: BTreeMap<u64, (Drained, Arc<AtomicBool>)> = BTreeMap::new();
        loop {
            let left = self.crons.left.notified();
            tokio::pin!(left);
            // Before the look, so that none leaves unheard in between.
            left.as_mut().enable();
            let mut going_on = 0;
            for (number, run) in &self.crons.table().runs {
                if run.key == self.key {
                    going_on += 1;
                    run.say(reason, pace);
                    let drained = Drained {
                        name: run.name.clone(),
                        activity: run.activity.clone(),
                        stopped: false,
                    };
                    told.insert(*number, (drained, Arc::clone(&run.stopped)));
                }
            }
            if going_on == 0 {
                let ended = told.into_values().map(|(drained, stopped)| Drained {
                    stopped: stopped.load(Ordering::Relaxed),
                    ..drained
                });
                return ended.collect();
            }
            left.await;
        }
    }
}

impl Entry {
    /// The first reason counts, and the shortest time.
    fn say(&self, reason: &Reason, pace: Pace) {
        self.stop.send_if_modified(|said| match said {
            Some(stop) if stop.pace >= pace => false,
            Some(stop) => {
                stop.pace = pace;
                true
            }
            None => {
                let reason = reason.clone();
                *said = Some(Stop { reason, pace });
                true
            }
        });
    }
}

impl Place {
    /// Says which activity runs here.
    pub fn is_of(&self, activity: &str) {
        if let Some(run) = self.crons.table().runs.get_mut(&self.number) {
            run.activity = Some(activity.to_owned());
        }
    }

    /// Waits until the run is to be stopped, which is so long after somebody wanted it gone who gives
    /// it time; why.
    pub async fn stopped(&mut self, grace: Duration) -> Reason {
        let said = self.stop.wait_for(Option::is_some).await;
        let Some(stop) = said.ok().and_then(|said| said.clone()) else {
            // Its entry goes with it alone.
            return std::future::pending().await;
        };
        if stop.pace == Pace::Soon {
            let at_once =
                |said: &Option<Stop>| said.as_ref().is_some_and(|said| said.pace == Pace::AtOnce);
            tokio::select! {
                () = tokio::time::sleep(grace) => {}
                _ = self.stop.wait_for(at_once) => {}
            }
        }
        self.stopped.store(true, Ordering::Relaxed);
        stop.reason
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crons.table().runs.remove(&self.number);
        self.crons.left.notify_waiters();
        self.crons.freed.notify_one();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.crons.table();
        if let Some(at) = table.held.iter().position(|key| *key == self.key) {
            table.held.swap_remove(at);
        }
        drop(table);
        // Another release may serve by now, or none.
        self.crons.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
