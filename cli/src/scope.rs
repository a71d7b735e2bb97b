//! Which project, which environment, and on which machine: from the command line, else from the work
//! tree's remote and branch.

use std::path::{Path, PathBuf};

use gix_url::{ArgumentSafety, Scheme};
use wharf_wire::{ask::Scope, outcome::Exit};

use crate::{
    args::Global,
    failure::Failure,
    git::{self, Home},
};

/// Where a question goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereto {
    /// To this machine's daemon.
    Here(Scope),
    /// Through ssh, to the machine that the remote names.
    There(Remote, Scope),
}

/// The machine and the repository that an ssh URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The work tree whose configuration says how ssh is run.
    pub top: PathBuf,
    /// `[user@]host`.
    pub host: String,
    /// The port, where one is named.
    pub port: Option<u16>,
}

/// How much a command wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Only the machine.
    Machine,
    /// The project, if it can be told.
    Project,
    /// The environment, which must be told.
    Environment,
}

/// Finds out where the question goes and what it is about.
///
/// # Errors
/// A usage error with a hint, where an environment is wanted and nothing says which.
pub fn find(directory: &Path, global: &Global, wants: Wants) -> Result<Whereto, Failure> {
    let told = Scope {
        project: global.project.clone(),
        repository: global
            .repository
            .as_deref()
            .map(named_repository)
            .transpose()?,
        environment: global.environment.clone(),
    };
    if told.repository.is_some() {
        return enough(Whereto::Here(told), wants);
    }
    let whereto = match git::home(directory)? {
        Some(Home::WorkTree(top)) => from_work_tree(&top, told, global, wants)?,
        Some(Home::Bare(path)) if told.project.is_none() => Whereto::Here(Scope {
            repository: Some(text(&path)?),
            ..told
        }),
        Some(Home::Bare(_)) | None => Whereto::Here(told),
    };
    enough(whereto, wants)
}

fn from_work_tree(
    top: &Path,
    mut told: Scope,
    global: &Global,
    wants: Wants,
) -> Result<Whereto, Failure> {
    let branch = git::branch(top)?;
    let remote = match remote_url(top, branch.as_deref()) {
        // Whoever names a project, or only wants the machine, needs no remote.
        Err(_) if told.project.is_some() || wants != Wants::Environment => None,
        other => other?,
    };
    if wants == Wants::Environment && told.environment.is_none() && told.project.is_none() {
        // In full: an environment's id may read like another one's branch.
        told.environment = branch.map(|branch| format!("refs/heads/{branch}"));
    }
    match remote {
        Some(Target::Ssh { .. }) | None if global.here => Ok(Whereto::Here(told)),
        Some(Target::Ssh { remote, path }) => {
            if told.project.is_none() {
                told.repository = Some(path);
            }
            Ok(Whereto::There(remote, told))
        }
        Some(Target::Local(path)) => {
            if told.project.is_none() && wants != Wants::Machine {
                told.repository = Some(text(&path)?);
            }
            Ok(Whereto::Here(told))
        }
        None => Ok(Whereto::Here(told)),
    }
}

/// Checks that the scope names what the command cannot do without.
fn enough(whereto: Whereto, wants: Wants) -> Result<Whereto, Failure> {
    let (Whereto::Here(scope) | Whereto::There(_, scope)) = &whereto;
    if wants != Wants::Environment {
        return Ok(whereto);
    }
    if scope.project.is_none() && scope.repository.is_none() {
        return Err(
            Failure::usage("no project is named, and this is no work tree of one")
                .hint("go to a work tree that has a remote on a Wharf host, or add: -p PROJECT"),
        );
    }
    if scope.environment.is_none() {
        return Err(
            Failure::usage("no environment is named, and no branch is checked out here")
                .hint("add: -e ENVIRONMENT"),
        );
    }
    Ok(whereto)
}

/// What a remote's URL points to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Local(PathBuf),
    Ssh { remote: Remote, path: String },
}

/// Reads the URL of the remote that a push would go to. `None` when there is no remote at all.
fn remote_url(top: &Path, branch: Option<&str>) -> Result<Option<Target>, Failure> {
    let Some(name) = remote_name(top, branch)? else {
        return Ok(None);
    };
    let words = ["remote", "get-url", "--push", "--", &name];
    // A push remote may also be a bare URL.
    let url = git::ask(top, words)?.unwrap_or_else(|| name.clone());
    target(top, &name, &url).map(Some)
}

