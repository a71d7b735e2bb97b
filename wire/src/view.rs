//! Records as people and scripts read them: the same in `--json` and in tables.

use serde::{Deserialize, Serialize};

use crate::{
    cron::Cron,
    event, mount,
    notification::Tried,
    outcome::{Kind, State},
    slug::{Archive, Slug, Why},
    snapshot::{Exported, Snapshot},
    variable::{Difference, Variable},
};

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(
    clippy::large_enum_variant,
    reason = "an item is always boxed in its frame"
)]
pub enum Item {
    /// See [`Status`].
    Status(Status),
    /// See [`Project`].
    Project(Project),
    /// See [`Environment`].
    Environment(Environment),
    /// See [`Activity`].
    Activity(Activity),
    /// See [`Release`].
    Release(Release),
    /// See [`Variable`].
    Variable(Variable),
    /// See [`Difference`].
    Difference(Difference),
    /// See [`Cron`].
    Cron(Cron),
    /// See [`Grant`].
    Grant(Grant),
    /// See [`Slug`].
    Slug(Slug),
    /// See [`Why`].
    Why(Why),
    /// See [`Archive`].
    Archive(Archive),
    /// See [`mount::Mount`].
    Mount(mount::Mount),
    /// See [`mount::Download`].
    Download(mount::Download),
    /// See [`mount::Change`].
    Change(mount::Change),
    /// See [`Snapshot`].
    Snapshot(Snapshot),
    /// See [`Exported`].
    Exported(Exported),
    /// One of several reasons for which something is not done, which was said in lines.
    Reason(Reason),
    /// See [`Finding`].
    Finding(Finding),
    /// See [`Removal`].
    Removal(Removal),
    /// See [`Tried`].
    Tried(Tried),
    /// One event of a log.
    Event(event::Entry),
}

/// The daemon's own state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The daemon's release.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Where requests are served, such as `127.0.0.1:7080`.
    pub router: String,
    /// Whether the router answers.
    pub router_up: bool,
    /// The state directory.
    pub state: String,
    /// How many activities wait.
    pub waiting: u32,
    /// How many run.
    pub running: u32,
    /// How many projects and environments there are.
    pub projects: u32,
    /// See `projects`.
    pub environments: u32,
    /// How many of the environments live.
    pub active: u32,
    /// How many are paused.
    pub paused: u32,
    /// How many are inactive.
    pub inactive: u32,
    /// The environments with variables that wait for a redeploy, by project and id, at most 50.
    #[serde(default)]
    pub pending: Vec<Pending>,
    /// How many more have.
    #[serde(default)]
    pub pending_left_out: u32,
}

/// Variables of an environment that wait for a redeploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// Its project's name.
    pub project: String,
    /// Its id.
    pub environment: String,
    /// How many variables the serving release has otherwise than they are set.
    pub variables: u32,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Absolute path of its bare repository.
    pub repository: String,
    /// The domain that its environments live under.
    pub domain: String,
    /// How many environments it has.
    pub environments: u32,
}

/// An environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its project's name.
    pub project: String,
    /// Its id, fit for a DNS label.
    pub id: String,
    /// Its branch.
    pub branch: String,
    /// What people say of it, perhaps nothing.
    pub title: String,
    /// `production`, `staging`, `development`.
    pub kind: String,
    /// The parent's id; none for production.
    pub parent: Option<String>,
    /// Commits that the parent's branch has not, at most 9,999; none where that is not counted yet.
    pub ahead: Option<u32>,
    /// Commits that only the parent's branch has, at most 9,999; none where that is not counted yet.
    pub behind: Option<u32>,
    /// `active`, `inactive`, `paused`, `deleting`.
    pub status: String,
    /// Who keeps visitors away, where somebody does.
    #[serde(default)]
    pub maintenance: Option<String>,
    /// The number of the release that serves.
    pub release: Option<u32>,
    /// The commit that serves, in hex.
    pub commit: Option<String>,
    /// The branch's tip, in hex.
    pub tip: Option<String>,
    /// Whether that is what serves.
    pub at_tip: bool,
    /// Why it is not, where that is known.
    pub why: Option<String>,
    /// `healthy`, `starting`, `restarting: …`, `static`, `none`.
    pub health: String,
    /// How many variables wait for a deployment: the release that serves has them otherwise.
    pub pending: u32,
    /// Where it answers.
    pub url: Option<String>,
    /// The newest activity, without its steps; changes by `wharf info` and approvals are left out.
    pub activity: Option<Activity>,
}

