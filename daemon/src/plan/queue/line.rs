//! The line: in which order the waiting ones would begin, if nothing else came.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{PATIENCE, Queue, Waiting};

impl Queue {
    /// Indices of the waiting ones, who goes first in front.
    ///
    /// Production first, and whatever production has passed over often enough. Among these the
    /// projects take turns: the first of each, then the second of each; a project that runs some
    /// already has had as many turns. Of two projects with as many the one whose turn was longest
    /// ago; within a project the oldest. Costs n log n.
    pub(super) fn line(&self) -> Vec<usize> {
        let mut turns: BTreeMap<(Reverse<bool>, &str), usize> = BTreeMap::new();
        for ticket in &self.running {
            for first in [Reverse(true), Reverse(false)] {
                *turns.entry((first, &ticket.project)).or_default() += 1;
            }
        }
        let mut keys = Vec::with_capacity(self.waiting.len());
        for (index, waiting) in self.waiting.iter().enumerate() {
            let project = waiting.ticket.project.as_str();
            let first = Reverse(self.goes_first(waiting));
            let turn = turns.entry((first, project)).or_default();
            let served = self.served.get(project).copied().unwrap_or_default();
            keys.push((first, *turn, served, index));
            *turn += 1;
        }
        keys.sort_unstable();
        keys.into_iter().map(|(.., index)| index).collect()
    }

    fn goes_first(&self, waiting: &Waiting) -> bool {
        waiting.ticket.production || self.production_starts - waiting.since >= PATIENCE
    }
}
