//! How the end of an activity reads: when it comes, and later from its record.

use wharf_config::project::Project;
use wharf_wire::event::Ended;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Activity, Reason};

use super::standing::INACTIVE;
use crate::plan::parking::APPROVED;
use crate::plan::step::Step;

/// What became of the data where no deploy command began.
pub const UNTOUCHED: &str = "nothing was changed.";
/// The same, where one did.
pub const TOUCHED: &str = "deploy commands may have changed its data.";

/// The same, where it was brought back.
pub const PUT_BACK: &str = "its data is as it was before the deploy commands.";

/// The verdict of somebody's own command that ended well.
pub const RAN: &str = "it ran to its end";

/// The verdict and the last line of what succeeded.
pub fn success(
    kind: Kind,
    environment: &str,
    previous: Option<u32>,
    live: Option<u32>,
) -> (String, String) {
    let was = previous
        .filter(|previous| Some(*previous) != live)
        .map(|previous| format!(" (was r{previous})"))
        .unwrap_or_default();
    match (kind, live) {
        (Kind::Check, live) => (
            "the checks have passed".into(),
            serves(environment, live, "its branch may move."),
        ),
        (Kind::Delete, _) => (
            format!("{environment} is deleted"),
            format!("{environment} serves nothing any more{was}."),
        ),
        (Kind::Deactivate, _) => (
            format!("{environment} is inactive"),
            format!("{environment} serves nothing any more{was}."),
        ),
        (Kind::Pause, Some(live)) => (
            format!("{environment} is paused"),
            paused(environment, live),
        ),
        (Kind::Seed, live) => (
            "the sample data is there".to_owned(),
            stays(environment, live),
        ),
        (Kind::Resume, Some(live)) => (
            format!("r{live} is back"),
            format!("{environment} now serves r{live}."),
        ),
        (Kind::Rollback, Some(live)) => (
            format!("rolled back to r{live}"),
            format!("{environment} now serves r{live}{was}."),
        ),
        (Kind::MaintenanceOn, Some(live)) => (
            format!("{environment} is in maintenance"),
            format!("{environment} serves r{live} to operators only; visitors see a page."),
        ),
        (Kind::MaintenanceOff, Some(live)) => (
            format!("{environment} lets visitors in again"),
            format!("{environment} now serves r{live}."),
        ),
        (Kind::Snapshot, live) => ("the snapshot is taken".to_owned(), stays(environment, live)),
        (Kind::SnapshotTest, live) => (
            "the snapshot can be restored".to_owned(),
            stays(environment, live),
        ),
        (Kind::SnapshotDelete, live) => {
            ("the snapshot is gone".to_owned(), stays(environment, live))
        }
        (kind, Some(live)) if kind.brings_data() => (
            match kind {
                Kind::SyncData => "the parent's data is here".to_owned(),
                Kind::DatabaseImport => "the dump is read in".to_owned(),
                Kind::Reset => "the data is as in a new environment".to_owned(),
                _ => "the data is restored".to_owned(),
            },
            format!("{environment} serves r{live} with it."),
        ),
        (kind, live) if kind.is_aside() => (
            match kind {
                Kind::Approve => "it goes on".to_owned(),
                Kind::Variable => "it is recorded".to_owned(),
                Kind::Run | Kind::Cron => RAN.to_owned(),
                Kind::Import => "the slug is here".to_owned(),
                Kind::Upload => "the files are there".to_owned(),
                Kind::Download => "the files are taken".to_owned(),
                _ => format!("{environment} is described anew"),
            },
            stays(environment, live),
        ),
        (_, Some(live)) => (
            format!("r{live} is live"),
            format!("{environment} now serves r{live}{was}."),
        ),
        (_, None) => (
            format!("{environment} is done"),
            format!("{environment} serves nothing."),
        ),
    }
}

/// The last line of what changes nothing of what serves.
pub fn stays(environment: &str, live: Option<u32>) -> String {
    match live {
        Some(live) => format!("{environment} still serves r{live}."),
        None => format!("{environment} serves nothing."),
    }
}

