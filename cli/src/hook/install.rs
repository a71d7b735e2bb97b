//! Installation: first a plan with every check, then the changes.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, net::SocketAddr},
    path::{Path, PathBuf},
};

use wharf_config::host::OnFailure;
use wharf_hooks::stub::Stub;

use super::{
    Change, HOOKS, InstallError, PROPOSALS, PROPOSED, Problem, Report, SETTINGS, belongs,
    file::{self, Found, STUB_MODE, Theirs},
    record::Record,
    report::kept_name,
    repository::{Repository, Values},
};

/// What is installed.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory with the hooks' binaries, absolute.
    pub binaries: PathBuf,
    /// What the hooks are told; `chain` is the installer's to decide.
    pub stub: Stub,
    /// Whether a failed build refuses its push.
    pub on_failure: OnFailure,
    /// Whether anything is done.
    pub mode: Mode,
}

/// Whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Yes.
    Write,
    /// No; the report says what would be.
    DryRun,
}

/// Everything that will be done, decided before the first change.
struct Plan {
    record: Record,
    hooks: Vec<HookPlan>,
    settings: Vec<(&'static str, &'static str)>,
    /// What belongs to another way of taking pushes: hooks of ours, settings with their values from
    /// before.
    removed: Vec<(&'static str, PathBuf)>,
    reset: Vec<(&'static str, Values)>,
    problems: Vec<Problem>,
}

struct HookPlan {
    name: &'static str,
    path: PathBuf,
    kept: PathBuf,
    text: String,
    keep: Keep,
    write: Write,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    Chained,
    Inactive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Not,
    New,
    Again,
}

/// Installs the hooks, or brings them up to date.
///
/// # Errors
/// [`InstallError`]; whatever can be wrong is looked for before the first change.
pub fn install(repository: &Path, options: &Options) -> Result<Report, InstallError> {
    let repository = Repository::open(repository)?;
    let plan = plan(&repository, options)?;
    let changes = changes(&plan);
    if options.mode == Mode::Write {
        apply(&repository, &plan)?;
    }
    Ok(Report {
        repository: repository.path,
        changes,
        problems: plan.problems,
    })
}

fn plan(repository: &Repository, options: &Options) -> Result<Plan, InstallError> {
    SocketAddr::from_pathname(&options.stub.socket).map_err(|source| InstallError::Socket {
        path: options.stub.socket.clone(),
        source,
    })?;
    let mut record = Record::read(&repository.path)?.unwrap_or_else(Record::new);
    match fs::symlink_metadata(repository.hooks()) {
        Ok(hooks) if hooks.is_dir() => {}
        Ok(_) => return Err(InstallError::HooksLink(repository.hooks())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => record.made_directory = true,
        Err(error) => return Err(InstallError::disk("read", repository.hooks())(error)),
    }
    let mut problems = repository.problems()?;
    let mut hooks = Vec::new();
    let mut removed = Vec::new();
    for (name, binary) in HOOKS {
        if !belongs(name, options.on_failure) {
            let path = repository.hooks().join(name);
            if let Found::Ours { .. } = file::look(&path)? {
                removed.push((name, path));
            }
            continue;
        }
        let binary = options.binaries.join(binary);
        check_binary(&binary)?;
        hooks.push(plan_hook(
            repository,
            options,
            name,
            &binary,
            &mut problems,
        )?);
    }
    let mut settings = Vec::new();
    let mut reset = Vec::new();
    for (key, value) in SETTINGS {
        if !belongs(key, options.on_failure) {
            if key == PROPOSED {
                let was_noted = record.settings.remove(key).is_some();
                if was_noted || removed.iter().any(|(hook, _)| *hook == PROPOSALS) {
                    let (left, problem) = repository.unproposed()?;
                    problems.extend(problem);
                    if left != repository.values(key)? {
                        reset.push((key, left));
                    }
                }
                continue;
            }
            // What somebody changed since is theirs.
            if let Some(before) = record.settings.remove(key)
                && repository.value(key)?.as_deref() == Some(value)
            {
                reset.push((key, before));
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
            settings.push((key, value));
            // The first note is the one that counts: it was made before Wharf's own value.
            if !record.settings.contains_key(key) {
                record
                    .settings
                    .insert(key.to_owned(), repository.values(key)?);
            }
        }
    }
    Ok(Plan {
        record,
        hooks,
        settings,
        removed,
        reset,
        problems,
    })
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
    problems: &mut Vec<Problem>,
) -> Result<HookPlan, InstallError> {
    let path = repository.hooks().join(name);
    let kept = repository.hooks().join(kept_name(name));
    let earlier = match file::look(&kept)? {
        Found::Nothing => None,
        Found::Theirs(theirs) => Some(theirs),
        Found::Ours { .. } => return Err(InstallError::Conflict { hook: path, kept }),
    };
    let chain = |theirs: &Theirs| {
        if theirs.executable {
            Keep::Chained
        } else {
            Keep::Inactive
        }
    };
    let found = file::look(&path)?;
    if name == PROPOSALS && (earlier.is_some() || matches!(found, Found::Theirs(_))) {
        return Err(InstallError::Taken {
            what: "hooks/proc-receive",
            repository: repository.path.clone(),
        });
    }
    let (keep, chained) = match (&found, &earlier) {
        (Found::Theirs(hook), Some(earlier)) if !hook.is_same(earlier) => {
            return Err(InstallError::Conflict { hook: path, kept });
        }
        (Found::Theirs(hook), None) => (chain(hook), chain(hook)),
        (_, Some(earlier)) => (Keep::Nothing, chain(earlier)),
        (_, None) => (Keep::Nothing, Keep::Nothing),
    };
    if let (Found::Theirs(hook), Keep::Chained) = (&found, keep)
        && hook.reads_own_name()
    {
        problems.push(Problem {
            message: format!("the earlier hooks/{name} looks at its own name"),
            hint: format!("see that it works as {}", kept.display()),
        });
    }
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
    Ok(HookPlan {
        name,
        path,
        kept,
        text,
        keep,
        write,
    })
}

fn changes(plan: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    for plan in &plan.hooks {
        let hook = plan.name;
        match plan.keep {
            Keep::Nothing => {}
            Keep::Chained => changes.push(Change::Chained { hook }),
            Keep::Inactive => changes.push(Change::Kept { hook }),
        }
        match plan.write {
            Write::Not => {}
            Write::New => changes.push(Change::Wrote { hook }),
            Write::Again => changes.push(Change::Rewrote { hook }),
        }
    }
    let settings = plan.settings.iter();
    changes.extend(settings.map(|&(key, value)| Change::Set { key, value }));
    let reset = plan.reset.iter();
    changes.extend(reset.map(|&(key, _)| Change::Reset { key }));
    let removed = plan.removed.iter();
    changes.extend(removed.map(|&(hook, _)| Change::Removed { hook }));
    changes
}

fn apply(repository: &Repository, plan: &Plan) -> Result<(), InstallError> {
    // While it is noted, another run knows what to put back.
    for (key, before) in &plan.reset {
        repository.set(key, before)?;
    }
    for (_, path) in &plan.removed {
        file::remove(path)?;
    }
    if Record::read(&repository.path)?.as_ref() != Some(&plan.record) {
        plan.record.write(&repository.path)?;
    }
    let hooks = repository.hooks();
    if plan.record.made_directory {
        file::make_directory(&hooks).map_err(InstallError::disk("make", &hooks))?;
    }
    for hook in &plan.hooks {
        if hook.keep != Keep::Nothing {
            file::keep(&hook.path, &hook.kept)?;
        }
        if hook.write != Write::Not {
            file::replace(&hook.path, hook.text.as_bytes(), STUB_MODE)?;
        }
    }
    for (key, value) in &plan.settings {
        repository.set(key, &[Some((*value).to_owned())])?;
    }
    Ok(())
}
