//! What the operator lets people do with a branch: policy lives on the host, never in a commit.

use std::time::Duration;

use super::{Access, Schedule, Snapshots};

/// What an environment allows, and what it does by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// How code arrives.
    pub accept: Accept,
    /// Whether others may branch from it.
    pub branchable: Branchable,
    /// What the first push of its branch makes of it.
    pub on_new_branch: OnNewBranch,
    /// How long it runs on without a deployment or a request; none: for good.
    pub pause_after: Option<Duration>,
    /// What data a new environment begins with.
    pub data: NewData,
    /// What ends a pause by itself.
    pub wake: Wake,
    /// Whether a deployment waits for somebody's approval.
    pub approve: Approve,
    /// When deployments may begin to serve.
    pub schedule: Schedule,
    /// When its data is copied by itself.
    pub snapshots: Snapshots,
    /// Whether its data is copied before deploy commands run.
    pub snapshot_before_deploy: bool,
    /// Whether that data comes back where the deployment then fails; visitors are kept away meanwhile.
    pub restore_on_failure: bool,
    /// Who may look; none: as its parent.
    pub access: Option<Access>,
}

/// How code arrives in an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accept {
    /// By push, merge or promote.
    #[default]
    Push,
    /// By merge or promote from a child only, once it has a release.
    Merge,
}

/// Whether others may branch from an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Branchable {
    /// Whoever may.
    #[default]
    Yes,
    /// Nobody.
    No,
}

/// What the first push of a branch makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnNewBranch {
    /// A living environment.
    #[default]
    Activate,
    /// An inactive one: the code is kept, nothing runs.
    Inactive,
    /// Nothing: the push is refused.
    Reject,
}

/// What data a new environment begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewData {
    /// Its parent's, scrubbed, where that may come.
    #[default]
    Clone,
    /// None.
    Empty,
}

/// What ends a pause, beside `wharf resume`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wake {
    /// A push.
    #[default]
    Push,
    /// A push, or the first request, which waits for it.
    Request,
}

/// Whether a deployment waits for somebody's approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approve {
    /// It goes live by itself.
    #[default]
    No,
    /// It is built, then waits for `wharf approve`.
    Yes,
}