/// Whether the address is shown once it succeeded: there is something to look at.
pub(super) fn shows_address(kind: Kind) -> bool {
    !matches!(kind, Kind::Check | Kind::Pause | Kind::MaintenanceOn)
        && !kind.runs_beside()
        && !kind.is_copy()
}

/// What is said at an activity's good end beside what its kind says.
#[derive(Debug, Default)]
pub(super) struct Advice {
    /// What to do the next time.
    pub lines: Vec<String>,
    /// The earlier release cannot serve on the data of now.
    pub only_a_snapshot_goes_back: bool,
}

/// Who may let an earlier release serve again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoing {
    /// Nobody is told apart.
    Everybody,
    /// Whoever the project's roles let.
    Admins,
    /// Nobody, but with the data of its time.
    Snapshots,
}

impl Undoing {
    /// In a project, where it is still there.
    pub fn of(project: Option<&Project>) -> Undoing {
        match project.is_some_and(|project| project.roles.is_some()) {
            true => Undoing::Admins,
            false => Undoing::Everybody,
        }
    }
}

/// What to do after a success.
pub fn hints(kind: Kind, environment: &str, previous: Option<u32>, who: Undoing) -> Vec<String> {
    match (kind, previous) {
        (Kind::Rollback, _) => {
            vec!["data was not touched; the next deployment is of the branch's tip".into()]
        }
        (Kind::Deactivate, _) => {
            vec![format!(
                "let it live again with: wharf activate -e {environment}"
            )]
        }
        (Kind::Pause, _) => {
            vec![format!(
                "start it again with: wharf resume -e {environment}"
            )]
        }
        (Kind::MaintenanceOn, _) => {
            vec![format!(
                "let them in with: wharf maintenance off -e {environment}"
            )]
        }
        (Kind::Snapshot, _) => vec![format!(
            "see all of them with: wharf snapshot list -e {environment}"
        )],
        (
            Kind::Delete
            | Kind::Restore
            | Kind::SyncData
            | Kind::DatabaseImport
            | Kind::Reset
            | Kind::SnapshotTest
            | Kind::SnapshotDelete
            | Kind::Check
            | Kind::Resume
            | Kind::Info
            | Kind::Approve
            | Kind::Variable
            | Kind::Run
            | Kind::Cron
            | Kind::Import
            | Kind::Upload
            | Kind::Download
            | Kind::Seed
            | Kind::MaintenanceOff,
            _,
        ) => Vec::new(),
        (_, Some(_)) => {
            let undo = format!("wharf rollback -e {environment}");
            vec![match who {
                Undoing::Everybody => format!("undo with: {undo}"),
                Undoing::Admins => format!("an admin undoes it with: {undo}"),
                Undoing::Snapshots => format!(
                    "a rollback needs the data of then, too: wharf snapshot restore ID --with-release -e {environment}"
                ),
            }]
        }
        (_, None) => vec!["see all environments with: wharf environments".into()],
    }
}

/// How what did not succeed is done again.
pub fn again(kind: Kind, environment: &str) -> String {
    let command = match kind {
        Kind::Snapshot => "snapshot create",
        Kind::Restore => "snapshot restore ID",
        Kind::SnapshotDelete => "snapshot delete ID",
        Kind::SyncData => "sync data",
        Kind::DatabaseImport => "db import FILE",
        Kind::Reset => "data reset",
        Kind::Delete => "delete",
        Kind::Deactivate => "deactivate",
        Kind::Pause => "pause",
        Kind::Resume => "resume",
        Kind::Seed => "seed",
        Kind::Rollback => "rollback",
        _ => "redeploy",
    };
    format!("wharf {command} -e {environment}")
}

/// The last line of what did not succeed.
pub fn serves(environment: &str, live: Option<u32>, changed: &str) -> String {
    match live {
        Some(live) => format!("{environment} still serves r{live}; {changed}"),
        None => format!("{environment} serves nothing yet; {changed}"),
    }
}

