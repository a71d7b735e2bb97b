//! `wharf project add`: a bare repository becomes a project.

use std::path::Path;

use wharf_config::{
    name::ProjectName,
    place::Place,
    project::{NewProject, WriteError, read_one, write_new},
};
use wharf_wire::{ask::Ask, outcome::Exit};

use crate::{
    daemon,
    failure::{self, Failure},
    follow::{self, Lines},
    hooks,
};

/// Installs the hooks and registers the project.
///
/// # Errors
/// The name or the repository is no good, or the name is taken.
pub fn add(repository: &Path, name: &str) -> Result<Exit, Failure> {
    let place = daemon::place()?;
    let name = named(name)?;
    let report = hooks::install(&place, repository)?;
    hooks::say(&report, "the hooks were in order");
    match register(&place, &name, &report.repository)? {
        Registered::Now => failure::note(&format!("registered the project {name}")),
        Registered::Before => failure::note(&format!("the project {name} was registered already")),
    }
    if daemon::connect(&place.socket()).is_err() {
        failure::warning("the daemon does not run; it will serve the project once it does");
        failure::hint("start it with: wharf start");
        return Ok(Exit::Ok);
    }
    follow::lines(&place, Ask::Reload, Lines::Talk)
}

/// Reads a project's name.
///
/// # Errors
/// Why it is none.
pub fn named(name: &str) -> Result<ProjectName, Failure> {
    name.parse()
        .map_err(|error: wharf_config::name::NameError| {
            Failure::usage("no good name for a project").because(error)
        })
}

/// Whether the project was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// Its file was written now.
    Now,
    /// It is of the same repository, from an earlier time.
    Before,
}

/// Writes the project's file, unless it is there and names the same repository.
///
/// # Errors
/// The name belongs to another repository, or the file cannot be written.
pub fn register(
    place: &Place,
    name: &ProjectName,
    repository: &Path,
) -> Result<Registered, Failure> {
    let host = hooks::host(place)?;
    let project = NewProject {
        name: name.clone(),
        repository: repository.to_owned(),
        domain: None,
    };
    match write_new(&host.projects, &project) {
        Ok(_) => Ok(Registered::Now),
        Err(WriteError::Exists(_, path)) => match read_one(&path) {
            Ok(found) if found.repository == repository => Ok(Registered::Before),
            Ok(found) => Err(Failure::new(
                Exit::Refused,
                format!("the project {name} is {}", found.repository.display()),
            )
            .hint("choose another name")),
            Err(problems) => Err(Failure::new(
                Exit::Failed,
                format!("cannot read the project {name}"),
            )
            .because(problems)),
        },
        Err(error) => Err(Failure::new(
            Exit::Failed,
            format!("cannot register the project {name}"),
        )
        .because(error)),
    }
}
