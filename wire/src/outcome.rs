//! How things end.

use serde::{Deserialize, Serialize};

/// How a command exits; the same for every command of `wharf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Done.
    Ok,
    /// It failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// The deployment failed; the old release serves.
    DeployFailed,
    /// The daemon does not answer.
    Unreachable,
    /// There is no such project, environment, activity or release.
    NotFound,
    /// Not allowed, or not in this state.
    Refused,
}

impl Exit {
    /// The process exit status, 0 to 6, as documented in `wharf --help`.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::DeployFailed => 3,
            Exit::Unreachable => 4,
            Exit::NotFound => 5,
            Exit::Refused => 6,
        }
    }
}

/// The state of an activity; the last four are ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Recorded, in the queue.
    Waiting,
    /// A stage runs.
    Running,
    /// What it was for is live.
    Succeeded,
    /// A stage failed; what served before serves.
    Failed,
    /// Somebody stopped it.
    Cancelled,
    /// A newer push to the same branch took its place before it began.
    Superseded,
}

impl State {
    /// Whether nothing more will happen.
    pub fn is_end(self) -> bool {
        !matches!(self, State::Waiting | State::Running)
    }

    /// The word that people, the store and the journal use.
    pub fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::Superseded => "superseded",
        }
    }
}

/// What started an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Refs moved by a push.
    Push,
    /// `wharf redeploy`.
    Redeploy,
    /// `wharf rollback`.
    Rollback,
    /// The branch was deleted.
    Delete,
    /// A push is built before its refs may move: `push.on_failure = "reject"`.
    Check,
    /// `wharf activate`.
    Activate,
    /// `wharf deactivate`.
    Deactivate,
    /// `wharf pause`, or nobody used it for long.
    Pause,
    /// `wharf resume`, or somebody waits for it.
    Resume,
    /// `wharf branch`: a new branch at its parent's tip.
    Branch,
    /// `wharf merge`: a child's code came to its parent.
    Merge,
    /// `wharf promote`: the commit that a child serves came to its parent.
    Promote,
    /// `wharf sync code`: a parent's code came to its child.
    Sync,
    /// `wharf info` with something to change.
    Info,
    /// `wharf approve`: somebody lets a deployment go on that is built and waits.
    Approve,
    /// `wharf maintenance on`.
    MaintenanceOn,
    /// `wharf maintenance off`.
    MaintenanceOff,
    /// `wharf variable set` or `delete`.
    Variable,
    /// `wharf run` or `wharf shell`: somebody's own command.
    Run,
    /// A cron of the release was due, or `wharf crons run`.
    Cron,
    /// `wharf slug import`.
    Import,
    /// `wharf mount upload`: somebody's files come into a mount.
    Upload,
    /// `wharf mount download`: somebody takes what is in a mount.
    Download,
    /// `wharf snapshot create`, or its time had come.
    Snapshot,
    /// `wharf snapshot restore`.
    Restore,
    /// A snapshot is restored beside everything, to see whether it can be.
    SnapshotTest,
    /// `wharf snapshot delete`.
    SnapshotDelete,
    /// `wharf seed`: sample data is brought once more.
    Seed,
    /// `wharf sync data`: the parent's data came to its child.
    SyncData,
    /// `wharf db import`: what a dump says came into a service.
    DatabaseImport,
    /// `wharf data reset`: the environment begins with nothing again.
    Reset,
}

