//! What people ask and command.

use std::collections::HashMap;

use tokio::io::AsyncReadExt;
use wharf_config::project::Kind as Type;
use wharf_wire::ask::{Ask, LogForm, Scope, SlugUse};
use wharf_wire::outcome::{Exit, Kind};
use wharf_wire::view::{self, Commit, Item};
use wharf_wire::{FromDaemon, Refusal};

use super::peer::Broken;
use super::scope::missing;
use super::{Session, host};
use crate::dispatch::{Condition, Event};
use crate::execute::failure::chain;
use crate::execute::{repository, route, source};
use crate::report;
use crate::settings;
use crate::store::activity::NewActivity;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};
use crate::store::release::ReleaseState;

/// Bytes of raw output in one frame: as JSON each may take four.
const RAW: usize = 12 * 1024;
/// Activities in one answer, at most.
const MOST: u32 = 1_000;

impl Session {
    pub(super) async fn answer(&mut self, ask: Ask) -> Result<(), Broken> {
        match ask {
            Ask::Status => self.status().await,
            Ask::Projects => self.projects().await,
            Ask::Environments(scope) => self.environments(&scope).await,
            Ask::Activities { scope, limit } => self.activities(&scope, limit).await,
            Ask::Releases(scope) => self.releases(&scope).await,
            Ask::Log {
                activity,
                scope,
                follow,
                form,
            } => {
                let id = self.meant(activity, &scope).await?;
                match form {
                    LogForm::Text => self.log(&id, follow, false).await,
                    LogForm::Events => self.log(&id, follow, true).await,
                    LogForm::Raw => self.raw(&self.world.paths.raw(&id)).await,
                }
            }
            Ask::AppLog { scope } => self.app_log(&scope).await,
            Ask::Rollback { scope, release } => self.roll_back(&scope, release).await,
            Ask::Redeploy { scope, slug } => self.redeploy(&scope, slug).await,
            Ask::Cancel { activity } => self.cancel(activity).await,
            Ask::Reload => self.reload().await,
            Ask::Doctor => self.doctor().await,
        }
    }

    async fn item(&mut self, item: Item) -> Result<(), Broken> {
        self.peer.send(&FromDaemon::Item(Box::new(item))).await
    }

