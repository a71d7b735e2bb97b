//! What people wrote, as it counts now: replaced as a whole when it is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use wharf_config::host::{Host, OnFailure};
use wharf_config::name::{BranchName, ProjectName};
use wharf_config::place::Place;
use wharf_config::problem::Problems;
use wharf_config::project::{self, Broken, Directory, Environment, Kind, Project};

use crate::disk::{self, DiskError};
use crate::execute::failure::chain;
use crate::plan::hosts::{Owner, Taken};
use crate::report;

/// Host and projects, valid.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The host's configuration.
    pub host: Host,
    /// The projects, by name.
    pub projects: BTreeMap<ProjectName, Project>,
    /// Project files that are no good: they disable nothing but their own change.
    pub broken: Vec<Broken>,
    by_repository: BTreeMap<PathBuf, ProjectName>,
}

impl Settings {
    /// Reads everything, as it stands there.
    ///
    /// # Errors
    /// All problems of the host's files.
    pub fn load(place: &Place) -> Result<Settings, Problems> {
        let host = Host::load(place)?;
        let directory = project::read_all(&host.projects, None)?;
        Ok(Settings::of(host, directory.projects, directory.broken))
    }

    /// Reads everything that is to count: where a project's file is bad, its last good text, also
    /// over a restart. Blocks.
    ///
    /// # Errors
    /// All problems of the host's files.
    pub fn take(place: &Place) -> Result<Settings, Problems> {
        let (host, kept) = (Host::load(place)?, place.kept_projects_dir());
        let directory = project::read_all(&host.projects, Some(&kept))?;
        if let Err(error) = keep(&kept, &directory) {
            // It counts all the same; only a bad change after a restart would find an older text.
            tracing::warn!(error = chain(&error), "good project files are not kept");
        }
        Ok(Settings::of(host, directory.projects, directory.broken))
    }

    fn of(host: Host, all: Vec<Project>, broken: Vec<Broken>) -> Settings {
        let mut by_repository = BTreeMap::new();
        let mut projects = BTreeMap::new();
        for project in all {
            let path = project
                .repository
                .canonicalize()
                .unwrap_or(project.repository.clone());
            by_repository.insert(path, project.name.clone());
            projects.insert(project.name.clone(), project);
        }
        Settings {
            host,
            projects,
            broken,
            by_repository,
        }
    }

    /// Says in the journal which project files are refused, and all that is wrong with them.
    pub fn say_broken(&self) {
        for broken in &self.broken {
            tracing::error!(
                WHARF_ERROR = "project-broken",
                "{}:\n{}",
                report::refused(broken),
                broken.problems.render(report::WIDTH)
            );
        }
    }

    /// Says in the journal which project files that were refused count again.
    pub fn say_mended(&self, before: &Settings) {
        let is_broken = |file: &Path| self.broken.iter().any(|one| one.file == file);
        for broken in before.broken.iter().filter(|one| !is_broken(&one.file)) {
            let name = broken.file.file_stem().and_then(|name| name.to_str());
            let name = name.and_then(|name| ProjectName::parse(name).ok());
            if name.is_some_and(|name| self.projects.contains_key(&name)) {
                tracing::info!("{} is good again", broken.file.display());
            }
        }
    }

    /// The project of a bare repository, by its canonical path.
    pub fn of_repository(&self, path: &Path) -> Option<&Project> {
        self.by_repository
            .get(path)
            .and_then(|name| self.projects.get(name))
    }

    /// What a failed build means for a push to a project.
    pub fn on_failure(&self, project: &Project) -> OnFailure {
        project.on_failure(&self.host)
    }

    /// The projects that are not as they were.
    pub fn changed_since(&self, before: &Settings) -> BTreeSet<ProjectName> {
        let projects = self.projects.iter();
        let changed = projects.filter(|(name, one)| before.projects.get(*name) != Some(one));
        changed.map(|(name, _)| name.clone()).collect()
    }

    /// The projects whose hooks have something else to say than before.
    pub fn other_hooks(&self, before: &Settings) -> BTreeSet<ProjectName> {
        let word = |settings: &Settings, name: &ProjectName| {
            let project = settings.projects.get(name)?;
            let (path, on_failure) = (project.repository.clone(), settings.on_failure(project));
            Some((settings.host.unreachable, path, on_failure))
        };
        let names = self.projects.keys();
        let other = names.filter(|name| word(self, name) != word(before, name));
        other.cloned().collect()
    }

