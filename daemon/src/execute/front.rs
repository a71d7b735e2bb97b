//! What visitors meet of an environment whatever serves there: its names, its address, its doors.
//! A reload may change it while the release stays.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use wharf_config::name::{BranchName, EnvironmentId, ProjectName};
use wharf_config::project::{Access, Environment, Kind, Project};
use wharf_wire::route::{self, Route};

use super::failure::Failure;
use super::grant;
use super::maintenance::Wanted;
use super::refs::Defaults;
use super::world::World;
use crate::plan::access;
use crate::settings::{Ports, Settings};
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};

/// How far up a tree is looked. Policy knows no circle, but a chosen parent may make one.
const HIGHEST: usize = 64;

/// What a route says beside where its requests go.
#[derive(Debug)]
pub(super) struct Front {
    hosts: Vec<String>,
    /// None while nobody knows the router's port.
    url: Option<String>,
    kind: route::Kind,
    noindex: bool,
    access: route::Access,
    /// Whether somebody keeps visitors away.
    switched: bool,
    /// Whom that does not concern.
    operators: Vec<IpNet>,
}

impl Front {
    /// As the settings are now; none where the project or the environment is gone from them.
    ///
    /// # Errors
    /// When the record cannot be read, or the key of its links not be recorded.
    pub(super) async fn of(
        world: &World,
        key: &EnvironmentKey,
        defaults: &mut Defaults,
    ) -> Result<Option<Front>, Failure> {
        let settings = world.settings();
        let Some(project) = settings.projects.get(&key.project) else {
            return Ok(None);
        };
        let Some(record) = world.recorder.environment(key).await? else {
            return Ok(None);
        };
        let tree = Tree {
            records: Records::Asked(world),
            settings: &settings,
            project,
            default: defaults.of(project),
        };
        let public = grant::public_key(world, key).await?;
        let front = tree.front(record, world.ports(), Some(public));
        Ok(Some(front.await?))
    }

    /// What is to become of its maintenance.
    pub(super) fn maintenance(&self) -> Wanted {
        Wanted {
            switched: self.switched,
            pass: self.operators.clone(),
        }
    }

    /// Gives a route this front; says whether that changed it.
    pub(super) fn put_on(self, route: &mut Route) -> bool {
        let front = |route: &Route| {
            let (access, maintenance) = (route.access.clone(), route.maintenance.as_ref());
            (
                route.hosts.clone(),
                route.url.clone(),
                (route.kind, route.noindex),
                access,
                maintenance.map(|maintenance| maintenance.pass.clone()),
            )
        };
        let before = front(route);
        route.hosts = self.hosts;
        route.url = self.url.unwrap_or(std::mem::take(&mut route.url));
        route.kind = self.kind;
        route.noindex = self.noindex;
        route.access = self.access;
        if let Some(maintenance) = &mut route.maintenance {
            maintenance.pass = self.operators;
        }
        front(route) != before
    }
}

/// What the router counts an environment's requests as.
pub(super) fn kind(kind: Kind) -> route::Kind {
    match kind {
        Kind::Production => route::Kind::Production,
        Kind::Staging => route::Kind::Staging,
        Kind::Development => route::Kind::Development,
    }
}

/// The environments of these projects, or of all, whose routes say something else than today's front:
/// compared with what is recorded of them at one moment. Whoever changes one of them meanwhile sees to
/// its route.
///
/// # Errors
/// When the record cannot be read.
pub(super) async fn outdated(
    world: &World,
    projects: Option<&BTreeSet<ProjectName>>,
) -> Result<Vec<EnvironmentKey>, Failure> {
    let settings = world.settings();
    let mut records = Vec::new();
    match projects {
        None => records = world.recorder.environments(None).await?,
        Some(projects) => {
            for name in projects {
                let of_project = world.recorder.environments(Some(name.clone())).await?;
                records.extend(of_project);
            }
        }
    }
    let held: BTreeMap<EnvironmentKey, EnvironmentRecord> = records
        .into_iter()
        .map(|record| (record.key.clone(), record))
        .collect();
    let (mut defaults, mut outdated) = (Defaults::default(), Vec::new());
    for (key, record) in &held {
        let Some(project) = settings.projects.get(&key.project) else {
            continue;
        };
        let Some(route) = tokio::task::block_in_place(|| super::route::read(&world.paths, key))
        else {
            continue;
        };
        let tree = Tree {
            records: Records::Held(&held),
            settings: &settings,
            project,
            default: defaults.of(project),
        };
        // Its key is its own for as long as it lives.
        let public = route.access.key.clone();
        let is_keyless = public.is_none();
        let front = tree.front(record.clone(), world.ports(), public);
        if front.await?.put_on(&mut route.clone()) || is_keyless {
            outdated.push(key.clone());
        }
    }
    Ok(outdated)
}

/// Where what is recorded of an environment is found.
enum Records<'a> {
    /// Asked for one by one.
    Asked(&'a World),
    /// Read all at once.
    Held(&'a BTreeMap<EnvironmentKey, EnvironmentRecord>),
}

impl Records<'_> {
    async fn of(&self, key: &EnvironmentKey) -> Result<Option<EnvironmentRecord>, Failure> {
        match self {
            Records::Asked(world) => Ok(world.recorder.environment(key).await?),
            Records::Held(held) => Ok(held.get(key).cloned()),
        }
    }
}

/// A project's environments, as rules and records have them.
struct Tree<'a> {
    records: Records<'a>,
    settings: &'a Settings,
    project: &'a Project,
    default: Option<BranchName>,
}

impl Tree<'_> {
    /// What visitors meet of an environment; `public` is the key of its links.
    async fn front(
        &self,
        record: EnvironmentRecord,
        ports: Ports,
        public: Option<String>,
    ) -> Result<Front, Failure> {
        let mut environment = self.rule(&record.branch);
        // The record's word: the rule's may be another branch's.
        environment.id = record.key.id.clone();
        let hosts = self.settings.hosts(self.project, &environment);
        let mut names = self.settings.host.previews.clone();
        names.extend(self.project.previews.clone());
        let switched = record.maintenance.is_some();
        let mut operators = self.settings.host.operators.clone();
        operators.extend(&self.project.operators);
        let said = self.said(record, &environment).await?;
        Ok(Front {
            url: ports.url(&hosts[0]),
            kind: kind(environment.kind),
            noindex: environment.kind != Kind::Production,
            access: route::Access {
                who: access::who(environment.kind, said, &hosts, names),
                key: public,
                proxies: self.settings.host.proxies.clone(),
            },
            hosts,
            switched,
            operators,
        })
    }

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
            let record = self.records.of(&key).await?;
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

/// The parent that is recorded, else the rule's: the id that a branch has by rule may be another's.
fn parent(record: Option<&EnvironmentRecord>, environment: &Environment) -> Option<EnvironmentId> {
    let recorded = record.and_then(EnvironmentRecord::parent_id);
    let recorded = recorded.and_then(|id| EnvironmentId::parse(id).ok());
    recorded.or_else(|| environment.parent.clone())
}
