//! A bare repository and its settings, as git reads them.

use std::{
    cell::RefCell,
    ffi::OsStr,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::git::bounded;

use super::{InstallError, Layout, OURS, PROPOSED, Problem, SETTINGS, file::sync};

/// All values of a setting, in order; `None` is a key without `=`, which means yes.
pub(super) type Values = Vec<Option<String>>;

/// Keys with their values, as [`Values`] has them.
type Listed = Vec<(String, Option<String>)>;

/// What git tells its hooks about their repository would mislead git about ours.
const LOCAL: [&str; 9] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
];

/// A bare repository.
pub(super) struct Repository {
    /// Absolute, links resolved.
    pub(super) path: PathBuf,
    /// Its configuration, or a copy to try changes on.
    pub(super) config: PathBuf,
    /// What git listed of it last; none since it was changed.
    listed: RefCell<Option<Listed>>,
}

impl Repository {
    /// Makes sure that the path is one.
    ///
    /// # Errors
    /// [`InstallError::NotARepository`], [`InstallError::NotBare`], or that git cannot be started.
    pub(super) fn open(path: &Path) -> Result<Self, InstallError> {
        let foreign = || InstallError::NotARepository(path.to_owned());
        let path_of = fs::canonicalize(path).map_err(|_| foreign())?;
        let repository = Repository {
            config: path_of.join("config"),
            path: path_of,
            listed: RefCell::default(),
        };
        if !repository.path.join("HEAD").exists() {
            // A work tree is the likeliest mistake, and `.git` in it is one directory too deep.
            let work_tree = repository.path.join(".git").exists();
            return Err(if work_tree {
                InstallError::NotBare(path.to_owned())
            } else {
                foreign()
            });
        }
        // A pipe or a device would keep git, and whoever waits for it.
        if !fs::metadata(&repository.config).is_ok_and(|config| config.is_file()) {
            return Err(InstallError::NotAFile(repository.config));
        }
        let output = repository.git(["rev-parse", "--is-bare-repository"])?;
        match output.stdout.as_slice() {
            b"true\n" => Ok(repository),
            b"false\n" => Err(InstallError::NotBare(path.to_owned())),
            _ => Err(foreign()),
        }
    }

    /// Where hooks are, unless [`Repository::problems`] knows better.
    pub(super) fn hooks(&self) -> PathBuf {
        self.path.join("hooks")
    }

