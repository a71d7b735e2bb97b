//! Settings of git's that let hooks be passed by, or bad objects in: a repository's own, its owner's, the
//! host's.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use uzers::os::unix::UserExt as _;
use wharf_wire::view::{Finding, Severity};

use super::Guard;
use super::stand::{quoted, user};
use crate::disk;

/// The settings that are looked at, as a pattern of git's.
const SETTINGS: &str =
    r"^(core\.(hookspath|worktree)|receive\.fsckobjects|include\.path|includeif\..*\.path)$";
/// No configuration is as long.
const MOST: u64 = 1 << 20;
/// The host's for everybody.
const SYSTEM: &str = "/etc/gitconfig";

/// A setting with its value; none for a key without `=`, which means yes.
type Set = (String, Option<String>);

impl Guard {
    pub(super) fn settings(&mut self, repository: &Path, owner: u32) {
        self.own_settings(repository);
        // GitLab says itself where its hooks are, whatever is configured.
        if repository
            .components()
            .any(|one| one.as_os_str() == "@hashed")
        {
            return;
        }
        let mut files = vec![PathBuf::from(SYSTEM)];
        files.extend(uzers::get_user_by_uid(owner).into_iter().flat_map(|user| {
            let home = user.home_dir().to_owned();
            [".gitconfig", ".config/git/config"].map(|name| home.join(name))
        }));
        for file in files {
            self.settings_of_all(&file, owner);
        }
    }

    fn own_settings(&mut self, repository: &Path) {
        let file = repository.join("config");
        let (at, shown) = (quoted(&file), repository.display());
        let set = match read(&file) {
            Ok(set) => set,
            // That it is not there is a finding of its own.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let hint = format!("look yourself: ls -l {at}");
                let text = format!("{}: {error}", file.display());
                self.found.push(Finding::error("repository", text, hint));
                return;
            }
        };
        let mut say = |severity, text: String, hint: String| {
            self.found.push(Finding {
                severity,
                ..Finding::error("repository", text, hint)
            });
        };
        if let Some(Some(path)) = last(&set, "core.hookspath") {
            say(
                Severity::Error,
                format!(
                    "core.hooksPath is {path} (file:{}); git runs no hooks of {shown}",
                    file.display()
                ),
                format!("git config --file {at} --unset core.hooksPath"),
            );
        }
        if let Some(Some(path)) = last(&set, "core.worktree") {
            say(
                Severity::Error,
                format!("core.worktree is {path}: {shown} is to be a bare repository"),
                format!("git config --file {at} --unset core.worktree"),
            );
        }
        if !last(&set, "receive.fsckobjects").is_some_and(is_on) {
            say(
                Severity::Error,
                format!("receive.fsckObjects is not set in {shown}: git takes trees that mislead"),
                format!("wharf hook install {}", quoted(repository)),
            );
        }
        if let Some((key, path)) = set.iter().find(|(key, _)| key.starts_with("include")) {
            say(
                Severity::Warning,
                format!(
                    "the config of {shown} takes in {} ({key}), and what that sets is not looked at",
                    path.as_deref().unwrap_or_default()
                ),
                format!(
                    "git --git-dir {} config --list --show-origin",
                    quoted(repository)
                ),
            );
        }
    }

    /// What somebody set for all of their repositories, or the host for everybody's; said once.
    fn settings_of_all(&mut self, file: &Path, owner: u32) {
        if !self.read.insert(file.to_owned()) {
            return;
        }
        // Most users have none, and theirs need not be readable.
        let Ok(set) = read(file) else {
            return;
        };
        if let Some(Some(path)) = last(&set, "core.hookspath") {
            let whose = match file == Path::new(SYSTEM) {
                true => "of any repository".to_owned(),
                false => format!("of any repository in pushes by {}", user(owner)),
            };
            self.found.push(Finding::error(
                "repository",
                format!(
                    "core.hooksPath is {path} (file:{}); git runs no hooks {whose}",
                    file.display()
                ),
                format!("git config --file {} --unset core.hooksPath", quoted(file)),
            ));
        }
    }
}

/// The last value of a setting, as git takes it.
fn last(set: &[Set], key: &str) -> Option<Option<String>> {
    let found = set.iter().rfind(|(name, _)| name == key);
    found.map(|(_, value)| value.clone())
}

fn is_on(value: Option<String>) -> bool {
    let Some(value) = value else {
        return true;
    };
    let value = value.to_ascii_lowercase();
    ["true", "yes", "on"].contains(&value.as_str())
        || value.parse::<i64>().is_ok_and(|number| number != 0)
}

/// The settings of one file, in order. git gets its text and nothing else: neither what it takes in nor
/// what takes its place meanwhile is read.
fn read(file: &Path) -> io::Result<Vec<Set>> {
    fs::symlink_metadata(file)?;
    let whole = |error: disk::DiskError| error.source;
    // Owners may have theirs as a link.
    let (bytes, _) = disk::read_left(&file.canonicalize()?, MOST).map_err(whole)?;
    let mut command = Command::new("git");
    let mut child = command
        .args([
            "config",
            "--file",
            "-",
            "--no-includes",
            "-z",
            "--get-regexp",
            SETTINGS,
        ])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_DIR", "/dev/null")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    let wrote = stdin.write_all(&bytes);
    drop(stdin);
    let output = child.wait_with_output()?;
    // One says that nothing fits.
    if !matches!(output.status.code(), Some(0 | 1)) {
        wrote?;
        return Err(io::Error::other("git cannot read it"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let entries = text.split_terminator('\0');
    let pair = |entry: &str| match entry.split_once('\n') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (entry.to_owned(), None),
    };
    Ok(entries.map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_sets_for_all_repositories_is_said_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".gitconfig");
        fs::write(&file, "[core]\n\thooksPath = /nowhere\n").unwrap();
        let place = wharf_config::place::Place::below(home.path());
        let mut guard = Guard::new(&crate::store::paths::Paths::new(&place));
        for _ in 0..2 {
            guard.settings_of_all(&file, 0);
        }
        let [found] = guard.found.as_slice() else {
            panic!("{:?}", guard.found);
        };
        assert!(found.message.contains("core.hooksPath is /nowhere"));
        assert!(
            found
                .message
                .ends_with("no hooks of any repository in pushes by root")
        );
    }

    #[test]
    fn values_are_gits_and_what_is_taken_in_is_not_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config");
        let on = |text: &str| {
            fs::write(&file, format!("[receive]\n{text}\n")).unwrap();
            last(&read(&file).unwrap(), "receive.fsckobjects").is_some_and(is_on)
        };
        for yes in [
            "fsckObjects",
            "fsckObjects = Yes",
            "fsckObjects = 2",
            "fsckobjects=on",
        ] {
            assert!(on(yes), "{yes}");
        }
        for no in [
            "",
            "fsckObjects =",
            "fsckObjects = 0",
            "fsckObjects\nfsckObjects = off",
        ] {
            assert!(!on(no), "{no}");
        }
        let other = home.path().join("other");
        fs::write(&other, "[receive]\nfsckObjects = true\n").unwrap();
        assert!(!on(&format!("[include]\npath = {}", other.display())));
        fs::write(&file, vec![b'#'; 2 << 20]).unwrap();
        assert!(read(&file).is_err(), "it is too long");
        fs::write(&file, "[x").unwrap();
        assert!(read(&file).is_err(), "it is none");
    }
}
