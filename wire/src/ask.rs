//! What people ask and command through `wharf`.

use serde::{Deserialize, Serialize};

use crate::mount::Upload;
use crate::variable::{Level, NewVariable};

/// Which project and environment is meant. Whoever asks from a work tree knows a repository and a
/// branch; whoever asks on the host may name them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// The project's name.
    pub project: Option<String>,
    /// Absolute path of the bare repository, where no project is named.
    pub repository: Option<String>,
    /// The environment's id, or the branch's name.
    pub environment: Option<String>,
}

/// A question or a command. The answer is any number of `Item`s, `Line`s or `Raw`s, then `End`; or
/// `Refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// The daemon's own state, one `Item::Status`.
    Status,
    /// Every project, one `Item::Project` each.
    Projects,
    /// The environments of the scope's project, or of all: one `Item::Environment` each, parents
    /// before children.
    Environments(Scope),
    /// Activities, newest first: one `Item::Activity` each.
    Activities {
        /// Only those of this project or environment, as far as it is named.
        scope: Scope,
        /// At most this many.
        limit: u32,
    },
    /// One activity, one `Item::Activity`.
    Activity {
        /// Its id.
        activity: String,
    },
    /// Waits until an activity has ended: its last line, or its record. The end exits by its result.
    Wait {
        /// Its id.
        activity: String,
        /// What is sent.
        form: WaitForm,
    },
    /// Releases of one environment, newest first: one `Item::Release` each.
    Releases(Scope),
    /// Why an environment's slug is as it is: one `Item::Why`.
    SlugWhy {
        /// Which environment.
        scope: Scope,
        /// A release; without it the serving one, and what a redeploy would do.
        release: Option<u32>,
    },
    /// A slug as an archive: first `Passed` with an output that it is read from, then one
    /// `Item::Archive`. What was read is worth nothing without that.
    ExportSlug {
        /// Which environment.
        scope: Scope,
        /// A release such as `r41`, or the first digits of a key or digest; none for what serves.
        slug: Option<String>,
    },
    /// An archive that becomes a slug of a project: first `Passed` with an input that it is written
    /// to, then as any other act.
    ImportSlug(Scope),
    /// The mounts of an environment: one `Item::Mount` each.
    Mounts {
        /// Which environment.
        scope: Scope,
        /// A mount, or a path below one; none for all.
        path: Option<String>,
        /// Whether it is counted what they hold.
        used: bool,
    },
    /// What is in a mount, as a tar archive: first `Passed` with an output that it is read from, then
    /// one `Item::Download`. What was read is worth nothing without that.
    Download {
        /// Which environment.
        scope: Scope,
        /// A mount, or a path below one.
        path: String,
    },
    /// A tar archive that is written into a mount: first `Passed` with an input that it is written to,
    /// then an `Item::Change` each where only that is asked for, else as any other act.
    Upload {
        /// Which environment.
        scope: Scope,
        /// Where to, and how.
        upload: Upload,
    },
    /// The data of an environment is copied.
    CreateSnapshot {
        /// Which environment.
        scope: Scope,
        /// What somebody says of the copy.
        title: Option<String>,
    },
    /// The snapshots of a project, or of the environment that is named, newest first: one
    /// `Item::Snapshot` each.
    Snapshots(Scope),
    /// A snapshot takes the place of an environment's data.
    RestoreSnapshot {
        /// Which environment.
        scope: Scope,
        /// The snapshot's id.
        snapshot: String,
        /// What comes back.
        what: Data,
    },
    /// A part of a snapshot: first `Passed` with an output that it is read from, then one
    /// `Item::Exported`. What was read is worth nothing without that.
    ExportSnapshot {
        /// Which project.
        scope: Scope,
        /// The snapshot's id.
        snapshot: String,
        /// The part; none for its mounts, or the only one.
        part: Option<String>,
    },
    /// A snapshot goes.
    DeleteSnapshot {
        /// Which project.
        scope: Scope,
        /// The snapshot's id.
        snapshot: String,
    },
    /// The slugs of a project, newest first: one `Item::Slug` each.
    Slugs(Scope),
    /// The log of an activity as rendered `Line`s; ends with the activity's exit if followed.
    Log {
        /// The activity's id; without it the newest one of the scope.
        activity: Option<String>,
        /// Where to look for the newest.
        scope: Scope,
        /// Stay until the activity ends.
        follow: bool,
        /// How it is sent.
        form: LogForm,
    },
    /// The output of the environment's running processes, `Raw`.
    AppLog {
        /// Which environment.
        scope: Scope,
    },
    /// An earlier release serves again.
    Rollback {
        /// Which environment.
        scope: Scope,
        /// Its number; without it the last one that succeeded before the serving one.
        release: Option<u32>,
    },
    /// A commit that is in the repository goes live: its branch comes to it, forward only.
    Deploy {
        /// Which environment.
        scope: Scope,
        /// The commit's whole id, in hex.
        commit: String,
    },
    /// The branch's tip is deployed again, with today's variables.
    Redeploy {
        /// Which environment.
        scope: Scope,
        /// Whether an existing slug may be used.
        slug: SlugUse,
        /// Whether it waits for no deploy window.
        now: bool,
    },
    /// Lets a deployment go on that waits for somebody's approval.
    Approve {
        /// The activity's id.
        activity: String,
        /// Whether it waits for no deploy window either; enough where it waits for nothing else.
        now: bool,
    },
    /// A link that opens the environment's pages for a time: one `Item::Grant`.
    Grant {
        /// Which environment.
        scope: Scope,
        /// For how long, from a minute to 30 days.
        seconds: u64,
    },
    /// A command in an environment's live release, with streams of its own: `Passed`, then `Ran`.
    Run {
        /// Which environment.
        scope: Scope,
        /// The program and its arguments; none for a shell.
        command: Option<Vec<String>>,
        /// The terminal that its caller sits at, if they do.
        terminal: Option<Terminal>,
    },
    /// Something with one of the live release's services, with streams of its own: as [`Ask::Run`].
    Database {
        /// Which environment.
        scope: Scope,
        /// The service's name; none where the release has one alone.
        service: Option<String>,
        /// What.
        act: DatabaseAct,
        /// The terminal that its caller sits at, if they do.
        terminal: Option<Terminal>,
    },
    /// A dump comes, packed by gzip, through the pipe that is `Passed`; once all of it is there one of the live
    /// release's services reads it, which is followed.
    ImportDump {
        /// Which environment.
        scope: Scope,
        /// The service's name; none where the release has one alone.
        service: Option<String>,
    },
    /// The crons of an environment's live release, by name: one `Item::Cron` each.
    Crons(Scope),
    /// A cron runs now, and is followed.
    RunCron {
        /// Which environment.
        scope: Scope,
        /// The cron's name.
        name: String,
    },
    /// Lets an inactive environment live: its branch's tip is deployed.
    Activate(Scope),
    /// Stops an environment and puts its data aside; record and branch stay.
    Deactivate(Scope),
    /// Stops an environment's processes; data and release stay.
    Pause(Scope),
    /// Starts a paused environment's processes again.
    Resume(Scope),
    /// Brings sample data to an environment once more.
    Seed(Scope),
    /// All of an environment's data is put aside, and what serves is deployed anew; followed.
    ResetData(Scope),
    /// Keeps visitors away from an environment, or lets them in again.
    Maintenance {
        /// Which environment.
        scope: Scope,
        /// Whether they are kept away.
        on: bool,
    },
    /// A new branch at its parent's tip, which is deployed.
    Branch {
        /// The project; the environment is the work tree's, and the parent where none is named.
        scope: Scope,
        /// The new branch's name.
        name: String,
        /// The parent's id or branch.
        parent: Option<String>,
        /// What people say of it.
        title: Option<String>,
        /// Whether it begins with its parent's data; none: as the project has it.
        data: Option<bool>,
    },
    /// A child's code comes to its parent's branch.
    Merge {
        /// The child.
        scope: Scope,
    },
    /// The commit that a child serves comes to its parent's branch, with its slug.
    Promote {
        /// The child.
        scope: Scope,
    },
    /// What the parent has comes to its child.
    Sync {
        /// The child.
        scope: Scope,
        /// What of it.
        what: Synced,
    },
    /// The environment goes, with its branch.
    Delete {
        /// Which environment.
        scope: Scope,
        /// Whether those go that have it as parent.
        children: Children,
    },
    /// What an environment is, one `Item::Environment`; or what it is to be.
    Info {
        /// Which environment.
        scope: Scope,
        /// Its new title.
        title: Option<String>,
        /// The id or branch of its new parent.
        parent: Option<String>,
    },
    /// What counts in an environment, or what is set at a level: one `Item::Variable` each.
    Variables {
        /// Which environment, or the project.
        scope: Scope,
        /// What is set there alone; none for all that counts in the environment.
        level: Option<Level>,
        /// Only this one; then its value is wanted.
        name: Option<String>,
    },
    /// Sets a variable.
    SetVariable {
        /// Which environment, or the project.
        scope: Scope,
        /// For which environments.
        level: Level,
        /// What.
        variable: NewVariable,
    },
    /// Takes a variable away.
    DeleteVariable {
        /// Which environment, or the project.
        scope: Scope,
        /// Where it is set.
        level: Level,
        /// Its name.
        name: String,
    },
    /// What is set in an environment, as a file to be committed: `Raw`.
    DumpConfig(Scope),
    /// Compares the variables of two environments: one `Item::Difference` each.
    DiffConfig {
        /// Which project.
        scope: Scope,
        /// One environment's id or branch.
        first: String,
        /// The other's.
        second: String,
    },
    /// Stops an activity and all of its processes.
    Cancel {
        /// Its id.
        activity: String,
    },
    /// Reads the host's and the projects' files again.
    Reload,
    /// Looks for trouble: one `Item::Finding` each.
    Doctor,
    /// Sends a test to destinations of notifications: one `Item::Tried` each.
    NotifyTest {
        /// Only those of this project, where one is named.
        project: Option<String>,
        /// Only this one.
        name: Option<String>,
    },
    /// Removes what is past retention on the whole host: one `Item::Removal` each.
    Cleanup(Cleanup),
}

/// What is done with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseAct {
    /// All that it holds is written out.
    Dump,
    /// A shell of its own.
    Shell,
}

/// Whether it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleanup {
    /// Now.
    Remove,
    /// Not at all: what would go.
    Look,
}

/// What comes from a parent to its child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Synced {
    /// Its code.
    Code,
    /// Its data.
    Data,
}

/// What becomes of the children of an environment that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Children {
    /// Where there are some, it does not go.
    Stay,
    /// They go first.
    Go,
}

/// What comes back from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// The data; what serves goes on with it.
    Alone,
    /// The data, and the release that served when it was taken.
    WithRelease,
}

/// How a log is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogForm {
    /// `Line`s as the pusher reads them.
    Text,
    /// `Item::Event`s.
    Events,
    /// `Raw`: every byte that the commands printed.
    Raw,
}

/// What somebody who waited is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitForm {
    /// The last `Line`: what serves now.
    Line,
    /// An `Item::Activity`.
    Record,
}

/// A terminal, as it is before what runs there begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// What `TERM` says.
    pub name: String,
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Whether an existing slug may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlugUse {
    /// As long as nothing that went into it has changed.
    Reuse,
    /// Never: `--rebuild`.
    Rebuild,
}