    async fn status(&mut self) -> Result<(), Broken> {
        let (waiting, running) = self
            .desk
            .ask(|reply| Event::Counts { reply })
            .await
            .unwrap_or_default();
        let environments = self
            .world
            .recorder
            .environments(None)
            .await
            .map_err(store)?;
        let settings = self.world.settings();
        let router = self.world.router.status().await;
        let status = view::Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_seconds: self.since.elapsed().as_secs(),
            router: router.as_ref().map_or_else(
                |_| settings.host.listen.to_string(),
                |(_, at)| at.to_string(),
            ),
            router_up: router.is_ok(),
            state: self.world.paths.state().display().to_string(),
            waiting: count(waiting),
            running: count(running),
            projects: count(settings.projects.len()),
            environments: count(environments.len()),
        };
        self.item(Item::Status(status)).await?;
        self.end(Exit::Ok).await
    }

    async fn projects(&mut self) -> Result<(), Broken> {
        let environments = self
            .world
            .recorder
            .environments(None)
            .await
            .map_err(store)?;
        let settings = self.world.settings();
        for project in settings.projects.values() {
            let own = environments
                .iter()
                .filter(|e| e.key.project == project.name)
                .count();
            let domain = match (&project.domain, &settings.host.domain) {
                (Some(domain), _) => domain.to_string(),
                (None, Some(domain)) => format!("{}.{domain}", project.name),
                (None, None) => format!("{}.localhost", project.name),
            };
            self.item(Item::Project(view::Project {
                name: project.name.to_string(),
                repository: project.repository.display().to_string(),
                domain,
                environments: count(own),
            }))
            .await?;
        }
        self.end(Exit::Ok).await
    }

    async fn environments(&mut self, scope: &Scope) -> Result<(), Broken> {
        let project = self.project(scope)?.map(|project| project.name);
        let records = self
            .world
            .recorder
            .environments(project)
            .await
            .map_err(store)?;
        let conditions = self
            .desk
            .ask(|reply| Event::Health { reply })
            .await
            .unwrap_or_default();
        for record in parents_first(records) {
            if let Some(wanted) = &scope.environment
                && record.key.id.as_str() != wanted
                && record.branch.as_str() != wanted
            {
                continue;
            }
            let view = self.environment_view(record, &conditions).await?;
            self.item(Item::Environment(view)).await?;
        }
        self.end(Exit::Ok).await
    }

    async fn environment_view(
        &mut self,
        record: EnvironmentRecord,
        conditions: &HashMap<EnvironmentKey, Condition>,
    ) -> Result<view::Environment, Broken> {
        let recorder = &self.world.recorder;
        let key = &record.key;
        let newest = recorder
            .activities(Some(key.project.to_string()), Some(key.id.to_string()), 1)
            .await
            .map_err(store)?;
        let release = match record.live {
            Some(live) => recorder.release(key, live).await.map_err(store)?,
            None => None,
        };
        let health = match (&release, conditions.get(key)) {
            (None, _) => "none".to_owned(),
            (Some(release), _)
                if release.application.web.is_none() && release.application.workers.is_empty() =>
            {
                "static".to_owned()
            }
            (Some(_), None) => "starting".to_owned(),
            (Some(_), Some(condition)) if !condition.trouble.is_empty() => {
                condition.trouble.join("; ")
            }
            (Some(_), Some(Condition { restarts: 0, .. })) => "healthy".to_owned(),
            (Some(_), Some(condition)) => {
                format!("healthy, restarted {} times", condition.restarts)
            }
        };
        let url = record.live.and_then(|_| self.url_of(&record));
        Ok(view::Environment {
            project: key.project.to_string(),
            id: key.id.to_string(),
            branch: record.branch.to_string(),
            kind: record.kind.clone(),
            parent: record.parent.clone(),
            status: record.status.clone(),
            release: record.live,
            commit: release.as_ref().map(|release| release.commit.clone()),
            at_tip: release.as_ref().map(|release| &release.commit) == record.tip.as_ref(),
            health,
            url,
            activity: newest.into_iter().next(),
        })
    }

    fn url_of(&self, record: &EnvironmentRecord) -> Option<String> {
        if let Some(route) = route::read(&self.world.paths, &record.key) {
            return Some(route.url);
        }
        let settings = self.world.settings();
        let project = settings.projects.get(&record.key.project)?;
        let default = (record.kind == Type::Production.as_str()).then_some(&record.branch);
        let environment = settings.environment(project, &record.branch, default);
        let hosts = settings.hosts(project, &environment);
        Some(settings::url(hosts.first()?, self.world.router.port()))
    }

    async fn activities(&mut self, scope: &Scope, limit: u32) -> Result<(), Broken> {
        let (project, key) = self.filter(scope).await?;
        let activities = self
            .world
            .recorder
            .activities(
                project.map(|project| project.to_string()),
                key.map(|key| key.id.to_string()),
                limit.min(MOST),
            )
            .await
            .map_err(store)?;
        for activity in activities {
            self.item(Item::Activity(activity)).await?;
        }
        self.end(Exit::Ok).await
    }

    async fn releases(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let releases = self
            .world
            .recorder
            .releases(&record.key)
            .await
            .map_err(store)?;
        for release in releases {
            let live = Some(release.number) == record.live;
            let view = view::Release {
                number: release.number,
                commit: release.commit,
                subject: release.subject,
                slug: release.slug.chars().take(6).collect(),
                live,
                offered: release.state == ReleaseState::Ready && !live,
                state: release.state.word().to_owned(),
                activity: release.activity,
                created: release.created,
            };
            self.item(Item::Release(view)).await?;
        }
        self.end(Exit::Ok).await
    }

    /// The activity that is meant: by its id, or the newest of the scope.
    async fn meant(&self, activity: Option<String>, scope: &Scope) -> Result<String, Broken> {
        let recorder = &self.world.recorder;
        if let Some(id) = activity {
            let shown: String = id.chars().take(20).collect();
            let found = recorder.activity(&id).await.map_err(store)?;
            return found.map(|activity| activity.id).ok_or_else(|| {
                missing(
                    "unknown-activity",
                    &format!("there is no activity `{shown}`"),
                )
                .hint("see which there are: wharf activities")
            });
        }
        let (project, key) = self.filter(scope).await?;
        let project = project.map(|project| project.to_string());
        let environment = key.map(|key| key.id.to_string());
        let newest = recorder
            .activities(project, environment, 1)
            .await
            .map_err(store)?;
        newest
            .into_iter()
            .next()
            .map(|activity| activity.id)
            .ok_or_else(|| {
                missing("unknown-activity", "there is no activity yet").hint("push a branch")
            })
    }

    async fn raw(&mut self, path: &std::path::Path) -> Result<(), Broken> {
        match tokio::fs::File::open(path).await {
            Ok(mut file) => {
                let mut buffer = vec![0; RAW];
                loop {
                    let read = file.read(&mut buffer).await;
                    match read.map_err(|error| host(error.to_string()))? {
                        0 => break,
                        n => {
                            self.peer
                                .send(&FromDaemon::Raw(buffer[..n].to_vec()))
                                .await?
                        }
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(host(error.to_string())),
        }
        self.end(Exit::Ok).await
    }

    async fn app_log(&mut self, scope: &Scope) -> Result<(), Broken> {
        let key = self.environment(scope).await?.key;
        let processes = self.world.recorder.processes().await.map_err(store)?;
        for process in processes.into_iter().filter(|process| process.key == key) {
            let path = self.world.paths.output(&process.instance);
            let tail = crate::disk::read_tail(&path, 1 << 20).unwrap_or_default();
            let header = format!("--- {} of r{} ---\n", process.name, process.release);
            for chunk in std::iter::once(header.as_bytes()).chain(tail.chunks(RAW)) {
                self.peer.send(&FromDaemon::Raw(chunk.to_vec())).await?;
            }
        }
        self.end(Exit::Ok).await
    }

    async fn roll_back(&mut self, scope: &Scope, release: Option<u32>) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
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
            let message = match release {
                Some(wanted) => format!("r{wanted} cannot serve {}", record.key.id),
                None => format!("{} has no earlier release that served", record.key.id),
            };
            return Err(Broken::Refused(Refusal {
                code: "no-release".into(),
                message,
                hint: Some(format!(
                    "see which can: wharf releases -e {}",
                    record.key.id
                )),
                exit: Exit::Refused,
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

    async fn redeploy(&mut self, scope: &Scope, slug: SlugUse) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        let settings = self.world.settings();
        let project = settings.projects.get(&record.key.project).cloned();
        let project = project.ok_or_else(|| missing("unknown-project", "its project is gone"))?;
        let branch = format!("refs/heads/{}", record.branch);
        let commit = tokio::task::spawn_blocking(move || {
            let tip = repository::tips(&project.repository)
                .ok()?
                .into_iter()
                .find(|tip| tip.name == branch.as_bytes())?;
            let subject = repository::subject(&project.repository, &tip.commit).ok()?;
            Some(Commit {
                old: None,
                new: Some(tip.commit),
                subject,
                forced: false,
            })
        })
        .await
        .map_err(|error| host(error.to_string()))?;
        let commit = commit.ok_or_else(|| {
            missing(
                "no-commit",
                &format!("branch {} has no tip to deploy", record.branch),
            )
            .hint("push it again")
        })?;
        self.order(record, Kind::Redeploy, commit, slug, None).await
    }

    async fn order(
        &mut self,
        record: EnvironmentRecord,
        kind: Kind,
        commit: Commit,
        slug: SlugUse,
        target: Option<u32>,
    ) -> Result<(), Broken> {
        let activity = NewActivity {
            key: record.key.clone(),
            branch: record.branch.clone(),
            kind,
            actor: self.actor.clone(),
            commit: commit.clone(),
            environment: (kind == Kind::Redeploy).then_some(EnvironmentRecord {
                tip: commit.new,
                ..record
            }),
            rebuild: slug == SlugUse::Rebuild,
            target,
        };
        let ids = self
            .desk
            .ask(|reply| Event::Order {
                activities: vec![activity],
                reply,
            })
            .await
            .ok_or_else(|| host("the daemon is stopping".into()))?
            .map_err(Broken::Refused)?;
        self.peer
            .send(&FromDaemon::Queued {
                activities: ids.clone(),
            })
            .await?;
        self.follow(&ids).await
    }

    async fn cancel(&mut self, activity: String) -> Result<(), Broken> {
        let id = self.meant(Some(activity), &Scope::default()).await?;
        let by = self.actor.name.clone();
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
        while let Some(entry) = log.next().await.map_err(|error| host(error.to_string()))? {
            if let wharf_wire::event::Event::Ended(_) = &entry.event {
                self.peer.lines(report::lines(&entry.event, "")).await?;
            }
        }
        self.end(Exit::Ok).await
    }

    async fn reload(&mut self) -> Result<(), Broken> {
        let told = self.desk.ask(|reply| Event::Reload { reply }).await;
        match told.ok_or_else(|| host("the daemon is stopping".into()))? {
            Ok(projects) => {
                let mut lines = vec![format!("read again: {projects} projects")];
                let settings = self.world.settings();
                for (file, problems) in &settings.broken {
                    lines.push(format!("warning: {} is left out:", file.display()));
                    lines.extend(problems.render(report::WIDTH).lines().map(str::to_owned));
                }
                let exit = if settings.broken.is_empty() {
                    Exit::Ok
                } else {
                    Exit::Failed
                };
                self.peer.lines(lines).await?;
                self.end(exit).await
            }
            Err(problems) => {
                let mut lines: Vec<String> = problems
                    .render(report::WIDTH)
                    .lines()
                    .map(str::to_owned)
                    .collect();
                lines.push("the old configuration stays.".into());
                self.peer.lines(lines).await?;
                self.end(Exit::Failed).await
            }
        }
    }

    async fn doctor(&mut self) -> Result<(), Broken> {
        let mut findings = Vec::new();
        let settings = self.world.settings();
        let finding = |severity, code: &str, message: String, hint: Option<&str>| view::Finding {
            severity,
            code: code.into(),
            message,
            hint: hint.map(str::to_owned),
        };
        match self.world.router.status().await {
            Ok((pid, at)) => findings.push(finding(
                view::Severity::Good,
                "router",
                format!("the router serves on {at} (pid {pid})"),
                None,
            )),
            Err(error) => findings.push(finding(
                view::Severity::Error,
                "router",
                chain(&error),
                Some("see router.log in the state directory; is its port taken?"),
            )),
        }
        for (file, problems) in &settings.broken {
            findings.push(finding(
                view::Severity::Error,
                "project-broken",
                format!("{}: {}", file.display(), problems.first().message),
                Some("mend the file, then: wharf reload"),
            ));
        }
        for project in settings.projects.values() {
            if source::head(&project.repository).is_none() {
                findings.push(finding(
                    view::Severity::Error,
                    "repository-unreadable",
                    format!(
                        "{}: {} cannot be read",
                        project.name,
                        project.repository.display()
                    ),
                    Some("it must be a bare repository that the daemon's user may read"),
                ));
            }
        }
        match crate::disk::free_space(&self.world.paths.state()) {
            Ok(free) if free.bytes < settings.host.keep_min_free => findings.push(finding(
                view::Severity::Error,
                "disk",
                format!("only {} MiB are free for the state", free.bytes >> 20),
                Some("make room, or lower keep.min_free"),
            )),
            Ok(free) => findings.push(finding(
                view::Severity::Good,
                "disk",
                format!("{} MiB are free for the state", free.bytes >> 20),
                None,
            )),
            Err(error) => {
                findings.push(finding(view::Severity::Error, "disk", chain(&error), None))
            }
        }
        findings.push(finding(
            view::Severity::Warning,
            "isolation",
            "applications share one user: bubblewrap alone keeps them apart".into(),
            Some("expected without systemd; a later release gives each a user of its own"),
        ));
        for finding in findings {
            self.item(Item::Finding(finding)).await?;
        }
        self.end(Exit::Ok).await
    }
}

fn store(error: crate::store::StoreError) -> Broken {
    host(chain(&error))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Parents before children, each project's production first.
fn parents_first(records: Vec<EnvironmentRecord>) -> Vec<EnvironmentRecord> {
    let mut rest = records;
    let mut ordered: Vec<EnvironmentRecord> = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let known = |record: &EnvironmentRecord, among: &[EnvironmentRecord]| {
            among.iter().any(|other| {
                other.key.project == record.key.project
                    && Some(other.key.id.as_str()) == record.parent.as_deref()
            })
        };
        let (ready, waiting): (Vec<_>, Vec<_>) = rest
            .iter()
            .cloned()
            .partition(|record| !known(record, &rest));
        if ready.is_empty() {
            // A circle, which policy forbids: shown all the same.
            ordered.extend(waiting);
            break;
        }
        ordered.extend(ready);
        rest = waiting;
    }
    ordered.sort_by(|a, b| a.key.project.cmp(&b.key.project));
    ordered
}
