//! `wharf snapshot`: which there are, and what is to be done with one.

mod export;

use wharf_config::project::{Kind as Type, Project};
use wharf_wire::ask::{Data, Scope, SlugUse};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::snapshot::{Part, Snapshot};
use wharf_wire::view::{Commit, Item};

use super::super::Session;
use super::super::peer::Broken;
use super::super::rights::kind_of;
use super::super::scope::missing;
use super::standing::lives;
use super::store;
use super::tree::refusal;
use crate::plan::rights::Act;
use crate::plan::snapshots::{NotThere, Origin, Why, may_restore};
use crate::plan::tree::descendants;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseState;
use crate::store::snapshot::{SnapshotOrder, SnapshotRecord, SnapshotState};

/// The longest title.
const MAX_TITLE: usize = 80;
/// Snapshots in one answer, at most.
const MOST: usize = 5_000;

impl Session {
    pub(super) async fn create_snapshot(
        &mut self,
        scope: &Scope,
        title: Option<&str>,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Snapshot], &record)?;
        against.take(lives(&record))?;
        let title = title.unwrap_or_default();
        let is_plain = title.chars().count() <= MAX_TITLE && !title.chars().any(char::is_control);
        against.and(match is_plain {
            true => Ok(()),
            false => Err(refusal(
                "title",
                format!("a title is one line of at most {MAX_TITLE} characters"),
                "say it shorter",
            )),
        })?;
        let order = SnapshotOrder::Make {
            kind: self.type_of(&record)?.as_str().to_owned(),
            why: Why::Manual,
            title: title.to_owned(),
        };
        self.order_snapshot(record, Kind::Snapshot, order, None)
            .await
    }

    pub(super) async fn snapshots(&mut self, scope: &Scope) -> Result<(), Broken> {
        let project = self.sole_project(scope)?;
        let only = match scope.environment {
            Some(_) => Some(self.environment(scope).await?.key),
            None => None,
        };
        let name = Some(project.name.to_string());
        let mut all = self.world.recorder.snapshots(name).await.map_err(store)?;
        all.retain(|one| only.as_ref().is_none_or(|key| one.key == *key));
        let mut seen = Vec::new();
        for one in all.into_iter().take(MOST) {
            if self.may_with(Act::View, &project, &one).await.is_ok() {
                seen.push(one);
            }
        }
        for one in seen {
            self.item(Item::Snapshot(shown(one))).await?;
        }
        self.end(Exit::Ok).await
    }

    pub(super) async fn restore_snapshot(
        &mut self,
        scope: &Scope,
        id: &str,
        what: Data,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let mut against = self.rights(&[Act::Restore], &record)?;
        against.take(lives(&record))?;
        let project = self.project_of(&record)?;
        let snapshot = self.named_snapshot(&project, id).await?;
        if snapshot.key != record.key {
            // Whoever brings it down could as well take it away.
            self.may_with(Act::TakeSnapshot, &project, &snapshot)
                .await?;
        }
        against.take(self.goes_there(&project, &snapshot, &record).await)?;
        against.take(is_good(&snapshot))?;
        let target = against.and(self.release_with(&snapshot, &record, what).await)?;
        let order = SnapshotOrder::Use(snapshot.id);
        self.order_snapshot(record, Kind::Restore, order, target)
            .await
    }

    pub(super) async fn delete_snapshot(&mut self, scope: &Scope, id: &str) -> Result<(), Broken> {
        let project = self.sole_project(scope)?;
        let snapshot = self.named_snapshot(&project, id).await?;
        self.may_with(Act::DeleteSnapshot, &project, &snapshot)
            .await?;
        if snapshot.state == SnapshotState::Making {
            return Err(refusal(
                "snapshot-bad",
                format!("snapshot {} is being made", snapshot.id),
                format!("stop that with: wharf cancel {}", snapshot.id),
            ));
        }
        // What is left of an environment that is gone lies with production.
        let record = match self.recorded_environment(&snapshot.key).await? {
            Some(record) => record,
            None => self.production_of(&project).await?,
        };
        let order = SnapshotOrder::Use(snapshot.id);
        self.order_snapshot(record, Kind::SnapshotDelete, order, None)
            .await
    }

    async fn production_of(&self, project: &Project) -> Result<EnvironmentRecord, Broken> {
        let all = self.world.recorder.environments(Some(project.name.clone()));
        let mut all = all.await.map_err(store)?.into_iter();
        let found = all.find(EnvironmentRecord::production);
        found.ok_or_else(|| {
            missing("unknown-environment", "the project has no production yet")
                .hint("see which environments there are: wharf environments")
        })
    }

    /// The snapshot of that id, if they may know of it.
    async fn named_snapshot(&self, project: &Project, id: &str) -> Result<SnapshotRecord, Broken> {
        let found = self.world.recorder.snapshot(id).await.map_err(store)?;
        let found = found.filter(|one| one.key.project == project.name);
        let unknown = || {
            let shown: String = id.chars().take(32).collect();
            let message = format!("there is no snapshot `{}`", shown.escape_default());
            missing("unknown-snapshot", &message).hint("see which there are: wharf snapshot list")
        };
        let found = found.ok_or_else(unknown)?;
        let sees = self.may_with(Act::View, project, &found).await.is_ok();
        sees.then_some(found).ok_or_else(unknown)
    }

    /// Refuses what they may not do with a snapshot: as in its environment, or in what that was.
    async fn may_with(
        &self,
        act: Act,
        project: &Project,
        snapshot: &SnapshotRecord,
    ) -> Result<(), Broken> {
        let kind = self.guarded_as(project, snapshot).await?;
        self.may(act, project, snapshot.key.id.as_str(), kind)
    }

    /// The type that a snapshot's data is guarded as: the better guarded one of what its environment
    /// was and is.
    async fn guarded_as(
        &self,
        project: &Project,
        snapshot: &SnapshotRecord,
    ) -> Result<Type, Broken> {
        let was = Type::ALL
            .into_iter()
            .find(|kind| kind.as_str() == snapshot.kind);
        let was = was.unwrap_or(Type::Production);
        let record = self.recorded_environment(&snapshot.key).await?;
        let is = record.map(|record| kind_of(&self.world.settings(), project, &record));
        let mut both = [Some(was), is].into_iter().flatten();
        // From the best guarded one on.
        let all = Type::ALL.into_iter();
        let found = all
            .clone()
            .find(|kind| both.clone().any(|one| one == *kind));
        Ok(found.or_else(|| both.next()).unwrap_or(Type::Production))
    }

    fn type_of(&self, record: &EnvironmentRecord) -> Result<Type, Broken> {
        let project = self.project_of(record)?;
        Ok(kind_of(&self.world.settings(), &project, record))
    }

    /// Refuses to bring data up or beside.
    async fn goes_there(
        &self,
        project: &Project,
        snapshot: &SnapshotRecord,
        into: &EnvironmentRecord,
    ) -> Result<(), Broken> {
        let scope = Scope {
            project: Some(project.name.to_string()),
            ..Scope::default()
        };
        let tree = self.tree(&scope).await?;
        let (from, to) = (snapshot.key.id.as_str(), into.key.id.as_str());
        let is_above = || {
            let below = descendants(&tree.parents(), from);
            below.iter().any(|id| id == to)
        };
        let origin = match from == to {
            true => Origin::Itself,
            false if is_above() => Origin::Above,
            false => Origin::Elsewhere,
        };
        let kind = self.guarded_as(project, snapshot).await?;
        may_restore(origin, kind, self.type_of(into)?, &project.sanitize).map_err(|why| {
            let hint = match why {
                NotThere::Unscrubbed => {
                    why.hint().to_owned()
                }
                NotThere::Upward | NotThere::Guarded { .. } => {
                    format!("see whose it is: wharf snapshot list; the tree: wharf environments; restore it where it is from: wharf snapshot restore {} -e {from}", snapshot.id)
                }
            };
            let message = format!("snapshot {} of {from} may not go into {to}: {why}", snapshot.id);
            refusal("data-upward", message, hint)
        })
    }

    /// The release that is to serve with the data; none for the one that serves.
    async fn release_with(
        &self,
        snapshot: &SnapshotRecord,
        into: &EnvironmentRecord,
        what: Data,
    ) -> Result<Option<u32>, Broken> {
        if what == Data::Alone {
            return Ok(None);
        }
        let no = |message: String| {
            let hint = format!(
                "restore the data alone: wharf snapshot restore {} -e {}",
                snapshot.id, into.key.id
            );
            refusal("no-release", message, hint)
        };
        if snapshot.key != into.key {
            let message = format!(
                "the release of snapshot {} is of {}",
                snapshot.id, snapshot.key.id
            );
            return Err(no(message));
        }
        let Some(number) = snapshot.release else {
            return Err(no(format!("snapshot {} knows no release", snapshot.id)));
        };
        let release = self
            .world
            .recorder
            .release(&into.key, number)
            .await
            .map_err(store)?;
        let ready = release
            .filter(|one| one.state == ReleaseState::Ready && self.world.paths.has_slug(&one.slug));
        match ready {
            Some(_) => Ok(Some(number)),
            None => Err(no(format!(
                "r{number} of snapshot {} is gone from this host",
                snapshot.id
            ))),
        }
    }

    async fn order_snapshot(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        order: SnapshotOrder,
        target: Option<u32>,
    ) -> Result<(), Broken> {
        let live = match target.or(record.live) {
            Some(number) => self.world.recorder.release(&record.key, number).await,
            None => Ok(None),
        };
        let commit = live.map_err(store)?.map(|release| Commit {
            old: None,
            new: Some(release.commit),
            subject: release.subject,
            forced: false,
        });
        let commit = commit.unwrap_or_default();
        self.order_with(record, kind, commit, SlugUse::Reuse, target, Some(order))
            .await
    }
}

