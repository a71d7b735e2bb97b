//! Reads a directory of project files.

use std::path::{Path, PathBuf};

use super::super::{Broken, Directory, Project};
use super::{name_of, one, read, toml_files};
use crate::{
    name::{Domain, ProjectName},
    plain::quoted,
    problem::{Problem, Problems},
    reader::Reader,
};

/// A file that could be read.
struct Text {
    file: PathBuf,
    name: ProjectName,
    reader: Reader,
    /// Whether it is as it was when it was good the last time.
    is_kept: bool,
}

pub(in super::super) fn all(dir: &Path, kept: Option<&Path>) -> Result<Directory, Problems> {
    let mut found = Directory::default();
    let mut texts = Vec::new();
    for file in toml_files(dir)? {
        match open(&file, kept) {
            Ok(text) => texts.push(text),
            Err(problems) => found.refuse(file, problems, kept),
        }
    }
    // Whoever takes another's host by a change is at fault, not who had it before.
    texts.sort_by_key(|text| !text.is_kept);
    for text in texts {
        let Text { file, reader, .. } = text;
        let source = reader.text().to_owned();
        let project = read(reader, text.name).and_then(|project| found.fits(&file, project));
        match project {
            Ok(project) => {
                found.texts.insert(project.name.clone(), source);
                found.projects.push(project);
            }
            Err(problems) => found.refuse(file, problems, kept),
        }
    }
    found.projects.sort_by(|a, b| a.name.cmp(&b.name));
    found.broken.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

fn open(file: &Path, kept: Option<&Path>) -> Result<Text, Problems> {
    let name = name_of(file)?;
    let reader = Reader::open(file)?;
    let kept = kept.and_then(|kept| std::fs::read(kept.join(file.file_name()?)).ok());
    Ok(Text {
        file: file.to_owned(),
        name,
        is_kept: kept.is_some_and(|kept| kept == reader.text().as_bytes()),
        reader,
    })
}

impl Directory {
    /// The project, unless it wants what another has.
    fn fits(&self, file: &Path, project: Project) -> Result<Project, Problems> {
        match clash(&project, &self.projects) {
            None => Ok(project),
            Some(why) => Err(Problem::new(file.display().to_string(), "bad-value", why)
                .hint("change one of the two files")
                .into()),
        }
    }

    /// Goes on with what was good the last time.
    fn refuse(&mut self, file: PathBuf, problems: Problems, kept: Option<&Path>) {
        let earlier = kept
            .zip(file.file_name())
            .and_then(|(kept, name)| one(&kept.join(name)).ok())
            .and_then(|project| self.fits(&file, project).ok());
        self.broken.push(Broken {
            file,
            problems,
            kept: earlier.is_some(),
        });
        self.projects.extend(earlier);
    }
}

/// What two projects cannot share.
fn clash(project: &Project, others: &[Project]) -> Option<String> {
    let hosts = |p: &Project| -> Vec<Domain> {
        p.environments
            .iter()
            .flat_map(|e| e.hosts.clone())
            .chain(p.domain.clone())
            .collect()
    };
    let mine = hosts(project);
    others.iter().find_map(|other| {
        if other.repository == project.repository {
            return Some(format!(
                "project {} has the same repository",
                quoted(other.name.as_str())
            ));
        }
        let theirs = hosts(other);
        let shared = mine.iter().find(|host| theirs.contains(host))?;
        let (other, shared) = (quoted(other.name.as_str()), quoted(shared.as_str()));
        Some(format!("project {other} has the host {shared} too"))
    })
}
