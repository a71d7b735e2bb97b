//! Which directories are watched, and what a name in one of them means.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use wharf_config::name::{BranchName, ProjectName};

use super::inotify::{Inotify, Seen};
use super::{Subject, Trouble};
use crate::execute::World;

/// Directories of branches that are watched in one repository, at most: whoever may push could
/// else use up all that the system allows.
const MOST: usize = 4096;
/// Files at the top of a repository that tell of its refs.
const TOP: [&[u8]; 3] = [b"packed-refs", b"HEAD", b"refs"];

/// What a watched directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Spool,
    /// A directory of the host's or the projects' files.
    Settings,
    /// The top of a repository.
    Top(ProjectName),
    /// A directory of refs, whatever they are.
    Refs(ProjectName),
    /// A directory of branches, with what their names begin with.
    Heads(ProjectName, String),
}

impl Place {
    fn is_of(&self, project: &ProjectName) -> bool {
        matches!(self, Place::Top(of) | Place::Refs(of) | Place::Heads(of, _) if of == project)
    }
}

impl Place {
    /// What a directory in one of refs is.
    fn below(&self, name: &OsStr) -> Place {
        match (self, name.to_str()) {
            (Place::Heads(project, before), Some(name)) => {
                Place::Heads(project.clone(), format!("{before}{name}/"))
            }
            // No branch in it has an environment.
            (Place::Heads(project, _), None) => Place::Refs(project.clone()),
            (other, _) => other.clone(),
        }
    }
}

/// The watched directories.
#[derive(Debug)]
pub(super) struct Eyes {
    /// None where the system allows no observer.
    inotify: Option<Inotify<Place>>,
    projects: BTreeMap<ProjectName, PathBuf>,
}

impl Eyes {
    /// Watches the spool and the refs of every project, as far as the system allows.
    pub(super) fn open(world: &World) -> Eyes {
        let mut eyes = Eyes {
            inotify: None,
            projects: BTreeMap::new(),
        };
        eyes.follow(world);
        eyes
    }

    /// Watches the projects that there are now; returns those that are new. What could not be
    /// watched is tried again.
    pub(super) fn follow(&mut self, world: &World) -> Vec<ProjectName> {
        let is_blind = self.inotify.is_none();
        if is_blind {
            match Inotify::new() {
                Ok(inotify) => self.inotify = Some(inotify),
                Err(error) => {
                    let trouble = trouble("refs and spool", &error);
                    world.watching.trouble(&Subject::Spool, Some(trouble));
                }
            }
        }
        let settings = world.settings();
        let now: BTreeMap<_, _> = settings
            .projects
            .values()
            .map(|project| (project.name.clone(), project.repository.clone()))
            .collect();
        let before = std::mem::replace(&mut self.projects, now);
        for (project, repository) in &before {
            if self.projects.get(project) != Some(repository) {
                if let Some(inotify) = &mut self.inotify {
                    inotify.forget(|place| place.is_of(project));
                }
                let subject = Subject::Refs(project.clone());
                world.watching.trouble(&subject, None);
            }
        }
        self.look_around(world, &Subject::Spool);
        self.look_around(world, &Subject::Settings);
        let mut new = Vec::new();
        for (project, repository) in self.projects.clone() {
            let subject = Subject::Refs(project.clone());
            let is_new = before.get(&project) != Some(&repository);
            if is_new || is_blind || world.watching.is_troubled(&subject) {
                self.look_around(world, &subject);
            }
            if is_new {
                new.push(project);
            }
        }
        new
    }

    /// Watches directories that came since the last time.
    pub(super) fn look_around(&mut self, world: &World, subject: &Subject) {
        let Some(inotify) = &mut self.inotify else {
            return;
        };
        let found = match subject {
            Subject::Settings => watch_settings(inotify, world),
            Subject::Spool => {
                let spool = world.paths.spool();
                let watched = inotify.watch(&spool, Place::Spool);
                watched.map_err(|error| trouble(&spool.display().to_string(), &error))
            }
            Subject::Refs(project) | Subject::Branch(project, _) => {
                match self.projects.get(project) {
                    Some(repository) => watch_refs(inotify, project, repository, MOST),
                    None => Ok(()),
                }
            }
        };
        world.watching.trouble(subject, found.err());
    }

    /// Waits for changes; for ever where nothing can be watched.
    pub(super) async fn see(&mut self, world: &World) -> Vec<Subject> {
        let Some(inotify) = &mut self.inotify else {
            return std::future::pending().await;
        };
        match inotify.next().await {
            Ok(seen) => {
                let mut subjects: Vec<Subject> =
                    seen.into_iter().flat_map(|seen| self.about(seen)).collect();
                subjects.dedup();
                subjects
            }
            Err(error) => {
                let trouble = trouble("refs and spool", &error);
                world.watching.trouble(&Subject::Spool, Some(trouble));
                self.inotify = None;
                Vec::new()
            }
        }
    }