    /// A path of it, as people read it.
    pub(super) fn name_of(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.path).unwrap_or(path);
        inside.display().to_string()
    }

    /// Every value of a setting in the repository's own file.
    ///
    /// # Errors
    /// git's.
    pub(super) fn values(&self, key: &str) -> Result<Values, InstallError> {
        if self.listed.borrow().is_none() {
            let listed = self.list()?;
            self.listed.replace(Some(listed));
        }
        let listed = self.listed.borrow();
        let all = listed.iter().flatten();
        let own = all.filter(|(name, _)| name.eq_ignore_ascii_case(key));
        Ok(own.map(|(_, value)| value.clone()).collect())
    }

    /// All settings of the repository's own file, in order.
    fn list(&self) -> Result<Listed, InstallError> {
        let output = self.config(["-z", "--list"])?;
        if !output.status.success() {
            return Err(failed("config --list", &output));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let entries = text.split_terminator('\0');
        let pair = |entry: &str| match entry.split_once('\n') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (entry.to_owned(), None),
        };
        Ok(entries.map(pair).collect())
    }

    /// A copy to try changes on, in another file.
    pub(super) fn with_config(&self, config: PathBuf) -> Repository {
        Repository {
            path: self.path.clone(),
            config,
            listed: RefCell::default(),
        }
    }

    /// The value of one of Wharf's settings, as `true` or `false` where one of them is wanted; `None`
    /// when it is not set, or neither.
    ///
    /// # Errors
    /// git's.
    pub(super) fn value(&self, key: &str) -> Result<Option<String>, InstallError> {
        if key == PROPOSED {
            let values = self.values(key)?;
            let shown = values.iter().map(|value| value.as_deref());
            let shown: Vec<_> = shown.map(Option::unwrap_or_default).collect();
            return Ok((!shown.is_empty()).then(|| shown.join(", ")));
        }
        let is_bool = SETTINGS
            .iter()
            .any(|(name, wanted)| *name == key && ["true", "false"].contains(wanted));
        let Some(last) = self.values(key)?.pop() else {
            return Ok(None);
        };
        Ok(match is_bool {
            true => truth(last.as_deref()).map(|is| is.to_string()),
            false => Some(last.unwrap_or_default().trim().to_owned()),
        })
    }

    /// Which refs git proposes once our proc-receive is gone: without ours. A setting without the hook
    /// makes git refuse every push to these refs, so the second tells of what others put there.
    ///
    /// # Errors
    /// git's.
    pub(super) fn unproposed(&self) -> Result<(Values, Option<Problem>), InstallError> {
        let mut left = self.values(PROPOSED)?;
        left.retain(|value| value.as_deref() != Some(OURS));
        let refs: Vec<_> = left.iter().flatten().map(String::as_str).collect();
        let problem = (!left.is_empty()).then(|| Problem {
            message: format!(
                "{PROPOSED} is {} and no hook proc-receive is there: git refuses pushes to that",
                refs.join(", ")
            ),
            hint: format!(
                "put the hook there, or: git --git-dir {} config --unset-all {PROPOSED}",
                self.path.display()
            ),
        });
        Ok((left, problem))
    }

    /// Gives a setting exactly these values.
    ///
    /// # Errors
    /// git's.
    pub(super) fn set(&self, key: &str, values: &[Option<String>]) -> Result<(), InstallError> {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "true".to_owned());
        let file = self.config.clone();
        let before = fs::metadata(&file).map_err(InstallError::disk("read", &file))?;
        match values {
            [] if self.values(key)?.is_empty() => {}
            [] => self.change(["--unset-all", key])?,
            [first, more @ ..] => {
                self.change(["--replace-all", key, &value(first)])?;
                for further in more {
                    self.change(["--add", key, &value(further)])?;
                }
            }
        }
        let after = fs::metadata(&file).map_err(InstallError::disk("read", &file))?;
        // git writes a new file. Root's would be out of the hands of the repository's owner.
        if (before.uid(), before.gid()) != (after.uid(), after.gid()) {
            chown(&file, Some(before.uid()), Some(before.gid()))
                .map_err(InstallError::disk("change the owner of", &file))?;
        }
        // git renames a new file over the old one and syncs neither: half a file could be left.
        let directory = file.parent().unwrap_or(&self.path);
        sync(&file)
            .and_then(|()| sync(directory))
            .map_err(InstallError::disk("sync", &file))
    }

    /// What keeps git from running this repository's hooks, or lets others change them.
    ///
    /// # Errors
    /// git's.
    pub(super) fn problems(&self, layout: Layout) -> Result<Vec<Problem>, InstallError> {
        let mut problems = Vec::new();
        let arguments = ["config", "--show-origin", "--get", "core.hooksPath"];
        let output = self.git(arguments)?;
        // GitLab names it itself, whatever is configured.
        if layout != Layout::Gitlab && output.status.success() {
            let text = String::from_utf8_lossy(&output.stdout);
            let (origin, path) = text
                .trim_end()
                .split_once('\t')
                .unwrap_or(("", text.trim_end()));
            problems.push(Problem {
                message: format!(
                    "core.hooksPath is {path} ({origin}); git runs no hooks of {}",
                    self.path.display()
                ),
                hint: match origin.strip_prefix("file:") {
                    Some(file) => format!("git config --file {file} --unset core.hooksPath"),
                    None => "unset core.hooksPath for the user that git runs as".to_owned(),
                },
            });
        }
        let hooks = self.hooks();
        if let Ok(metadata) = fs::metadata(&hooks)
            && metadata.permissions().mode() & 0o002 != 0
        {
            problems.push(Problem {
                message: format!("everybody on this host can change {}", hooks.display()),
                hint: format!("chmod o-w {}", hooks.display()),
            });
        }
        Ok(problems)
    }

    fn change<const N: usize>(&self, arguments: [&str; N]) -> Result<(), InstallError> {
        let output = self.config(arguments);
        self.listed.replace(None);
        let output = output?;
        if output.status.success() {
            return Ok(());
        }
        Err(failed(&format!("config {}", arguments.join(" ")), &output))
    }

    fn config<const N: usize>(&self, arguments: [&str; N]) -> Result<Output, InstallError> {
        let file = self.config.as_os_str();
        let own = [OsStr::new("config"), OsStr::new("--file"), file];
        self.git(own.into_iter().chain(arguments.iter().map(OsStr::new)))
    }

    /// git with this repository named, so that it asks neither where nor whose it is.
    fn git<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Output, InstallError> {
        let mut command = Command::new("git");
        for name in LOCAL {
            command.env_remove(name);
        }
        command.arg("--git-dir").arg(&self.path).args(arguments);
        bounded(&mut command).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => InstallError::disk("look at", &self.path)(error),
            _ => InstallError::NoGit(error),
        })
    }
}

/// A truth value as git reads one; a key without a value is a yes, and what is none of the words is none.
fn truth(value: Option<&str>) -> Option<bool> {
    let Some(value) = value else {
        return Some(true);
    };
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" | "" => Some(false),
        number => number.parse::<i64>().ok().map(|number| number != 0),
    }
}

/// What git says of its version.
///
/// # Errors
/// It cannot be started.
pub fn git_version() -> Result<String, InstallError> {
    let output = Command::new("git").arg("--version").output();
    let output = output.map_err(InstallError::NoGit)?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// The first two numbers of what git says of itself, such as `git version 2.47.3`.
pub(super) fn version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix("git version ")?.split('.');
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

fn failed(command: &str, output: &Output) -> InstallError {
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    InstallError::Git {
        command: command.to_owned(),
        message,
    }
}
