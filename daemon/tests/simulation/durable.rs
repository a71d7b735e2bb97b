//! What survives a death: the record, the routing table, the refs.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::project::{Kind as Type, MaxActive};
use wharf_daemon::plan::limits::{self, Counted, Status, Wish};
use wharf_daemon::plan::recovery::{CANCEL, Found, Row};
use wharf_daemon::plan::step::Step;
use wharf_wire::outcome::{Kind, State};

/// A commit: only which one it is counts.
pub(crate) type Commit = u32;

/// Everything durable.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    pub activities: Vec<Activity>,
    pub environments: BTreeMap<usize, Environment>,
    /// The routing table.
    pub table: BTreeMap<usize, u32>,
    /// Whose route says that it is paused.
    pub suspended: BTreeSet<usize>,
    /// From whose site visitors are kept away, and for which activity: the route says so.
    pub held: BTreeMap<usize, usize>,
    /// Where somebody switched that on.
    pub switched: BTreeSet<usize>,
    /// Whose processes run.
    pub processes: BTreeSet<usize>,
    /// git's own.
    pub refs: BTreeMap<usize, Commit>,
}

#[derive(Debug)]
pub(crate) struct Activity {
    pub environment: usize,
    pub kind: Kind,
    pub commit: Option<Commit>,
    pub state: State,
    pub rows: Vec<(String, Option<&'static str>)>,
    pub release: Option<u32>,
    /// Whether somebody let it go live, where it had to wait for that.
    pub leave: Option<bool>,
    pub repeatable: bool,
    /// How often each deploy and late command ran.
    pub ran: BTreeMap<Step, u32>,
}

#[derive(Debug)]
pub(crate) struct Environment {
    pub status: Status,
    pub live: Option<u32>,
    pub tip: Option<Commit>,
    pub releases: Vec<Release>,
}

impl Default for Environment {
    fn default() -> Environment {
        Environment {
            status: Status::Deleting,
            live: None,
            tip: None,
            releases: Vec::new(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Release {
    pub made: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    Making,
    Ready,
    Failed,
    /// Past retention.
    Pruned,
    /// Its environment was deleted.
    Gone,
}

impl Activity {
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let rows = self.rows.iter();
        rows.map(|(name, result)| (name.as_str(), *result))
            .collect()
    }

    /// Whether nothing was to be done in its last attempt.
    pub(crate) fn kept(&self) -> bool {
        let mut rows = self.rows.iter().rev();
        rows.find(|(name, _)| name != CANCEL)
            .is_some_and(|(name, result)| name == "keep" && *result == Some("succeeded"))
    }

    /// Records that the open step ended.
    pub(crate) fn close_step(&mut self, result: &'static str) {
        let open = self.rows.iter_mut().find(|(_, result)| result.is_none());
        open.expect("a step is open").1 = Some(result);
    }
}

impl Environment {
    /// Numbers count from 1.
    pub(crate) fn release(&mut self, number: u32) -> &mut Release {
        &mut self.releases[number as usize - 1]
    }

    /// Releases that may serve again, the newest first.
    pub(crate) fn ready(&self) -> Vec<u32> {
        let mut ready: Vec<u32> = (1..)
            .zip(&self.releases)
            .filter(|(_, release)| release.made == Made::Ready)
            .map(|(number, _)| number)
            .collect();
        ready.reverse();
        ready
    }
}

impl Durable {
    pub(crate) fn environment(&mut self, environment: usize) -> &mut Environment {
        self.environments.entry(environment).or_default()
    }

    /// Whether there is a site that visitors could be kept away from.
    pub(crate) fn visitors_meet(&self, environment: usize) -> bool {
        self.table.contains_key(&environment) && !self.suspended.contains(&environment)
    }

    /// The others, as they count against the plan.
    fn others(&self, environment: usize) -> Vec<Counted> {
        let others = self
            .environments
            .iter()
            .filter(|(id, _)| **id != environment);
        let counted = others.map(|(id, record)| Counted {
            is_parent: false,
            id: id.to_string(),
            kind: type_of(*id),
            status: record.status,
            deployed: 0,
        });
        counted.collect()
    }

    pub(crate) fn has_room(&self, environment: usize) -> bool {
        limits::room(&plan(), type_of(environment), &self.others(environment)).is_ok()
    }

    /// What an environment is once a push to it is recorded.
    pub(crate) fn decide(&self, environment: usize) -> Status {
        let known = self
            .environments
            .get(&environment)
            .map(|known| known.status);
        let (kind, others) = (type_of(environment), self.others(environment));
        limits::decide(&plan(), kind, known, Wish::AsItIs, &others)
    }

    /// What a deactivation leaves: the branch.
    pub(crate) fn rest(&mut self, environment: usize) {
        self.forget(environment);
        if let Some(record) = self.environments.get_mut(&environment) {
            record.status = Status::Inactive;
        }
    }

    /// What a deletion leaves: nothing, or what a push that waits behind it has recorded.
    pub(crate) fn forget(&mut self, environment: usize) {
        self.switched.remove(&environment);
        self.environments
            .retain(|id, record| *id != environment || record.tip.is_some());
        if let Some(record) = self.environments.get_mut(&environment) {
            record.live = None;
            if matches!(record.status, Status::Paused | Status::Deleting) {
                record.status = Status::Active;
            }
            for release in &mut record.releases {
                release.made = Made::Gone;
            }
        }
    }

    pub(crate) fn found(&self, activity: usize) -> Found {
        let activity = &self.activities[activity];
        let table = self.table.get(&activity.environment).copied();
        let table = table.filter(|_| !self.suspended.contains(&activity.environment));
        let takes_down = matches!(activity.kind, Kind::Delete | Kind::Deactivate | Kind::Pause);
        Found {
            routed: !takes_down && activity.release.is_some() && table == activity.release,
            repeatable: activity.repeatable,
        }
    }
}

fn plan() -> MaxActive {
    MaxActive {
        total: Some(u32::try_from(crate::PLACES).unwrap()),
        ..MaxActive::default()
    }
}

fn type_of(environment: usize) -> Type {
    match environment {
        0 => Type::Production,
        _ => Type::Development,
    }
}
