//! A project's environments as a family: who is whose parent, by rule and by choice.

use wharf_config::name::{BranchName, EnvironmentId};
use wharf_config::project::{Environment, Kind as Type, Project};
use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;

use super::super::Session;
use super::super::admit::head;
use super::super::peer::Broken;
use super::super::scope::{missing, plain};
use super::store;
use crate::plan::places::{Place, Places};
use crate::plan::tree::Parents;
use crate::store::environment::EnvironmentRecord;

/// A project with all of its environments.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) project: Project,
    /// The branch that the repository's HEAD names.
    pub(super) default: Option<BranchName>,
    pub(super) records: Vec<EnvironmentRecord>,
}

impl Session {
    pub(super) async fn tree(&self, scope: &Scope) -> Result<Tree, Broken> {
        let project = self.sole_project(scope)?;
        let records = self
            .world
            .recorder
            .environments(Some(project.name.clone()))
            .await
            .map_err(store)?;
        Ok(Tree {
            default: head(&project.repository).await?,
            project,
            records,
        })
    }
}

impl Tree {
    /// What a branch is, or would be.
    pub(super) fn place(&self, branch: &BranchName) -> Environment {
        self.places().environment(branch)
    }

    /// The same for decisions.
    pub(super) fn places(&self) -> Places<'_> {
        let places = self.records.iter().cloned().map(Place::from).collect();
        Places::new(&self.project, self.default.as_ref(), places)
    }

    /// The environment of that id or branch.
    pub(super) fn find(&self, name: &str) -> Option<&EnvironmentRecord> {
        let by_id = |record: &&EnvironmentRecord| record.key.id.as_str() == name;
        let by_branch = |record: &&EnvironmentRecord| record.branch.as_str() == plain(name);
        let mut records = self.records.iter();
        let found = records.clone().find(by_id);
        found.or_else(|| records.find(by_branch))
    }

    /// The parent's id: the chosen one, else the one by the project's rule.
    pub(super) fn parent_id(&self, record: &EnvironmentRecord) -> Option<String> {
        let by_rule = || self.place(&record.branch).parent.map(|id| id.to_string());
        record.chosen_parent.clone().or_else(by_rule)
    }

    /// What the parent of an environment is.
    ///
    /// # Errors
    /// That it has none, or that its branch is not known.
    pub(super) fn parent_of(&self, record: &EnvironmentRecord) -> Result<Environment, Broken> {
        let id = self.parent_id(record).ok_or_else(|| {
            refusal(
                "no-parent",
                format!("{} has no parent", record.key.id),
                "see the tree: wharf environments",
            )
        })?;
        let branch = self.branch_of(&id).ok_or_else(|| {
            missing(
                "unknown-environment",
                &format!("the parent of {}, {id}, is not there", record.key.id),
            )
            .hint(format!(
                "push its branch, or choose another: wharf info --parent ENVIRONMENT -e {}",
                record.key.id
            ))
        })?;
        Ok(self.place(&branch))
    }

    /// The branch of an environment, also of one that was never pushed through Wharf.
    pub(super) fn branch_of(&self, id: &str) -> Option<BranchName> {
        let recorded = self
            .records
            .iter()
            .find(|record| record.key.id.as_str() == id);
        if let Some(record) = recorded {
            return Some(record.branch.clone());
        }
        let declared = self.project.environments.iter().map(|e| &e.branch);
        let mirror = self.project.mirror.iter();
        let mut named = declared.chain(&self.default).chain(mirror);
        let fits = |branch: &&BranchName| EnvironmentId::from_branch(branch).as_str() == id;
        named.find(fits).cloned()
    }

    /// Everybody's parent.
    pub(super) fn parents(&self) -> Parents {
        let pair = |record| (EnvironmentRecord::id(record), self.parent_id(record));
        self.records.iter().map(pair).collect()
    }
}

impl EnvironmentRecord {
    fn id(&self) -> String {
        self.key.id.to_string()
    }

    /// Whether it is the root of its tree.
    pub(super) fn is_production(&self) -> bool {
        self.kind == Type::Production.as_str()
    }
}

/// Something that is not done in this state.
pub(super) fn refusal(code: &str, message: String, hint: impl Into<String>) -> Broken {
    Broken::Refused(Refusal {
        code: code.into(),
        message,
        hint: Some(hint.into()),
        exit: Exit::Refused,
    })
}
