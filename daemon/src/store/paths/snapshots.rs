//! The paths of snapshots, and of what comes out of them.

use std::path::{Path, PathBuf};

use wharf_config::name::{EnvironmentId, ProjectName, RelPath};

use super::{Paths, segment};

/// How the name of a directory begins that is to take the place of data.
const ARRIVING: &str = ".arriving-";

impl Paths {
    /// What is about to take the place of an environment's data, by the activity that brings it. On the
    /// same file system, and counted as that data is; no mount's name begins with a dot.
    pub fn arriving_data(
        &self,
        project: &ProjectName,
        environment: &EnvironmentId,
        activity: &str,
    ) -> PathBuf {
        self.mounts(project, environment)
            .join(format!("{ARRIVING}{activity}"))
    }

    /// What mounts are to hold in what came, by their names.
    pub fn mounts_in(came: &Path) -> PathBuf {
        came.join("files")
    }

    /// What services are to hold there, by their names.
    pub fn services_in(came: &Path) -> PathBuf {
        Self::services_of(came)
    }

    /// The name of a mount's directory among the environment's data.
    pub fn mount_name(path: &RelPath) -> String {
        segment(path)
    }

    /// Repositories of snapshots, one directory a project, where the operator names no other place.
    pub fn snapshots(&self) -> PathBuf {
        self.state.join("snapshots")
    }

    /// A repository of snapshots that is being made, beside the name that it gets when it is whole.
    pub fn unmade(repository: &Path) -> PathBuf {
        let name = repository.file_name().unwrap_or_default();
        let mut unmade = std::ffi::OsString::from(".new-");
        unmade.push(name);
        repository.with_file_name(unmade)
    }

    /// Secrets that were generated once, and that nothing can be opened without.
    pub fn keys(&self) -> PathBuf {
        self.state.join("keys")
    }

    /// What encrypts all snapshots. Without it none can be restored.
    pub fn snapshot_key(&self) -> PathBuf {
        self.keys().join("snapshots.key")
    }

    /// What restic keeps to be faster; it may go at any time.
    pub fn snapshot_cache(&self) -> PathBuf {
        self.state.join("snapshots.cache")
    }

    /// Where restic puts what it is about to store, and a snapshot is restored to see whether it can be.
    /// What a death leaves goes as a build's does.
    pub fn snapshot_scratch(&self, activity: &str) -> PathBuf {
        self.builds().join(format!("{activity}.snapshot"))
    }
}
