//! An `authorized_keys` file: our lines are understood, all others stay byte for byte.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use ssh_key::PublicKey;
use wharf_wire::outcome::Exit;

use crate::failure::Failure;

/// What stands after the forced command: nothing but that, and a terminal for it.
const RESTRICT: &str = ",restrict,pty ";
/// The same without a terminal, as earlier versions wrote it.
const NO_TERMINAL: &str = ",restrict ";
/// The largest file that is read.
const MAX: u64 = 4 * 1024 * 1024;

/// A line that `wharf key add` wrote.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// The person.
    pub(super) name: String,
    /// Their key.
    pub(super) key: PublicKey,
}

impl Ours {
    /// Writes the line: the key may do nothing but run `wharf-shell`, at a terminal if it likes.
    pub(super) fn line(
        shell: &Path,
        name: &str,
        home: Option<&Path>,
        key: &PublicKey,
    ) -> Result<String, Failure> {
        let text = |path: &Path| match path.to_str() {
            Some(text) if path.is_absolute() && !text.chars().any(char::is_control) => {
                Ok(text.to_owned())
            }
            _ => Err(Failure::usage(format!(
                "the path {} cannot stand in a key's line",
                path.display()
            ))),
        };
        let mut words = vec![text(shell)?, "--user".to_owned(), name.to_owned()];
        if let Some(home) = home {
            words.extend(["--home".to_owned(), text(home)?]);
        }
        let command = shell_words::join(words);
        if command.contains('\\') {
            // sshd takes a backslash before a quote for an escape, and we would have to follow it.
            return Err(Failure::usage(
                "a path with a backslash cannot stand in a key's line",
            ));
        }
        let key = key
            .to_openssh()
            .map_err(|error| Failure::new(Exit::Failed, "cannot write the key").because(error))?;
        Ok(format!(
            "command=\"{}\"{RESTRICT}{}",
            command.replace('"', "\\\""),
            key.trim()
        ))
    }

    /// Reads a line of ours; `None` for any other.
    fn read(line: &str) -> Option<Ours> {
        let rest = line.strip_prefix("command=\"")?;
        let mut forms = [RESTRICT, NO_TERMINAL].into_iter();
        let (command, key) = forms.find_map(|form| rest.split_once(&format!("\"{form}")))?;
        let words = shell_words::split(&command.replace("\\\"", "\"")).ok()?;
        let [shell, flag, name, ..] = words.as_slice() else {
            return None;
        };
        if Path::new(shell).file_name()? != "wharf-shell" || flag != "--user" {
            return None;
        }
        Some(Ours {
            name: name.clone(),
            key: PublicKey::from_openssh(key).ok()?,
        })
    }
}

/// The whole file.
#[derive(Debug)]
pub(super) struct Keys {
    path: PathBuf,
    text: String,
}

impl Keys {
    /// Reads the file; one that is missing is empty.
    pub(super) fn read(path: &Path) -> Result<Keys, Failure> {
        let cannot = || Failure::new(Exit::Failed, format!("cannot read {}", path.display()));
        let text = match fs::metadata(path) {
            Ok(found) if found.len() > MAX => return Err(cannot().because("it is too large")),
            Ok(_) => fs::read_to_string(path).map_err(|error| cannot().because(error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(cannot().because(error)),
        };
        Ok(Keys {
            path: path.to_owned(),
            text,
        })
    }

    /// Our lines, in order.
    pub(super) fn ours(&self) -> impl Iterator<Item = Ours> {
        self.text.lines().filter_map(Ours::read)
    }

    /// Whether the key is there, and whose it is if the line is ours. Other lines are searched for
    /// the key's own text, for their options are sshd's business.
    pub(super) fn find(&self, key: &PublicKey) -> Option<Option<String>> {
        let wanted = key.to_openssh().ok()?;
        let wanted = wanted.split(' ').nth(1)?.to_owned();
        let line = self
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .find(|line| line.split_ascii_whitespace().any(|word| word == wanted))?;
        Some(Ours::read(line).map(|ours| ours.name))
    }

    /// Adds a line at the end.
    pub(super) fn add(&mut self, line: &str) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Takes away every line of ours with this name, and says how many there were.
    pub(super) fn remove(&mut self, name: &str) -> usize {
        let mut count = 0;
        let is_other = |line: &&str| {
            let goes = Ours::read(line.trim_end()).is_some_and(|ours| ours.name == name);
            count += usize::from(goes);
            !goes
        };
        self.text = self.text.split_inclusive('\n').filter(is_other).collect();
        count
    }

    /// Replaces the file in one step, as sshd wants it: for its owner only.
    pub(super) fn write(&self) -> Result<(), Failure> {
        self.replace().map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write {}", self.path.display()),
            )
            .because(error)
        })
    }

    fn replace(&self) -> std::io::Result<()> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !directory.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        // tempfile makes it 0600.
        let mut draft = tempfile::Builder::new()
            .prefix(".wharf-key.")
            .tempfile_in(directory)?;
        draft.write_all(self.text.as_bytes())?;
        draft
            .as_file()
            .set_permissions(Permissions::from_mode(0o600))?;
        if let Ok(found) = fs::metadata(&self.path) {
            use std::os::unix::fs::MetadataExt as _;
            // Root may mend the file of another account, which stays that account's.
            std::os::unix::fs::fchown(draft.as_file(), Some(found.uid()), Some(found.gid()))?;
        }
        draft.as_file().sync_all()?;
        draft.persist(&self.path).map_err(|error| error.error)?;
        fs::File::open(directory)?.sync_all()
    }
}
