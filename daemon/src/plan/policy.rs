//! What a push may do, by its pusher's rights and by the operator's policy: every reason at once.

use std::collections::BTreeSet;

use wharf_config::name::BranchName;
use wharf_config::project::{
    Accept, Environment, Kind, OnNewBranch, Policy, Project, Roles, Schedule,
};
use wharf_wire::hook::RefUpdate;

use super::admission::{Branch, branch};
use super::options::{Options, When};
use super::places::{Place, Places};
use super::rename;
use super::rights::{Act, Denied, Person, may};

/// Names in one line, at most.
const MAX_NAMES: usize = 5;

/// Why something may not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its stable code.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

/// All that this decision rests on.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The project.
    pub project: &'a Project,
    /// What is recorded of its branches.
    pub places: &'a Places<'a>,
    /// Who pushes.
    pub person: &'a Person,
    /// What they asked for beside.
    pub options: &'a Options,
    /// Which updates move their branch to what is no descendant, as far as that matters.
    pub forced: &'a BTreeSet<u32>,
}

/// The updates of which it matters whether they are forced: their pusher may move the branch, but
/// only forward.
pub fn doubtful(
    project: &Project,
    places: &Places<'_>,
    person: &Person,
    updates: &[RefUpdate],
) -> Vec<u32> {
    let roles = project.roles.as_ref();
    let is_doubtful = |update: &RefUpdate| {
        let Ok(Branch::Moves(name, _)) = branch(project, update) else {
            return false;
        };
        let environment = places.environment(&name);
        let may = |act| {
            may(
                roles,
                person,
                act,
                environment.id.as_str(),
                environment.kind,
            )
        };
        !update.creates() && may(Act::Push).is_ok() && may(Act::Force).is_err()
    };
    let numbered = (0..).zip(updates);
    let doubtful = numbered.filter(|(_, update)| is_doubtful(update));
    doubtful.map(|(number, _)| number).collect()
}

/// Why each update may not be, one list for each.
pub fn judge(ground: &Ground<'_>, updates: &[RefUpdate]) -> Vec<Vec<Reason>> {
    let renamed = rename::of(ground.project, ground.places, updates);
    let is_renamed = |name: &BranchName| renamed.as_ref().is_some_and(|one| one.from == *name);
    let gone: BTreeSet<BranchName> = updates
        .iter()
        .filter_map(|update| match branch(ground.project, update) {
            Ok(Branch::Goes(name)) => Some(name),
            _ => None,
        })
        .collect();
    let numbered = (0..).zip(updates);
    numbered
        .map(|(number, update)| match branch(ground.project, update) {
            Ok(Branch::Moves(name, _)) => ground.of_move(&name, update, number),
            Ok(Branch::Goes(name)) => {
                let mut reasons = ground.of_deletion(&name, &gone);
                // What hangs on its environment goes on to do so.
                reasons.retain(|reason| reason.code != "has-children" || !is_renamed(&name));
                reasons
            }
            Ok(Branch::Mirror(name)) => vec![ground.of_mirror(&name)],
            Ok(Branch::NotServed) => ground.of_other(update).into_iter().collect(),
            // Its name is a reason of its own.
            Err(_) => Vec::new(),
        })
        .collect()
}

