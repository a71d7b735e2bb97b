//! `wharf info`: what an environment is, and what people say of it.

use wharf_wire::ask::Scope;
use wharf_wire::outcome::Kind;
use wharf_wire::view::Commit;

use super::super::Session;
use super::super::peer::Broken;
use super::super::scope::missing;
use super::tree::{Tree, refusal};
use crate::order;
use crate::plan::options::{MAX_TITLE, title_of};
use crate::plan::places::NoParent;
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentRecord;

impl Session {
    pub(super) async fn info(
        &mut self,
        scope: &Scope,
        new_title: Option<&str>,
        new_parent: Option<&str>,
    ) -> Result<(), Broken> {
        let mut record = self.environment(scope).await?;
        if new_title.is_none() && new_parent.is_none() {
            self.may_in(Act::View, &record)?;
            let scope = Scope {
                project: Some(record.key.project.to_string()),
                repository: None,
                environment: Some(record.key.id.to_string()),
            };
            return self.environments(&scope).await;
        }
        let mut against = self.rights(&[Act::Settings], &record)?;
        if let Some(text) = new_title
            && let Some(title) = against.take(title(text))?
        {
            record.title = title;
        }
        if let Some(name) = new_parent {
            let tree = self.tree(scope).await?;
            let parent = against.take(parent(&tree, &record, name))?;
            record.chosen_parent = parent.or(record.chosen_parent);
        }
        against.verdict()?;
        let commit = Commit::default();
        let mut activity = order::of_record(
            &record,
            Kind::Info,
            commit,
            self.actor(&self.project_of(&record)?),
        );
        activity.environment = Some(record);
        let activities = vec![activity];
        let ids = self.ordered(activities).await?;
        self.follow_moved(ids).await
    }
}

/// A title that may be recorded and shown.
pub(super) fn title(text: &str) -> Result<String, Broken> {
    title_of(text).ok_or_else(|| {
        refusal(
            "title",
            "that is no title for an environment".to_owned(),
            format!("one line of at most {MAX_TITLE} characters"),
        )
    })
}

/// The id of an environment that may be the parent of another one.
fn parent(tree: &Tree, record: &EnvironmentRecord, name: &str) -> Result<String, Broken> {
    let id = &record.key.id;
    let look = "see the tree: wharf environments";
    match tree.places().parent(&record.branch, name) {
        Ok(parent) => Ok(parent.to_string()),
        Err(NoParent::Missing(_)) => Err(no_parent(tree, name)),
        Err(NoParent::Root) => {
            let message = format!("{id} is production, the root of the tree");
            Err(refusal("production", message, look))
        }
        Err(error @ NoParent::NotBranchable(_)) => {
            Err(refusal("not-branchable", error.to_string(), look))
        }
        Err(NoParent::Ring(chosen)) => {
            let message = format!("{chosen} is {id} itself, or descends from it");
            Err(refusal("parent-ring", message, look))
        }
    }
}

/// Nothing is called so.
pub(super) fn no_parent(tree: &Tree, name: &str) -> Broken {
    let shown: String = name.chars().take(60).collect();
    let shown = shown.escape_default();
    missing(
        "unknown-environment",
        &format!("{} has no environment `{shown}`", tree.project.name),
    )
    .hint("see which there are: wharf environments")
}
