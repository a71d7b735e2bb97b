//! Which activity runs next: production first, one an environment, fair between projects.

use std::collections::BTreeSet;

use wharf_wire::outcome::Kind;

/// What the queue needs to know of an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The activity's id.
    pub activity: String,
    /// Its project's name.
    pub project: String,
    /// Its environment's id.
    pub environment: String,
    /// Whether the environment is production.
    pub production: bool,
    /// What started it.
    pub kind: Kind,
}

impl Ticket {
    fn shares_environment(&self, other: &Ticket) -> bool {
        self.project == other.project && self.environment == other.environment
    }

    /// A newer push makes older waiting pushes pointless; a deletion makes everything so.
    fn supersedes(&self, other: &Ticket) -> bool {
        self.shares_environment(other)
            && match self.kind {
                Kind::Push => other.kind == Kind::Push,
                Kind::Delete => true,
                Kind::Redeploy | Kind::Rollback => false,
            }
    }
}

/// Activities that wait and run.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Vec<Ticket>,
    running: Vec<Ticket>,
    /// Project and id of environments that are mended: one thing at a time.
    held: BTreeSet<(String, String)>,
}

/// Where a waiting activity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// How many go before it.
    pub before: usize,
    /// What it waits for.
    pub reason: Reason,
}

/// What a waiting activity waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Another activity of the same environment runs.
    Environment {
        /// Its id.
        activity: String,
    },
    /// What serves there is being started again.
    Mended,
    /// As many run as the host allows.
    Parallel {
        /// How many.
        running: usize,
    },
}

impl Queue {
    /// Takes an activity in; returns the waiting ones that it supersedes.
    pub fn add(&mut self, ticket: Ticket) -> Vec<Ticket> {
        let (superseded, waiting) = self
            .waiting
            .drain(..)
            .partition(|other| ticket.supersedes(other));
        self.waiting = waiting;
        self.waiting.push(ticket);
        superseded
    }

    /// Moves the next activity from waiting to running, if one may start.
    pub fn start_next(&mut self, parallel: usize) -> Option<Ticket> {
        if self.running.len() >= parallel {
            return None;
        }
        let index = self
            .order()
            .into_iter()
            .find(|&index| !self.is_held(index) && self.blocker(index).is_none())?;
        let ticket = self.waiting.remove(index);
        self.running.push(ticket.clone());
        Some(ticket)
    }

    /// Forgets an activity that ended.
    pub fn finish(&mut self, activity: &str) {
        self.running.retain(|ticket| ticket.activity != activity);
    }

    /// Takes a waiting activity out: it was cancelled before it began.
    pub fn withdraw(&mut self, activity: &str) -> Option<Ticket> {
        let index = self
            .waiting
            .iter()
            .position(|ticket| ticket.activity == activity)?;
        Some(self.waiting.remove(index))
    }

    /// Where a waiting activity stands; none when it does not wait.
    pub fn place(&self, activity: &str) -> Option<Place> {
        let order = self.order();
        let before = order
            .iter()
            .position(|&index| self.waiting[index].activity == activity)?;
        let reason = match self.blocker(order[before]) {
            Some(ticket) => Reason::Environment {
                activity: ticket.activity.clone(),
            },
            None if self.is_held(order[before]) => Reason::Mended,
            None => Reason::Parallel {
                running: self.running.len(),
            },
        };
        Some(Place { before, reason })
    }

    /// How many wait and how many run.
    pub fn counts(&self) -> (usize, usize) {
        (self.waiting.len(), self.running.len())
    }

    /// Whether an activity of this environment waits or runs.
    pub fn concerns(&self, project: &str, environment: &str) -> bool {
        self.waiting
            .iter()
            .chain(&self.running)
            .any(|ticket| ticket.project == project && ticket.environment == environment)
    }

    /// Lets no activity of an environment begin; false while one runs there, or it is held already.
    pub fn hold(&mut self, project: &str, environment: &str) -> bool {
        let busy = self
            .running
            .iter()
            .any(|ticket| ticket.project == project && ticket.environment == environment);
        !busy
            && self
                .held
                .insert((project.to_owned(), environment.to_owned()))
    }

    /// Lets activities of an environment begin again.
    pub fn free(&mut self, project: &str, environment: &str) {
        self.held
            .remove(&(project.to_owned(), environment.to_owned()));
    }

    fn is_held(&self, index: usize) -> bool {
        let ticket = &self.waiting[index];
        self.held
            .contains(&(ticket.project.clone(), ticket.environment.clone()))
    }

