//! Installation: what a plan says, in an order in which every step may be the last.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_config::host::OnFailure;
use wharf_hooks::stub::Stub;

use super::{
    Change, InstallError, Report, Way,
    file::{self, STUB_MODE},
    plan::{Keep, Plan, Write, plan},
    record::Record,
    repository::Repository,
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
    /// How ours come to run; none: as they do, or by files.
    pub way: Option<Way>,
    /// What git says of its version.
    pub git: String,
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

/// Installs the hooks, or brings them up to date.
///
/// # Errors
/// [`InstallError`]; whatever can be wrong is looked for before the first change.
pub fn install(repository: &Path, options: &Options) -> Result<Report, InstallError> {
    let repository = Repository::open(repository)?;
    let plan = plan(&repository, options)?;
    let changes = changes(&repository, &plan);
    if options.mode == Mode::Write {
        apply(&repository, &plan)?;
    }
    Ok(Report {
        repository: repository.path,
        changes,
        problems: plan.problems,
    })
}

/// What an installation would change.
///
/// # Errors
/// As [`install`].
pub(super) fn planned(
    repository: &Repository,
    options: &Options,
) -> Result<Vec<Change>, InstallError> {
    Ok(changes(repository, &plan(repository, options)?))
}

fn changes(repository: &Repository, plan: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    for plan in &plan.hooks {
        let (hook, file) = (plan.name, repository.name_of(&plan.path));
        match plan.keep {
            Keep::Nothing => {}
            Keep::Chained => changes.push(Change::Chained { hook }),
            Keep::Inactive => changes.push(Change::Kept { hook }),
        }
        match plan.write {
            Write::Not => {}
            Write::New => changes.push(Change::Wrote { file }),
            Write::Again => changes.push(Change::Rewrote { file }),
        }
    }
    let settings = plan.settings.iter();
    changes.extend(settings.map(|&(key, value)| Change::Set { key, value }));
    let reset = plan.reset.iter();
    changes.extend(reset.map(|&(key, _)| Change::Reset { key }));
    let removed = plan.removed.iter();
    changes.extend(removed.map(|path| Change::Removed {
        file: repository.name_of(path),
    }));
    changes
}

fn apply(repository: &Repository, plan: &Plan) -> Result<(), InstallError> {
    let config = || {
        let reading = InstallError::disk("read", &repository.config);
        fs::read(&repository.config).map_err(reading)
    };
    let before = config()?;
    // While it is noted, another run knows what to put back.
    for (key, before) in &plan.reset {
        repository.set(key, before)?;
    }
    for path in &plan.removed {
        file::remove(path)?;
    }
    if Record::read(&repository.path)?.as_ref() != Some(&plan.record) {
        plan.record.write(&repository.path)?;
    }
    for path in &plan.directories {
        file::make_directory(path).map_err(InstallError::disk("make", path))?;
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
    let after = config()?;
    // Last: until here the values are what another run knows.
    let record = plan.noted(&before, &after);
    if record != plan.record {
        record.write(&repository.path)?;
    }
    Ok(())
}
