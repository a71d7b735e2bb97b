//! Code that moves on the server: a new branch, a child's code to its parent, a parent's to its child.

use wharf_config::name::BranchName;
use wharf_config::project::{Accept, Branchable, Environment, Kind as Type, OnNewBranch, Project};
use wharf_wire::ask::{Scope, Synced};
use wharf_wire::outcome::Kind;

use super::super::Session;
use super::super::peer::Broken;
use super::super::scope::plain;
use super::land::{Aim, Landing, tip};
use super::refuse::Against;
use super::standing::runs;
use super::tree::{Tree, refusal};
use super::{info, store};
use crate::plan::limits::Status;
use crate::plan::options::Data;
use crate::plan::policy::Reason;
use crate::plan::rights::Act;
use crate::plan::snapshots::{Origin, may_restore};
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseRecord;

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
        let mut against = Against::default();
        against.take(self.may_bring(&tree, &child, &parent))?;
        let release = against.and(self.promoted(&child).await)?;
        let landing = Landing {
            aim: Aim::Forward(release.commit),
            source: child.key.id.to_string(),
            ..Landing::new(Kind::Promote, parent)
        };
        self.land(&tree, landing).await
    }

    /// What a child serves.
    async fn promoted(&self, child: &EnvironmentRecord) -> Result<ReleaseRecord, Broken> {
        let release = match child.live {
            Some(live) => self.world.recorder.release(&child.key, live).await,
            None => Ok(None),
        };
        let id = &child.key.id;
        release.map_err(store)?.ok_or_else(|| {
            let first = match child.status() {
                Status::Inactive => "activate",
                _ => "redeploy",
            };
            refusal(
                "no-release",
                format!("{id} serves nothing that could be promoted"),
                format!("deploy it first: wharf {first} -e {id}"),
            )
        })
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
        if what == Synced::Data {
            return self.sync_data(scope, child).await;
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

    /// Orders the parent's data for a child, unless it may not go there.
    async fn sync_data(&mut self, scope: &Scope, child: EnvironmentRecord) -> Result<(), Broken> {
        let id = child.key.id.to_string();
        if child.is_production() {
            return Err(refusal(
                "data-upward",
                format!("{id} is production, and data never goes up"),
                "code does: wharf merge, wharf promote",
            ));
        }
        let tree = self.tree(scope).await?;
        let parent = tree.parent_of(&child)?;
        self.may_know(&tree, &child, &parent)?;
        let mut against = Against::default();
        against.take(runs(&child))?;
        let (into, sanitize) = (tree.place(&child.branch).kind, &tree.project.sanitize);
        let may = may_restore(Origin::Above, parent.kind, into, sanitize);
        against.and(may.map_err(|why| {
            let message = format!("data of {} may not go into {id}: {why}", parent.id);
            refusal("data-upward", message, why.hint())
        }))?;
        self.order_from(child, Kind::SyncData, parent.id.to_string())
            .await
    }

    pub(super) async fn branch(
        &mut self,
        scope: &Scope,
        name: &str,
        parent: Option<&str>,
        title: Option<&str>,
        data: Option<Data>,
    ) -> Result<(), Broken> {
        let tree = self.tree(scope).await?;
        let mut against = Against::default();
        let title = against.take(title.map(info::title).transpose())?.flatten();
        let branch = BranchName::parse(name)
            .map_err(|error| refusal("branch-name", error.to_string(), "choose another name"));
        let Some(branch) = against.take(branch)? else {
            return against.verdict();
        };
        let place = tree.place(&branch);
        let project = &tree.project;
        against.take(self.may(Act::Branch, project, place.id.as_str(), place.kind))?;
        let seen = self
            .eyes()
            .of(&project.name)
            .is_some_and(|seen| seen.may_view(place.kind));
        if !seen {
            // Nor what is there.
            return against.verdict();
        }
        against.take(may_be_new(project, &place))?;
        if tip(&project.repository, &branch).await?.is_some() {
            against.push(Reason {
                code: "branch-exists",
                message: format!("branch {branch} is there already"),
                hint: Some("choose another name; wharf environments shows what is there".into()),
            });
        }
        let parent = self.parent_for(&tree, scope, &place, parent);
        let parent = against.and(parent.and_then(|parent| self.may_begin_from(&tree, parent)))?;
        let by_rule = place.parent.as_ref() == Some(&parent.id);
        let landing = Landing {
            aim: Aim::Begin(parent.branch.clone()),
            source: parent.id.to_string(),
            title: title.unwrap_or_default(),
            data,
            chosen_parent: (!by_rule).then(|| parent.id.to_string()),
            ..Landing::new(Kind::Branch, place)
        };
        self.land(&tree, landing).await
    }

    /// The parent of a new branch, where somebody may look at it and begin from it.
    fn may_begin_from(&self, tree: &Tree, parent: Environment) -> Result<Environment, Broken> {
        self.may(Act::View, &tree.project, parent.id.as_str(), parent.kind)?;
        may_begin(&tree.project, &parent)?;
        Ok(parent)
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
            None => tree.branch_of(plain(name)),
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
fn may_begin(project: &Project, parent: &Environment) -> Result<(), Broken> {
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
    Ok(())
}

/// Whether the operator lets anybody make a branch of that name.
fn may_be_new(project: &Project, place: &Environment) -> Result<(), Broken> {
    let branch = &place.branch;
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
