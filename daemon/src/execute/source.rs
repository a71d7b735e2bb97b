//! What the daemon's decisions need of a repository: the files that configuration is read from.

use std::path::Path;

use wharf_config::files::{Entry, EntryKind, Files, MAX_FILE, WANTED};

use super::repository::{self, RepositoryError};

/// The files that configuration is read from, at a commit.
///
/// # Errors
/// When the repository or the commit cannot be read.
pub fn files(repository: &Path, commit: &str) -> Result<Files, RepositoryError> {
    let mut files = Files::default();
    for entry in repository::read_files(repository, commit, WANTED, MAX_FILE)? {
        let kind = match entry.kind {
            repository::EntryKind::Absent => continue,
            repository::EntryKind::File => EntryKind::File,
            repository::EntryKind::Link => EntryKind::Symlink,
            repository::EntryKind::Directory => EntryKind::Directory,
            repository::EntryKind::Submodule => EntryKind::Submodule,
        };
        let content = entry.content.filter(|_| kind == EntryKind::File);
        files.0.insert(
            entry.path,
            Entry {
                kind,
                size: entry.size,
                content,
            },
        );
    }
    Ok(files)
}
