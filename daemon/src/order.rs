//! From ref updates to activities: what a push, or a bell that never rang, asks for.

use std::path::Path;

use wharf_config::name::BranchName;
use wharf_config::project::{Kind as Type, OnNewBranch, Project};
use wharf_wire::hook::RefUpdate;
use wharf_wire::outcome::Kind;
use wharf_wire::view::{Actor, Commit};

use crate::execute::repository;
use crate::plan::admission::{self, Branch};
use crate::plan::beginning::Beginning;
use crate::plan::limits::Wish;
use crate::plan::options::{Options, Rebuild, When};
use crate::plan::places::{Place, Places};
use crate::plan::rename;
use crate::report;
use crate::settings::trust_domain;
use crate::store::activity::NewActivity;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::slug::SlugRecord;
use crate::store::variable::Change;

/// What a push asks for.
#[derive(Debug, Default)]
pub struct Order {
    /// One an environment.
    pub activities: Vec<NewActivity>,
    /// What is to be said of refs that are not deployed.
    pub notes: Vec<String>,
    /// Lines about options that cannot be followed.
    pub warnings: Vec<String>,
}

/// A push as far as its activities depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Pushed<'a> {
    /// To which project.
    pub project: &'a Project,
    /// The branch that its repository's HEAD names.
    pub default: Option<&'a BranchName>,
    /// What is recorded of those of its branches that this is about.
    pub places: &'a [Place],
    /// Who pushed.
    pub actor: &'a Actor,
    /// What they asked for beside.
    pub options: &'a Options,
}

/// Reads what the activities need of the repository. Blocks.
pub fn of_updates(pushed: Pushed<'_>, updates: &[RefUpdate]) -> Order {
    let mut places = Places::new(pushed.project, pushed.default, pushed.places.to_vec());
    let mut order = Order::default();
    let renamed = rename::of(pushed.project, &places, updates);
    if let Some(rename) = &renamed {
        order.notes.push(rename.said(&places));
        places.rename(rename);
    }
    for update in updates {
        if renamed
            .as_ref()
            .is_some_and(|one| one.ends(pushed.project, update))
        {
            continue;
        }
        let (kind, name) = match admission::branch(pushed.project, update) {
            Ok(Branch::Moves(name, _)) => (Kind::Push, name),
            Ok(Branch::Goes(name)) => (Kind::Delete, name),
            Ok(Branch::NotServed | Branch::Mirror(_)) => {
                order.notes.push(stored(pushed.project, update));
                continue;
            }
            // Only a hook that was passed by lets such a name in.
            Err(reason) => {
                order.notes.push(format!("{reason}; nothing is deployed"));
                continue;
            }
        };
        let is_new = places.of(&name).is_none();
        let mut activity = activity(pushed, &places, name, kind, update);
        activity.renames = renamed.clone().filter(|one| one.begins(&activity.branch));
        if let Some(rename) = &activity.renames {
            // Its branch does not begin here.
            activity.commit.old = Some(rename.commit.clone());
        }
        if let Some(record) = &mut activity.environment {
            let wishes = wish(pushed.options, &places, is_new, record);
            order.warnings.extend(wishes);
            places.add(&activity.branch);
        }
        order.activities.push(activity);
    }
    order
}

