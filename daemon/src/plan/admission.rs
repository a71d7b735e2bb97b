//! Whether a push may move its refs: everything that can be refused is refused here, every reason
//! at once. Accepts nothing for good: git may still fail to move a ref.

use std::collections::{BTreeMap, BTreeSet};

use wharf_config::application::{self, Application, At, Runtime, Service};
use wharf_config::files::Files;
use wharf_config::name::{BranchName, EnvironmentId};
use wharf_config::problem::Problem;
use wharf_config::project::{Kind, Project};
use wharf_wire::hook::{RefUpdate, Verdict};

use super::hosts;
use super::policy::Reason;
use super::queue::Full;
use super::room;
use super::variables::{Given, Variable, missing};
use crate::report;

/// Everything that the decision rests on.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The project that names the repository, if one does.
    pub project: Option<&'a Project>,
    /// The repository's path, for the reason.
    pub repository: &'a str,
    /// What is to move.
    pub updates: &'a [RefUpdate],
    /// The wanted files of the pushed commits.
    pub files: &'a BTreeMap<String, Files>,
    /// What the host has of each runtime and each service that is asked for, by how it is asked for.
    pub runtimes: &'a BTreeMap<String, Found>,
    /// What the host lacks for another deployment, a phrase each.
    pub lacks: &'a [String],
    /// The bound of the queue that it would break.
    pub queue_full: Option<Full>,
    /// What rights and policy say against each update.
    pub against: &'a [Vec<Reason>],
    /// The hosts of the environments that are to move, by branch.
    pub hosts: &'a BTreeMap<BranchName, Vec<String>>,
    /// Hosts that are spoken for.
    pub taken: &'a hosts::Taken,
    /// What is set for each branch's environment.
    pub set: &'a BTreeMap<BranchName, Settings>,
    /// What each branch serves now, for the last line.
    pub serving: &'a BTreeMap<String, u32>,
}

/// What is set for an environment, be it there or not.
#[derive(Debug)]
pub struct Settings {
    /// Its id.
    pub id: EnvironmentId,
    /// Its type.
    pub kind: Kind,
    /// What its project, every type and itself have.
    pub all: Vec<Variable>,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// What the hook is told.
    pub verdict: Verdict,
    /// All reasons, for programs and for the operator; none where it is accepted.
    pub reasons: Vec<Reason>,
}

impl Judged {
    /// The stable codes of all reasons, each once.
    pub fn codes(&self) -> Vec<&'static str> {
        let codes: BTreeSet<_> = self.reasons.iter().map(|reason| reason.code).collect();
        codes.into_iter().collect()
    }
}

/// What the host has of a runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there in this version, and fits.
    Fits(String),
    /// Only this version is there.
    Other(String),
    /// Nothing of it is there.
    Missing,
    /// The operator has none of that: why, and what to do.
    Refused(String, String),
}

/// A branch that is to live or to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    /// Its tip moves to this commit.
    Moves(BranchName, String),
    /// It goes away.
    Goes(BranchName),
    /// It follows production, and nobody moves it.
    Mirror(BranchName),
    /// It is no branch, or none that could be an environment.
    NotServed,
}

const HEADS: &str = "refs/heads/";

/// What an update means. The error is the reason why its name cannot be an environment.
///
/// # Errors
/// One line that names the branch.
pub fn branch(project: &Project, update: &RefUpdate) -> Result<Branch, String> {
    let Some(name) = update.name.strip_prefix(HEADS) else {
        return Ok(Branch::NotServed);
    };
    if update.lossy {
        return if update.deletes() {
            Ok(Branch::NotServed)
        } else {
            Err(format!("branch `{}` is not UTF-8", name.escape_default()))
        };
    }
    match (BranchName::parse(name), update.deletes()) {
        (Ok(name), _) if project.is_mirror(&name) => Ok(Branch::Mirror(name)),
        (Ok(name), true) => Ok(Branch::Goes(name)),
        (Ok(name), false) => Ok(Branch::Moves(name, update.new.clone())),
        // It cannot have an environment, so nothing stands in the way.
        (Err(_), true) => Ok(Branch::NotServed),
        (Err(error), false) => Err(error.to_string()),
    }
}

