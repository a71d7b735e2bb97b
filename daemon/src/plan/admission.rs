//! Whether a push may move its refs: everything that can be refused is refused here, every reason
//! at once. Accepts nothing for good: git may still fail to move a ref.

use std::collections::BTreeMap;

use wharf_config::application::{self, Application, Runtime, Value};
use wharf_config::files::Files;
use wharf_config::name::BranchName;
use wharf_config::problem::Problem;
use wharf_config::project::Project;
use wharf_wire::hook::{RefUpdate, Verdict};

use super::queue::Full;
use super::room;
use crate::report;

/// Everything that the decision rests on.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The project that names the repository, if one does.
    pub project: Option<&'a Project>,
    /// The repository's path, for the reason.
    pub repository: &'a str,
    /// The branch that the repository's HEAD names.
    pub default_branch: Option<&'a BranchName>,
    /// What is to move.
    pub updates: &'a [RefUpdate],
    /// The wanted files of the pushed commits.
    pub files: &'a BTreeMap<String, Files>,
    /// What the host has of each runtime that is asked for.
    pub runtimes: &'a BTreeMap<String, Found>,
    /// What the host lacks for another deployment, a phrase each.
    pub lacks: &'a [String],
    /// The bound of the queue that it would break.
    pub queue_full: Option<Full>,
    /// What each branch serves now, for the last line.
    pub serving: &'a BTreeMap<String, u32>,
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
}

/// A branch that is to live or to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Branch {
    /// Its tip moves to this commit.
    Moves(BranchName, String),
    /// It goes away.
    Goes(BranchName),
    /// It is no branch, or none that could be an environment.
    NotServed,
}

const HEADS: &str = "refs/heads/";

/// What an update means. The error is the reason why its name cannot be an environment.
///
/// # Errors
/// One line that names the branch.
pub fn branch(update: &RefUpdate) -> Result<Branch, String> {
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
        (Ok(name), true) => Ok(Branch::Goes(name)),
        (Ok(name), false) => Ok(Branch::Moves(name, update.new.clone())),
        // It cannot have an environment, so nothing stands in the way.
        (Err(_), true) => Ok(Branch::NotServed),
        (Err(error), false) => Err(error.to_string()),
    }
}

/// The commits whose files the decision needs, each once.
pub fn wanted(updates: &[RefUpdate]) -> Vec<String> {
    let mut commits: Vec<String> = updates
        .iter()
        .filter_map(|update| match branch(update) {
            Ok(Branch::Moves(_, commit)) => Some(commit),
            _ => None,
        })
        .collect();
    commits.sort_unstable();
    commits.dedup();
    commits
}