/// Takes what the pusher wants of an environment into its record; says what it cannot.
fn wish(
    options: &Options,
    places: &Places<'_>,
    is_new: bool,
    record: &mut EnvironmentRecord,
) -> Vec<String> {
    if options.wish != Wish::AsItIs {
        record.status = options.wish.word().to_owned();
    }
    let mut warnings = Vec::new();
    if !is_new {
        let given = [
            ("title", options.title.is_some()),
            ("parent", options.parent.is_some()),
            ("clone_parent_on_create", options.data.is_some()),
        ];
        for (name, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            let id = &record.key.id;
            let text = format!("{name} counts for a new environment only; {id} keeps its own");
            warnings.extend(report::warning(&text));
        }
        return warnings;
    }
    record.title = options.title.clone().unwrap_or_default();
    record.beginning = Beginning::of(options.data);
    match options
        .parent
        .as_deref()
        .map(|wanted| places.parent(&record.branch, wanted))
    {
        None => {}
        Some(Ok(parent)) => {
            record.parent = Some(parent.to_string());
            record.chosen_parent = Some(parent.to_string());
        }
        Some(Err(error)) => {
            let instead = record.parent.as_deref().unwrap_or("none");
            let text = format!("{error}; the parent of {} is {instead}", record.key.id);
            warnings.extend(report::warning(&text));
        }
    }
    warnings
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
pub fn of_proposal(pushed: Pushed<'_>, updates: &[RefUpdate]) -> Vec<Proposed> {
    let mut places = Places::new(pushed.project, pushed.default, pushed.places.to_vec());
    if let Some(rename) = rename::of(pushed.project, &places, updates) {
        places.rename(&rename);
    }
    let mut proposed = Vec::with_capacity(updates.len());
    for update in updates {
        proposed.push(match admission::branch(pushed.project, update) {
            Ok(Branch::Moves(name, _)) => {
                let activity = activity(pushed, &places, name, Kind::Check, update);
                places.add(&activity.branch);
                Proposed::Check(Box::new(activity))
            }
            Ok(Branch::Goes(_) | Branch::NotServed | Branch::Mirror(_)) => Proposed::Free,
            // Only a hook that was passed by lets such a name in.
            Err(reason) => Proposed::Refused(reason),
        });
    }
    proposed
}

fn activity(
    pushed: Pushed<'_>,
    places: &Places<'_>,
    branch: BranchName,
    kind: Kind,
    update: &RefUpdate,
) -> NewActivity {
    let environment = places.environment(&branch);
    let commit = commit(&pushed.project.repository, update);
    let key = EnvironmentKey {
        project: pushed.project.name.clone(),
        id: environment.id.clone(),
    };
    let record = EnvironmentRecord {
        key: key.clone(),
        branch: branch.clone(),
        kind: environment.kind.as_str().to_owned(),
        parent: environment.parent.map(|parent| parent.to_string()),
        trust_domain: trust_domain(environment.kind).to_owned(),
        status: rule(environment.policy.on_new_branch).word().to_owned(),
        tip: commit.new.clone(),
        live: None,
        generation: 0,
        title: String::new(),
        chosen_parent: None,
        maintenance: None,
        beginning: Beginning::default(),
    };
    NewActivity {
        production: environment.kind == Type::Production,
        environment: kind.moves_branch().then_some(record),
        rebuild: pushed.options.rebuild == Rebuild::Yes,
        now: pushed.options.when == When::Now,
        ..plain(key, branch, kind, pushed.actor.clone(), commit)
    }
}

/// What asks for nothing beside, outside of production.
fn plain(
    key: EnvironmentKey,
    branch: BranchName,
    kind: Kind,
    actor: Actor,
    commit: Commit,
) -> NewActivity {
    NewActivity {
        key,
        branch,
        kind,
        actor,
        commit,
        production: false,
        environment: None,
        rebuild: false,
        now: false,
        target: None,
        source: None,
        renames: None,
        variable: None,
        imported: None,
        snapshot: None,
    }
}

/// What the daemon's own move of a branch asks for. Blocks.
pub fn of_move(
    pushed: Pushed<'_>,
    branch: BranchName,
    kind: Kind,
    update: &RefUpdate,
) -> NewActivity {
    let places = Places::new(pushed.project, pushed.default, pushed.places.to_vec());
    let mut activity = activity(pushed, &places, branch, kind, update);
    if kind == Kind::Branch
        && let Some(environment) = &mut activity.environment
    {
        // Whoever asks for an environment by name does not wish for a branch alone.
        Wish::AsItIs.word().clone_into(&mut environment.status);
    }
    activity
}

/// What a command asks for in an environment that is there.
pub fn of_record(
    record: &EnvironmentRecord,
    kind: Kind,
    commit: Commit,
    actor: Actor,
) -> NewActivity {
    let (key, branch) = (record.key.clone(), record.branch.clone());
    NewActivity {
        production: record.kind == Type::Production.as_str(),
        ..plain(key, branch, kind, actor, commit)
    }
}

/// A change of a variable, which nothing runs for.
pub fn of_change(
    key: EnvironmentKey,
    branch: BranchName,
    kind: Type,
    actor: Actor,
    change: Change,
) -> NewActivity {
    NewActivity {
        production: kind == Type::Production,
        variable: Some(Box::new(change)),
        ..plain(key, branch, Kind::Variable, actor, Commit::default())
    }
}

/// A slug that somebody brings, of which it is known where it was exported.
pub fn of_import(
    key: EnvironmentKey,
    branch: BranchName,
    kind: Type,
    actor: Actor,
    commit: Commit,
    slug: SlugRecord,
) -> NewActivity {
    NewActivity {
        production: kind == Type::Production,
        imported: Some(Box::new(slug)),
        ..plain(key, branch, Kind::Import, actor, commit)
    }
}

/// What the project wishes of a new branch.
pub fn rule(on_new_branch: OnNewBranch) -> Wish {
    match on_new_branch {
        // One that is refused comes in only where a hook was passed by.
        OnNewBranch::Inactive | OnNewBranch::Reject => Wish::Inactive,
        OnNewBranch::Activate => Wish::AsItIs,
    }
}

/// What is to be said of a ref that is not deployed.
pub fn stored(project: &Project, update: &RefUpdate) -> String {
    let name: String = update.name.chars().take(60).collect();
    let name = name
        .strip_prefix("refs/")
        .unwrap_or(&name)
        .replace("tags/", "tag ");
    if let Ok(Branch::Mirror(branch)) = admission::branch(project, update) {
        return format!("branch {branch} follows production; it is not deployed.");
    }
    if update.deletes() {
        format!("{name} is deleted; no environment hung on it.")
    } else {
        format!("{name} is stored; only branches are deployed.")
    }
}

/// Whether what was there is no ancestor of what comes. Blocks.
pub fn is_forced(repository: &Path, update: &RefUpdate) -> bool {
    let moves = !update.creates() && !update.deletes();
    moves && !repository::is_ancestor(repository, &update.old, &update.new).unwrap_or(true)
}

fn commit(repository: &Path, update: &RefUpdate) -> Commit {
    let old = (!update.creates()).then(|| update.old.clone());
    let new = (!update.deletes()).then(|| update.new.clone());
    let subject = new
        .as_deref()
        .and_then(|new| repository::subject(repository, new).ok())
        .unwrap_or_default();
    let forced = is_forced(repository, update);
    Commit {
        old,
        new,
        subject,
        forced,
    }
}