/// The commits whose files the decision needs, each once.
pub fn wanted(project: &Project, updates: &[RefUpdate]) -> Vec<String> {
    let mut commits: Vec<String> = updates
        .iter()
        .filter_map(|update| match branch(project, update) {
            Ok(Branch::Moves(_, commit)) => Some(commit),
            _ => None,
        })
        .collect();
    commits.sort_unstable();
    commits.dedup();
    commits
}

/// The branches that a push concerns.
pub fn served(project: &Project, updates: &[RefUpdate]) -> Vec<BranchName> {
    updates
        .iter()
        .filter_map(|update| match branch(project, update) {
            Ok(Branch::Moves(name, _) | Branch::Goes(name)) => Some(name),
            Ok(Branch::Mirror(_) | Branch::NotServed) | Err(_) => None,
        })
        .collect()
}

/// The runtimes that the pushed commits ask for.
pub fn runtimes(files: &BTreeMap<String, Files>) -> Vec<Runtime> {
    files
        .values()
        .filter_map(|files| application::read(files).ok().and_then(|read| read.runtime))
        .collect()
}

/// The services that the pushed commits ask for.
pub fn services(files: &BTreeMap<String, Files>) -> Vec<Service> {
    let applications = files
        .values()
        .filter_map(|files| application::read(files).ok());
    applications
        .flat_map(|read| read.services.into_values())
        .collect()
}

/// Decides.
pub fn judge(facts: &Facts<'_>) -> Judged {
    let mut said = Said::default();
    let Some(project) = facts.project else {
        said.add(
            "unknown-repository",
            &format!("no project names this repository ({})", facts.repository),
            Some("register it on the host: wharf project add NAME REPOSITORY"),
        );
        return said.judged(facts);
    };
    // A deletion makes room.
    if facts.updates.iter().any(|update| !update.deletes()) {
        for lack in facts.lacks {
            said.add("low-disk", lack, Some(room::HINT));
        }
    }
    if let Some(full) = &facts.queue_full {
        let hint =
            "push fewer branches at a time, or wait until some have ended (wharf activities)";
        said.add("queue-full", &full.to_string(), Some(hint));
    }
    for reason in facts.against.iter().flatten() {
        said.add(reason.code, &reason.message, reason.hint.as_deref());
    }
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for update in facts.updates {
        match branch(project, update) {
            Err(message) => {
                let hint = "rename it (git branch -m OLD NEW), then push again";
                said.add("bad-branch", &message, Some(hint));
            }
            Ok(Branch::NotServed | Branch::Goes(_) | Branch::Mirror(_)) => {}
            Ok(Branch::Moves(name, commit)) => {
                // The same commit under another name: its reasons are given once.
                if seen.insert(&update.new) {
                    said.commit(&name, &commit, facts);
                }
                said.hosts(&name, &commit, facts);
                said.variables(&name, &commit, facts);
            }
        }
    }
    said.judged(facts)
}

/// All reasons, as they are read.
#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    reasons: Vec<Reason>,
}

impl Said {
    fn add(&mut self, code: &'static str, message: &str, hint: Option<&str>) {
        self.lines.extend(report::reason(message, hint));
        self.reasons.push(Reason {
            code,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        });
    }

    /// What is wrong with what a commit holds.
    fn commit(&mut self, name: &BranchName, commit: &str, facts: &Facts<'_>) {
        let problems = match facts.files.get(commit).map(application::read) {
            None => {
                let hint = "push again; if it stays so, ask the host's operator";
                let text = format!("the configuration of {name} could not be read");
                return self.add("config-invalid", &text, Some(hint));
            }
            Some(Err(problems)) => {
                let lines = problems.render(report::WIDTH);
                lines.lines().map(str::to_owned).collect()
            }
            // Its warnings are given by the build, once.
            Some(Ok(application)) => unfit(&application, facts.runtimes),
        };
        if let Some(first) = problems.first() {
            self.reasons.push(Reason {
                code: "config-invalid",
                message: first.trim_start_matches("error: ").to_owned(),
                hint: Some("see all of it in a work tree: wharf check".into()),
            });
            self.lines.extend(problems);
        }
    }

