//! From ref updates to activities: what a push, or a bell that never rang, asks for.

use std::path::Path;

use wharf_config::name::BranchName;
use wharf_config::project::{Kind as Type, Project};
use wharf_wire::hook::{self, Push, RefUpdate};
use wharf_wire::outcome::Kind;
use wharf_wire::view::{Actor, Commit};

use crate::execute::{refs, repository};
use crate::plan::admission::{self, Branch};
use crate::settings::{Settings, trust_domain};
use crate::store::activity::NewActivity;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};

/// What a push asks for.
#[derive(Debug, Default)]
pub struct Order {
    /// One an environment.
    pub activities: Vec<NewActivity>,
    /// What is to be said of refs that are not deployed.
    pub notes: Vec<String>,
}

/// Whether a slug that is there may be used, as the pusher wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuild {
    /// `-o rebuild`.
    Yes,
    /// As usual.
    No,
}

/// The push option for it.
const REBUILD: &str = "rebuild";

impl Rebuild {
    /// What the push's options say.
    pub fn of(options: &[String]) -> Rebuild {
        match options.iter().any(|option| option == REBUILD) {
            true => Rebuild::Yes,
            false => Rebuild::No,
        }
    }
}

/// Who pushed, as `wharf-shell` or the git host says.
pub fn claimed(push: &Push) -> Option<Actor> {
    let mut claims = push.claims.iter();
    let claim = claims
        .find(|claim| hook::CLAIMS.contains(&claim.source.as_str()) && is_plain(&claim.name))?;
    Some(Actor {
        name: claim.name.clone(),
        source: claim.source.clone(),
    })
}

/// Whether a name that somebody claims may be recorded and shown.
pub fn is_plain(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Reads what the activities need of the repository. Blocks.
pub fn of_updates(
    settings: &Settings,
    project: &Project,
    updates: Vec<RefUpdate>,
    actor: &Actor,
    rebuild: Rebuild,
) -> Order {
    let default = refs::head(&project.repository);
    let mut order = Order::default();
    for update in updates {
        let (kind, name) = match admission::branch(&update) {
            Ok(Branch::Moves(name, _)) => (Kind::Push, name),
            Ok(Branch::Goes(name)) => (Kind::Delete, name),
            Ok(Branch::NotServed) => {
                order.notes.push(stored(&update));
                continue;
            }
            // Only a hook that was passed by lets such a name in.
            Err(reason) => {
                order.notes.push(format!("{reason}; nothing is deployed"));
                continue;
            }
        };
        if project.is_mirror(&name) {
            let note = format!("{name} follows production; nothing is deployed");
            order.notes.push(note);
            continue;
        }
        let commit = commit(&project.repository, &update);
        let mut activity = activity(
            settings,
            project,
            default.as_ref(),
            name,
            kind,
            commit,
            actor.clone(),
        );
        activity.rebuild = rebuild == Rebuild::Yes;
        order.activities.push(activity);
    }
    order
}

/// What becomes of one update of a push that is built before it is accepted.
#[derive(Debug)]
pub enum Proposed {
    /// Its branch is checked.
    Check(Box<NewActivity>),
    /// It needs no build: a tag, a deletion.
    Free,
    /// It may not move, and why.
    Refused(String),
}

/// Reads what the checks need of the repository, one answer for each update. Blocks.
pub fn of_proposal(
    settings: &Settings,
    project: &Project,
    updates: &[RefUpdate],
    actor: &Actor,
    rebuild: Rebuild,
) -> Vec<Proposed> {
    let default = refs::head(&project.repository);
    let propose = |update: &RefUpdate| {
        let name = match admission::branch(update) {
            Ok(Branch::Moves(name, _)) => name,
            Ok(Branch::Goes(_) | Branch::NotServed) => return Proposed::Free,
            // Only a hook that was passed by lets such a name in.
            Err(reason) => return Proposed::Refused(reason),
        };
        let commit = commit(&project.repository, update);
        let (kind, default) = (Kind::Check, default.as_ref());
        let mut activity = activity(
            settings,
            project,
            default,
            name,
            kind,
            commit,
            actor.clone(),
        );
        activity.rebuild = rebuild == Rebuild::Yes;
        Proposed::Check(Box::new(activity))
    };
    updates.iter().map(propose).collect()
}

fn activity(
    settings: &Settings,
    project: &Project,
    default: Option<&BranchName>,
    branch: BranchName,
    kind: Kind,
    commit: Commit,
    actor: Actor,
) -> NewActivity {
    let environment = settings.environment(project, &branch, default);
    let key = EnvironmentKey {
        project: project.name.clone(),
        id: environment.id.clone(),
    };
    let record = EnvironmentRecord {
        key: key.clone(),
        branch: branch.clone(),
        kind: environment.kind.as_str().to_owned(),
        parent: environment.parent.map(|parent| parent.to_string()),
        trust_domain: trust_domain(environment.kind).to_owned(),
        status: "active".to_owned(),
        tip: commit.new.clone(),
        live: None,
        generation: 0,
        title: String::new(),
        chosen_parent: None,
    };
    NewActivity {
        key,
        branch,
        kind,
        actor,
        commit,
        production: environment.kind == Type::Production,
        environment: kind.moves_branch().then_some(record),
        rebuild: false,
        target: None,
        source: None,
    }
}

/// What the daemon's own move of a branch asks for. Blocks.
pub fn of_move(
    settings: &Settings,
    project: &Project,
    default: Option<&BranchName>,
    branch: BranchName,
    kind: Kind,
    update: &RefUpdate,
    actor: Actor,
) -> NewActivity {
    let commit = commit(&project.repository, update);
    activity(settings, project, default, branch, kind, commit, actor)
}

/// What a command asks for in an environment that is there.
pub fn of_record(
    record: &EnvironmentRecord,
    kind: Kind,
    commit: Commit,
    actor: Actor,
) -> NewActivity {
    NewActivity {
        key: record.key.clone(),
        branch: record.branch.clone(),
        kind,
        actor,
        commit,
        production: record.kind == Type::Production.as_str(),
        environment: None,
        rebuild: false,
        target: None,
        source: None,
    }
}

/// What is to be said of a ref that is not deployed.
pub fn stored(update: &RefUpdate) -> String {
    let name: String = update.name.chars().take(60).collect();
    let name = name
        .strip_prefix("refs/")
        .unwrap_or(&name)
        .replace("tags/", "tag ");
    if update.deletes() {
        format!("{name} is deleted; no environment hung on it.")
    } else {
        format!("{name} is stored; only branches are deployed.")
    }
}

fn commit(repository: &Path, update: &RefUpdate) -> Commit {
    let old = (!update.creates()).then(|| update.old.clone());
    let new = (!update.deletes()).then(|| update.new.clone());
    let subject = new
        .as_deref()
        .and_then(|new| repository::subject(repository, new).ok())
        .unwrap_or_default();
    let forced = match (&old, &new) {
        (Some(old), Some(new)) => !repository::is_ancestor(repository, old, new).unwrap_or(true),
        _ => false,
    };
    Commit {
        old,
        new,
        subject,
        forced,
    }
}
