//! What is to be done: roll back, redeploy, cancel.

use wharf_config::project::Kind as Type;
use wharf_wire::ask::{Scope, SlugUse};
use wharf_wire::event::Event as LogEvent;
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::view::Commit;
use wharf_wire::{FromDaemon, Refusal};

use super::super::peer::Broken;
use super::super::scope::missing;
use super::super::{Session, host};
use super::standing::lives;
use super::store;
use crate::dispatch::Event;
use crate::execute::tip;
use crate::plan::options::When;
use crate::plan::rights::Act;
use crate::report;
use crate::store::activity::NewActivity;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseState;
use crate::store::snapshot::SnapshotOrder;

impl Session {
    pub(super) async fn roll_back(
        &mut self,
        scope: &Scope,
        release: Option<u32>,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let against = self.rights(&[Act::RollBack], &record)?;
        against.and(lives(&record))?;
        let releases = self
            .world
            .recorder
            .releases(&record.key)
            .await
            .map_err(store)?;
        let offered = |number: u32| Some(number) != record.live;
        let ready = releases
            .iter()
            .filter(|release| release.state == ReleaseState::Ready);
        let mut ready = ready
            .map(|release| release.number)
            .filter(|number| offered(*number));
        let target = match release {
            Some(wanted) => ready.find(|number| *number == wanted),
            // Newest first: the last one before the serving one.
            None => ready.find(|number| record.live.is_none_or(|live| *number < live)),
        };
        let Some(target) = target else {
            let known = |wanted| releases.iter().any(|release| release.number == wanted);
            let (message, exit) = match release {
                Some(wanted) if !known(wanted) => {
                    let message = format!("{} has no release r{wanted}", record.key.id);
                    (message, Exit::NotFound)
                }
                Some(wanted) if Some(wanted) == record.live => {
                    let message = format!("{} serves r{wanted} already", record.key.id);
                    (message, Exit::Refused)
                }
                Some(wanted) => {
                    let message = format!("r{wanted} cannot serve {}", record.key.id);
                    (message, Exit::Refused)
                }
                None => {
                    let message = format!("{} has no earlier release that served", record.key.id);
                    (message, Exit::Refused)
                }
            };
            return Err(Broken::Refused(Refusal {
                code: "no-release".into(),
                message,
                hint: Some(format!(
                    "see which can: wharf releases -e {}",
                    record.key.id
                )),
                exit,
            }));
        };
        let commit = releases.iter().find(|release| release.number == target);
        let commit = commit.map(|release| Commit {
            old: None,
            new: Some(release.commit.clone()),
            subject: release.subject.clone(),
            forced: false,
        });
        let commit = commit.unwrap_or_default();
        self.order(record, Kind::Rollback, commit, SlugUse::Reuse, Some(target))
            .await
    }

