//! What is installed.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use wharf_config::host::OnFailure;
use wharf_hooks::stub::Stub;

use super::{
    Change, HOOKS, InstallError, Layout, Options, PROPOSALS, Problem, SETTINGS, Way, belongs,
    file::{self, Found, STUB_MODE},
    install::planned,
    layout::{self, Place, elsewhere},
    record::Record,
    report::kept_name,
    repository::Repository,
};

/// The state of a repository's hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The repository, links resolved.
    pub repository: PathBuf,
    /// Which git host it belongs to.
    pub layout: Layout,
    /// How the hooks come to run.
    pub way: Way,
    /// Each of Wharf's hooks.
    pub hooks: Vec<HookStatus>,
    /// Each of the settings.
    pub settings: Vec<SettingStatus>,
    /// What keeps it from working; empty when all is well or nothing is installed.
    pub problems: Vec<Problem>,
}

/// The state of one hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookStatus {
    /// git's name of the hook.
    pub hook: &'static str,
    /// Its file, as the repository has it.
    pub file: String,
    /// What stands there.
    pub state: HookState,
}

/// What stands at a hook's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookState {
    /// Nothing.
    Missing,
    /// Somebody else's.
    Foreign,
    /// Ours.
    Installed {
        /// The binary that it starts.
        binary: PathBuf,
        /// What it is told.
        stub: Box<Stub>,
    },
    /// Ours, but it cannot be read.
    Damaged(String),
}

/// The state of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingStatus {
    /// Its key.
    pub key: &'static str,
    /// What Wharf wants.
    pub wanted: &'static str,
    /// What it is, or not set.
    pub value: Option<String>,
}

impl Status {
    /// Whether every hook is ours and every setting as wanted.
    pub fn is_complete(&self) -> bool {
        self.are_ours() && self.is_set()
    }

    /// Whether any hook is ours.
    pub fn is_begun(&self) -> bool {
        let mut hooks = self.hooks.iter();
        hooks.any(|hook| !matches!(hook.state, HookState::Missing | HookState::Foreign))
    }

    fn are_ours(&self) -> bool {
        let mut hooks = self.hooks.iter();
        hooks.all(|hook| matches!(hook.state, HookState::Installed { .. }))
    }

    fn is_set(&self) -> bool {
        let mut settings = self.settings.iter();
        settings.all(|setting| setting.value.as_deref() == Some(setting.wanted))
    }
}

/// Looks at a repository without changing it. `on_failure` is what the host's and the project's
/// files say.
///
/// # Errors
/// [`InstallError`] when it cannot be looked at.
pub fn status(repository: &Path, on_failure: OnFailure) -> Result<Status, InstallError> {
    let repository = Repository::open(repository)?;
    let mut status = of(&repository, on_failure)?;
    let incomplete = incomplete(&status);
    if status.is_begun() && !status.is_set() && !status.problems.contains(&incomplete) {
        status.problems.push(incomplete);
    }
    Ok(status)
}

/// A repository's hooks, and what an installation would change.
#[derive(Debug)]
pub struct Checked {
    /// As they are; what is not set is told by its settings alone.
    pub status: Status,
    /// What is to be changed; none where nothing is installed, or it cannot be.
    pub changes: Vec<Change>,
}

/// Looks at a repository without changing it.
///
/// # Errors
/// [`InstallError`] when it cannot be looked at.
pub fn check(repository: &Path, options: &Options) -> Result<Checked, InstallError> {
    let repository = Repository::open(repository)?;
    let status = of(&repository, options.on_failure)?;
    let changes = match status.is_begun() && status.problems.is_empty() {
        true => planned(&repository, options)?,
        false => Vec::new(),
    };
    Ok(Checked { status, changes })
}

fn incomplete(status: &Status) -> Problem {
    Problem {
        message: "the installation is not complete".to_owned(),
        hint: install_again(&status.repository),
    }
}

