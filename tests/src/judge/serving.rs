//! What visitors really get, and from whom.

use std::{collections::BTreeSet, fs, time::Duration};

use wharf_wire::{
    route::{Route, Unavailable},
    view::{Activity, Environment},
};

use super::{
    Verdict,
    settle::{PAUSED, is_well},
};
use crate::{Process, Visitor, World, installed, processes::ends};

/// A process that is about to end has this long.
const ENDING: Duration = Duration::from_secs(8);
/// So often each page is asked for: a mixture would show.
const TIMES: usize = 3;

pub(super) fn judge(
    world: &World,
    project: &str,
    activities: &[Activity],
    environments: &[Environment],
    verdict: &mut Verdict,
) {
    let port = world.port();
    let names: BTreeSet<&str> = activities
        .iter()
        .map(|activity| activity.environment.as_str())
        .chain(environments.iter().map(|one| one.id.as_str()))
        .collect();
    for environment in names {
        let name = format!("{project}/{environment}");
        let record = environments.iter().find(|one| one.id == environment);
        let live = record.and_then(|record| record.release);
        let route = route(world, project, environment);
        let routed = route.as_ref().map(|route| route.release);
        if routed != live {
            verdict.problem(format!(
                "{name}: {routed:?} is routed and {live:?} is recorded"
            ));
        }
        let paused = record.is_some_and(|record| record.status == PAUSED);
        if says_paused(route.as_ref()) != paused {
            verdict.problem(format!(
                "{name}: recorded as paused {paused}, routed {route:?}"
            ));
        }
        let held = route.as_ref().and_then(|route| route.maintenance.as_ref());
        let switched = record.is_some_and(|record| record.maintenance.is_some());
        if held.is_some() != switched || held.is_some_and(|held| held.activity.is_some()) {
            verdict.problem(format!("{name}: visitors are kept away: {held:?}"));
        }
        let runs = live.is_some() && !paused;
        if let Some(record) = record.filter(|record| runs && !is_well(&record.health)) {
            verdict.problem(format!("{name}: its processes are {}", record.health));
        }
        let expected = match expected(world, project, environment, live) {
            Ok(expected) => expected,
            Err(problem) => {
                verdict.problem(problem);
                continue;
            }
        };
        let host = format!("{environment}--{project}.localhost");
        for path in ["/", "/built"].repeat(TIMES) {
            let page = Visitor::new(port).get(&host, path);
            let page = page.map(|page| (page.status, page.body));
            let good = match (&page, &expected) {
                (Ok((status, _)), _) if paused => *status == 503,
                (Ok((status, body)), Some(version)) => *status == 200 && body == version,
                (Ok((status, _)), None) => *status == 404,
                (Err(_), _) => false,
            };
            if !good {
                verdict.problem(format!("{name}{path}: {page:?} instead of {expected:?}"));
            }
        }
    }
}

/// Whether requests are told that it is paused.
fn says_paused(route: Option<&Route>) -> bool {
    let unavailable = route.and_then(|route| route.unavailable);
    matches!(unavailable, Some(Unavailable::Paused { .. }))
}

/// What the routing table says of an environment.
fn route(world: &World, project: &str, environment: &str) -> Option<Route> {
    let file = format!("state/routes/{project}.{environment}.json");
    let bytes = fs::read(world.home().join(file)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The page of the release that is live; none where nothing is.
fn expected(
    world: &World,
    project: &str,
    environment: &str,
    live: Option<u32>,
) -> Result<Option<String>, String> {
    let Some(live) = live else { return Ok(None) };
    let releases = world.releases(project, environment)?;
    let release = releases.iter().find(|release| release.number == live);
    let release = release.ok_or(format!("{project}/{environment}: no record of r{live}"))?;
    if !release.live || release.state != "ready" {
        let state = &release.state;
        return Err(format!(
            "{project}/{environment}: r{live} serves and is {state}"
        ));
    }
    Ok(Some(format!("{}\n", release.subject)))
}

impl World {
    /// Compares the processes that run with those that may; returns the instances that are kept.
    pub(super) fn judge_processes(&self, verdict: &mut Verdict) -> BTreeSet<String> {
        let daemon = self.daemon_pid();
        let Some(router) = self.router_pid() else {
            verdict.problem("the router does not answer".into());
            return BTreeSet::new();
        };
        let processes = self.processes();
        let mut instances = BTreeSet::new();
        let mut good: BTreeSet<i32> = BTreeSet::new();
        for process in &processes {
            if let Some(instance) = process.keeps() {
                if !instances.insert(instance.clone()) {
                    verdict.problem(format!("{instance} has two keepers"));
                }
                good.insert(process.pid.as_raw_nonzero().get());
            }
        }
        let is_in_unit = |one: &&Process| {
            let job = installed::job_of(one.pid);
            self.is_installed() && job.is_some_and(|job| instances.contains(&job))
        };
        let in_units = processes.iter().filter(is_in_unit);
        good.extend(in_units.map(|one| one.pid.as_raw_nonzero().get()));
        loop {
            let before = good.len();
            let below = processes.iter().filter(|one| good.contains(&one.parent));
            let below: Vec<i32> = below.map(|one| one.pid.as_raw_nonzero().get()).collect();
            good.extend(below);
            if good.len() == before {
                break;
            }
        }
        good.extend([daemon, router].map(|pid| pid.as_raw_nonzero().get()));
        for process in processes {
            let pid = process.pid;
            if !good.contains(&pid.as_raw_nonzero().get()) && !ends(pid, ENDING) {
                verdict.problem(format!("a process is left: {:?} {:?}", pid, process.line));
            }
        }
        instances
    }

    /// Waits for keepers that serve nothing: what was replaced ends a little after its activity.
    pub(super) fn judge_strangers(&self, strangers: BTreeSet<String>, verdict: &mut Verdict) {
        for process in self.processes() {
            let Some(instance) = process.keeps() else {
                continue;
            };
            if strangers.contains(&instance) && !ends(process.pid, ENDING) {
                verdict.problem(format!("a process that serves nothing is left: {instance}"));
            }
        }
    }

    /// Takes out the keepers of what serves: one web process and one worker an environment.
    pub(super) fn judge_keepers(
        &self,
        project: &str,
        environments: &[Environment],
        mut keepers: BTreeSet<String>,
        verdict: &mut Verdict,
    ) -> BTreeSet<String> {
        for environment in environments {
            let Some(live) = environment.release else {
                continue;
            };
            let route = route(self, project, &environment.id);
            if says_paused(route.as_ref()) {
                continue;
            }
            if route.is_some_and(|route| route.upstream.is_none() && route.unavailable.is_none()) {
                continue;
            }
            for process in ["web", "counter"] {
                let prefix = format!("{}.r{live}.{process}.", environment.id);
                let found = keepers.iter().find(|one| one.starts_with(&prefix)).cloned();
                match found {
                    Some(keeper) => {
                        keepers.remove(&keeper);
                    }
                    None => verdict.problem(format!("{project}: no process {prefix}*")),
                }
            }
        }
        keepers
    }
}
