//! Paused environments: who waits for one, and what the daemon is told of it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use crate::{
    name::Name,
    places::{Bounds, Place, Places},
    site::Site,
};

/// The most requests that wait for environments to wake.
const WAITING: Bounds = Bounds {
    one: 100,
    all: 1_000,
};

/// The environments that somebody wants; each with a number that is never used again, so that
/// whoever follows this also sees what was wanted, woken, paused and wanted again meanwhile.
pub(crate) type Wanted = Arc<BTreeMap<Name, u64>>;

/// Requests that wait, and environments that they want.
#[derive(Debug, Default)]
pub(crate) struct Waking {
    wanted: watch::Sender<(u64, Wanted)>,
    waiting: Places,
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
        self.waiting.place(name, WAITING)
    }
}
