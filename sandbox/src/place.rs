//! Where the helper's own files are. All belong to root, in directories that only root may change.

use std::path::{Path, PathBuf};

use crate::{
    ask::{self, Root},
    id::Id,
};

/// What does not outlive a reboot.
pub const RUN: &str = "/run/wharf-helper";
/// What does: who has which user.
pub const KEPT: &str = "/var/lib/wharf-helper";

/// The directory that each sandbox has as its root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(RUN).join("root")
}

/// What is laid out for the jobs that run.
#[must_use]
pub fn jobs() -> PathBuf {
    Path::new(RUN).join("jobs")
}

/// What is laid out for one.
#[must_use]
pub fn job(job: &Id) -> PathBuf {
    jobs().join(job.as_str())
}

/// Where one of its directories is mounted.
#[must_use]
pub fn laid(job: &Id, root: Root) -> PathBuf {
    self::job(job).join(match root {
        Root::App => "app",
        Root::Home => "home",
        Root::Sockets => "sockets",
        Root::Services => "services",
        Root::Patches => "patches",
        Root::Cache => "cache",
    })
}

/// Where what it is to run is mounted.
#[must_use]
pub fn command(job: &Id) -> PathBuf {
    self::job(job).join("command")
}

/// Its `/etc/passwd` and `/etc/group`.
#[must_use]
pub fn accounts(job: &Id) -> [PathBuf; 2] {
    ["passwd", "group"].map(|file| self::job(job).join(file))
}

/// Which user it has, where it is a build.
#[must_use]
pub fn user(job: &Id) -> PathBuf {
    self::job(job).join("user")
}

/// Which users environments have.
#[must_use]
pub fn users() -> PathBuf {
    PathBuf::from(ask::USERS)
}

/// The range of users.
#[must_use]
pub fn range() -> PathBuf {
    Path::new(KEPT).join("range")
}

/// Where projects are told of, one file each. The operator's.
pub const PROJECTS: &str = "/etc/wharf/projects.d";

/// A project's file.
#[must_use]
pub fn project(name: &Id) -> PathBuf {
    Path::new(PROJECTS).join(format!("{name}.toml"))
}