fn target(top: &Path, name: &str, url: &str) -> Result<Target, Failure> {
    let parsed = gix_url::parse(url).map_err(|error| {
        Failure::usage(format!("cannot read the URL of the remote `{name}`")).because(error)
    })?;
    let path = parsed.path.to_string();
    match &parsed.scheme {
        Scheme::File => local(top, name, &path).map(Target::Local),
        Scheme::Ssh => {
            let unsafe_part = || {
                Failure::usage(format!(
                    "the URL of the remote `{name}` names no host: {url}"
                ))
            };
            let ArgumentSafety::Usable(host) = parsed.host_as_argument() else {
                return Err(unsafe_part());
            };
            let host = match parsed.user_as_argument() {
                ArgumentSafety::Absent => host.to_owned(),
                ArgumentSafety::Usable(user) => format!("{user}@{host}"),
                ArgumentSafety::Dangerous(_) => return Err(unsafe_part()),
            };
            // As git does: `ssh://host/~user/x` is below a home directory.
            let path = match path.strip_prefix('/') {
                Some(home) if home.starts_with('~') => home.to_owned(),
                _ => path,
            };
            let remote = Remote {
                top: top.to_owned(),
                host,
                port: parsed.port,
            };
            Ok(Target::Ssh { remote, path })
        }
        other => Err(Failure::usage(format!(
            "the remote `{name}` speaks {other}, which carries no commands for Wharf"
        ))
        .hint("name a project of this machine: -p PROJECT")
        .hint("or add a remote on the Wharf host: git remote add wharf USER@HOST:PATH")),
    }
}

/// The remote that stands for the Wharf host: what the user configured for pushes, else the one that
/// is called `wharf`, else the branch's own, else `origin`, else the only one.
fn remote_name(top: &Path, branch: Option<&str>) -> Result<Option<String>, Failure> {
    let remotes = git::ask(top, ["remote"])?.unwrap_or_default();
    let remotes: Vec<&str> = remotes.lines().collect();
    let of_branch = |key: &str| match branch {
        Some(branch) => git::config(top, &format!("branch.{branch}.{key}")),
        None => Ok(None),
    };
    if let Some(name) = of_branch("pushRemote")? {
        return Ok(Some(name));
    }
    if let Some(name) = git::config(top, "remote.pushDefault")? {
        return Ok(Some(name));
    }
    if remotes.contains(&"wharf") {
        return Ok(Some("wharf".to_owned()));
    }
    // `.` means a branch of this very repository.
    if let Some(name) = of_branch("remote")?.filter(|name| name != ".") {
        return Ok(Some(name));
    }
    match remotes.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some((*only).to_owned())),
        several if several.contains(&"origin") => Ok(Some("origin".to_owned())),
        several => Err(Failure::usage(format!(
            "{} remotes, and none is called `wharf`",
            several.len()
        ))
        .hint("say which: git config remote.pushDefault NAME")),
    }
}

fn local(top: &Path, name: &str, path: &str) -> Result<PathBuf, Failure> {
    // git itself also tries the name with `.git` behind it.
    let plain = top.join(path);
    let dotted = top.join(format!("{path}.git"));
    plain
        .canonicalize()
        .or_else(|first| dotted.canonicalize().map_err(|_| first))
        .map_err(|error| {
            Failure::new(
                Exit::NotFound,
                format!("the remote `{name}` points to {}", plain.display()),
            )
            .because(error)
        })
}

/// Reads a path as it stands in an ssh URL, on the machine that it names: relative to the home
/// directory that the account begins in.
fn named_repository(path: &str) -> Result<String, Failure> {
    let plain = match path.strip_prefix("~/") {
        Some(below) => std::env::home_dir().unwrap_or_default().join(below),
        None => PathBuf::from(path),
    };
    let dotted = PathBuf::from(format!("{}.git", plain.display()));
    let found = plain
        .canonicalize()
        .or_else(|first| dotted.canonicalize().map_err(|_| first))
        .map_err(|error| {
            Failure::new(Exit::NotFound, format!("no repository {path} on this host"))
                .because(error)
        })?;
    text(&found)
}

fn text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("the path {} is not UTF-8", path.display()))
            .hint("name the project instead: -p PROJECT")
    })
}

#[cfg(test)]
mod tests;
