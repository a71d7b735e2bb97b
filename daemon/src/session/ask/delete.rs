//! `wharf delete`: environments go with their branches, children first.

use std::collections::BTreeMap;

use wharf_wire::ask::{Children, Scope};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::view::Commit;

use super::super::Session;
use super::super::peer::Broken;
use super::land::{push, raced, tip, update};
use super::tree::Tree;
use crate::dispatch::moving::Left;
use crate::execute::swap::Swap;
use crate::order;
use crate::plan::rights::Act;
use crate::plan::{policy, tree};
use crate::store::environment::EnvironmentRecord;

/// So often somebody else may be quicker.
const ATTEMPTS: u32 = 5;

impl Session {
    pub(super) async fn delete(&mut self, scope: &Scope, children: Children) -> Result<(), Broken> {
        let top = self.environment(scope).await?;
        let tree = self.tree(scope).await?;
        let going = going(&tree, &top, children);
        let project = &tree.project;
        let gone = going.iter().map(|record| record.branch.clone()).collect();
        let (places, place) = (tree.places(), tree.place(&top.branch));
        let mut against = self.rights(&[Act::Delete], &top)?;
        for below in going.iter().filter(|record| record.key != top.key) {
            against.take(self.may_in(Act::Delete, below))?;
        }
        let stays = policy::why_stays(project, &places, &self.person(project), &place, &gone);
        against.extend(stays);
        against.verdict()?;
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
            if !self.passes(project, &push, None, &BTreeMap::new()).await? {
                return self.end(Exit::Refused).await;
            }
            let left = Left {
                push,
                actor: self.actor(project),
                kind: Kind::Delete,
                source: None,
                title: String::new(),
                chosen_parent: None,
                data: None,
            };
            let moved = self.carry(project, swaps, left, activities).await?;
            let Some(ids) = moved else { continue };
            return self.follow_moved(ids).await;
        }
        Err(raced(&top.branch))
    }
}

/// All that go, the deepest first.
fn going(tree: &Tree, top: &EnvironmentRecord, children: Children) -> Vec<EnvironmentRecord> {
    let below = match children {
        Children::Stay => Vec::new(),
        Children::Go => tree::descendants(&tree.parents(), top.key.id.as_str()),
    };
    let found = below.iter().filter_map(|id| tree.find(id));
    found.chain([top]).cloned().collect()
}