    /// Indices of the waiting ones, best first: production, then the project that runs least, then
    /// the oldest.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.waiting.len()).collect();
        order.sort_by_key(|&index| {
            let ticket = &self.waiting[index];
            let running = self
                .running
                .iter()
                .filter(|r| r.project == ticket.project)
                .count();
            (!ticket.production, running, index)
        });
        order
    }

    /// The running activity, or the older waiting one, of the same environment.
    fn blocker(&self, index: usize) -> Option<&Ticket> {
        let ticket = &self.waiting[index];
        self.running
            .iter()
            .chain(&self.waiting[..index])
            .find(|other| other.shares_environment(ticket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket(activity: &str, environment: &str, kind: Kind) -> Ticket {
        Ticket {
            activity: activity.into(),
            project: "shop".into(),
            environment: environment.into(),
            production: environment == "production",
            kind,
        }
    }

    #[test]
    fn a_newer_push_takes_the_place_of_waiting_ones_but_not_of_the_running_one() {
        let mut queue = Queue::default();
        queue.add(ticket("a", "staging", Kind::Push));
        assert_eq!(queue.start_next(2).unwrap().activity, "a");
        assert!(queue.add(ticket("b", "staging", Kind::Push)).is_empty());
        let superseded = queue.add(ticket("c", "staging", Kind::Push));
        assert_eq!(superseded.len(), 1);
        assert_eq!(superseded[0].activity, "b");
        assert!(queue.start_next(2).is_none(), "one activity an environment");
        queue.finish("a");
        assert_eq!(queue.start_next(2).unwrap().activity, "c");
    }

    #[test]
    fn production_goes_first_and_the_rest_in_turn() {
        let mut queue = Queue::default();
        queue.add(ticket("a", "one", Kind::Push));
        queue.add(ticket("b", "two", Kind::Push));
        queue.add(ticket("c", "production", Kind::Push));
        let order: Vec<_> = std::iter::from_fn(|| queue.start_next(9))
            .map(|ticket| ticket.activity)
            .collect();
        assert_eq!(order, ["c", "a", "b"]);
    }

    #[test]
    fn who_waits_is_told_for_what() {
        let mut queue = Queue::default();
        queue.add(ticket("a", "one", Kind::Push));
        queue.start_next(1).unwrap();
        queue.add(ticket("b", "two", Kind::Push));
        queue.add(ticket("c", "one", Kind::Push));
        assert_eq!(
            queue.place("b"),
            Some(Place {
                before: 0,
                reason: Reason::Parallel { running: 1 }
            })
        );
        assert_eq!(
            queue.place("c"),
            Some(Place {
                before: 1,
                reason: Reason::Environment {
                    activity: "a".into()
                }
            })
        );
        assert_eq!(queue.place("a"), None);
    }

    #[test]
    fn an_environment_that_is_mended_is_left_alone() {
        let mut queue = Queue::default();
        assert!(queue.hold("shop", "one"));
        assert!(!queue.hold("shop", "one"), "once at a time");
        queue.add(ticket("a", "one", Kind::Push));
        queue.add(ticket("b", "two", Kind::Push));
        assert_eq!(queue.start_next(4).unwrap().activity, "b");
        assert!(queue.start_next(4).is_none());
        assert_eq!(queue.place("a").unwrap().reason, Reason::Mended);
        assert!(!queue.hold("shop", "two"), "not while it works");
        queue.free("shop", "one");
        assert_eq!(queue.start_next(4).unwrap().activity, "a");
    }

    #[test]
    fn a_rollback_waits_behind_an_older_push_and_both_run() {
        let mut queue = Queue::default();
        queue.add(ticket("a", "one", Kind::Push));
        queue.add(ticket("b", "one", Kind::Rollback));
        assert_eq!(queue.start_next(4).unwrap().activity, "a");
        assert!(queue.start_next(4).is_none());
        queue.finish("a");
        assert_eq!(queue.start_next(4).unwrap().activity, "b");
    }

    proptest! {
        #[test]
        fn never_two_of_one_environment_and_each_ends_once(
            steps in proptest::collection::vec((0_u8..3, 0_usize..4), 1..60)
        ) {
            let mut queue = Queue::default();
            let mut running: Vec<Ticket> = Vec::new();
            let mut added = 0;
            let mut gone = 0;
            for (step, n) in steps {
                match step {
                    0 => {
                        added += 1;
                        gone += queue.add(ticket(&format!("{added}"), &format!("e{n}"), Kind::Push)).len();
                    }
                    1 => if let Some(next) = queue.start_next(3) {
                        prop_assert!(!running.iter().any(|r| r.shares_environment(&next)));
                        running.push(next);
                    },
                    _ => if n < running.len() {
                        queue.finish(&running.remove(n).activity);
                        gone += 1;
                    },
                }
                prop_assert!(running.len() <= 3);
                let (waits, runs) = queue.counts();
                prop_assert_eq!(waits + runs + gone, added);
            }
        }
    }
}
