//! Removal: hooks and settings as they were.

use std::{fs, io, path::Path};

use super::{
    Change, HOOKS, InstallError, PROPOSALS, PROPOSED, Problem, Report, SETTINGS,
    file::{self, Found},
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
    for (key, value) in SETTINGS {
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
    let Some(record) = record else {
        return Ok(report);
    };
    if record.made_directory {
        remove_empty(&repository.hooks())?;
    }
    // Last: until here another run knows what to do.
    Record::remove(&repository.path)?;
    Ok(report)
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
        (Found::Ours { .. }, _) => {
            file::remove(&path)?;
            report.changes.push(Change::Removed { hook });
        }
        (Found::Nothing, Found::Ours { .. }) => {}
    }
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
