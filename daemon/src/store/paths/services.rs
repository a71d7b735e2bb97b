//! The paths of services, and of what comes into mounts.

use std::path::{Path, PathBuf};

use wharf_config::name::{EnvironmentId, ProcessName, ProjectName};

use super::Paths;

/// How the name of a directory begins that holds a dump.
const DUMP: &str = ".dump-";

impl Paths {
    /// What an environment's services hold, one directory each: beside its mounts, whose names all end
    /// with a hash, so that it counts with them and goes where they go.
    pub fn services(&self, project: &ProjectName, environment: &EnvironmentId) -> PathBuf {
        Self::services_of(&self.mounts(project, environment))
    }

    /// The same below anything that holds an environment's data.
    pub fn services_of(data: &Path) -> PathBuf {
        data.join("services")
    }

    /// Which database in an instance of the operator's is a service's own: all that such a one's directory has.
    pub fn database_of(service: &Path) -> PathBuf {
        service.join("external.json")
    }

    /// The databases that were made in instances of the operator's.
    pub fn external_databases(&self) -> PathBuf {
        self.state.join("external")
    }

    /// For whom one of them was made.
    pub fn external_database(&self, name: &str) -> PathBuf {
        self.external_databases().join(format!("{name}.json"))
    }

    /// What one service holds.
    pub fn service(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        name: &ProcessName,
    ) -> PathBuf {
        self.services(project, environment).join(name.as_str())
    }

    /// What one service is to hold, before it takes its place. No service's name begins so.
    pub fn making_service(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        name: &ProcessName,
    ) -> PathBuf {
        self.services(project, environment)
            .join(format!(".making-{name}"))
    }

    /// The same once it is whole, where it is to take the place of what is there.
    pub fn made_service(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        name: &ProcessName,
    ) -> PathBuf {
        self.services(project, environment)
            .join(format!(".made-{name}"))
    }

    /// Where an activity keeps what a service held under an earlier version of its server: beside what it replaces
    /// otherwise. No service's name has a dot.
    pub fn kept_service(&self, activity: &str, name: &ProcessName, version: &str) -> PathBuf {
        Self::services_of(&self.kept(activity)).join(format!("{name}.{version}"))
    }

    /// The directories of services' sockets. The system's own are in the state, as those of
    /// applications.
    pub fn all_service_sockets(&self) -> PathBuf {
        match self.is_system() {
            true => self.state.join("services"),
            false => self.run.join("services"),
        }
    }

    /// Those of a server that nobody but us reaches, for as long as it runs.
    pub fn scratch_sockets(&self, instance: &str) -> PathBuf {
        self.all_service_sockets().join(instance)
    }

    /// Whether a directory's name says that it is such a one: of an environment there is a dot in it, of a server
    /// there are more.
    pub fn is_scratch_sockets(name: &str) -> bool {
        name.matches('.').count() > 1
    }

    /// Those of one environment, a directory a service; bound into the sandboxes of its releases.
    pub fn service_sockets(&self, project: &ProjectName, environment: &EnvironmentId) -> PathBuf {
        self.all_service_sockets()
            .join(format!("{project}.{environment}"))
    }

    /// The directory of a dump that waits to be read in, beside the mounts, whose names have no dot.
    pub fn dump(&self, project: &ProjectName, environment: &EnvironmentId, token: &str) -> PathBuf {
        let mounts = self.mounts(project, environment);
        mounts.join(Paths::dump_name(token))
    }

    /// What it is called there.
    pub fn dump_name(token: &str) -> String {
        format!("{DUMP}{token}")
    }

    /// Whether a directory's name says that it is such a one.
    pub fn is_dump(name: &std::ffi::OsStr) -> bool {
        name.as_encoded_bytes().starts_with(DUMP.as_bytes())
    }

    /// A fresh place for what comes into an environment's mounts: beside them, so that it counts as
    /// theirs and is moved there by renames. What a death leaves is swept as what is going.
    pub fn arriving_files(&self, project: &ProjectName, environment: &EnvironmentId) -> PathBuf {
        self.going(&self.mounts(project, environment).join("data"))
    }
}
