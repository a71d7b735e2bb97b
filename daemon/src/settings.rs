//! What people wrote, as it counts now: replaced as a whole when it is read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_config::host::{Host, OnFailure};
use wharf_config::name::{BranchName, ProjectName};
use wharf_config::place::Place;
use wharf_config::problem::Problems;
use wharf_config::project::{self, Environment, Kind, Project};

/// Host and projects, valid.
#[derive(Debug)]
pub struct Settings {
    /// The host's configuration.
    pub host: Host,
    /// The projects, by name.
    pub projects: BTreeMap<ProjectName, Project>,
    /// Project files that are no good, with what is wrong: they disable only themselves.
    pub broken: Vec<(PathBuf, Problems)>,
    by_repository: BTreeMap<PathBuf, ProjectName>,
}

impl Settings {
    /// Reads everything.
    ///
    /// # Errors
    /// All problems of the host's files.
    pub fn load(place: &Place) -> Result<Settings, Problems> {
        let host = Host::load(place)?;
        let directory = project::read_all(&host.projects)?;
        let mut by_repository = BTreeMap::new();
        let mut projects = BTreeMap::new();
        for project in directory.projects {
            let path = project
                .repository
                .canonicalize()
                .unwrap_or(project.repository.clone());
            by_repository.insert(path, project.name.clone());
            projects.insert(project.name.clone(), project);
        }
        Ok(Settings {
            host,
            projects,
            broken: directory.broken,
            by_repository,
        })
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

/// The address of a host name behind a router on this port.
pub fn url(host: &str, port: u16) -> String {
    if port == 80 {
        format!("http://{host}/")
    } else {
        format!("http://{host}:{port}/")
    }
}
