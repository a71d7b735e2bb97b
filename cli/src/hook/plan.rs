//! Everything that an installation will do, decided with every check before the first change.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::SocketAddr},
    path::{Path, PathBuf},
};

use wharf_hooks::stub::Stub;

use super::{
    HOOKS, InstallError, Layout, PROPOSALS, PROPOSED, Problem, SETTINGS, Way, belongs,
    file::{self, Found, STUB_MODE, Theirs},
    install::Options,
    layout::{self, Place, elsewhere},
    record::Record,
    report::kept_name,
    repository::{Repository, Values, version},
};

/// The first git whose configuration may name hooks.
const CONFIGURES: (u32, u32) = (2, 54);

/// Everything that will be done.
pub(super) struct Plan {
    pub(super) record: Record,
    /// Whether no setting was changed by an earlier run: then the configuration is as it was.
    is_first: bool,
    /// Directories that are not there yet, outer ones first.
    pub(super) directories: Vec<PathBuf>,
    pub(super) hooks: Vec<HookPlan>,
    pub(super) settings: Vec<(&'static str, &'static str)>,
    /// What belongs to another way of taking pushes: hooks of ours, settings with their values from
    /// before.
    pub(super) removed: Vec<PathBuf>,
    pub(super) reset: Vec<(&'static str, Values)>,
    pub(super) problems: Vec<Problem>,
}

/// One hook's part of it.
pub(super) struct HookPlan {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) kept: PathBuf,
    pub(super) text: String,
    pub(super) keep: Keep,
    pub(super) write: Write,
}

/// What becomes of a hook that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    Chained,
    Inactive,
}

/// Whether ours is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Not,
    New,
    Again,
}

impl Plan {
    /// The note, once the configuration is changed.
    pub(super) fn noted(&self, before: &[u8], after: &[u8]) -> Record {
        let mut record = self.record.clone();
        if before != after && (self.is_first || record.config.is_some()) {
            record.changed(before, after);
        }
        record
    }
}

/// Decides everything.
///
/// # Errors
/// [`InstallError`].
pub(super) fn plan(repository: &Repository, options: &Options) -> Result<Plan, InstallError> {
    SocketAddr::from_pathname(&options.stub.socket).map_err(|source| InstallError::Socket {
        path: options.stub.socket.clone(),
        source,
    })?;
    let mut record = Record::read(&repository.path)?.unwrap_or_else(Record::new);
    let way = options.way.unwrap_or(record.way);
    if way == Way::Config {
        check_git(&options.git)?;
    }
    record.way = way;
    let is_first = record.settings.is_empty();
    let layout = Layout::of(repository)?;
    let mut plan = Plan {
        record,
        is_first,
        directories: Vec::new(),
        hooks: Vec::new(),
        settings: Vec::new(),
        removed: Vec::new(),
        reset: Vec::new(),
        problems: repository.problems(layout)?,
    };
    for (name, binary) in HOOKS {
        if !belongs(name, options.on_failure, way) {
            for path in layout::everywhere(repository, name) {
                if let Found::Ours { .. } = file::look(&path)? {
                    plan.removed.push(path);
                }
            }
            continue;
        }
        let binary = options.binaries.join(binary);
        check_binary(&binary)?;
        let place = layout.place(repository, name, way)?;
        if let Some(other) = elsewhere(repository, name, &place.path)? {
            return Err(InstallError::Elsewhere {
                hook: other,
                repository: repository.path.clone(),
            });
        }
        directories(repository, &place.path, &mut plan)?;
        plan_hook(repository, options, name, &binary, &place, &mut plan)?;
        plan.problems
            .extend(layout::problem(repository, layout, name, way)?);
    }
    settings(repository, options, way, &mut plan)?;
    Ok(plan)
}

fn check_git(said: &str) -> Result<(), InstallError> {
    match version(said).is_some_and(|version| version >= CONFIGURES) {
        true => Ok(()),
        false => Err(InstallError::OldGit(said.to_owned())),
    }
}

/// Which directories are to be made for a hook, none of which may lead out of the repository.
fn directories(repository: &Repository, hook: &Path, plan: &mut Plan) -> Result<(), InstallError> {
    let inside = hook.parent().into_iter().flat_map(Path::ancestors);
    let inside = inside.take_while(|path| *path != repository.path);
    let mut inside: Vec<&Path> = inside.collect();
    inside.reverse();
    for path in inside {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(InstallError::HooksLink(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if plan.directories.iter().any(|one| one == path) {
                    continue;
                }
                plan.directories.push(path.to_owned());
                let name = repository.name_of(path);
                match name == "hooks" {
                    true => plan.record.made_directory = true,
                    false if plan.record.directories.contains(&name) => {}
                    false => plan.record.directories.push(name),
                }
            }
            Err(error) => return Err(InstallError::disk("read", path)(error)),
        }
    }
    Ok(())
}