/// The branches that a push concerns.
pub fn served(updates: &[RefUpdate]) -> Vec<BranchName> {
    updates
        .iter()
        .filter_map(|update| match branch(update) {
            Ok(Branch::Moves(name, _) | Branch::Goes(name)) => Some(name),
            Ok(Branch::NotServed) | Err(_) => None,
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

/// Decides.
pub fn judge(facts: &Facts<'_>) -> Verdict {
    let mut reasons: Vec<String> = Vec::new();
    let Some(project) = facts.project else {
        let lines = report::reason(
            &format!("no project names this repository ({})", facts.repository),
            Some("register it on the host: wharf project add NAME REPOSITORY"),
        );
        return verdict(lines, facts);
    };
    // A deletion makes room.
    if facts.updates.iter().any(|update| !update.deletes()) {
        for lack in facts.lacks {
            reasons.extend(report::reason(lack, Some(room::HINT)));
        }
    }
    if let Some(full) = &facts.queue_full {
        reasons.extend(report::reason(
            &full.to_string(),
            Some("push fewer branches at a time, or wait until some have ended (wharf activities)"),
        ));
    }
    let mut seen: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for update in facts.updates {
        match branch(update) {
            Err(message) => reasons.extend(report::reason(
                &message,
                Some("rename it (git branch -m OLD NEW), then push again"),
            )),
            Ok(Branch::NotServed) => {}
            Ok(Branch::Goes(name)) => {
                if project.production(facts.default_branch) == Some(&name) {
                    reasons.extend(report::reason(
                        &format!("branch {name} is production and cannot be deleted"),
                        Some("to move production elsewhere, change the project's file first"),
                    ));
                }
            }
            Ok(Branch::Moves(name, commit)) => {
                let lines = seen.entry(update.new.as_str()).or_default();
                if !lines.is_empty() {
                    continue; // the same commit under another name: its reasons are given once
                }
                match facts.files.get(&commit).map(application::read) {
                    None => lines.extend(report::reason(
                        &format!("the configuration of {name} could not be read"),
                        Some("push again; if it stays so, ask the host's operator"),
                    )),
                    Some(Err(problems)) => {
                        lines.extend(problems.render(report::WIDTH).lines().map(str::to_owned));
                    }
                    // Its warnings are given by the build, once.
                    Some(Ok(application)) => lines.extend(unfit(&application, facts.runtimes)),
                }
                reasons.extend(lines.iter().cloned());
            }
        }
    }
    verdict(reasons, facts)
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
            Some(Found::Missing) | None => (
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
    for (name, value) in &application.env {
        if let Value::Required { help } = value {
            let help = help
                .as_deref()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            lines.extend(report::reason(
                &format!("variable {name} is required and not set{help}"),
                Some("this version of Wharf cannot set variables yet: give a value in [env]"),
            ));
        }
    }
    lines
}

/// `8.2.29` → `8.2`: what a person would ask for.
fn major(version: &str) -> String {
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

fn verdict(mut reasons: Vec<String>, facts: &Facts<'_>) -> Verdict {
    if reasons.is_empty() {
        return Verdict {
            accepted: true,
            lines: Vec::new(),
        };
    }
    reasons.push(match facts.serving.iter().next() {
        Some((environment, release)) if facts.serving.len() == 1 => {
            format!("{environment} still serves r{release}; nothing was changed.")
        }
        _ => "nothing was accepted; nothing was changed.".to_owned(),
    });
    Verdict {
        accepted: false,
        lines: reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use wharf_config::name::ProjectName;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";
    const NONE: &str = "0000000000000000000000000000000000000000";

    fn update(name: &str, old: &str, new: &str) -> RefUpdate {
        RefUpdate {
            name: name.into(),
            lossy: false,
            old: old.into(),
            new: new.into(),
        }
    }

    /// Judges updates of a project whose default branch is `main`, with this `wharf.toml`.
    fn judged(updates: &[RefUpdate], config: &str, lacks: &[&str]) -> Verdict {
        let project = Project::new(
            ProjectName::parse("shop").unwrap(),
            PathBuf::from("/srv/git/shop.git"),
        );
        let mut files = Files::default();
        files.insert("wharf.toml", config);
        let main = BranchName::parse("main").unwrap();
        judge(&Facts {
            project: Some(&project),
            repository: "/srv/git/shop.git",
            default_branch: Some(&main),
            updates,
            files: &[(NEW.to_owned(), files)].into(),
            runtimes: &BTreeMap::new(),
            lacks: &lacks
                .iter()
                .map(|lack| (*lack).to_owned())
                .collect::<Vec<_>>(),
            queue_full: None,
            serving: &[("main".to_owned(), 7)].into(),
        })
    }

    #[test]
    fn what_may_move_and_what_may_not() {
        let good = "public = \"site\"\n";
        let table: &[(&str, RefUpdate, &str, Option<&str>)] = &[
            ("a push", update("refs/heads/main", OLD, NEW), good, None),
            ("a tag", update("refs/tags/v1", NONE, NEW), "wrong", None),
            (
                "a branch goes",
                update("refs/heads/side", OLD, NONE),
                good,
                None,
            ),
            (
                "a bad name goes",
                update("refs/heads/-x", OLD, NONE),
                good,
                None,
            ),
            (
                "production goes",
                update("refs/heads/main", OLD, NONE),
                good,
                Some("is production"),
            ),
            (
                "a bad name",
                update("refs/heads/-x", NONE, NEW),
                good,
                Some("must begin with"),
            ),
            (
                "bad configuration",
                update("refs/heads/main", OLD, NEW),
                "wrong",
                Some("error: "),
            ),
            (
                "an unread commit",
                update("refs/heads/main", OLD, OLD),
                good,
                Some("could not be read"),
            ),
        ];
        for (name, update, config, reason) in table {
            let verdict = judged(std::slice::from_ref(update), config, &[]);
            assert_eq!(
                verdict.accepted,
                reason.is_none(),
                "{name}: {:?}",
                verdict.lines
            );
            if let Some(reason) = reason {
                let said = verdict.lines.join("\n");
                assert!(said.contains(reason), "{name}: {said}");
                let last = verdict.lines.last().unwrap();
                assert_eq!(last, "main still serves r7; nothing was changed.", "{name}");
            }
        }
    }

    #[test]
    fn every_reason_is_given_and_one_commit_is_judged_once() {
        let updates = [
            update("refs/heads/main", OLD, NEW),
            update("refs/heads/other", NONE, NEW),
            update("refs/heads/-x", NONE, NEW),
        ];
        let said = judged(&updates, "wrong", &["only 1 MB are free"])
            .lines
            .join("\n");
        assert!(said.contains("1 MB are free"), "{said}");
        assert!(said.contains("must begin with"), "{said}");
        assert_eq!(said.matches("wharf.toml:1").count(), 1, "{said}");
    }

    #[test]
    fn a_deletion_is_allowed_when_the_disk_is_full() {
        let goes = [update("refs/heads/side", OLD, NONE)];
        assert!(judged(&goes, "", &["room"]).accepted);
    }

    #[test]
    fn a_repository_that_no_project_names_is_refused() {
        let verdict = judge(&Facts {
            project: None,
            repository: "/srv/git/x.git",
            default_branch: None,
            updates: &[update("refs/heads/main", OLD, NEW)],
            files: &BTreeMap::new(),
            runtimes: &BTreeMap::new(),
            lacks: &[],
            queue_full: None,
            serving: &BTreeMap::new(),
        });
        assert!(!verdict.accepted);
        let said = verdict.lines.join("\n");
        assert!(said.contains("no project names this repository"), "{said}");
    }
}
