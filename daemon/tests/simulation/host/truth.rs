//! What must hold, at every moment and when everything has come to rest.

use rand::rngs::SmallRng;
use wharf_daemon::plan::limits::Status;
use wharf_wire::outcome::{Kind, State};

use super::Host;
use crate::CHECKED;
use crate::durable::Made;

impl Host {
    /// What holds at every moment.
    pub(crate) fn holds(&self) {
        for (environment, number) in &self.durable.table {
            let record = &self.durable.environments[environment];
            let release = &record.releases[*number as usize - 1];
            assert!(
                matches!(release.made, Made::Ready),
                "r{number} serves and is {:?}",
                release.made
            );
        }
        let living = self.durable.environments.iter();
        let living = living.filter(|(id, one)| **id != 0 && one.status.counts());
        assert!(living.count() <= crate::PLACES, "more live than may");
        for (environment, record) in &self.durable.environments {
            if record.status == Status::Inactive {
                assert!(
                    !self.durable.table.contains_key(environment),
                    "inactive and routed"
                );
            }
            if record.status == Status::Active && record.live.is_some() {
                assert!(
                    !self.durable.suspended.contains(environment),
                    "active and suspended"
                );
            }
        }
        for (environment, index) in &self.durable.held {
            let run = self.running.get(index).expect("visitors wait for nobody");
            assert!(!run.state.is_committed(), "it serves, and visitors wait");
            let activity = &self.durable.activities[*index];
            assert_eq!(activity.environment, *environment);
        }
        for activity in &self.durable.activities {
            for (step, times) in &activity.ran {
                let again = activity.repeatable && !step.is_late();
                assert!(*times == 1 || again, "{step} ran {times} times");
            }
        }
        for record in self.durable.environments.values() {
            // Whatever served may serve again, as far back as is kept.
            let served = record.releases.iter().filter(|release| {
                let made = release.made;
                made == Made::Ready || made == Made::Pruned
            });
            let expected = served.count().min(self.keep);
            assert!(record.ready().len() >= expected, "nothing to go back to");
        }
    }

    /// Nothing more happens from outside: everything that was begun comes to its end.
    pub(crate) fn come_to_rest(&mut self, random: &mut SmallRng) {
        self.reconcile(random);
        for _ in 0..100_000 {
            self.begin();
            let Some(&index) = self.running.keys().next() else {
                // The last check may have let a ref move whose bell nobody heard.
                self.reconcile(random);
                self.let_all_go_on();
                match self.queue.counts() {
                    (0, 0) => break,
                    _ => continue,
                }
            };
            self.go_on(index, random);
            self.holds();
        }
        assert_eq!(self.queue.counts(), (0, 0), "something waits for ever");
        assert!(self.pushers.is_empty(), "somebody waits for ever");
        assert!(self.durable.held.is_empty(), "visitors wait for ever");
        for activity in &self.durable.activities {
            assert!(activity.state.is_end(), "{activity:?} never ended");
            assert!(activity.rows.iter().all(|(_, result)| result.is_some()));
        }
        for environment in crate::ENVIRONMENTS {
            self.tip_is_answered_for(environment);
        }
    }

    /// The branch's tip is live, or the record says why not.
    fn tip_is_answered_for(&self, environment: usize) {
        let tip = self.durable.refs.get(&environment).copied();
        let known = self.durable.environments.get(&environment);
        assert_eq!(known.and_then(|known| known.tip), tip, "a tip was missed");
        let Some(tip) = tip else { return };
        if environment == CHECKED {
            let mut checks = self.durable.activities.iter();
            let passed = checks.any(|check| {
                let (kind, state) = (check.kind, check.state);
                kind == Kind::Check && state == State::Succeeded && check.commit == Some(tip)
            });
            assert!(passed, "{tip} was taken and is not checked");
        }
        let last = self
            .durable
            .activities
            .iter()
            .rfind(|a| a.environment == environment && a.kind == Kind::Push)
            .expect("a tip has its push");
        assert_eq!(last.commit, Some(tip), "the last push is of another commit");
        assert_ne!(last.state, State::Superseded, "by whom?");
    }
}