fn settings(
    repository: &Repository,
    options: &Options,
    way: Way,
    plan: &mut Plan,
) -> Result<(), InstallError> {
    let record = &mut plan.record;
    for (key, value) in SETTINGS {
        if !belongs(key, options.on_failure, way) {
            if key == PROPOSED {
                let was_noted = record.settings.remove(key).is_some();
                let is_ours = |path: &PathBuf| path.ends_with(PROPOSALS);
                if was_noted || plan.removed.iter().any(is_ours) {
                    let (left, problem) = repository.unproposed()?;
                    plan.problems.extend(problem);
                    if left != repository.values(key)? {
                        plan.reset.push((key, left));
                    }
                }
                continue;
            }
            // What somebody changed since is theirs.
            if let Some(before) = record.settings.remove(key)
                && repository.value(key)?.as_deref() == Some(value)
            {
                plan.reset.push((key, before));
            }
            continue;
        }
        let now = repository.value(key)?;
        if key == PROPOSED && now.as_deref().is_some_and(|now| now != value) {
            return Err(InstallError::Taken {
                what: key,
                repository: repository.path.clone(),
            });
        }
        if now.as_deref() != Some(value) {
            plan.settings.push((key, value));
            // The first note is the one that counts: it was made before Wharf's own value.
            if !record.settings.contains_key(key) {
                record
                    .settings
                    .insert(key.to_owned(), repository.values(key)?);
            }
        }
    }
    Ok(())
}

fn check_binary(path: &Path) -> Result<(), InstallError> {
    let wrong = |source| InstallError::Binary {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(wrong)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        return Ok(());
    }
    Err(wrong(io::ErrorKind::PermissionDenied.into()))
}

fn plan_hook(
    repository: &Repository,
    options: &Options,
    name: &'static str,
    binary: &Path,
    place: &Place,
    plan: &mut Plan,
) -> Result<(), InstallError> {
    let path = place.path.clone();
    let found = file::look(&path)?;
    let kept = repository.hooks().join(kept_name(name));
    let (keep, chained) = match place.replaces {
        true => kept_hook(repository, name, &path, &kept, &found, &mut plan.problems)?,
        // A foreign file there runs by itself, and so would one that was kept beside it.
        false if matches!(found, Found::Theirs(_)) => return Err(InstallError::Occupied(path)),
        false => (Keep::Nothing, Keep::Nothing),
    };
    let chain = (chained == Keep::Chained).then(|| kept_name(name));
    let text = Stub {
        chain,
        ..options.stub.clone()
    }
    .render(binary)?;
    let write = match &found {
        Found::Ours { bytes, mode } if bytes == text.as_bytes() && *mode == STUB_MODE => Write::Not,
        Found::Ours { .. } => Write::Again,
        Found::Nothing | Found::Theirs(_) => Write::New,
    };
    plan.hooks.push(HookPlan {
        name,
        path,
        kept,
        text,
        keep,
        write,
    });
    Ok(())
}

/// What becomes of the hook in whose place ours comes, and of the one that was kept earlier.
fn kept_hook(
    repository: &Repository,
    name: &str,
    path: &Path,
    kept: &Path,
    found: &Found,
    problems: &mut Vec<Problem>,
) -> Result<(Keep, Keep), InstallError> {
    let conflict = || InstallError::Conflict {
        hook: path.to_owned(),
        kept: kept.to_owned(),
    };
    let earlier = match file::look(kept)? {
        Found::Nothing => None,
        Found::Theirs(theirs) => Some(theirs),
        Found::Ours { .. } => return Err(conflict()),
    };
    if name == PROPOSALS && (earlier.is_some() || matches!(found, Found::Theirs(_))) {
        return Err(InstallError::Taken {
            what: "hooks/proc-receive",
            repository: repository.path.clone(),
        });
    }
    let chain = |theirs: &Theirs| match theirs.executable {
        true => Keep::Chained,
        false => Keep::Inactive,
    };
    let (keep, chained) = match (found, &earlier) {
        (Found::Theirs(hook), Some(earlier)) if !hook.is_same(earlier) => return Err(conflict()),
        (Found::Theirs(hook), None) => (chain(hook), chain(hook)),
        (_, Some(earlier)) => (Keep::Nothing, chain(earlier)),
        (_, None) => (Keep::Nothing, Keep::Nothing),
    };
    if let (Found::Theirs(hook), Keep::Chained) = (found, keep)
        && hook.reads_own_name()
    {
        problems.push(Problem {
            message: format!("the earlier hooks/{name} looks at its own name"),
            hint: format!("see that it works as {}", kept.display()),
        });
    }
    Ok((keep, chained))
}
