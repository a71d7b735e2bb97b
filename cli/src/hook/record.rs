//! What was there before, noted in the repository before anything changes.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{InstallError, file, repository::Values};

/// The note's name in the repository.
pub(super) const NAME: &str = "wharf-hooks.json";

const VERSION: u32 = 1;
/// What is cut off there is no note of ours.
const MAX_BYTES: u64 = 64 * 1024;

/// What was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    version: u32,
    /// The repository had no hooks directory.
    pub(super) made_directory: bool,
    /// Every value of the settings that were changed.
    pub(super) settings: BTreeMap<String, Values>,
}

impl Record {
    pub(super) fn new() -> Self {
        Record {
            version: VERSION,
            made_directory: false,
            settings: BTreeMap::new(),
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
        let mut text = serde_json::to_string_pretty(self).expect("maps of strings are JSON");
        text.push('\n');
        file::replace(&repository.join(NAME), text.as_bytes(), 0o644)
    }

    pub(super) fn remove(repository: &Path) -> Result<(), InstallError> {
        file::remove(&repository.join(NAME))
    }
}
