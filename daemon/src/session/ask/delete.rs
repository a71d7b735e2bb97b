//! `wharf delete`: environments go with their branches, children first.

use std::collections::BTreeMap;

use wharf_wire::ask::{Children, Scope};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::view::Commit;

use super::super::Session;
use super::super::peer::Broken;
use super::land::{push, raced, tip, update};
use super::tree::{Tree, refusal};
use crate::dispatch::moving::Left;
use crate::execute::swap::Swap;
use crate::order;
use crate::plan::rights::Act;
use crate::plan::tree;
use crate::store::environment::EnvironmentRecord;

/// So often somebody else may be quicker.
const ATTEMPTS: u32 = 5;
/// Children that a refusal names, at most.
const NAMED: usize = 5;

impl Session {
    pub(super) async fn delete(&mut self, scope: &Scope, children: Children) -> Result<(), Broken> {
        let top = self.environment(scope).await?;
        let tree = self.tree(scope).await?;
        let going = going(&tree, &top, children)?;
        for record in &going {
            self.may_in(Act::Delete, record)?;
        }
        let project = &tree.project;
        for _ in 0..ATTEMPTS {
            let (mut swaps, mut activities, mut updates) = (vec![], vec![], vec![]);
            for record in &going {
                let old = tip(&project.repository, &record.branch).await?;
                let commit = Commit {
                    old: old.clone(),
                    ..Commit::default()
                };
                activities.push(order::of_record(
                    record,
                    Kind::Delete,
                    commit,
                    self.actor(project),
                ));
                if old.is_some() {
                    updates.push(update(&record.branch, old.as_deref(), None));
                    swaps.push(Swap {
                        branch: record.branch.clone(),
                        old,
                        new: None,
                    });
                }
            }
            let push = push(project, updates);
            if !self.passes(project, &push, &BTreeMap::new()).await? {
                return self.end(Exit::Refused).await;
            }
            let left = Left {
                push,
                actor: self.actor(project),
                kind: Kind::Delete,
                source: None,
                title: String::new(),
                chosen_parent: None,
            };
            let moved = self.carry(project, swaps, left, activities).await?;
            let Some(ids) = moved else { continue };
            return self.follow_moved(ids).await;
        }
        Err(raced(&top.branch))
    }
}

/// All that go, the deepest first.
fn going(
    tree: &Tree,
    top: &EnvironmentRecord,
    children: Children,
) -> Result<Vec<EnvironmentRecord>, Broken> {
    let id = top.key.id.as_str();
    if top.is_production() {
        return Err(refusal(
            "production",
            format!("{id} is production and cannot be deleted"),
            "to move production elsewhere, change the project's file first",
        ));
    }
    let below = tree::descendants(&tree.parents(), id);
    if !below.is_empty() && children == Children::Stay {
        let named: Vec<&str> = below.iter().rev().take(NAMED).map(String::as_str).collect();
        let more = match below.len() - named.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Err(refusal(
            "has-children",
            format!("{id} is the parent of {}{more}", named.join(", ")),
            format!(
                "delete them too: wharf delete --with-children -e {id}; or give each another \
                 parent: wharf info --parent ENVIRONMENT -e CHILD"
            ),
        ));
    }
    let found = below.iter().filter_map(|id| tree.find(id));
    Ok(found.chain([top]).cloned().collect())
}
