//! Why hooks cannot be installed or removed.

use std::{io, path::PathBuf};

use wharf_hooks::stub::RenderError;

/// Why it was not done. Nothing is half done that another run does not make whole.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no such directory, or git does not know it as a repository.
    #[error("{} is not a git repository", .0.display())]
    NotARepository(PathBuf),
    /// It has a work tree.
    #[error("{} is not a bare repository", .0.display())]
    NotBare(PathBuf),
    /// Its hooks directory leads elsewhere.
    #[error("{} is not a directory of this repository's own", .0.display())]
    HooksLink(PathBuf),
    /// A hook's name is taken by what is no file.
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    /// Both a hook and the one that was kept earlier would have to be kept.
    #[error("{} and {} are both hooks that Wharf did not write", .hook.display(), .kept.display())]
    Conflict {
        /// The hook that git runs.
        hook: PathBuf,
        /// The one that was kept earlier.
        kept: PathBuf,
    },
    /// Somebody else's file where ours would go, beside which none can be kept.
    #[error("{} is not Wharf's", .0.display())]
    Occupied(PathBuf),
    /// A hook of ours that would run beside the new one.
    #[error("Wharf's hooks were put elsewhere in it before: {}", .hook.display())]
    Elsewhere {
        /// The one that is there.
        hook: PathBuf,
        /// Whose.
        repository: PathBuf,
    },
    /// It ignores hooks in its configuration, silently.
    #[error("{0} takes no hooks from its configuration; git 2.54 and newer do")]
    OldGit(String),
    /// The place of proc-receive, which cannot be shared, is taken.
    #[error("{what} of {} is not Wharf's, and on_failure = \"reject\" needs it", .repository.display())]
    Taken {
        /// The hook or the setting.
        what: &'static str,
        /// Whose.
        repository: PathBuf,
    },
    /// A hook's program is missing.
    #[error("the hook's program {} cannot be run", .path.display())]
    Binary {
        /// Where it is expected.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The socket's path does not fit in an address.
    #[error("the socket's path {} is too long", .path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// The limit.
        source: io::Error,
    },
    /// A path cannot stand in a stub.
    #[error("the hook cannot be written")]
    Render(#[from] RenderError),
    /// A file cannot be read or written.
    #[error("cannot {action} {}", .path.display())]
    Disk {
        /// The verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The note of what was there before is damaged.
    #[error("{} is not what Wharf wrote", .path.display())]
    Record {
        /// The note.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// git failed.
    #[error("git {command} failed: {message}")]
    Git {
        /// Its arguments.
        command: String,
        /// What it said.
        message: String,
    },
    /// git cannot be started.
    #[error("git cannot be started")]
    NoGit(#[source] io::Error),
}

impl InstallError {
    /// The next step, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            InstallError::NotARepository(path) => {
                Some(format!("make one with: git init --bare {}", path.display()))
            }
            InstallError::NotBare(_) => Some(
                "hooks belong where people push to; wharf init makes a bare repository".to_owned(),
            ),
            InstallError::HooksLink(_) => Some(
                "other repositories may share it; put a directory in its place, run this again"
                    .to_owned(),
            ),
            InstallError::Elsewhere { repository, .. } => Some(format!(
                "take them out first: wharf hook uninstall {}",
                repository.display()
            )),
            InstallError::OldGit(_) => {
                Some("install files: wharf hook install, without --config-hooks".to_owned())
            }
            InstallError::NotAFile(_) | InstallError::Occupied(_) => {
                Some("move it away, run this again".to_owned())
            }
            InstallError::Conflict { .. } => {
                Some("move the one that is not wanted away, run this again".to_owned())
            }
            InstallError::Taken { .. } => Some(
                "git asks one proc-receive only: remove it, or set push.on_failure = \"keep\""
                    .to_owned(),
            ),
            InstallError::Binary { .. } => {
                Some("install Wharf's programs in one directory".to_owned())
            }
            InstallError::Socket { .. } | InstallError::Render(_) => {
                Some("choose a shorter path without spaces".to_owned())
            }
            InstallError::Record { path, .. } => {
                Some(format!("move {} away, run this again", path.display()))
            }
            InstallError::NoGit(_) => Some("install git 2.39 or newer".to_owned()),
            InstallError::Disk { .. } | InstallError::Git { .. } => None,
        }
    }

    /// Names the file in an error of the disk.
    pub(super) fn disk(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| InstallError::Disk {
            action,
            path,
            source,
        }
    }
}
