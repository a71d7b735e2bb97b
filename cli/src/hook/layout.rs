//! Which git host a repository belongs to, and where such a host looks for a hook of ours.
//!
//! A plain repository has one file for each hook, and a host that manages repositories has its own
//! there: Gitea writes its delegators anew whenever it is told to, GitLab runs no hook of the
//! repository at all, gitolite puts its links back. Each says where others put theirs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    InstallError, PROPOSALS, Problem,
    file::{self, Found},
    report::kept_name,
    repository::Repository,
};

/// The name of ours in a directory whose files all run.
const OURS: &str = "wharf";
/// Where the hooks of git's configuration have their files.
pub(super) const CONFIGURED: &str = "wharf-hooks";
/// A hook of gitolite's that runs the files beside it whose names begin with its own.
const DRIVER: &str = "multi-hook-driver";

/// Whose a repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// git's alone: sshd with git-shell or `wharf-shell`, smart HTTP, cgit, gitweb.
    Plain,
    /// gitolite 3.
    Gitolite,
    /// Gitea or Forgejo.
    Gitea,
    /// GitLab.
    Gitlab,
}

/// How ours comes to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// By a file where the host looks for it.
    #[default]
    Files,
    /// By the repository's configuration, with git 2.54 or newer.
    Config,
}

/// Where one hook's file goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Whether it takes the place of a hook that is there, which ours runs then. Where not, it runs
    /// beside the host's own, by the host's rules.
    pub(super) replaces: bool,
}

impl Layout {
    /// Looks at what the host has left in the repository.
    ///
    /// # Errors
    /// git's.
    pub(super) fn of(repository: &Repository) -> Result<Layout, InstallError> {
        let has = |name: &str| repository.path.join(name).symlink_metadata().is_ok();
        let hashed = |path: &Path| path.components().any(|one| one.as_os_str() == "@hashed");
        Ok(if has("hooks/pre-receive.d/gitea") {
            Layout::Gitea
        } else if hashed(&repository.path) || !repository.values("gitlab.fullpath")?.is_empty() {
            Layout::Gitlab
        } else if has("gl-conf") || is_common(&repository.path.join("hooks/update")) {
            Layout::Gitolite
        } else {
            Layout::Plain
        })
    }

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Plain => "plain",
            Layout::Gitolite => "gitolite",
            Layout::Gitea => "gitea",
            Layout::Gitlab => "gitlab",
        }
    }

    /// Where ours goes.
    ///
    /// # Errors
    /// [`InstallError::Taken`], where the host lets nobody else have this hook.
    pub(super) fn place(
        self,
        repository: &Repository,
        hook: &'static str,
        way: Way,
    ) -> Result<Place, InstallError> {
        let beside = |path: String| Place {
            path: repository.path.join(path),
            replaces: false,
        };
        match (self, way) {
            // The two have a proc-receive of their own, for what they call pull or merge requests.
            (Layout::Gitea | Layout::Gitlab, _) if hook == PROPOSALS => Err(InstallError::Taken {
                what: "hooks/proc-receive",
                repository: repository.path.clone(),
            }),
            // git asks its configuration for no proc-receive.
            (_, Way::Config) if hook != PROPOSALS => Ok(beside(format!("{CONFIGURED}/{hook}"))),
            (Layout::Gitea, _) => Ok(beside(format!("hooks/{hook}.d/{OURS}"))),
            (Layout::Gitlab, _) => Ok(beside(format!("custom_hooks/{hook}.d/{OURS}"))),
            (Layout::Gitolite, _) if is_driver(&repository.hooks().join(hook)) => {
                Ok(beside(format!("hooks/{hook}.{OURS}")))
            }
            (Layout::Plain | Layout::Gitolite, _) => Ok(Place {
                path: repository.hooks().join(hook),
                replaces: true,
            }),
        }
    }
}

/// Every path where a hook of ours could stand, whatever the repository looks like now: the host may
/// have changed since.
pub(super) fn everywhere(repository: &Repository, hook: &str) -> [PathBuf; 5] {
    [
        format!("hooks/{hook}"),
        format!("hooks/{hook}.{OURS}"),
        format!("hooks/{hook}.d/{OURS}"),
        format!("custom_hooks/{hook}.d/{OURS}"),
        format!("{CONFIGURED}/{hook}"),
    ]
    .map(|path| repository.path.join(path))
}

/// Where another installation has put a hook of ours, which would run beside the one at `path`.
///
/// # Errors
/// The disk's.
pub(super) fn elsewhere(
    repository: &Repository,
    hook: &str,
    path: &Path,
) -> Result<Option<PathBuf>, InstallError> {
    for other in everywhere(repository, hook) {
        if other != path && matches!(file::look(&other)?, Found::Ours { .. }) {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// What the host does, or has not done, that keeps ours from running.
///
/// # Errors
/// The disk's.
pub(super) fn problem(
    repository: &Repository,
    layout: Layout,
    hook: &str,
    way: Way,
) -> Result<Option<Problem>, InstallError> {
    let own = repository.hooks().join(hook);
    let runs = match file::look(&own)? {
        Found::Theirs(theirs) => theirs.executable,
        Found::Nothing | Found::Ours { .. } => false,
    };
    let kept = repository.hooks().join(kept_name(hook));
    Ok(match (layout, way) {
        (_, Way::Config) => None,
        (Layout::Gitea, _) if !runs => Some(Problem {
            message: format!("hooks/{hook} of the host is gone, so nothing runs hooks/{hook}.d"),
            hint: "as the user of the host: gitea admin regenerate hooks (or forgejo)".to_owned(),
        }),
        (Layout::Gitolite, _) if is_common(&own) || is_common(&kept) => Some(Problem {
            message: format!("gitolite setup puts its common {hook} back over Wharf's"),
            hint: format!("after it: wharf hook install {}", repository.path.display()),
        }),
        _ => None,
    })
}

/// A link to what gitolite has for all of its repositories.
fn is_common(hook: &Path) -> bool {
    let directory = Path::new("hooks/common");
    let target = fs::read_link(hook).ok();
    target.is_some_and(|target| target.parent().is_some_and(|at| at.ends_with(directory)))
}

fn is_driver(hook: &Path) -> bool {
    let target = fs::read_link(hook).ok();
    target.is_some_and(|target| target.ends_with(format!("hooks/{DRIVER}")))
}
