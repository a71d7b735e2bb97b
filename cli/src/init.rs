//! `wharf init`: from a work tree to something that a push deploys, on this machine.

use std::{
    fs::{DirBuilder, File},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use wharf_config::{
    name::{BranchName, EnvironmentId, ProjectName},
    place::Place,
};
use wharf_wire::{ask::Ask, outcome::Exit, view::Item};

use crate::{
    daemon,
    failure::{self, Failure},
    follow::{self, Lines},
    git::{self, Home},
    hooks,
    project::{self, Registered},
    record::Ready,
    show, start,
};

/// The remote that is added.
const REMOTE: &str = "wharf";

/// Makes the repository, installs the hooks, registers the project, adds the remote and starts the
/// daemon; whatever is there already stays as it is.
///
/// # Errors
/// The first step that cannot be done.
pub fn run(directory: &Path, name: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let top =
        match git::home(directory)? {
            Some(Home::WorkTree(top)) => top,
            Some(Home::Bare(path)) => {
                return Err(
                    Failure::usage(format!("{} is a bare repository", path.display())).hint(
                        format!("serve it with: wharf project add NAME {}", path.display()),
                    ),
                );
            }
            None => {
                return Err(Failure::usage("this is no git work tree")
                    .hint("make one with: git init -b main"));
            }
        };
    let place = daemon::place()?;
    let branch = git::branch(&top)?.unwrap_or_else(|| "main".to_owned());
    let remote = git::ask(&top, ["remote", "get-url", "--push", "--", REMOTE])?;
    let (name, repository) = choose(&place, &top, name, remote.as_deref())?;

    make_repository(&place, &repository, &branch)?;
    let repository = repository.canonicalize().map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot find {}", repository.display()),
        )
        .because(error)
    })?;
    hooks::say(
        &hooks::install(&place, &repository)?,
        "the hooks were in order",
    );
    failure::note(&match project::register(&place, &name, &repository)? {
        Registered::Now => format!("registered the project {name}"),
        Registered::Before => format!("the project {name} was registered already"),
    });
    make_durable(&[&place.config, &repository])?;
    add_remote(&top, &repository, remote.as_deref())?;
    match start::ensure(&place)? {
        start::Started::Now => failure::note("started the daemon"),
        start::Started::Before => {
            let exit = follow::lines(&place, Ask::Reload, Lines::Talk)?;
            if exit != Exit::Ok {
                return Err(Failure::new(exit, "the daemon did not take all of it")
                    .hint("see what is wrong with: wharf doctor"));
            }
        }
    }
    let url = url(&place, &name, &branch)?;
    say_next(&branch, url.as_deref());
    if json {
        show::json(&Ready {
            project: name.to_string(),
            repository,
            remote: REMOTE.to_owned(),
            branch,
            url,
        })?;
    }
    Ok(Exit::Ok)
}

/// The project's name and repository. A remote of an earlier time decides, unless a name is given.
fn choose(
    place: &Place,
    top: &Path,
    name: Option<&str>,
    remote: Option<&str>,
) -> Result<(ProjectName, PathBuf), Failure> {
    let earlier = remote.map(Path::new).and_then(|path| {
        let name = path
            .strip_prefix(&place.git)
            .ok()?
            .to_str()?
            .strip_suffix(".git")?;
        Some((name.parse().ok()?, path.to_owned()))
    });
    let text = match (name, earlier) {
        (None, Some(earlier)) => return Ok(earlier),
        (Some(name), _) => name.to_owned(),
        (None, None) => top
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    let parsed: ProjectName = match name {
        Some(_) => project::named(&text)?,
        None => text
            .to_ascii_lowercase()
            .replace(['_', '.', ' '], "-")
            .parse()
            .map_err(|error: wharf_config::name::NameError| {
                Failure::usage("the directory's name cannot be a project's")
                    .because(error)
                    .hint("name it: wharf init NAME")
            })?,
    };
    let repository = place.git.join(format!("{parsed}.git"));
    Ok((parsed, repository))
}

fn make_repository(place: &Place, repository: &Path, branch: &str) -> Result<(), Failure> {
    if repository.exists() {
        failure::note(&format!(
            "the repository {} was there already",
            repository.display()
        ));
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&place.git)
        .map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot make {}", place.git.display()))
                .because(error)
        })?;
    git::run(
        &place.git,
        "make the repository",
        [
            "init".as_ref(),
            "--quiet".as_ref(),
            "--bare".as_ref(),
            format!("--initial-branch={branch}").as_ref(),
            "--".as_ref(),
            repository.as_os_str(),
        ],
    )?;
    failure::note(&format!("made the repository {}", repository.display()));
    Ok(())
}

/// git makes a repository without a sync: a power cut could leave half of it.
fn make_durable(paths: &[&Path]) -> Result<(), Failure> {
    for path in paths {
        let synced = File::open(path).and_then(|directory| Ok(rustix::fs::syncfs(&directory)?));
        synced.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot sync {}", path.display())).because(error)
        })?;
    }
    Ok(())
}

fn add_remote(top: &Path, repository: &Path, remote: Option<&str>) -> Result<(), Failure> {
    match remote {
        None => {
            let words = [
                "remote".as_ref(),
                "add".as_ref(),
                "--".as_ref(),
                REMOTE.as_ref(),
                repository.as_os_str(),
            ];
            git::run(top, "add the remote", words)?;
            failure::note(&format!("added the remote {REMOTE}"));
        }
        Some(url)
            if Path::new(url)
                .canonicalize()
                .is_ok_and(|path| path == repository) =>
        {
            failure::note(&format!("the remote {REMOTE} was there already"));
        }
        Some(url) => {
            failure::warning(&format!("the remote {REMOTE} points elsewhere: {url}"));
            failure::hint(&format!(
                "change it with: git remote set-url {REMOTE} {}",
                shell_words::quote(&repository.to_string_lossy())
            ));
        }
    }
    Ok(())
}

/// Says what to type next, and where the result will be.
fn say_next(branch: &str, url: Option<&str>) {
    failure::hint(&format!(
        "deploy with: git push {REMOTE} {}",
        shell_words::quote(branch)
    ));
    if let Some(url) = url {
        failure::note(&format!("it will answer at {url}"));
    }
}

/// Where the first branch will answer; none where that cannot be told.
fn url(place: &Place, name: &ProjectName, branch: &str) -> Result<Option<String>, Failure> {
    // The new project's first branch is its production, which has the domain's own name.
    let host = hooks::host(place)?;
    Ok(match (&host.domain, BranchName::parse(branch)) {
        (Some(_), _) | (None, Err(_)) => None,
        (None, Ok(branch)) => Some(format!(
            "http://{}--{name}.localhost:{}",
            EnvironmentId::from_branch(&branch).as_str(),
            // All is set up by now: a daemon that does not answer yet is no failure of this.
            port(place).ok().flatten().unwrap_or(host.listen.port())
        )),
    })
}

/// The port that the router really has: the configuration may leave the choice to the system.
fn port(place: &Place) -> Result<Option<u16>, Failure> {
    let (items, _) = daemon::records(place, Ask::Status)?;
    Ok(items.into_iter().find_map(|item| match item {
        Item::Status(status) => Some(status.router.parse::<SocketAddr>().ok()?.port()),
        _ => None,
    }))
}