/// Refuses what is not good.
fn is_good(snapshot: &SnapshotRecord) -> Result<(), Broken> {
    let id = &snapshot.id;
    let message = match snapshot.state {
        SnapshotState::Good => return Ok(()),
        SnapshotState::Making => format!("snapshot {id} is being made"),
        SnapshotState::Bad => format!("snapshot {id} is bad: {}", snapshot.error),
        SnapshotState::Deleting => format!("snapshot {id} is being deleted"),
    };
    let hint = format!(
        "see which are good: wharf snapshot list -e {}",
        snapshot.key.id
    );
    Err(refusal("snapshot-bad", message, hint))
}

fn shown(record: SnapshotRecord) -> Snapshot {
    let parts = record.parts.into_iter().map(|part| Part {
        name: part.name,
        bytes: part.bytes,
    });
    Snapshot {
        id: record.id,
        project: record.key.project.to_string(),
        environment: record.key.id.to_string(),
        state: record.state.word().to_owned(),
        why: record.why.word().to_owned(),
        title: record.title,
        release: record.release,
        commit: record.commit,
        parts: parts.collect(),
        bytes: record.bytes,
        added: record.added,
        created: record.created,
        verified: record.verified,
        error: Some(record.error).filter(|error| !error.is_empty()),
    }
}