impl Ground<'_> {
    fn of_move(&self, name: &BranchName, update: &RefUpdate, number: u32) -> Vec<Reason> {
        let environment = self.places.environment(name);
        let is_forced = self.forced.contains(&number);
        let act = if is_forced { Act::Force } else { Act::Push };
        let mut reasons = Vec::new();
        reasons.extend(self.denied(act, &environment));
        reasons.extend(self.of_policy(&environment, update));
        let has_window = environment.policy.schedule != Schedule::default();
        if self.options.when == When::Now && has_window {
            reasons.extend(self.denied(Act::Now, &environment));
        }
        reasons.extend(self.of_parent(name));
        reasons
    }

    /// A new environment begins with its parent's data, so whoever names a parent may look at it.
    fn of_parent(&self, name: &BranchName) -> Option<Reason> {
        let wanted = self.options.parent.as_deref()?;
        if self.places.of(name).is_some() {
            return None;
        }
        let id = self.places.parent(name, wanted).ok()?;
        let kind = self
            .places
            .environment(&self.places.by_id(&id)?.branch)
            .kind;
        let (roles, whose) = (self.project.roles.as_ref(), "the parent that is named");
        let denied = may(roles, self.person, Act::View, whose, kind).err()?;
        Some(denied.into())
    }

    fn of_policy(&self, environment: &Environment, update: &RefUpdate) -> Vec<Reason> {
        let Policy {
            accept,
            on_new_branch,
            ..
        } = &environment.policy;
        let (id, name) = (&environment.id, &environment.branch);
        let mut reasons = Vec::new();
        let place = self.places.of(name);
        if *accept == Accept::Merge && place.is_some_and(|place| place.live.is_some()) {
            let mut children = self.places.children(id);
            let hint = match children.next() {
                Some(child) => format!(
                    "push to one of its children, then: wharf merge -e {0} (or wharf promote -e {0})",
                    child.id
                ),
                None => format!("make a child of it with: wharf branch NAME {id}"),
            };
            reasons.push(Reason {
                code: "merge-only",
                message: format!("{id} takes code by merge or promote only, no push"),
                hint: Some(hint),
            });
        }
        if *on_new_branch == OnNewBranch::Reject && update.creates() {
            reasons.push(Reason {
                code: "new-branch",
                message: format!("branch {name} is new, and the project takes no new ones by push"),
                hint: Some(
                    "push to a branch that is there (wharf environments), or ask whoever keeps the \
                     project's file (on_new_branch)"
                        .into(),
                ),
            });
        }
        reasons
    }

    fn of_deletion(&self, name: &BranchName, gone: &BTreeSet<BranchName>) -> Vec<Reason> {
        let environment = self.places.environment(name);
        let stays = why_stays(self.project, self.places, self.person, &environment, gone);
        let denied = self.denied(Act::Delete, &environment);
        denied.into_iter().chain(stays).collect()
    }

    fn of_mirror(&self, name: &BranchName) -> Reason {
        let production = self.project.production(None);
        let follows = production.map_or("production".to_owned(), |of| format!("production ({of})"));
        Reason {
            code: "mirror",
            message: format!("branch {name} follows {follows} and is nobody's to push to"),
            hint: Some("push to another branch; see which there are: wharf environments".into()),
        }
    }

    /// A tag, or what else is no environment: whoever may push to some environment may push it.
    fn of_other(&self, update: &RefUpdate) -> Option<Reason> {
        let roles = self.project.roles.as_ref();
        let name: String = update.name.chars().take(60).collect();
        let name = name.escape_default().to_string();
        let tries = Kind::ALL.map(|kind| may(roles, self.person, Act::Push, &name, kind));
        match tries.iter().any(Result::is_ok) {
            true => None,
            false => tries.into_iter().next_back()?.err().map(Reason::from),
        }
    }

    fn denied(&self, act: Act, environment: &Environment) -> Option<Reason> {
        let roles: Option<&Roles> = self.project.roles.as_ref();
        let (id, kind) = (environment.id.as_str(), environment.kind);
        let denied = may(roles, self.person, act, id, kind).err()?;
        Some(denied.into())
    }
}

/// Why an environment cannot be deleted, whoever asks, and whether by a push or by `wharf delete`:
/// it is production, or its children would stay. `gone` are the branches that go with it.
pub fn why_stays(
    project: &Project,
    places: &Places<'_>,
    person: &Person,
    environment: &Environment,
    gone: &BTreeSet<BranchName>,
) -> Vec<Reason> {
    let (id, branch) = (&environment.id, &environment.branch);
    let mut reasons = Vec::new();
    if environment.kind == Kind::Production {
        reasons.push(Reason {
            code: "production-stays",
            message: format!("branch {branch} is production and cannot be deleted"),
            hint: Some("to move production elsewhere, change the project's file first".into()),
        });
    }
    let children = places.children(id);
    let children: Vec<&Place> = children.filter(|one| !gone.contains(&one.branch)).collect();
    if !children.is_empty() {
        let sees = |child: &Place| {
            let kind = places.environment(&child.branch).kind;
            may(project.roles.as_ref(), person, Act::View, "", kind).is_ok()
        };
        reasons.push(Reason {
            code: "has-children",
            message: format!("{id} has children: {}", names(&children, sees)),
            hint: Some(match environment.kind {
                // With them it stays, too.
                Kind::Production => "see the tree: wharf environments".to_owned(),
                Kind::Staging | Kind::Development => format!(
                    "delete it with them: wharf delete --with-children -e {id}; or give each \
                     another parent: wharf info --parent ENVIRONMENT -e CHILD"
                ),
            }),
        });
    }
    reasons
}

impl From<Denied> for Reason {
    fn from(denied: Denied) -> Self {
        Reason {
            code: "denied",
            message: denied.to_string(),
            hint: Some(denied.hint()),
        }
    }
}

/// The first few that may be seen, and how many more.
fn names(places: &[&Place], sees: impl Fn(&Place) -> bool) -> String {
    let seen = places.iter().filter(|place| sees(place)).take(MAX_NAMES);
    let seen: Vec<&str> = seen.map(|place| place.id.as_str()).collect();
    match (seen.join(", "), places.len() - seen.len()) {
        (text, 0) => text,
        (text, more) if text.is_empty() => more.to_string(),
        (text, more) => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
