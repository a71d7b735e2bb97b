//! What came of a history.

/// What came of a history.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Count {
    pub deaths: u64,
    pub redone: u64,
    pub finished: u64,
    /// Activities that were not begun again because of what they may have changed.
    pub stayed: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub superseded: u64,
    pub rolled_back: u64,
    pub deleted: u64,
    /// Deletions after whose order the branch was pushed again.
    pub renewed: u64,
    /// Pushes whose check ended well, and that git then took.
    pub accepted: u64,
    /// Pushes that were refused by the result of their check.
    pub rejected: u64,
    /// Checks whose pusher was gone at their end.
    pub unanswered: u64,
    /// Pauses, and what came of them.
    pub paused: u64,
    pub resumed: u64,
    /// Environments that only kept their branch, pushes to them, and their return.
    pub deactivated: u64,
    pub kept: u64,
    pub activated: u64,
    /// Activations past the limit.
    pub full: u64,
    /// Deployments that were built and had to wait.
    pub parked: u64,
    pub approved: u64,
    /// How often visitors were kept away for an activity, and then let in by its switch, by its end,
    /// or by the next daemon.
    pub held: u64,
    pub lifted: [u64; 3],
    /// How often somebody switched maintenance.
    pub switched: u64,
}

impl Count {
    pub(crate) fn add(&mut self, other: Count) {
        self.deaths += other.deaths;
        self.redone += other.redone;
        self.finished += other.finished;
        self.stayed += other.stayed;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.superseded += other.superseded;
        self.rolled_back += other.rolled_back;
        self.deleted += other.deleted;
        self.renewed += other.renewed;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.unanswered += other.unanswered;
        self.paused += other.paused;
        self.resumed += other.resumed;
        self.deactivated += other.deactivated;
        self.kept += other.kept;
        self.activated += other.activated;
        self.full += other.full;
        self.parked += other.parked;
        self.approved += other.approved;
        self.held += other.held;
        self.switched += other.switched;
        for (sum, other) in self.lifted.iter_mut().zip(other.lifted) {
            *sum += other;
        }
    }
}