impl Kind {
    /// The word that people, the store and the journal use.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Push => "push",
            Kind::Redeploy => "redeploy",
            Kind::Rollback => "rollback",
            Kind::Delete => "delete",
            Kind::Check => "check",
            Kind::Activate => "activate",
            Kind::Deactivate => "deactivate",
            Kind::Pause => "pause",
            Kind::Resume => "resume",
            Kind::Branch => "branch",
            Kind::Merge => "merge",
            Kind::Promote => "promote",
            Kind::Sync => "sync",
            Kind::Info => "info",
            Kind::Approve => "approve",
            Kind::MaintenanceOn => "maintenance-on",
            Kind::MaintenanceOff => "maintenance-off",
            Kind::Variable => "variable",
            Kind::Run => "run",
            Kind::Cron => "cron",
            Kind::Import => "import",
            Kind::Upload => "upload",
            Kind::Download => "download",
            Kind::Snapshot => "snapshot",
            Kind::Restore => "restore",
            Kind::SnapshotTest => "snapshot-test",
            Kind::SnapshotDelete => "snapshot-delete",
            Kind::Seed => "seed",
            Kind::SyncData => "sync-data",
            Kind::DatabaseImport => "database-import",
            Kind::Reset => "reset",
        }
    }

    /// What goes on without whoever stops watching, in a word.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Delete | Kind::SnapshotDelete => "deletion",
            Kind::Snapshot => "snapshot",
            Kind::Restore => "restore",
            Kind::SnapshotTest => "test",
            Kind::Seed => "seed",
            Kind::SyncData => "sync",
            Kind::DatabaseImport => "import",
            Kind::Reset => "reset",
            Kind::Cron => "cron",
            Kind::Pause => "pause",
            Kind::Resume => "resume",
            _ => "deploy",
        }
    }

    /// Whether its branch has a new tip, which is to be deployed: by a push, or by the daemon.
    pub fn moves_branch(self) -> bool {
        match self {
            Kind::Push | Kind::Branch | Kind::Merge | Kind::Promote | Kind::Sync => true,
            Kind::Redeploy
            | Kind::Rollback
            | Kind::Delete
            | Kind::Check
            | Kind::Activate
            | Kind::Deactivate
            | Kind::Pause
            | Kind::Resume
            | Kind::Info
            | Kind::Approve
            | Kind::Variable
            | Kind::Run
            | Kind::Cron
            | Kind::Import
            | Kind::Upload
            | Kind::Download
            | Kind::Snapshot
            | Kind::Restore
            | Kind::SnapshotTest
            | Kind::SnapshotDelete
            | Kind::Seed
            | Kind::SyncData
            | Kind::DatabaseImport
            | Kind::Reset
            | Kind::MaintenanceOn
            | Kind::MaintenanceOff => false,
        }
    }

    /// Whether a release serves because of it once it has succeeded; a rollback's is an earlier one.
    pub fn makes_live(self) -> bool {
        self.moves_branch()
            || matches!(
                self,
                Kind::Redeploy | Kind::Activate | Kind::Resume | Kind::Reset | Kind::SyncData
            )
    }

    /// Whether it is somebody's word alone: it is recorded and has ended, and changes nothing of what
    /// is deployed.
    pub fn is_word(self) -> bool {
        matches!(
            self,
            Kind::Info | Kind::Approve | Kind::Variable | Kind::Import
        )
    }

    /// Whether it takes no turn, and dies with the daemon: a command in what serves, or what somebody does by
    /// hand.
    pub fn runs_beside(self) -> bool {
        matches!(self, Kind::Run | Kind::Cron | Kind::Upload | Kind::Download)
    }

    /// Whether data comes by it that takes the place of what is there.
    pub fn brings_data(self) -> bool {
        matches!(
            self,
            Kind::Restore | Kind::SyncData | Kind::DatabaseImport | Kind::Reset
        )
    }

    /// Whether what serves is deployed anew on the data that comes by it.
    pub fn deploys_anew(self) -> bool {
        matches!(self, Kind::SyncData | Kind::Reset)
    }

    /// Whether it only has to do with copies of data: what serves stays, and so does its data.
    pub fn is_copy(self) -> bool {
        matches!(
            self,
            Kind::Snapshot | Kind::SnapshotTest | Kind::SnapshotDelete
        )
    }

    /// Whether it tells nothing of what is deployed: a word, a copy, or what runs beside.
    pub fn is_aside(self) -> bool {
        self.is_word() || self.is_copy() || self.runs_beside()
    }
}