fn of(repository: &Repository, on_failure: OnFailure) -> Result<Status, InstallError> {
    let layout = Layout::of(repository)?;
    let way = Record::read(&repository.path)?.map_or(Way::Files, |record| record.way);
    let mut hooks = Vec::new();
    let mut problems = Vec::new();
    for (hook, _) in HOOKS {
        if !belongs(hook, on_failure, way) {
            let found = file::look(&repository.hooks().join(hook))?;
            if matches!(found, Found::Ours { .. }) {
                problems.push(Problem {
                    message: "a failed build is to keep its push (push.on_failure), and the hooks \
                              refuse it"
                        .to_owned(),
                    hint: install_again(&repository.path),
                });
            }
            continue;
        }
        let place = layout.place(repository, hook, way)?;
        let state = state(repository, hook, &place, &mut problems)?;
        if matches!(state, HookState::Installed { .. }) {
            problems.extend(layout::problem(repository, layout, hook, way)?);
        }
        if let Some(other) = elsewhere(repository, hook, &place.path)? {
            problems.push(Problem {
                message: format!("a hook of Wharf stands in {}", repository.name_of(&other)),
                hint: format!(
                    "take it out and install anew: wharf hook uninstall {}",
                    repository.path.display()
                ),
            });
        }
        hooks.push(HookStatus {
            hook,
            file: repository.name_of(&place.path),
            state,
        });
    }
    let mut settings = Vec::new();
    for (key, wanted) in SETTINGS {
        if !belongs(key, on_failure, way) {
            continue;
        }
        settings.push(SettingStatus {
            key,
            wanted,
            value: repository.value(key)?,
        });
    }
    let mut status = Status {
        repository: repository.path.clone(),
        layout,
        way,
        hooks,
        settings,
        problems,
    };
    let installed = status.is_begun();
    if installed {
        status.problems.extend(repository.problems(layout)?);
    }
    let is_missing = |one: &HookStatus| one.hook == PROPOSALS && one.state == HookState::Missing;
    if installed && status.hooks.iter().any(is_missing) {
        status.problems.push(Problem {
            message:
                "a failed build is to refuse its push (push.on_failure), and the hooks keep it"
                    .to_owned(),
            hint: install_again(&status.repository),
        });
    } else if installed && !status.are_ours() {
        status.problems.push(incomplete(&status));
    }
    Ok(status)
}

fn state(
    repository: &Repository,
    hook: &'static str,
    place: &Place,
    problems: &mut Vec<Problem>,
) -> Result<HookState, InstallError> {
    let path = &place.path;
    let shown = repository.name_of(path);
    let (bytes, mode) = match file::look(path)? {
        Found::Nothing => return Ok(HookState::Missing),
        Found::Theirs(_) => return Ok(HookState::Foreign),
        Found::Ours { bytes, mode } => (bytes, mode),
    };
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let binary = PathBuf::from(std::ffi::OsStr::from_bytes(
        first.get(2..).unwrap_or_default(),
    ));
    let stub = match Stub::read(path) {
        Ok(stub) => stub,
        Err(error) => return Ok(HookState::Damaged(error.to_string())),
    };
    let mut problem = |message: String| {
        problems.push(Problem {
            message,
            hint: install_again(&repository.path),
        });
    };
    if fs::metadata(&binary).is_err() {
        problem(format!(
            "{shown} starts {}, which is gone",
            binary.display()
        ));
    }
    if mode != STUB_MODE {
        problem(format!(
            "{shown} has the mode {mode:o} instead of {STUB_MODE:o}"
        ));
    }
    if stub.chain.is_some()
        && matches!(
            file::look(&repository.hooks().join(kept_name(hook)))?,
            Found::Nothing
        )
    {
        problem(format!("the earlier hook {} is gone", kept_name(hook)));
    }
    Ok(HookState::Installed {
        binary,
        stub: Box::new(stub),
    })
}

fn install_again(repository: &Path) -> String {
    format!("wharf hook install {}", repository.display())
}
