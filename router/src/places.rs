//! Places of requests that wait: so many for one environment, so many in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::name::Name;

/// How many may wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// For the same environment.
    pub(crate) one: usize,
    /// For all of them.
    pub(crate) all: usize,
}

/// Requests that wait, by environment.
#[derive(Debug, Default)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_name: HashMap<Name, usize>,
}

impl Places {
    /// A place among those who wait; none where all are taken.
    pub(crate) fn place(&self, name: &Name, bounds: Bounds) -> Option<Place> {
        let mut taken = lock(&self.0);
        let here = taken.by_name.get(name).copied().unwrap_or_default();
        if here >= bounds.one || taken.all >= bounds.all {
            return None;
        }
        taken.all += 1;
        taken.by_name.insert(name.clone(), here + 1);
        Some(Place {
            name: name.clone(),
            places: Arc::clone(&self.0),
        })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.0).all
    }
}

/// A place among those who wait, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    name: Name,
    places: Arc<Mutex<Taken>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.places);
        taken.all -= 1;
        if let Some(here) = taken.by_name.get_mut(&self.name) {
            *here -= 1;
            if *here == 0 {
                taken.by_name.remove(&self.name);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let places = Places::default();
        let bounds = Bounds { one: 3, all: 4 };
        let place = |environment: &str| {
            let name = Name::new("shop", environment).expect("a name");
            places.place(&name, bounds)
        };
        let main: Vec<_> = (0..3).map(|_| place("main")).collect();
        assert!(main.iter().all(Option::is_some));
        assert!(place("main").is_none(), "one environment has no more");
        let other = place("other");
        assert!(other.is_some());
        assert!(place("third").is_none(), "all together have no more");
        drop((main, other));
        assert!(place("main").is_some());
        assert!(lock(&places.0).by_name.is_empty());
        assert_eq!(lock(&places.0).all, 0);
    }
}
