//! What the daemon asks of `wharf-helper`, the only program of Wharf that is root.
//!
//! The vocabulary is closed: ids, numbers, and places below directories that both know. No path of the
//! host, no option, no program and no property of a unit crosses this border; a job's command is in a
//! file of the daemon's, which is read inside the sandbox, and what git is asked for is a closed set
//! with a line of text for its records.
//!
//! A connection is for one job. It begins with [`ToHelper::Start`] or [`ToHelper::Git`], beside which
//! come the three standard streams by `SCM_RIGHTS`, or with [`ToHelper::Hold`]. Whoever hangs up while
//! the job runs stops it.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    git::Git,
    id::Id,
    sandbox::{
        APP, Access, Bind, CACHE, HOME, Label, Limits, Network, PATCHES, SERVICES, SOCKETS,
        Sandbox, User,
    },
};

/// Where the helper writes which user each environment has: a file of its name, with the number.
pub const USERS: &str = "/var/lib/wharf-helper/users";
/// The directory of which the daemon may show parts to its jobs: its own.
pub const STATE: &str = "/var/lib/wharf";
/// Where the helper listens.
pub const SOCKET: &str = "/run/wharf-helper/socket";
/// Where a job's own file is in its sandbox.
pub const JOB: &str = "/run/wharf/job";
/// The most bytes of a path in a message.
pub const LONGEST: usize = 4_096;
/// The most places that one sandbox shows.
pub const MOST: usize = 256;

/// What the daemon says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToHelper {
    /// Starts a job. Answered by [`FromHelper::Started`], later by [`FromHelper::Ended`].
    Start(Start),
    /// Has git do something in a project's repository, as the repository's owner. Answered as a start;
    /// it ends as git does.
    Git(Git),
    /// Holds a job that runs already: the helper was restarted. Answered as a start.
    Hold {
        /// Which.
        job: Id,
    },
    /// Asks the job of this connection to end.
    Terminate,
    /// Ends the job of this connection.
    Kill,
}

impl ToHelper {
    /// The job that a conversation is about which begins with this; none that begins otherwise.
    #[must_use]
    pub fn job(&self) -> Option<&Id> {
        match self {
            Self::Start(Start { job, .. }) | Self::Git(Git { job, .. }) | Self::Hold { job } => {
                Some(job)
            }
            Self::Terminate | Self::Kill => None,
        }
    }
}

/// A job in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Its name. What it is to run is in the daemon's file of this name.
    pub job: Id,
    /// Whose it is.
    pub user: User,
    /// Whom it is for.
    #[serde(default)]
    pub label: Option<Label>,
    /// What it sees, in the order in which it is mounted; the first is [`Root::App`] itself.
    pub shows: Vec<Show>,
    /// Which network it has.
    pub network: Network,
    /// Bytes that each of its directories in memory may take.
    pub scratch: u64,
    /// What it may take besides.
    pub limits: Limits,
}

/// A place of the daemon's inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// Where it is below [`STATE`].
    pub source: Below,
    /// Below which of the sandbox's directories it appears.
    pub root: Root,
    /// Where there; the directory itself when empty.
    pub target: Below,
    /// Whether it may be written.
    pub access: Access,
}

/// The directories of a sandbox below which something of the daemon's appears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The code, at [`APP`].
    App,
    /// The home, at [`HOME`].
    Home,
    /// The directory of the application's socket, at [`SOCKETS`].
    Sockets,
    /// The directories of services' sockets, at [`SERVICES`].
    Services,
    /// Patches that are to be applied, at [`PATCHES`].
    Patches,
    /// What builds keep for the next one, at [`CACHE`].
    Cache,
}

impl Root {
    /// All of them.
    pub const ALL: [Root; 6] = [
        Root::App,
        Root::Home,
        Root::Sockets,
        Root::Services,
        Root::Patches,
        Root::Cache,
    ];

    /// Where it is in the sandbox.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::App => APP,
            Self::Home => HOME,
            Self::Sockets => SOCKETS,
            Self::Services => SERVICES,
            Self::Patches => PATCHES,
            Self::Cache => CACHE,
        }
    }
}

/// A path that leads downward only: plain names between slashes, at most [`LONGEST`] bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "PathBuf", into = "PathBuf")]
pub struct Below(PathBuf);

/// A path that is no [`Below`].
#[derive(Debug, thiserror::Error)]
#[error("a path that does not lead downward, or is too long")]
pub struct NotBelow;

impl Below {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// Whether it is the directory itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_os_str().is_empty()
    }
}

impl TryFrom<PathBuf> for Below {
    type Error = NotBelow;

