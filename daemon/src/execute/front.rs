//! What visitors meet of an environment whatever serves there: its names, its address, its doors.
//! A reload may change it while the release stays.

use std::collections::BTreeMap;

use wharf_config::name::{BranchName, EnvironmentId, ProjectName};
use wharf_config::project::{Access, Environment, Kind, Project};
use wharf_wire::route::{self, Route};

use super::failure::Failure;
use super::world::World;
use super::{grant, refs};
use crate::plan::access;
use crate::settings::{self, Settings};
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};

/// How far up a tree is looked. Policy knows no circle, but a chosen parent may make one.
const HIGHEST: usize = 64;

/// What a route says beside where its requests go.
#[derive(Debug)]
pub(super) struct Front {
    hosts: Vec<String>,
    /// None while nobody knows the router's port.
    url: Option<String>,
    noindex: bool,
    access: route::Access,
}

impl Front {
    /// As the settings are now; none where the project or the environment is gone from them.
    ///
    /// # Errors
    /// When the record cannot be read, or the key of its links not be recorded.
    pub(super) async fn of(
        world: &World,
        key: &EnvironmentKey,
        heads: &mut Heads,
    ) -> Result<Option<Front>, Failure> {
        let settings = world.settings();
        let Some(project) = settings.projects.get(&key.project) else {
            return Ok(None);
        };
        let Some(record) = world.recorder.environment(key).await? else {
            return Ok(None);
        };
        let default = heads.of(project);
        let tree = Tree {
            world,
            settings: &settings,
            project,
            default,
        };
        let mut environment = tree.rule(&record.branch);
        // The record's word: the rule's may be another branch's.
        environment.id = key.id.clone();
        let hosts = settings.hosts(project, &environment);
        let port = world.router.port();
        let mut names = settings.host.previews.clone();
        names.extend(project.previews.clone());
        let said = tree.said(record, &environment).await?;
        Ok(Some(Front {
            url: (port != 0).then(|| settings::url(&hosts[0], port)),
            noindex: environment.kind != Kind::Production,
            access: route::Access {
                who: access::who(environment.kind, said, &hosts, names),
                key: Some(grant::public_key(world, key).await?),
                proxies: settings.host.proxies.clone(),
            },
            hosts,
        }))
    }

    /// Gives a route this front; says whether that changed it.
    pub(super) fn put_on(self, route: &mut Route) -> bool {
        let front = |route: &Route| {
            let access = route.access.clone();
            (
                route.hosts.clone(),
                route.url.clone(),
                route.noindex,
                access,
            )
        };
        let before = front(route);
        route.hosts = self.hosts;
        route.url = self.url.unwrap_or(std::mem::take(&mut route.url));
        route.noindex = self.noindex;
        route.access = self.access;
        front(route) != before
    }
}

/// The default branches of projects, each read once.
#[derive(Debug, Default)]
pub(super) struct Heads(BTreeMap<ProjectName, Option<BranchName>>);

impl Heads {
    fn of(&mut self, project: &Project) -> Option<BranchName> {
        let read = || tokio::task::block_in_place(|| refs::head(&project.repository));
        let head = self.0.entry(project.name.clone());
        head.or_insert_with(read).clone()
    }
}

/// A project's environments, as rules and records have them.
struct Tree<'a> {
    world: &'a World,
    settings: &'a Settings,
    project: &'a Project,
    default: Option<BranchName>,
}

impl Tree<'_> {
    fn rule(&self, branch: &BranchName) -> Environment {
        self.settings
            .environment(self.project, branch, self.default.as_ref())
    }

    /// What the operator said of who may look: of the environment itself, else of the next above it
    /// that hands something down.
    async fn said(
        &self,
        record: EnvironmentRecord,
        environment: &Environment,
    ) -> Result<Option<Access>, Failure> {
        if let Some(said) = &environment.policy.access {
            return Ok(Some(said.clone()));
        }
        let mut parent = parent(Some(&record), environment);
        for _ in 0..HIGHEST {
            let Some(id) = parent else { return Ok(None) };
            let key = EnvironmentKey {
                project: self.project.name.clone(),
                id,
            };
            let record = self.world.recorder.environment(&key).await?;
            let branch = match &record {
                Some(record) => Some(&record.branch),
                None => self.ruled(&key.id),
            };
            let Some(branch) = branch else {
                return Ok(None);
            };
            let above = self.rule(branch);
            let down = access::handed_down(above.kind, above.policy.access.as_ref());
            if down.is_some() {
                return Ok(down);
            }
            parent = self::parent(record.as_ref(), &above);
        }
        Ok(None)
    }

    /// The branch of an environment that the rules name and nobody has pushed yet.
    fn ruled(&self, id: &EnvironmentId) -> Option<&BranchName> {
        let declared = self.project.environments.iter().map(|one| &one.branch);
        declared
            .chain(&self.default)
            .find(|branch| EnvironmentId::from_branch(branch) == *id)
    }
}

/// The parent that somebody chose, else the rule's.
fn parent(record: Option<&EnvironmentRecord>, environment: &Environment) -> Option<EnvironmentId> {
    let chosen = record.and_then(|record| record.chosen_parent.as_deref());
    let chosen = chosen.and_then(|id| EnvironmentId::parse(id).ok());
    chosen.or_else(|| environment.parent.clone())
}
