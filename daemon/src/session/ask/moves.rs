//! Code that moves on the server: a new branch, a child's code to its parent, a parent's to its child.

use wharf_config::name::BranchName;
use wharf_config::project::{Accept, Branchable, Environment, Kind as Type, OnNewBranch};
use wharf_wire::ask::{Scope, Synced};
use wharf_wire::outcome::Kind;

use super::super::Session;
use super::super::peer::Broken;
use super::land::{Aim, Landing, tip};
use super::tree::{Tree, refusal};
use super::{info, store};
use crate::plan::limits::Status;
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentRecord;

impl Session {
    pub(super) async fn merge(&mut self, scope: &Scope) -> Result<(), Broken> {
        let child = self.environment(scope).await?;
        self.may_in(Act::View, &child)?;
        let tree = self.tree(scope).await?;
        let parent = tree.parent_of(&child)?;
        self.may_bring(&tree, &child, &parent)?;
        let landing = Landing {
            aim: Aim::Merge(child.branch.clone()),
            source: child.key.id.to_string(),
            ..Landing::new(Kind::Merge, parent)
        };
        self.land(&tree, landing).await
    }

    pub(super) async fn promote(&mut self, scope: &Scope) -> Result<(), Broken> {
        let child = self.environment(scope).await?;
        self.may_in(Act::View, &child)?;
        let tree = self.tree(scope).await?;
        let parent = tree.parent_of(&child)?;
        self.may_bring(&tree, &child, &parent)?;
        let release = match child.live {
            Some(live) => self.world.recorder.release(&child.key, live).await,
            None => Ok(None),
        };
        let id = &child.key.id;
        let release = release.map_err(store)?.ok_or_else(|| {
            let first = match child.status() {
                Status::Inactive => "activate",
                _ => "redeploy",
            };
            refusal(
                "no-release",
                format!("{id} serves nothing that could be promoted"),
                format!("deploy it first: wharf {first} -e {id}"),
            )
        })?;
        let landing = Landing {
            aim: Aim::Forward(release.commit),
            source: id.to_string(),
            ..Landing::new(Kind::Promote, parent)
        };
        self.land(&tree, landing).await
    }

    /// Whether they may bring a child's code to its parent.
    fn may_bring(
        &self,
        tree: &Tree,
        child: &EnvironmentRecord,
        parent: &Environment,
    ) -> Result<(), Broken> {
        self.may_know(tree, child, parent)?;
        let act = match parent.policy.accept {
            Accept::Push => Act::Merge,
            Accept::Merge => Act::MergeOnly,
        };
        self.may(act, &tree.project, parent.id.as_str(), parent.kind)
    }

    /// Whether they may look at the parent; whoever may not is not told what it is called.
    fn may_know(
        &self,
        tree: &Tree,
        child: &EnvironmentRecord,
        parent: &Environment,
    ) -> Result<(), Broken> {
        let name = format!("the parent of {}", child.key.id);
        let id = parent.id.as_str();
        self.may_in_named(Act::View, &tree.project, id, &name, parent.kind)
    }

    pub(super) async fn sync(&mut self, scope: &Scope, what: Synced) -> Result<(), Broken> {
        let child = self.environment(scope).await?;
        self.may_in(Act::Sync, &child)?;
        let id = child.key.id.to_string();
        if what == Synced::Data {
            return Err(match child.is_production() {
                true => refusal(
                    "data-upward",
                    format!("{id} is production, and data never goes up"),
                    "code does: wharf merge, wharf promote",
                ),
                false => refusal(
                    "not-supported-yet",
                    "this version of Wharf copies no data from a parent".to_owned(),
                    format!("its code comes with: wharf sync code -e {id}"),
                ),
            });
        }
        let tree = self.tree(scope).await?;
        let parent = tree.parent_of(&child)?;
        self.may_know(&tree, &child, &parent)?;
        let landing = Landing {
            aim: Aim::Merge(parent.branch.clone()),
            source: parent.id.to_string(),
            ..Landing::new(Kind::Sync, tree.place(&child.branch))
        };
        self.land(&tree, landing).await
    }

    pub(super) async fn branch(
        &mut self,
        scope: &Scope,
        name: &str,
        parent: Option<&str>,
        title: Option<&str>,
    ) -> Result<(), Broken> {
        let tree = self.tree(scope).await?;
        let branch = BranchName::parse(name)
            .map_err(|error| refusal("branch-name", error.to_string(), "choose another name"))?;
        let place = tree.place(&branch);
        self.may(Act::Branch, &tree.project, place.id.as_str(), place.kind)?;
        let parent = self.parent_for(&tree, scope, &place, parent)?;
        self.may(Act::View, &tree.project, parent.id.as_str(), parent.kind)?;
        may_begin(&tree, &branch, &place, &parent)?;
        let repository = &tree.project.repository;
        if tip(repository, &branch).await?.is_some() {
            return Err(refusal(
                "branch-exists",
                format!("branch {branch} is there already"),
                "choose another name; wharf environments shows what is there",
            ));
        }
        let by_rule = place.parent.as_ref() == Some(&parent.id);
        let landing = Landing {
            aim: Aim::Begin(parent.branch.clone()),
            source: parent.id.to_string(),
            title: title.map(info::title).transpose()?.unwrap_or_default(),
            chosen_parent: (!by_rule).then(|| parent.id.to_string()),
            ..Landing::new(Kind::Branch, place)
        };
        self.land(&tree, landing).await
    }

    /// The named parent; else the environment of the work tree's branch; else the rule's.
    fn parent_for(
        &self,
        tree: &Tree,
        scope: &Scope,
        place: &Environment,
        named: Option<&str>,
    ) -> Result<Environment, Broken> {
        let known = |name: &str| match tree.find(name) {
            Some(record) => Some(record.branch.clone()),
            None => tree.branch_of(name),
        };
        let branch = match named {
            Some(name) => Some(known(name).ok_or_else(|| info::no_parent(tree, name))?),
            None => {
                let here = scope.environment.as_deref().and_then(known);
                let by_rule = || tree.branch_of(place.parent.as_ref()?.as_str());
                here.filter(|here| *here != place.branch).or_else(by_rule)
            }
        };
        branch.map(|branch| tree.place(&branch)).ok_or_else(|| {
            refusal(
                "no-parent",
                format!("nothing says what {} begins from", place.branch),
                format!("name its parent: wharf branch {} PARENT", place.branch),
            )
        })
    }
}

/// Whether the operator lets a branch begin there.
fn may_begin(
    tree: &Tree,
    branch: &BranchName,
    place: &Environment,
    parent: &Environment,
) -> Result<(), Broken> {
    let project = &tree.project;
    let elsewhere = "name another parent: wharf branch NAME PARENT";
    if project.is_mirror(&parent.branch) {
        return Err(refusal(
            "mirror",
            format!(
                "{} only follows production; nobody branches from it",
                parent.branch
            ),
            elsewhere,
        ));
    }
    if parent.policy.branchable == Branchable::No {
        return Err(refusal(
            "not-branchable",
            format!("nobody branches from {} (branchable = false)", parent.id),
            elsewhere,
        ));
    }
    let hint = "choose another name; the project's file says which are taken";
    if project.is_mirror(branch) || place.kind == Type::Production {
        let message = format!("{branch} has its own place in the project's file");
        return Err(refusal("branch-name", message, hint));
    }
    if place.policy.on_new_branch == OnNewBranch::Reject {
        let message = format!("the project takes no new branch like {branch} (on_new_branch)");
        return Err(refusal("branch-name", message, hint));
    }
    Ok(())
}
