//! Writes a new project file.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::name::{Domain, ProjectName};

/// What `wharf project add` knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProject {
    /// Its name, which names the file.
    pub name: ProjectName,
    /// Absolute path of its bare repository.
    pub repository: PathBuf,
    /// The domain that its environments live under.
    pub domain: Option<Domain>,
}

/// Why a project file was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is one of that name.
    #[error("project `{0}` exists already: {path}", path = .1.display())]
    Exists(ProjectName, PathBuf),
    /// A TOML file holds text only.
    #[error("the repository's path {0:?} is not absolute or not UTF-8")]
    Repository(PathBuf),
    /// The system said no.
    #[error("cannot write {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
}

#[derive(Serialize)]
struct Raw<'a> {
    repository: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

/// Writes `NAME.toml` in the directory, which is made where it is missing; never over another.
///
/// The file appears whole or not at all: it is written beside its place and linked there.
pub fn write_new(dir: &Path, project: &NewProject) -> Result<PathBuf, WriteError> {
    let path = dir.join(format!("{}.toml", project.name));
    let repository = project
        .repository
        .to_str()
        .filter(|_| project.repository.is_absolute());
    let raw = Raw {
        repository: repository.ok_or_else(|| WriteError::Repository(project.repository.clone()))?,
        domain: project.domain.as_ref().map(Domain::as_str),
    };
    let text = toml::to_string(&raw).expect("two strings are TOML");
    std::fs::create_dir_all(dir).map_err(|error| WriteError::Io(dir.to_owned(), error))?;

    let draft = dir.join(format!(".{}.{}.new", project.name, std::process::id()));
    let written = write(&draft, &text).and_then(|()| std::fs::hard_link(&draft, &path));
    let removed = std::fs::remove_file(&draft);
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.exists() => {
            return Err(WriteError::Exists(project.name.clone(), path));
        }
        Err(error) => return Err(WriteError::Io(path, error)),
    }
    removed.map_err(|error| WriteError::Io(draft, error))?;
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| WriteError::Io(dir.to_owned(), error))?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
