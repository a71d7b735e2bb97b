//! Connections whose visitors have asked nothing that is not answered yet.
//!
//! They cost a place and nothing else, so they are where places come from when all are taken: whoever
//! has waited longest goes. Ten thousand who begin a request and never end it keep nobody out then,
//! wherever they come from, and no visitor is counted by an address that a proxy or a whole company may have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// All of them, in the order in which they began to wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

/// One connection's place among them: it waits while nobody has a [`Turn`] of it.
#[derive(Debug)]
pub(crate) struct Place {
    among: Arc<Waiting>,
    state: Mutex<State>,
    /// Somebody else gets the place.
    pub(crate) called: CancellationToken,
}

#[derive(Debug)]
enum State {
    Waiting(u64),
    /// So many requests at a time, as HTTP/2 allows.
    Answering(usize),
}

/// A request that is being answered; its connection waits again once this is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Place>);

impl Waiting {
    /// Ends the one that has waited longest; says whether there was one.
    pub(crate) fn end_oldest(&self) -> bool {
        let oldest = self.queue().waiting.pop_first();
        oldest.is_some_and(|(_, called)| {
            called.cancel();
            true
        })
    }

    fn enter(&self, called: &CancellationToken) -> u64 {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, called.clone());
        number
    }

    fn leave(&self, number: u64) {
        self.queue().waiting.remove(&number);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A place for a new connection, which waits for its first request.
    pub(crate) fn new(among: &Arc<Waiting>) -> Arc<Self> {
        let called = CancellationToken::new();
        let number = among.enter(&called);
        Arc::new(Self {
            among: Arc::clone(among),
            state: Mutex::new(State::Waiting(number)),
            called,
        })
    }

    /// A request has come.
    pub(crate) fn turn(self: &Arc<Self>) -> Turn {
        let mut state = self.state();
        *state = match *state {
            State::Waiting(number) => {
                self.among.leave(number);
                State::Answering(1)
            }
            State::Answering(count) => State::Answering(count + 1),
        };
        Turn(Arc::clone(self))
    }

    /// Ends once nothing has been asked for so long, or up to twice that.
    pub(crate) async fn idle(&self, long: Duration) {
        let mut before = None;
        loop {
            tokio::time::sleep(long).await;
            // Each wait has a number of its own.
            let now = match *self.state() {
                State::Waiting(number) => Some(number),
                State::Answering(_) => None,
            };
            if now.is_some() && now == before {
                return;
            }
            before = now;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        *state = match *state {
            State::Answering(count) if count > 1 => State::Answering(count - 1),
            _ => State::Waiting(self.0.among.enter(&self.0.called)),
        };
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let State::Waiting(number) = *self.state() {
            self.among.leave(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_waited_longest_goes_first_and_who_is_answered_stays() {
        let among = Arc::new(Waiting::default());
        let [first, second, third] = [(); 3].map(|()| Place::new(&among));
        let called = || [&first, &second, &third].map(|place| place.called.is_cancelled());
        let turn = first.turn();
        assert!(among.end_oldest());
        assert_eq!(called(), [false, true, false]);
        // From here on it waits shorter than the third.
        drop(turn);
        assert!(among.end_oldest());
        assert_eq!(called(), [false, true, true]);
        assert!(among.end_oldest());
        assert_eq!(called(), [true; 3]);
        assert!(!among.end_oldest());
    }

    #[test]
    fn who_has_two_questions_waits_once_both_are_answered() {
        let among = Arc::new(Waiting::default());
        let place = Place::new(&among);
        let turns = [place.turn(), place.turn()];
        assert!(!among.end_oldest());
        let [first, second] = turns;
        drop(first);
        assert!(!among.end_oldest());
        drop(second);
        assert!(among.end_oldest());
        assert!(place.called.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_now_and_then_is_not_idle() {
        let among = Arc::new(Waiting::default());
        let place = Place::new(&among);
        let minute = Duration::from_secs(60);
        let asking = async {
            for _ in 0..6 {
                tokio::time::sleep(minute - Duration::from_secs(10)).await;
                drop(place.turn());
            }
        };
        let begun = tokio::time::Instant::now();
        tokio::join!(asking, place.idle(minute));
        assert!(begun.elapsed() > 5 * minute && begun.elapsed() < 8 * minute);
    }

    #[test]
    fn who_has_gone_waits_no_longer() {
        let among = Arc::new(Waiting::default());
        let place = Place::new(&among);
        let turn = place.turn();
        drop(place);
        drop(turn);
        drop(Place::new(&among));
        assert!(!among.end_oldest());
    }
}