    /// What something that was seen is about: mostly one subject, or none.
    fn about(&self, seen: Seen<Place>) -> Vec<Subject> {
        match seen {
            // What editors write beside has other names.
            Seen::Name(Place::Settings, name) | Seen::Directory(Place::Settings, name)
                if is_settings(&name) =>
            {
                vec![Subject::Settings]
            }
            Seen::Gone(Place::Settings) => vec![Subject::Settings],
            // A file that is not whole yet has another name.
            Seen::Name(Place::Spool, name) if name.ends_with(b".json") => vec![Subject::Spool],
            Seen::Name(Place::Top(project), name) | Seen::Directory(Place::Top(project), name)
                if TOP.contains(&name.as_slice()) =>
            {
                vec![Subject::Refs(project)]
            }
            // git refuses such names for branches: a lock comes before each change, and goes.
            Seen::Name(_, name) if name.ends_with(b".lock") => Vec::new(),
            Seen::Name(Place::Refs(project), _) => vec![Subject::Refs(project)],
            Seen::Name(Place::Heads(project, before), name) => {
                let branch = branch(&before, &name);
                let moved = branch.map(|branch| Subject::Branch(project, branch));
                moved.into_iter().collect()
            }
            // Whatever is in it by now, nobody has told.
            Seen::Directory(Place::Refs(project) | Place::Heads(project, _), _) => {
                vec![Subject::Refs(project)]
            }
            Seen::Name(..) | Seen::Directory(..) => Vec::new(),
            Seen::Gone(Place::Spool) => vec![Subject::Spool],
            Seen::Gone(Place::Top(project) | Place::Refs(project) | Place::Heads(project, _)) => {
                vec![Subject::Refs(project)]
            }
            Seen::Overflow => {
                let refs = self.projects.keys().cloned().map(Subject::Refs);
                refs.chain([Subject::Spool, Subject::Settings]).collect()
            }
        }
    }
}

/// The branch of a file in a directory of branches, where it can have an environment.
fn branch(before: &str, name: &[u8]) -> Option<BranchName> {
    let name = std::str::from_utf8(name).ok()?;
    BranchName::parse(&format!("{before}{name}")).ok()
}

/// Watches a repository's top, for packed refs, and every directory of branches, parents first.
fn watch_refs(
    inotify: &mut Inotify<Place>,
    project: &ProjectName,
    repository: &Path,
    most: usize,
) -> Result<(), Trouble> {
    let failed = |directory: &Path| {
        let name = directory.display().to_string();
        move |error: io::Error| trouble(&name, &error)
    };
    inotify
        .watch(repository, Place::Top(project.clone()))
        .map_err(failed(repository))?;
    let refs = repository.join("refs");
    inotify
        .watch(&refs, Place::Refs(project.clone()))
        .map_err(failed(&refs))?;
    let heads = Place::Heads(project.clone(), String::new());
    let mut waiting = vec![(refs.join("heads"), heads)];
    // Where all refs are in a few tables, their list is replaced at each move.
    let tables = Place::Refs(project.clone());
    waiting.push((repository.join("reftable"), tables));
    let mut count = 0;
    while let Some((directory, place)) = waiting.pop() {
        if count == most {
            return Err(Trouble {
                code: Trouble::WATCH,
                message: format!(
                    "{}: more than {most} directories of branches; not all are watched",
                    repository.display()
                ),
                hint: "pack them: git pack-refs --all".into(),
            });
        }
        count += 1;
        match inotify.watch(&directory, place.clone()) {
            Ok(()) => {}
            // git removes the directory of the last branch in it, and all of them in a new form.
            Err(error) if is_gone(&error) => continue,
            Err(error) => return Err(failed(&directory)(error)),
        }
        let Ok(entries) = crate::disk::entries(&directory) else {
            continue;
        };
        let below = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| (entry.path(), place.below(&entry.file_name())));
        waiting.extend(below);
    }
    Ok(())
}

/// Watches where the host's and the projects' files are. Directories that are not there may come: the
/// one above tells.
fn watch_settings(inotify: &mut Inotify<Place>, world: &World) -> Result<(), Trouble> {
    let (place, settings) = (&world.place, world.settings());
    let mut directories = vec![
        place.config.clone(),
        place.drop_ins_dir(),
        settings.host.projects.clone(),
    ];
    let vendor = place.vendor_file();
    directories.extend(vendor.as_deref().and_then(Path::parent).map(Path::to_owned));
    for directory in directories {
        match inotify.watch(&directory, Place::Settings) {
            Err(error) if !is_gone(&error) => {
                let trouble = trouble(&directory.display().to_string(), &error);
                let hint = "after a change run: wharf reload".into();
                return Err(Trouble { hint, ..trouble });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name in one of those directories is one that is read, or a directory of such.
fn is_settings(name: &[u8]) -> bool {
    !name.starts_with(b".") && (name.ends_with(b".toml") || name.ends_with(b".d"))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What the system refused, and which of its limits to raise.
fn trouble(what: &str, error: &io::Error) -> Trouble {
    let limit = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC) => "max_user_watches",
        Some(Errno::MFILE) => "max_user_instances",
        _ => {
            return Trouble {
                code: Trouble::WATCH,
                message: format!("{what}: cannot be watched: {error}"),
                hint: "moves without a hook are taken up at the next start or push".into(),
            };
        }
    };
    Trouble {
        code: Trouble::WATCH,
        message: format!("{what}: cannot be watched: the system allows no more"),
        hint: format!("raise fs.inotify.{limit}, see sysctl(8), then: wharf reload"),
    }
}

#[cfg(test)]
mod tests;
