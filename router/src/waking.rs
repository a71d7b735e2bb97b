//! Paused environments: who waits for one, and what the daemon is told of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{name::Name, site::Site};

/// The most requests that wait for environments to wake.
const WAITING: usize = 1_000;
/// The most that wait for the same one.
const WAITING_FOR_ONE: usize = 100;

/// The environments that somebody wants; each with a number that is never used again, so that
/// whoever follows this also sees what was wanted, woken, paused and wanted again meanwhile.
pub(crate) type Wanted = Arc<BTreeMap<Name, u64>>;

/// Requests that wait, and environments that they want.
#[derive(Debug, Default)]
pub(crate) struct Waking {
    wanted: watch::Sender<(u64, Wanted)>,
    waiting: Arc<Mutex<HashMap<Name, usize>>>,
}

impl Waking {
    /// Says that a paused environment is wanted, once until its route changes.
    pub(crate) fn want(&self, site: &Site) {
        self.wanted.send_if_modified(|(count, wanted)| {
            // A route that was replaced meanwhile is nothing to wake; see `forget`.
            if site.replaced.is_cancelled() || wanted.contains_key(&site.name) {
                return false;
            }
            *count += 1;
            Arc::make_mut(wanted).insert(site.name.clone(), *count);
            true
        });
    }

    /// An environment's route has changed, and its old site knows that.
    pub(crate) fn forget(&self, name: &Name) {
        self.wanted.send_if_modified(|(_, wanted)| {
            wanted.contains_key(name) && Arc::make_mut(wanted).remove(name).is_some()
        });
    }

    /// What is wanted, and each change of it.
    pub(crate) fn follow(&self) -> watch::Receiver<(u64, Wanted)> {
        self.wanted.subscribe()
    }

    /// A place among those who wait; none where all are taken.
    pub(crate) fn place(&self, name: &Name) -> Option<Place> {
        let mut waiting = lock(&self.waiting);
        let here = waiting.get(name).copied().unwrap_or_default();
        if here >= WAITING_FOR_ONE || waiting.values().sum::<usize>() >= WAITING {
            return None;
        }
        waiting.insert(name.clone(), here + 1);
        Some(Place {
            name: name.clone(),
            waiting: Arc::clone(&self.waiting),
        })
    }
}

/// A place among those who wait, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    name: Name,
    waiting: Arc<Mutex<HashMap<Name, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = lock(&self.waiting);
        if let Some(here) = waiting.get_mut(&self.name) {
            *here -= 1;
            if *here == 0 {
                waiting.remove(&self.name);
            }
        }
    }
}

fn lock(waiting: &Mutex<HashMap<Name, usize>>) -> MutexGuard<'_, HashMap<Name, usize>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let waking = Waking::default();
        let name = |environment: &str| Name::new("shop", environment).expect("a name");
        let all: Vec<_> = (0..WAITING_FOR_ONE)
            .map(|_| waking.place(&name("main")))
            .collect();
        assert!(all.iter().all(Option::is_some));
        assert!(waking.place(&name("main")).is_none());
        assert!(waking.place(&name("other")).is_some());
        drop(all);
        assert!(waking.place(&name("main")).is_some());
        assert!(lock(&waking.waiting).is_empty());
    }
}