/// An activity: the record that `--json`, the store and the journal share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Its id.
    pub id: String,
    /// Its project's name.
    pub project: String,
    /// Its environment's id.
    pub environment: String,
    /// The environment's branch.
    pub branch: String,
    /// What started it.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Who started it, and how that is known.
    pub actor: Actor,
    /// What moved.
    pub commit: Commit,
    /// The id of the environment that the code came from, where a command brought it.
    pub source: Option<String>,
    /// The slug's id, once known.
    pub slug: Option<String>,
    /// Whether the slug was there already.
    pub slug_reused: bool,
    /// The release that it made or chose.
    pub release: Option<u32>,
    /// The release that served before.
    pub previous: Option<u32>,
    /// The release that served after it ended.
    pub live_after: Option<u32>,
    /// Its deployment waits for this moment, in milliseconds since 1970-01-01 UTC, or did.
    pub due: Option<u64>,
    /// Who approved its deployment, where that was wanted; empty while nobody has.
    pub approved_by: Option<String>,
    /// Its steps in order.
    pub steps: Vec<Step>,
    /// For how many milliseconds it kept visitors away; none where it did not, and where its steps are
    /// left out.
    #[serde(default)]
    pub maintenance_ms: Option<u64>,
    /// Why it ended as it did, or for what it waits: a stable code, a message and a hint.
    pub reason: Option<Reason>,
    /// Milliseconds since 1970-01-01 UTC.
    pub created: u64,
    /// When it left the queue.
    pub started: Option<u64>,
    /// When it ended.
    pub ended: Option<u64>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The name.
    pub name: String,
    /// How it is known: `uid`, `WHARF_USER`, …
    pub source: String,
}

/// What moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Commit {
    /// The tip before, in hex; none for a new branch.
    pub old: Option<String>,
    /// The tip after; none for a deletion.
    pub new: Option<String>,
    /// The first line of the new tip's message.
    pub subject: String,
    /// Whether the old tip is not an ancestor of the new one.
    pub forced: bool,
}

/// A step of an activity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its stage.
    pub stage: event::Stage,
    /// Its name.
    pub name: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub started: u64,
    /// When it ended; none if it never did.
    pub ended: Option<u64>,
    /// `succeeded`, `failed`, `cancelled`.
    pub result: Option<String>,
    /// The exit status of its command.
    pub exit_code: Option<i32>,
}

/// Why an activity ended as it did, or why something is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// A stable code, listed in `docs/troubleshooting.md`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Its number, from 1.
    pub number: u32,
    /// The commit, in hex.
    pub commit: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// The slug's id.
    pub slug: String,
    /// Whether it serves.
    pub live: bool,
    /// Whether `wharf rollback` offers it.
    pub offered: bool,
    /// `ready`, `failed`, `pruned`.
    pub state: String,
    /// The activity that made it.
    pub activity: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub created: u64,
}

/// What `wharf url --grant` gives: a link that opens an environment's pages for a time, or the address
/// of one that is public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Its project's name.
    pub project: String,
    /// The environment's id.
    pub environment: String,
    /// The link.
    pub url: String,
    /// Whether the environment is public, and needs none.
    pub public: bool,
    /// Until when it opens: milliseconds since 1970-01-01 UTC; none for what is public.
    pub expires: Option<u64>,
}

/// Something that retention removes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// `release`, `slug`, `cache`, `log`, `data`, `record`.
    pub kind: String,
    /// Whose it is, as far as it is one's: `shop`, `shop@main`.
    pub of: Option<String>,
    /// Which: `r3`, a slug's key, a trust domain, an activity's id.
    pub name: String,
    /// Why: `age`, `count`, `size`, `room`.
    pub why: String,
    /// The bytes that it makes free.
    pub bytes: u64,
}

/// Something that `wharf doctor` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code.
    pub code: String,
    /// What is so.
    pub message: String,
    /// What to do about it, a line each.
    pub hint: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be.
    Good,
    /// It works, with less.
    Warning,
    /// It does not work.
    Error,
}
