//! Removal: hooks and settings as they were.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Component, Path},
};

use super::{
    Change, HOOKS, InstallError, PROPOSALS, PROPOSED, Problem, Report, SETTINGS,
    file::{self, Found},
    layout::{self, CONFIGURED},
    record::Record,
    report::kept_name,
    repository::Repository,
};

/// Gives the repository back what it had. What somebody changed since is left, and named.
///
/// # Errors
/// [`InstallError`]; another run goes on where this one stopped.
pub fn uninstall(repository: &Path) -> Result<Report, InstallError> {
    let repository = Repository::open(repository)?;
    let record = Record::read(&repository.path)?;
    let mut report = Report {
        repository: repository.path.clone(),
        changes: Vec::new(),
        problems: Vec::new(),
    };
    // A setting that wants a hook goes before the hook.
    let is_whole = match &record {
        Some(record) => restore_config(&repository, record, &mut report)?,
        None => false,
    };
    for (key, value) in SETTINGS {
        if is_whole {
            break;
        }
        if key == PROPOSED {
            give_back_proposals(&repository, record.as_ref(), &mut report)?;
            continue;
        }
        if let Some(before) = record.as_ref().and_then(|record| record.settings.get(key)) {
            let now = repository.value(key)?;
            // Unset means that an earlier run got that far, or a person was faster.
            if now.is_none() || now.as_deref() == Some(value) {
                repository.set(key, before)?;
                report.changes.push(Change::Reset { key });
            } else {
                report.problems.push(Problem {
                    message: format!("{key} was changed since Wharf set it; it is left as it is"),
                    hint: format!("git --git-dir {} config {key}", repository.path.display()),
                });
            }
        }
    }
    for (hook, _) in HOOKS {
        restore_hook(&repository, hook, &mut report)?;
    }
    remove_empty(&repository.path.join(CONFIGURED))?;
    let Some(record) = record else {
        return Ok(report);
    };
    for made in record.directories.iter().rev() {
        let made = Path::new(made);
        // Nobody but us writes there, and yet: nothing outside.
        let inside = |part: Component<'_>| matches!(part, Component::Normal(_));
        if made.components().all(inside) {
            remove_empty(&repository.path.join(made))?;
        }
    }
    if record.made_directory {
        remove_empty(&repository.hooks())?;
    }
    // Last: until here another run knows what to do.
    Record::remove(&repository.path)?;
    Ok(report)
}

/// Puts the whole configuration back, byte by byte, where it is as Wharf left it; whether it is.
fn restore_config(
    repository: &Repository,
    record: &Record,
    report: &mut Report,
) -> Result<bool, InstallError> {
    let reading = || InstallError::disk("read", &repository.config);
    let now = fs::read(&repository.config).map_err(|error| reading()(error))?;
    let Some(noted) = &record.config else {
        return Ok(false);
    };
    if now != noted.after.as_bytes() {
        return Ok(false);
    }
    let mode = fs::metadata(&repository.config).map_err(|error| reading()(error))?;
    let mode = mode.permissions().mode() & 0o7777;
    file::replace(&repository.config, noted.before.as_bytes(), mode)?;
    let changed = SETTINGS.into_iter().map(|(key, _)| key);
    let changed = changed.filter(|key| record.settings.contains_key(*key));
    report
        .changes
        .extend(changed.map(|key| Change::Reset { key }));
    Ok(true)
}

/// Also where the note is lost: as long as the hook is ours, so is the setting.
fn give_back_proposals(
    repository: &Repository,
    record: Option<&Record>,
    report: &mut Report,
) -> Result<(), InstallError> {
    let hook = file::look(&repository.hooks().join(PROPOSALS))?;
    let was_noted = record.is_some_and(|record| record.settings.contains_key(PROPOSED));
    if !was_noted && !matches!(hook, Found::Ours { .. }) {
        return Ok(());
    }
    let (left, problem) = repository.unproposed()?;
    report.problems.extend(problem);
    if left != repository.values(PROPOSED)? {
        repository.set(PROPOSED, &left)?;
        report.changes.push(Change::Reset { key: PROPOSED });
    }
    Ok(())
}

fn restore_hook(
    repository: &Repository,
    hook: &'static str,
    report: &mut Report,
) -> Result<(), InstallError> {
    let path = repository.hooks().join(hook);
    let kept = repository.hooks().join(kept_name(hook));
    match (file::look(&path)?, file::look(&kept)?) {
        (Found::Nothing, Found::Nothing) | (Found::Theirs(_), Found::Nothing) => {}
        (Found::Theirs(now), Found::Theirs(before)) if now.is_same(&before) => {
            // An installation that got no further than the second name.
            file::remove(&kept)?;
        }
        (Found::Theirs(_), _) => report.problems.push(Problem {
            message: format!("hooks/{hook} is not what Wharf wrote; it is left as it is"),
            hint: format!("the one from before Wharf is {}", kept.display()),
        }),
        (_, Found::Theirs(_)) => {
            file::restore(&kept, &path)?;
            report.changes.push(Change::Restored { hook });
        }
        (Found::Ours { .. }, _) => remove_ours(repository, &path, report)?,
        (Found::Nothing, Found::Ours { .. }) => {}
    }
    for beside in layout::everywhere(repository, hook) {
        if beside != path && matches!(file::look(&beside)?, Found::Ours { .. }) {
            remove_ours(repository, &beside, report)?;
        }
    }
    Ok(())
}

fn remove_ours(
    repository: &Repository,
    path: &Path,
    report: &mut Report,
) -> Result<(), InstallError> {
    file::remove(path)?;
    report.changes.push(Change::Removed {
        file: repository.name_of(path),
    });
    Ok(())
}

fn remove_empty(directory: &Path) -> Result<(), InstallError> {
    match fs::remove_dir(directory) {
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(InstallError::disk("remove", directory)(error))
        }
        _ => Ok(()),
    }
}
