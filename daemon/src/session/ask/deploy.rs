//! `wharf deploy --commit`: a commit that is there already goes live, as a forge's pipeline asks.

use wharf_config::project::{Accept, Environment};
use wharf_wire::ask::{Scope, SlugUse};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::view::Activity;

use super::super::Session;
use super::super::peer::Broken;
use super::land::{Aim, Landing, is_ancestor, tip};
use super::store;
use super::tree::{Tree, refusal};
use crate::execute::repository;
use crate::plan::places::Place;
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentRecord;

/// So many may wait in an environment, and a few more were there before.
const NEWEST: u32 = 50;

impl Session {
    pub(super) async fn deploy(&mut self, scope: &Scope, commit: &str) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let tree = self.tree(scope).await?;
        let into = tree.place(&record.branch);
        let act = match into.policy.accept {
            Accept::Push => Act::Push,
            Accept::Merge => Act::MergeOnly,
        };
        let against = self.rights(&[act], &record)?;
        let commit = against.and(whole(commit))?;
        let (at, wanted) = (tree.project.repository.clone(), commit.clone());
        let known = tokio::task::spawn_blocking(move || repository::tree_of(&at, &wanted)).await;
        if !known.is_ok_and(|known| known.is_ok()) {
            return Err(refusal(
                "unknown-commit",
                format!("{} has no commit {commit}", tree.project.name),
                "push it first, on any branch: git push wharf HEAD:BRANCH",
            ));
        }
        if tip(&tree.project.repository, &record.branch).await? != Some(commit.clone()) {
            if into.policy.accept == Accept::Merge && record.live.is_some() {
                from_a_child(&tree, &into, &commit).await?;
            }
            let landing = Landing {
                source: commit.chars().take(8).collect(),
                aim: Aim::Forward(commit),
                ..Landing::new(Kind::Push, into)
            };
            return self.land(&tree, landing).await;
        }
        if let Some(id) = self.under_way(&record, &commit).await? {
            return self.follow_moved(vec![id]).await;
        }
        let live = match record.live {
            Some(live) => self.world.recorder.release(&record.key, live).await,
            None => Ok(None),
        };
        let live = live.map_err(store)?;
        if live.as_ref().is_some_and(|live| live.commit == commit) {
            let number = live.map(|live| live.number).unwrap_or_default();
            let line = format!("{} serves r{number}, which is {commit}.", record.key.id);
            self.peer.lines(vec![line]).await?;
            return self.end(Exit::Ok).await;
        }
        self.redeploy(scope, SlugUse::Reuse, false).await
    }

    /// What deploys that commit there already, or waits to: the push that a pipeline made of it.
    async fn under_way(
        &self,
        record: &EnvironmentRecord,
        commit: &str,
    ) -> Result<Option<String>, Broken> {
        let (project, id) = (record.key.project.to_string(), record.key.id.to_string());
        let recorder = &self.world.recorder;
        let newest = recorder.activities(Some(project), Some(id), NEWEST).await;
        let mut newest = newest.map_err(store)?.into_iter();
        let deploys = |activity: &Activity| {
            let deploys_tip = matches!(activity.kind, Kind::Redeploy | Kind::Activate);
            (activity.kind.moves_branch() || deploys_tip)
                && !activity.state.is_end()
                && activity.commit.new.as_deref() == Some(commit)
        };
        Ok(newest.find(deploys).map(|activity| activity.id))
    }
}

/// Refuses what no merge and no promotion could bring: where code comes from children only, one of them
/// has to have it.
async fn from_a_child(tree: &Tree, into: &Environment, commit: &str) -> Result<(), Broken> {
    let (places, at) = (tree.places(), &tree.project.repository);
    let children: Vec<&Place> = places.children(&into.id).collect();
    for child in &children {
        if let Some(tip) = tip(at, &child.branch).await?
            && is_ancestor(at, commit, &tip).await?
        {
            return Ok(());
        }
    }
    let (id, short) = (&into.id, commit.get(..8).unwrap_or(commit));
    Err(refusal(
        "merge-only",
        format!("{id} takes code of its children only, and none of them has {short}"),
        match children.first() {
            Some(child) => format!("bring it there first, as a push or merge into {}", child.id),
            None => format!("make a child of it with: wharf branch NAME {id}"),
        },
    ))
}

/// A commit's whole id: a pipeline knows it, and no name of a branch moves under it.
fn whole(commit: &str) -> Result<String, Broken> {
    match repository::object_id(commit) {
        Ok(id) => Ok(id.to_string()),
        Err(error) => Err(refusal(
            "bad-commit",
            error.to_string(),
            "name all 40 digits: git rev-parse HEAD",
        )),
    }
}