/// The last line of what took an environment down and failed once nothing served any more.
pub fn half_gone(kind: Kind, environment: &str) -> String {
    let rest = match kind {
        Kind::Deactivate => format!("finish it with: wharf deactivate -e {environment}"),
        _ => "its deletion goes on when Wharf starts next.".to_owned(),
    };
    format!("{environment} serves nothing any more; {rest}")
}

/// The verdict and the last line of a push to an inactive environment.
pub fn kept(environment: &str) -> (String, String) {
    (
        format!("the code is kept; {environment} is inactive"),
        format!("{environment} serves nothing: it is inactive."),
    )
}

/// The hints that a reason holds, a line each.
pub fn hints_of(reason: &Reason) -> Vec<String> {
    let hint = reason.hint.as_deref().unwrap_or_default();
    let lines = hint.split("; ").filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// The last line where it is paused.
fn paused(environment: &str, live: u32) -> String {
    format!("{environment} is paused; it serves r{live} again once it is resumed.")
}

/// The last line of what did not succeed, where it is paused.
pub fn still_paused(environment: &str, live: u32, touched: bool) -> String {
    let changed = if touched { TOUCHED } else { UNTOUCHED };
    format!("{environment} is still paused, and serves r{live} again once resumed; {changed}")
}

/// The last line of what brought data that is in its place, where the release did not start on it.
pub(super) fn replaced_and_paused(kind: Kind, environment: &str) -> String {
    let whose = match kind {
        Kind::SyncData => "its parent's",
        Kind::DatabaseImport => "the dump's",
        Kind::Reset => "a new environment's",
        _ => "the snapshot's",
    };
    format!("{environment} is paused; its data is {whose}, and it serves again once resumed.")
}

/// The end that an activity's log should have: a daemon that died right after it was recorded could
/// not write it any more. None while it goes on.
pub fn recorded(activity: &Activity, url: Option<String>, who: Undoing) -> Option<Ended> {
    let (name, live) = (activity.environment.as_str(), activity.live_after);
    let state = activity.state;
    let (verdict, serves, hints) = match &activity.reason {
        _ if !state.is_end() => return None,
        Some(reason) if state != State::Succeeded => {
            let touched = |name: &str| name.parse().is_ok_and(|step: Step| step.touches());
            let touched = activity.steps.iter().any(|step| touched(&step.name));
            let begun = activity.steps.iter().rev();
            let mut begun = begun.filter_map(|step| step.name.parse::<Step>().ok());
            // The last one that counts.
            let last = begun.find(|step| step.touches() || *step == Step::PutBack);
            let changed = match last {
                Some(Step::PutBack) if touched => PUT_BACK,
                Some(step) if step.touches() => TOUCHED,
                _ => UNTOUCHED,
            };
            let hints = reason.hint.iter().cloned().collect();
            let last = match (activity.kind, live) {
                (kind, live) if kind.runs_beside() => stays(name, live),
                (kind, _) if kind.brings_data() && touched => replaced_and_paused(kind, name),
                (kind @ (Kind::Delete | Kind::Deactivate), None) => half_gone(kind, name),
                _ => serves(name, live, changed),
            };
            (reason.message.clone(), last, hints)
        }
        Some(reason) if reason.code == INACTIVE => {
            let (verdict, serves) = kept(name);
            (verdict, serves, hints_of(reason))
        }
        Some(reason) if reason.code == APPROVED => {
            let (_, serves) = success(activity.kind, name, activity.previous, live);
            (reason.message.clone(), serves, hints_of(reason))
        }
        _ => {
            let (verdict, serves) = success(activity.kind, name, activity.previous, live);
            (
                verdict,
                serves,
                hints(activity.kind, name, activity.previous, who),
            )
        }
    };
    let began = activity.started.unwrap_or(activity.created);
    Some(Ended {
        state,
        verdict,
        details: Vec::new(),
        hints,
        url: url.filter(|_| {
            let shows = shows_address(activity.kind);
            state == State::Succeeded && live.is_some() && shows
        }),
        serves,
        milliseconds: activity.ended.unwrap_or(began).saturating_sub(began),
        maintenance_ms: activity.maintenance_ms,
    })
}
