//! What was there before, noted in the repository before anything changes.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{InstallError, Way, file, repository::Values};

/// The note's name in the repository.
pub(super) const NAME: &str = "wharf-hooks.json";

const VERSION: u32 = 1;
/// What is cut off there is no note of ours.
const MAX_BYTES: u64 = 64 * 1024;
/// Of a longer configuration only the values come back: with it, escaped, the note would be too long.
const MAX_CONFIG: usize = 8 * 1024;

/// What was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    /// The repository had no hooks directory.
    pub(super) made_directory: bool,
    /// Further directories that were made, as the repository has them, outer ones first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) directories: Vec<String>,
    /// How ours come to run.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub(super) way: Way,
    /// Every value of the settings that were changed.
    pub(super) settings: BTreeMap<String, Values>,
    /// The whole configuration, to put back where nobody changed it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config: Option<Configured>,
}

/// The repository's configuration, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configured {
    pub(super) before: String,
    pub(super) after: String,
}

impl Record {
    pub(super) fn new() -> Self {
        Record {
            version: VERSION,
            made_directory: false,
            directories: Vec::new(),
            way: Way::Files,
            settings: BTreeMap::new(),
            config: None,
        }
    }

    /// Reads the repository's note; none when nothing is installed.
    pub(super) fn read(repository: &Path) -> Result<Option<Self>, InstallError> {
        let path = repository.join(NAME);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(InstallError::NotAFile(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(InstallError::disk("read", path)(error)),
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        read.map_err(InstallError::disk("read", &path))?;
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| InstallError::Record { path, source })
    }

    pub(super) fn write(&self, repository: &Path) -> Result<(), InstallError> {
        // Whoever may not read the configuration shall not read it here.
        let config = repository.join("config");
        let metadata = fs::metadata(&config).map_err(InstallError::disk("read", &config))?;
        let mode = metadata.permissions().mode() & 0o644;
        file::replace(&repository.join(NAME), self.text().as_bytes(), mode)
    }

    /// Notes that the configuration was changed, from what to what.
    pub(super) fn changed(&mut self, before: &[u8], after: &[u8]) {
        let text = |bytes: &[u8]| {
            let text = str::from_utf8(bytes).ok()?;
            (text.len() <= MAX_CONFIG).then(|| text.to_owned())
        };
        let noted = self.config.take();
        let before = match noted {
            // What somebody changed in between is not to be undone.
            Some(noted) if noted.after.as_bytes() != before => None,
            Some(noted) => Some(noted.before),
            None => text(before),
        };
        let (before, after) = (before, text(after));
        self.config = before
            .zip(after)
            .map(|(before, after)| Configured { before, after });
    }

    /// As it is written.
    pub(super) fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("maps of strings are JSON");
        text.push('\n');
        text
    }

    pub(super) fn remove(repository: &Path) -> Result<(), InstallError> {
        file::remove(&repository.join(NAME))
    }
}

fn is_usual(way: &Way) -> bool {
    *way == Way::Files
}