    fn try_from(path: PathBuf) -> Result<Self, NotBelow> {
        let plain = |part| matches!(part, Component::Normal(_));
        if path.as_os_str().len() > LONGEST || !path.components().all(plain) {
            return Err(NotBelow);
        }
        // Without doubled slashes and dots in between.
        Ok(Self(path.components().collect()))
    }
}

impl From<Below> for PathBuf {
    fn from(below: Below) -> PathBuf {
        below.0
    }
}

/// Where the daemon puts what a job is to run, below [`STATE`], before it asks for it.
#[must_use]
pub fn job_file(job: &Id) -> PathBuf {
    Path::new("jobs").join(format!("{job}.inside"))
}

/// What the helper says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromHelper {
    /// It runs.
    Started,
    /// It does not run, and why.
    Refused {
        /// For the operator.
        why: String,
    },
    /// It has ended, and nothing of it is left.
    Ended(End),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum End {
    /// By itself.
    Exited(i32),
    /// A signal ended its first process.
    Killed,
    /// It took more memory than it may have.
    Memory,
    /// It took longer than it may.
    Time,
    /// The system could not run it: systemd's word for it.
    Failed(String),
}

/// Why a sandbox cannot be asked for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AskError {
    /// What it shows is not the daemon's.
    #[error("{} is not below {}", .0.display(), .1.display())]
    Source(PathBuf, PathBuf),
    /// It appears where nothing may.
    #[error("nothing may appear at {}", .0.display())]
    Target(PathBuf),
}

impl Start {
    /// Asks for a job's sandbox, for a daemon whose state is in `state`.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn new(job: &Id, sandbox: &Sandbox, state: &Path) -> Result<Self, AskError> {
        let shows = sandbox.binds.iter().map(|bind| show(bind, state));
        Ok(Self {
            job: job.clone(),
            user: sandbox.user.clone(),
            label: sandbox.label.clone(),
            shows: shows.collect::<Result<_, _>>()?,
            network: sandbox.network,
            scratch: sandbox.scratch,
            limits: sandbox.limits,
        })
    }
}

fn show(bind: &Bind, state: &Path) -> Result<Show, AskError> {
    let no_source = || AskError::Source(bind.source.clone(), state.into());
    let source = bind.source.strip_prefix(state).map_err(|_| no_source())?;
    let source = Below::try_from(source.to_owned()).map_err(|_| no_source())?;
    let no_target = || AskError::Target(bind.target.clone());
    let (root, target) = Root::ALL
        .into_iter()
        .find_map(|root| Some((root, bind.target.strip_prefix(root.path()).ok()?)))
        .ok_or_else(no_target)?;
    Ok(Show {
        source,
        root,
        target: Below::try_from(target.to_owned()).map_err(|_| no_target())?,
        access: bind.access,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_downward() {
        for good in ["", "a", "a/b", "a//b", "a/./b", "a b", "\u{e9}"] {
            assert!(Below::try_from(PathBuf::from(good)).is_ok(), "{good:?}");
        }
        let long = "a/".repeat(LONGEST / 2 + 1);
        for bad in ["/", "/a", "..", "a/..", "a/../b", ".", "./a", &long] {
            assert!(Below::try_from(PathBuf::from(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_daemon_s_own_is_shown_and_only_where_it_may() {
        let job = Id::parse("shop.main.r1").unwrap();
        let bind = |source: &str, target: &str| Bind {
            source: source.into(),
            target: target.into(),
            access: Access::Write,
        };
        let mut sandbox = Sandbox::new("/state/slugs/ab".into(), Access::Read);
        sandbox
            .binds
            .push(bind("/state/mounts/shop/main/data", "/app/var/data"));
        sandbox.binds.push(bind("/state/apps/x", SOCKETS));
        let start = Start::new(&job, &sandbox, Path::new("/state")).unwrap();
        let shown = start.shows.iter().map(|show| {
            let (source, target) = (show.source.as_path(), show.target.as_path());
            (
                source.to_str().unwrap(),
                show.root,
                target.to_str().unwrap(),
            )
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(
            shown,
            [
                ("slugs/ab", Root::App, ""),
                ("mounts/shop/main/data", Root::App, "var/data"),
                ("apps/x", Root::Sockets, ""),
            ]
        );
        for (source, target) in [
            ("/etc", "/app/etc"),
            ("/state/../etc", "/app/etc"),
            ("/stately", "/app/x"),
            ("/state/x", "/etc"),
            ("/state/x", "/app/../etc"),
            ("/state/x", "/application"),
        ] {
            sandbox.binds[1] = bind(source, target);
            assert!(
                Start::new(&job, &sandbox, Path::new("/state")).is_err(),
                "{source} {target}"
            );
        }
    }
}
