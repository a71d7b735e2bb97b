//! Where the helper's own files are. All belong to root, in directories that only root may change.

use std::path::{Path, PathBuf};

use wharf_sandbox::{
    ask::{self, Root},
    id::Id,
};

/// What does not outlive a reboot.
pub(crate) const RUN: &str = "/run/wharf-helper";
/// What does: who has which user.
pub(crate) const KEPT: &str = "/var/lib/wharf-helper";

/// The directory that each sandbox has as its root.
pub(crate) fn root() -> PathBuf {
    Path::new(RUN).join("root")
}

/// What is laid out for the jobs that run.
pub(crate) fn jobs() -> PathBuf {
    Path::new(RUN).join("jobs")
}

/// What is laid out for one.
pub(crate) fn job(job: &Id) -> PathBuf {
    jobs().join(job.as_str())
}

/// Where one of its directories is mounted.
pub(crate) fn laid(job: &Id, root: Root) -> PathBuf {
    self::job(job).join(match root {
        Root::App => "app",
        Root::Home => "home",
        Root::Sockets => "sockets",
        Root::Patches => "patches",
        Root::Cache => "cache",
    })
}

/// Where what it is to run is mounted.
pub(crate) fn command(job: &Id) -> PathBuf {
    self::job(job).join("command")
}

/// Its `/etc/passwd` and `/etc/group`.
pub(crate) fn accounts(job: &Id) -> [PathBuf; 2] {
    ["passwd", "group"].map(|file| self::job(job).join(file))
}

/// Which users builds have now.
pub(crate) fn building() -> PathBuf {
    Path::new(RUN).join("building")
}

/// Which users environments have.
pub(crate) fn users() -> PathBuf {
    PathBuf::from(ask::USERS)
}

/// The range of users.
pub(crate) fn range() -> PathBuf {
    Path::new(KEPT).join("range")
}
