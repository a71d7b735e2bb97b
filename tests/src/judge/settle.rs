//! Waits until nothing is going on.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use rustix::{
    event::{Timespec, poll},
    io::retry_on_intr,
};
use wharf_wire::{
    outcome::{Kind, State},
    view::Activity,
};

use crate::{LIMIT, World, run};

/// Between two looks where nothing tells of a change.
const PACE: Duration = Duration::from_millis(5);
/// Far more than may be open at a time.
const RECENT: u32 = 1_000;

impl World {
    /// Waits until each activity of a project has ended, or waits for somebody's word, and each tip
    /// of its branches is recorded.
    ///
    /// # Errors
    /// What goes on for too long.
    pub fn settle(&self, project: &str) -> Result<(), String> {
        let until = Instant::now() + LIMIT;
        loop {
            let activities = self.activities(Some(project), RECENT)?;
            // Where deployments are approved it may wait for good, and its log with it.
            let may_park = activities.iter().any(|one| one.approved_by.is_some());
            let open = activities.iter().find(|one| is_open(one));
            if let Some(open) = open.filter(|_| !may_park) {
                // Its log is open until its end; it may end at this moment.
                drop(self.events(&open.id, true)?);
            }
            let Some(why) = self.unsettled(project, &activities)? else {
                return Ok(());
            };
            if Instant::now() > until {
                return Err(format!("still not at rest after {LIMIT:?}: {why}"));
            }
            pause();
        }
    }

    fn unsettled(&self, project: &str, activities: &[Activity]) -> Result<Option<String>, String> {
        if let Some(open) = activities.iter().find(|one| is_open(one)) {
            let state = open.state.word();
            return Ok(Some(format!("activity {} is {state}", open.id)));
        }
        let status = self.status()?;
        let parked = activities.iter().filter(|one| is_parked(one)).count();
        if status.waiting as usize != parked || status.running > 0 {
            let (waiting, running) = (status.waiting, status.running);
            return Ok(Some(format!("{waiting} wait and {running} run")));
        }
        if !status.router_up {
            return Ok(Some("the router does not answer".into()));
        }
        let spool = fs::read_dir(self.home().join("state/spool"));
        if spool.is_ok_and(|mut spool| spool.next().is_some()) {
            return Ok(Some("a push is in the spool".into()));
        }
        let environments = self.environments(Some(project))?;
        let mut serving = environments
            .iter()
            .filter(|one| one.release.is_some() && one.status != PAUSED);
        if let Some(ill) = serving.find(|one| !is_well(&one.health)) {
            let (id, health) = (&ill.id, &ill.health);
            return Ok(Some(format!("the processes of {id} are {health}")));
        }
        Ok(self.unrecorded_tip(project, activities))
    }

    /// A branch whose tip is not what the last activity that moved it says.
    fn unrecorded_tip(&self, project: &str, activities: &[Activity]) -> Option<String> {
        let tips = self.tips(project);
        let mut recorded: BTreeMap<&str, Option<&String>> = BTreeMap::new();
        // Of two pushes at a time the first one's bell may ring last: it is superseded then.
        let counting = activities
            .iter()
            .filter(|one| one.state != State::Superseded);
        // A branch whose environment goes on under another name was renamed.
        let mut called: BTreeMap<&str, &str> = BTreeMap::new();
        for activity in counting {
            if activity.kind.moves_branch() || activity.kind == Kind::Delete {
                let (id, branch) = (&activity.environment, &activity.branch);
                if *called.entry(id).or_insert(branch) != branch {
                    continue;
                }
                let tip = activity.commit.new.as_ref();
                recorded.entry(&activity.branch).or_insert(tip);
            }
        }
        let missing = tips
            .iter()
            .find(|(branch, tip)| recorded.get(branch.as_str()) != Some(&Some(tip)));
        if let Some((branch, tip)) = missing {
            return Some(format!("{branch} is at {tip}, which is not recorded"));
        }
        let gone = recorded
            .iter()
            .find(|(branch, tip)| tip.is_some() && !tips.contains_key(**branch));
        gone.map(|(branch, _)| format!("{branch} is gone, which is not recorded"))
    }

    /// The branches of a project's repository with their commits.
    pub fn tips(&self, project: &str) -> BTreeMap<String, String> {
        let mut list = self.command("git");
        list.current_dir(self.repository(project)).args([
            "for-each-ref",
            "--format=%(refname:lstrip=2) %(objectname)",
            "refs/heads",
        ]);
        let listed = run(&mut list).ok().out;
        let lines = listed.lines().filter_map(|line| line.split_once(' '));
        lines
            .map(|(branch, commit)| (branch.to_owned(), commit.to_owned()))
            .collect()
    }
}

/// Whether it goes on by itself.
fn is_open(activity: &Activity) -> bool {
    !activity.state.is_end() && !is_parked(activity)
}

/// Whether it is built and waits for somebody's word.
pub(super) fn is_parked(activity: &Activity) -> bool {
    let reason = activity.reason.as_ref();
    activity.state == State::Waiting && reason.is_some_and(|reason| reason.code == "approval")
}

/// The status of an environment whose processes are stopped.
pub(super) const PAUSED: &str = "paused";

/// Whether all processes of an environment run, or it needs none.
pub(super) fn is_well(health: &str) -> bool {
    // It may say besides how often they were started again.
    health.starts_with("healthy") || health == "static"
}

/// What is waited for has no event of its own: a moment, then another look.
pub fn pause() {
    let pace = Timespec::try_from(PACE).expect("some milliseconds");
    retry_on_intr(|| poll(&mut [], Some(&pace))).expect("nothing can be waited for");
}