    pub(super) async fn redeploy(
        &mut self,
        scope: &Scope,
        slug: SlugUse,
        now: bool,
    ) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let when = When::of(now);
        let acts: &[Act] = match when {
            When::Now => &[Act::Redeploy, Act::Now],
            When::InWindow => &[Act::Redeploy],
        };
        let mut against = self.rights(acts, &record)?;
        against.take(lives(&record))?;
        let commit = against.and(self.tip_of(&record).await)?;
        self.order_at(record, Kind::Redeploy, commit, slug, None, when)
            .await
    }

    /// The branch's tip, which there is room to deploy.
    pub(super) async fn tip_of(&mut self, record: &EnvironmentRecord) -> Result<Commit, Broken> {
        let project = self.project_of(record)?;
        self.need_room(&project.repository).await?;
        let branch = record.branch.clone();
        let commit = tokio::task::spawn_blocking(move || tip::read(&project.repository, &branch))
            .await
            .map_err(|error| host(error.to_string()))?;
        commit.ok_or_else(|| {
            missing(
                "no-commit",
                &format!("branch {} has no tip to deploy", record.branch),
            )
            .hint("push it again")
        })
    }

    pub(super) async fn order(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        commit: Commit,
        slug: SlugUse,
        target: Option<u32>,
    ) -> Result<(), Broken> {
        self.order_with(record, kind, commit, slug, target, None)
            .await
    }

    /// The same for what has to do with a snapshot.
    pub(super) async fn order_with(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        commit: Commit,
        slug: SlugUse,
        target: Option<u32>,
        snapshot: Option<SnapshotOrder>,
    ) -> Result<(), Broken> {
        let mut activity = self.new_activity(record, kind, commit, slug, target)?;
        activity.snapshot = snapshot.map(Box::new);
        self.order_new(activity).await
    }

    async fn order_at(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        commit: Commit,
        slug: SlugUse,
        target: Option<u32>,
        when: When,
    ) -> Result<(), Broken> {
        let mut activity = self.new_activity(record, kind, commit, slug, target)?;
        activity.now = when == When::Now;
        self.order_new(activity).await
    }

    pub(super) fn new_activity(
        &self,
        record: EnvironmentRecord,
        kind: Kind,
        commit: Commit,
        slug: SlugUse,
        target: Option<u32>,
    ) -> Result<NewActivity, Broken> {
        let project = self.project_of(&record)?;
        Ok(NewActivity {
            production: record.kind == Type::Production.as_str(),
            key: record.key,
            branch: record.branch,
            kind,
            actor: self.actor(&project),
            commit,
            // Neither moves a branch: what a bell recorded meanwhile stays.
            environment: None,
            rebuild: slug == SlugUse::Rebuild,
            now: false,
            target,
            source: None,
            renames: None,
            variable: None,
            imported: None,
            snapshot: None,
        })
    }

    pub(super) async fn order_new(&mut self, activity: NewActivity) -> Result<(), Broken> {
        let ids = self.queue(activity).await?;
        self.watch_queued(ids).await
    }

    /// Tells what was recorded, and what comes of it.
    pub(super) async fn watch_queued(&mut self, ids: Vec<String>) -> Result<(), Broken> {
        let activities = ids.clone();
        self.peer.send(&FromDaemon::Queued { activities }).await?;
        self.follow(&ids, vec![]).await
    }

    /// Records it, where there is room in the queue.
    pub(super) async fn queue(&mut self, activity: NewActivity) -> Result<Vec<String>, Broken> {
        let key = &activity.key;
        let (project, environment) = (key.project.to_string(), key.id.to_string());
        let kind = activity.kind;
        let room = self
            .desk
            .ask(|reply| Event::Room {
                project,
                environments: vec![environment],
                kind,
                reply,
            })
            .await;
        if let Some(Err(full)) = room {
            return Err(Broken::Refused(Refusal {
                code: "queue-full".into(),
                message: full.to_string(),
                hint: Some("see what waits: wharf activities; wharf cancel ID makes room".into()),
                exit: Exit::Refused,
            }));
        }
        self.ordered(vec![activity]).await
    }

    pub(super) async fn cancel(&mut self, activity: String) -> Result<(), Broken> {
        let id = self.meant(Some(activity), &Scope::default()).await?;
        let mut by = self.account.actor().name;
        if let Some(task) = self.world.recorder.task(&id).await.map_err(store)? {
            match self.recorded_environment(&task.key).await? {
                Some(record) => self.may_in(Act::Cancel, &record)?,
                // A check of a new branch has none yet.
                None => self.may_on(Act::Cancel, &task.key, &task.branch)?,
            }
            let settings = self.world.settings();
            if let Some(project) = settings.projects.get(&task.key.project) {
                by = self.actor(project).name;
            }
        }
        let wanted = id.clone();
        let found = self
            .desk
            .ask(|reply| Event::Cancel {
                activity: wanted,
                by,
                reply,
            })
            .await
            .unwrap_or_default();
        if !found {
            return Err(Broken::Refused(Refusal {
                code: "ended".into(),
                message: format!("{id} has ended already"),
                hint: Some(format!("see how: wharf log {id}")),
                exit: Exit::Refused,
            }));
        }
        // Its log ends when all of it is gone.
        let mut log = self
            .world
            .logs
            .follow(&id)
            .await
            .map_err(|error| host(error.to_string()))?;
        let broken = |error: std::io::Error| host(error.to_string());
        while let Some(entry) = self.next_of(&mut log).await?.map_err(broken)? {
            if let LogEvent::Ended(_) = &entry.event {
                self.peer.lines(report::lines(&entry.event, "")).await?;
            }
        }
        self.end(Exit::Ok).await
    }
}
