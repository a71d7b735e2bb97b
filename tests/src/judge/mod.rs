//! What must be true of a world whenever nothing is going on, whatever happened before: kills, power
//! cuts, full disks, failing system calls.
//!
//! The judge believes no single witness. It compares the record, as the daemon tells it, with the
//! routing table, with what the router really answers, with the processes that really run, and with
//! the files that are really there. Projects are those of [`crate::Sample`], whose answers say which
//! commit they are of.

mod files;
mod record;
mod serving;
mod settle;

use std::time::{Duration, Instant};

pub use settle::pause;
use wharf_wire::view::{Activity, Environment};

use crate::World;

/// What is being removed at this moment has this long.
const TIDYING: Duration = Duration::from_secs(5);

/// What the judge found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Everything that is wrong, a line each.
    pub problems: Vec<String>,
    /// The project's activities, newest first.
    pub activities: Vec<Activity>,
    /// The project's environments.
    pub environments: Vec<Environment>,
}

impl Verdict {
    /// Itself, unless something is wrong.
    #[track_caller]
    pub fn good(self, world: &World) -> Verdict {
        let problems = self.problems.join("\n");
        assert!(problems.is_empty(), "{problems}\n{}", world.logs());
        self
    }

    /// The activity that a push of this version was, newest first where there are several.
    pub fn of(&self, version: &str) -> Option<&Activity> {
        let mut all = self.activities.iter();
        all.find(|activity| activity.commit.subject == version && !activity.kind.is_aside())
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

impl World {
    /// Waits until nothing is going on in these projects, which are all that the world has, and
    /// judges what is. The daemon must run.
    pub fn judge(&self, projects: &[&str]) -> Verdict {
        let mut verdict = Verdict::default();
        for project in projects {
            if let Err(problem) = self.settle(project) {
                verdict.problem(problem);
                return verdict;
            }
        }
        if let Err(problem) = self.look(projects, &mut verdict) {
            verdict.problem(problem);
        }
        verdict
    }

    fn look(&self, projects: &[&str], verdict: &mut Verdict) -> Result<(), String> {
        let mut keepers = self.judge_processes(verdict);
        for project in projects {
            let activities = self.activities(Some(project), crate::client::ALL)?;
            let environments = self.environments(Some(project))?;
            record::judge(self, project, &activities, &environments, verdict)?;
            serving::judge(self, project, &activities, &environments, verdict);
            keepers = self.judge_keepers(project, &environments, keepers, verdict);
            verdict.activities.extend(activities);
            verdict.environments.extend(environments);
        }
        self.judge_strangers(keepers, verdict);
        let until = Instant::now() + TIDYING;
        loop {
            let left = files::judge(self, verdict)?;
            if left.is_empty() || Instant::now() > until {
                verdict.problems.extend(left);
                return Ok(());
            }
            settle::pause();
        }
    }
}
