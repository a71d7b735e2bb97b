//! Who runs a command by hand at this moment: bounded, and ended before their environment goes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, watch};
use wharf_wire::view::Reason;

use crate::plan::by_hand::{MOST, MOST_IN_ENVIRONMENT};
use crate::store::environment::EnvironmentKey;

/// Every command that people run.
#[derive(Debug, Default)]
pub struct Hands {
    table: Mutex<Table>,
    /// Somebody has ended.
    left: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    places: BTreeMap<u64, Entry>,
    /// Environments that are going: nobody begins there.
    closed: Vec<EnvironmentKey>,
}

#[derive(Debug)]
struct Entry {
    key: EnvironmentKey,
    /// Known once it is recorded.
    activity: Option<String>,
    stop: watch::Sender<Option<Reason>>,
}

/// Why somebody may not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// As many run there as may.
    #[error("{0} commands run there already, as many as may at a time")]
    Full(usize),
    /// As many run on the host as may.
    #[error("{0} commands run on this host already, as many as may at a time")]
    HostFull(usize),
    /// The environment is going.
    #[error("it is being taken down")]
    Closed,
}

/// A place among those who run something; given back when dropped.
#[derive(Debug)]
pub struct Place {
    hands: Arc<Hands>,
    number: u64,
    stop: watch::Receiver<Option<Reason>>,
}

/// Nobody begins in an environment until this is dropped.
#[derive(Debug)]
pub struct Closed {
    hands: Arc<Hands>,
    key: EnvironmentKey,
}

impl Hands {
    /// Takes a place in an environment.
    ///
    /// # Errors
    /// Which bound is reached.
    pub fn take(self: &Arc<Self>, key: &EnvironmentKey) -> Result<Place, NoPlace> {
        let mut table = self.table();
        if table.closed.contains(key) {
            return Err(NoPlace::Closed);
        }
        let there = table.places.values().filter(|entry| entry.key == *key);
        if there.count() >= MOST_IN_ENVIRONMENT {
            return Err(NoPlace::Full(MOST_IN_ENVIRONMENT));
        }
        if table.places.len() >= MOST {
            return Err(NoPlace::HostFull(MOST));
        }
        let number = table.next;
        table.next += 1;
        let (sender, stop) = watch::channel(None);
        table.places.insert(
            number,
            Entry {
                key: key.clone(),
                activity: None,
                stop: sender,
            },
        );
        Ok(Place {
            hands: Arc::clone(self),
            number,
            stop,
        })
    }

    /// Has the command of this activity ended, for this reason; false where none runs.
    pub fn stop(&self, activity: &str, reason: &Reason) -> bool {
        let table = self.table();
        let mut places = table.places.values();
        let found = places.find(|entry| entry.activity.as_deref() == Some(activity));
        if let Some(entry) = found {
            entry.say(reason);
        }
        found.is_some()
    }

    /// Ends all that runs in an environment, and waits until it has; nobody begins there until what
    /// is returned is dropped.
    pub async fn close(self: &Arc<Self>, key: &EnvironmentKey, reason: Reason) -> Closed {
        let closed = Closed {
            hands: Arc::clone(self),
            key: key.clone(),
        };
        self.table().closed.push(key.clone());
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Before the look, so that nobody leaves unheard in between.
            left.as_mut().enable();
            if self.end_all(key, &reason) == 0 {
                return closed;
            }
            left.await;
        }
    }

    fn end_all(&self, key: &EnvironmentKey, reason: &Reason) -> usize {
        let table = self.table();
        let there = table.places.values().filter(|entry| entry.key == *key);
        there.inspect(|entry| entry.say(reason)).count()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no holder of this lock panics")
    }
}

impl Entry {
    /// The first reason counts.
    fn say(&self, reason: &Reason) {
        self.stop.send_if_modified(|said| {
            let is_first = said.is_none();
            said.get_or_insert_with(|| reason.clone());
            is_first
        });
    }
}

impl Place {
    /// Says which activity runs here.
    pub fn is_of(&self, activity: &str) {
        if let Some(entry) = self.hands.table().places.get_mut(&self.number) {
            entry.activity = Some(activity.to_owned());
        }
    }

    /// Waits until it is to end; why.
    pub async fn stopped(&mut self) -> Reason {
        let said = self.stop.wait_for(Option::is_some).await;
        match said.ok().and_then(|said| said.clone()) {
            Some(reason) => reason,
            // Its entry goes with it alone.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hands.table().places.remove(&self.number);
        self.hands.left.notify_waiters();
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let mut table = self.hands.table();
        if let Some(at) = table.closed.iter().position(|key| *key == self.key) {
            table.closed.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::environment;

    fn reason() -> Reason {
        Reason {
            code: "test".into(),
            message: "it goes".into(),
            hint: None,
        }
    }

    #[test]
    fn an_environment_has_so_many_places_and_gives_them_back() {
        let hands = Arc::new(Hands::default());
        let (main, side) = (key("main"), key("side"));
        let mut taken: Vec<_> = (0..MOST_IN_ENVIRONMENT)
            .map(|_| hands.take(&main).unwrap())
            .collect();
        let full = NoPlace::Full(MOST_IN_ENVIRONMENT);
        assert_eq!(hands.take(&main).unwrap_err(), full);
        assert!(hands.take(&side).is_ok());
        taken.pop();
        assert!(hands.take(&main).is_ok());
    }

    #[tokio::test]
    async fn who_goes_waits_for_all_and_lets_nobody_in_meanwhile() {
        let hands = Arc::new(Hands::default());
        let main = key("main");
        let mut place = hands.take(&main).unwrap();
        let closing = tokio::spawn({
            let (hands, main) = (Arc::clone(&hands), main.clone());
            async move { hands.close(&main, reason()).await }
        });
        assert_eq!(place.stopped().await, reason());
        assert_eq!(hands.take(&main).unwrap_err(), NoPlace::Closed);
        assert!(!closing.is_finished());
        drop(place);
        let closed = closing.await.unwrap();
        assert_eq!(hands.take(&main).unwrap_err(), NoPlace::Closed);
        drop(closed);
        assert!(hands.take(&main).is_ok());
    }

    #[tokio::test]
    async fn one_is_stopped_by_its_activity() {
        let hands = Arc::new(Hands::default());
        let mut place = hands.take(&key("main")).unwrap();
        assert!(!hands.stop("4f2a", &reason()));
        place.is_of("4f2a");
        assert!(hands.stop("4f2a", &reason()));
        assert_eq!(place.stopped().await, reason());
    }

    fn key(id: &str) -> EnvironmentKey {
        environment::key("shop", id).unwrap()
    }
}