    /// What a branch of a project is.
    pub fn environment(
        &self,
        project: &Project,
        branch: &BranchName,
        default: Option<&BranchName>,
    ) -> Environment {
        project.environment(branch, default)
    }

    /// The host names of an environment, the first one being its address for people.
    ///
    /// Without a domain: `<id>--<project>.localhost`, which every system resolves to itself. With
    /// one: `<id>.<domain>`, and the domain itself for production.
    pub fn hosts(&self, project: &Project, environment: &Environment) -> Vec<String> {
        if !environment.hosts.is_empty() {
            return environment.hosts.iter().map(ToString::to_string).collect();
        }
        let (name, id) = (&project.name, &environment.id);
        let domain = match (&project.domain, &self.host.domain) {
            (Some(domain), _) => domain.to_string(),
            (None, Some(domain)) => format!("{name}.{domain}"),
            (None, None) => return vec![format!("{id}--{name}.localhost")],
        };
        match environment.kind {
            Kind::Production => vec![domain],
            Kind::Staging | Kind::Development => vec![format!("{id}.{domain}")],
        }
    }
}

impl Settings {
    /// Hosts that are spoken for: domains, and what environments were given by name.
    pub fn taken(&self) -> Taken {
        let mut taken = Taken::new();
        taken.extend(
            self.host
                .domain
                .iter()
                .map(|domain| (domain.to_string(), Owner::Domain)),
        );
        for (name, project) in &self.projects {
            let domain = match (&project.domain, &self.host.domain) {
                (Some(domain), _) => Some(domain.to_string()),
                (None, Some(domain)) => Some(format!("{name}.{domain}")),
                (None, None) => None,
            };
            taken.extend(domain.map(|domain| (domain, Owner::Domain)));
            for rule in &project.environments {
                for host in &rule.hosts {
                    let owner = Owner::Environment(format!("{name} {}", rule.branch));
                    taken.entry(host.to_string()).or_insert(owner);
                }
            }
        }
        taken
    }
}

/// The branches that the repositories' HEADs named when their environments followed them.
#[derive(Debug, Default)]
pub struct FollowedHeads(Mutex<BTreeMap<ProjectName, Option<BranchName>>>);

impl FollowedHeads {
    /// Keeps what a HEAD names now; says whether that is new.
    pub fn put(&self, project: &ProjectName, head: Option<BranchName>) -> bool {
        let mut heads = self.0.lock().expect("no holder panics");
        heads.insert(project.clone(), head.clone()) != Some(head)
    }
}

/// Keeps the texts of good files, and none of projects that are gone.
fn keep(kept: &Path, directory: &Directory) -> Result<(), DiskError> {
    disk::make_directory(kept)?;
    for (name, text) in &directory.texts {
        let file = kept.join(format!("{name}.toml"));
        if std::fs::read(&file).ok().as_deref() != Some(text.as_bytes()) {
            disk::atomic_write(&file, text.as_bytes(), 0o600)?;
        }
    }
    for entry in disk::entries(kept)
        .map_err(disk::at("list", kept))?
        .filter_map(Result::ok)
    {
        let path = entry.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let known = |project: &Project| Some(project.name.as_str()) == name;
        if !directory.projects.iter().any(known) {
            disk::remove_file(&path)?;
        }
    }
    Ok(())
}

/// The trust domain of what the operator protects.
pub const PROTECTED: &str = "protected";
/// The trust domain of everything else.
pub const OPEN: &str = "open";

/// The trust domain of a type: staging and production are protected, the rest is open.
pub fn trust_domain(kind: Kind) -> &'static str {
    match kind {
        Kind::Production | Kind::Staging => PROTECTED,
        Kind::Development => OPEN,
    }
}

/// Where visitors come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// By plain HTTP; 0 while nobody knows.
    pub http: u16,
    /// By TLS; none without it.
    pub https: Option<u16>,
}

impl Ports {
    /// The address of a host name; none while nobody knows the port.
    pub fn url(self, host: &str) -> Option<String> {
        let (scheme, usual, port) = match self.https {
            Some(port) if !is_own(host) => ("https", 443, port),
            _ => ("http", 80, self.http),
        };
        match port {
            0 => None,
            port if port == usual => Some(format!("{scheme}://{host}/")),
            port => Some(format!("{scheme}://{host}:{port}/")),
        }
    }
}

/// Whether a host name is this machine to whoever asks: no certificate is for it.
pub fn is_own(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}
