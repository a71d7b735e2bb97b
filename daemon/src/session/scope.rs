//! Which project and environment a person means.

use std::path::Path;

use wharf_config::name::{BranchName, EnvironmentId, ProjectName};
use wharf_config::project::Project;
use wharf_wire::Refusal;
use wharf_wire::ask::Scope;
use wharf_wire::outcome::Exit;

use super::peer::Broken;
use super::{Session, host};
use crate::execute::failure::chain;
use crate::execute::refs::HEADS;
use crate::store::environment::{EnvironmentKey, EnvironmentRecord};

impl Session {
    /// The project that is meant; none where nothing names one.
    pub(super) fn project(&self, scope: &Scope) -> Result<Option<Project>, Broken> {
        let settings = self.world.settings();
        if let Some(name) = &scope.project {
            let project = ProjectName::parse(name).ok();
            let project = project.and_then(|name| settings.projects.get(&name).cloned());
            return project.map(Some).ok_or_else(|| {
                missing(
                    "unknown-project",
                    &format!("there is no project `{}`", shown(name)),
                )
                .hint("see which there are: wharf project list")
            });
        }
        if let Some(path) = &scope.repository {
            let project = settings.of_repository(Path::new(path)).cloned();
            let canonical = Path::new(path).canonicalize().ok();
            let project =
                project.or_else(|| canonical.and_then(|p| settings.of_repository(&p).cloned()));
            return project.map(Some).ok_or_else(|| {
                missing(
                    "unknown-repository",
                    &format!("no project names this repository ({})", shown(path)),
                )
                .hint("register it on the host: wharf project add NAME REPOSITORY")
            });
        }
        Ok(None)
    }

    /// The environment that is meant.
    pub(super) async fn environment(&self, scope: &Scope) -> Result<EnvironmentRecord, Broken> {
        let project = self.sole_project(scope)?;
        let environments = self
            .world
            .recorder
            .environments(Some(project.name.clone()))
            .await;
        let environments = environments.map_err(|error| host(chain(&error)))?;
        let Some(name) = &scope.environment else {
            return sole(environments, &project.name);
        };
        find(&environments, name).cloned().ok_or_else(|| {
            let name = shown(plain(name));
            missing(
                "unknown-environment",
                &format!("{} has no environment `{name}`", project.name),
            )
            .hint("see which there are: wharf environments; a push of its branch makes one")
        })
    }

    /// An environment by its key; none where it is gone.
    pub(super) async fn recorded_environment(
        &self,
        key: &EnvironmentKey,
    ) -> Result<Option<EnvironmentRecord>, Broken> {
        let record = self.world.recorder.environment(key).await;
        record.map_err(|error| host(chain(&error)))
    }

    pub(super) fn sole_project(&self, scope: &Scope) -> Result<Project, Broken> {
        if let Some(project) = self.project(scope)? {
            return Ok(project);
        }
        let settings = self.world.settings();
        let mut projects = settings.projects.values();
        match (projects.next(), projects.next()) {
            (Some(project), None) => Ok(project.clone()),
            (None, _) => Err(missing("unknown-project", "there is no project yet")
                .hint("make one: wharf init, in a work tree")),
            (Some(_), Some(_)) => Err(missing("unknown-project", "no project is named")
                .hint("name it with -p, or ask from its work tree")),
        }
    }

    /// The scope's key as far as it is named, for filters.
    pub(super) async fn filter(
        &self,
        scope: &Scope,
    ) -> Result<(Option<ProjectName>, Option<EnvironmentKey>), Broken> {
        if scope.environment.is_some() {
            let key = self.environment(scope).await?.key;
            return Ok((Some(key.project.clone()), Some(key)));
        }
        Ok((self.project(scope)?.map(|project| project.name), None))
    }
}

/// A branch without `refs/heads/`. With that no environment's id is meant: it is what a work tree has
/// checked out, and may read like the id of another branch's environment.
pub(super) fn plain(name: &str) -> &str {
    name.strip_prefix(HEADS).unwrap_or(name)
}

fn find<'r>(all: &'r [EnvironmentRecord], name: &str) -> Option<&'r EnvironmentRecord> {
    let find = |fits: &dyn Fn(&&EnvironmentRecord) -> bool| all.iter().find(fits);
    let branch = BranchName::parse(plain(name)).ok();
    let of_branch = || find(&|record| Some(&record.branch) == branch.as_ref());
    if name.starts_with(HEADS) {
        return of_branch();
    }
    let id = branch.as_ref().map(EnvironmentId::from_branch);
    find(&|record| record.key.id.as_str() == name)
        .or_else(of_branch)
        // An id that a branch has by rule may be another's.
        .or_else(|| find(&|record| Some(&record.key.id) == id.as_ref()))
}

fn sole(
    environments: Vec<EnvironmentRecord>,
    project: &ProjectName,
) -> Result<EnvironmentRecord, Broken> {
    let mut all = environments.into_iter();
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(missing(
            "unknown-environment",
            &format!("{project} has no environment"),
        )
        .hint("push a branch to make one")),
        (Some(_), Some(_)) => Err(missing("unknown-environment", "no environment is named")
            .hint("name it with -e, or ask from a work tree on its branch")),
    }
}

fn shown(name: &str) -> String {
    name.chars()
        .take(60)
        .collect::<String>()
        .escape_default()
        .to_string()
}

/// A refusal because something is not there.
pub(super) fn missing(code: &str, message: &str) -> Broken {
    Broken::Refused(Refusal {
        code: code.into(),
        message: message.into(),
        hint: None,
        exit: Exit::NotFound,
    })
}

impl Broken {
    /// Says what to do next.
    pub(super) fn hint(self, text: impl Into<String>) -> Broken {
        match self {
            Broken::Refused(refusal) => Broken::Refused(Refusal {
                hint: Some(text.into()),
                ..refusal
            }),
            other @ (Broken::Several(_) | Broken::Gone) => other,
        }
    }
}
