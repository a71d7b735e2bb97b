//! What is there: status, projects, environments, activities, releases.

use wharf_config::project::{Kind as Type, Project};
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;
use wharf_wire::view::{self, Item, Reason};

use super::super::Session;
use super::super::peer::Broken;
use super::overview::waiting_for_redeploy;
use super::{count, store};
use crate::dispatch::Event;
use crate::execute::route;
use crate::plan::limits::Status;
use crate::plan::queue::Ticket;
use crate::plan::rights::Act;
use crate::store::environment::EnvironmentRecord;
use crate::store::release::ReleaseState;

/// Environments with pending variables in one answer, at most.
const PENDING: usize = 50;
/// Activities in one answer, at most.
const MOST: u32 = 1_000;

impl Session {
    pub(super) async fn status(&mut self) -> Result<(), Broken> {
        let work = self.desk.ask(|reply| Event::Work { reply }).await;
        let work = work.unwrap_or_default();
        let recorder = &self.world.recorder;
        let mut environments = recorder.overview(None).await.map_err(store)?;
        let set = recorder.all_variables(None).await.map_err(store)?;
        let settings = self.world.settings();
        let (waiting, running, projects) = {
            let mut eyes = self.eyes();
            let known = eyes.known(environments.iter().map(|one| &one.record));
            environments.retain(|one| eyes.see(&one.record));
            let mut seen = |tickets: &[Ticket]| {
                let seen = tickets.iter().filter(|one| eyes.see_work(one, &known));
                count(seen.count())
            };
            let (waiting, running) = (seen(&work.waiting), seen(&work.running));
            let all = settings.projects.keys();
            let projects = all.filter(|name| eyes.see_project(name)).count();
            (waiting, running, count(projects))
        };
        let router = self.world.router.status().await;
        let are = |status: Status| {
            let all = environments.iter();
            count(all.filter(|one| one.record.status() == status).count())
        };
        let mut pending = waiting_for_redeploy(&environments, &set);
        let pending_left_out = count(pending.len().saturating_sub(PENDING));
        pending.truncate(PENDING);
        let status = view::Status {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_seconds: self.since.elapsed().as_secs(),
            router: router
                .as_ref()
                .map_or(None, |standing| standing.listen)
                .unwrap_or(settings.host.listen)
                .to_string(),
            router_up: router.is_ok_and(|standing| standing.listen.is_some()),
            state: self.world.paths.state().display().to_string(),
            waiting,
            running,
            projects,
            environments: count(environments.len()),
            active: are(Status::Active),
            paused: are(Status::Paused),
            inactive: are(Status::Inactive),
            pending,
            pending_left_out,
        };
        self.item(Item::Status(status)).await?;
        self.end(Exit::Ok).await
    }

    pub(super) async fn projects(&mut self) -> Result<(), Broken> {
        let environments = self
            .world
            .recorder
            .environments(None)
            .await
            .map_err(store)?;
        let settings = self.world.settings();
        let seen: Vec<_> = {
            let mut eyes = self.eyes();
            let seen = environments.iter().filter(|record| eyes.see(record));
            let seen: Vec<_> = seen.map(|record| &record.key.project).collect();
            let own = |project: &Project| seen.iter().filter(|of| **of == &project.name).count();
            let all = settings.projects.values();
            all.filter(|project| eyes.see_project(&project.name))
                .map(|project| (project, own(project)))
                .collect()
        };
        for (project, own) in seen {
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

    /// Where an environment answers.
    pub(in crate::session) fn url_of(&self, record: &EnvironmentRecord) -> Option<String> {
        if let Some(route) = route::read(&self.world.paths, &record.key) {
            return Some(route.url);
        }
        self.address_of(record)
    }

    /// The same by its project's rules, without asking the disk.
    pub(in crate::session) fn address_of(&self, record: &EnvironmentRecord) -> Option<String> {
        let settings = self.world.settings();
        let project = settings.projects.get(&record.key.project)?;
        let default = (record.kind == Type::Production.as_str()).then_some(&record.branch);
        let mut environment = settings.environment(project, &record.branch, default);
        environment.id.clone_from(&record.key.id);
        let hosts = settings.hosts(project, &environment);
        Some(self.world.url(hosts.first()?))
    }

    pub(super) async fn activities(&mut self, scope: &Scope, limit: u32) -> Result<(), Broken> {
        let (project, key) = self.filter(scope).await?;
        let activities = self
            .world
            .recorder
            .activities(
                project.map(|project| project.to_string()),
                key.map(|key| key.id.to_string()),
                self.reach(limit.min(MOST), MOST),
            )
            .await
            .map_err(store)?;
        let records = self.origins(&activities).await?;
        let seen: Vec<_> = {
            let mut eyes = self.eyes();
            let known = eyes.known(&records);
            let mut seen = activities;
            seen.retain(|one| eyes.see_activity(one));
            seen.truncate(limit.min(MOST) as usize);
            let seen = seen.into_iter();
            seen.map(|one| eyes.shown(one, &known)).collect()
        };
        let places = self.desk.ask(|reply| Event::Places { reply }).await;
        let places = places.unwrap_or_default();
        for mut activity in seen {
            if let Some(place) = places.get(&activity.id) {
                activity.reason = Some(Reason {
                    code: "waiting".into(),
                    message: place.to_string(),
                    hint: None,
                });
            }
            self.item(Item::Activity(activity)).await?;
        }
        self.end(Exit::Ok).await
    }

    pub(super) async fn releases(&mut self, scope: &Scope) -> Result<(), Broken> {
        let record = self.environment(scope).await?;
        self.may_in(Act::View, &record)?;
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
}