    /// What is wrong with the hosts that a commit's routes name, for this environment.
    fn hosts(&mut self, name: &BranchName, commit: &str, facts: &Facts<'_>) {
        let read = facts.files.get(commit).map(application::read);
        let (Some(Ok(application)), Some(own)) = (read, facts.hosts.get(name)) else {
            return;
        };
        for reason in hosts::refused(&application, own, facts.taken) {
            self.add(reason.code, &reason.message, reason.hint.as_deref());
        }
    }

    /// What the code of a commit requires of its branch's environment, which lacks it.
    fn variables(&mut self, name: &BranchName, commit: &str, facts: &Facts<'_>) {
        let read = facts.files.get(commit).map(application::read);
        let (Some(Ok(application)), Some(set)) = (read, facts.set.get(name)) else {
            return;
        };
        let given = Given::of(&set.all, &set.id, set.kind, &application.committed);
        for missing in missing(&application, &given) {
            let id = set.id.as_str();
            self.add(
                "variable-missing",
                &missing.message(id),
                Some(&missing.hint(id)),
            );
        }
    }

    fn judged(mut self, facts: &Facts<'_>) -> Judged {
        let accepted = self.lines.is_empty();
        if !accepted {
            self.lines.push(match facts.serving.iter().next() {
                Some((environment, release)) if facts.serving.len() == 1 => {
                    format!("{environment} still serves r{release}; nothing was changed.")
                }
                _ => "nothing was accepted; nothing was changed.".to_owned(),
            });
        }
        Judged {
            verdict: Verdict {
                accepted,
                lines: self.lines,
            },
            reasons: self.reasons,
        }
    }
}

/// What a valid configuration asks for and this host does not have.
fn unfit(application: &Application, runtimes: &BTreeMap<String, Found>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(runtime) = &application.runtime {
        let wanted = runtime.to_string();
        let (message, hint) = match runtimes.get(&wanted) {
            Some(Found::Fits(_)) => (None, String::new()),
            Some(Found::Other(version)) => (
                Some(format!(
                    "this host has {} {version}, not {wanted}",
                    runtime.name.as_str()
                )),
                format!(
                    "set runtime = \"{}:{}\"",
                    runtime.name.as_str(),
                    major(version)
                ),
            ),
            Some(Found::Missing | Found::Refused(..)) | None => (
                Some(format!("this host has no {}", runtime.name.as_str())),
                "ask the host's operator to install it".to_owned(),
            ),
        };
        if let Some(message) = message {
            let problem = match &application.runtime_at {
                Some(spot) => spot.problem("runtime-missing", message),
                None => Problem::new("wharf.toml", "runtime-missing", message),
            };
            let rendered = problem.hint(hint).render(report::WIDTH);
            lines.extend(rendered.lines().map(str::to_owned));
        }
    }
    for service in application.services.values() {
        let problem = unserved(service, runtimes.get(&service.wanted()));
        let rendered = problem.map(|problem| problem.render(report::WIDTH));
        lines.extend(
            rendered
                .iter()
                .flat_map(|text| text.lines())
                .map(str::to_owned),
        );
    }
    lines
}

/// What is wrong with a service that is asked for.
fn unserved(service: &Service, found: Option<&Found>) -> Option<Problem> {
    let kind = service.kind.as_str();
    let (message, hint) = match found {
        Some(Found::Fits(_)) => return None,
        Some(Found::Other(version)) => (
            format!("this host has {kind} {version}, not {service}"),
            format!("ask for \"{kind}:{}\"", major(version)),
        ),
        Some(Found::Refused(message, hint)) => (message.clone(), hint.clone()),
        Some(Found::Missing) | None => (
            format!("this host has no {kind}, or not all programs of it"),
            "ask the host's operator to install it".to_owned(),
        ),
    };
    let problem = match &service.at {
        At::Spot(spot) => spot.problem("service-missing", message),
        At::File(_) | At::Nowhere => Problem::new("wharf.toml", "service-missing", message),
    };
    Some(problem.hint(hint))
}

/// `8.2.29` → `8.2`: what a person would ask for.
fn major(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;
