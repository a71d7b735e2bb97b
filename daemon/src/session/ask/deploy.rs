//! `wharf deploy --commit`: a commit that is there already goes live, as a forge's pipeline asks.

use wharf_config::project::Accept;
use wharf_wire::ask::{Scope, SlugUse};
use wharf_wire::outcome::{Exit, Kind};

use super::super::Session;
use super::super::peer::Broken;
use super::land::{Aim, Landing, tip};
use super::store;
use super::tree::refusal;
use crate::execute::repository;
use crate::plan::rights::Act;

impl Session {
    pub(super) async fn deploy(&mut self, scope: &Scope, commit: &str) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let tree = self.tree(scope).await?;
        let into = tree.place(&record.branch);
        let act = match into.policy.accept {
            Accept::Push => Act::Push,
            Accept::Merge => Act::MergeOnly,
        };
        self.may(act, &tree.project, into.id.as_str(), into.kind)?;
        let commit = whole(commit)?;
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
            let landing = Landing {
                source: commit.chars().take(8).collect(),
                aim: Aim::Forward(commit),
                ..Landing::new(Kind::Push, into)
            };
            return self.land(&tree, landing).await;
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
