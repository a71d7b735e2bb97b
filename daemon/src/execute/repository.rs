//! What the daemon reads of a repository for its own decisions, by object id and ref.

use std::io;
use std::path::{Path, PathBuf};

/// Files that are read when a repository is opened or its refs are.
const READ_FIRST: [&str; 7] = [
    "HEAD",
    "config",
    "config.worktree",
    "commondir",
    "packed-refs",
    "shallow",
    "objects/info/alternates",
];
/// No configuration is as long.
const LONGEST_CONFIG: u64 = 1 << 20;

/// Why something cannot be read from a repository.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// It is none, or cannot be opened.
    #[error("cannot open repository {path}")]
    Open {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An id that is not 40 hexadecimal digits.
    #[error("{0:?} is no object id")]
    BadId(String),
    /// An object is missing, malformed or of another kind.
    #[error("cannot read {what}")]
    Read {
        /// What was read, with its id.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What is at a wanted path of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path as it was wanted.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file's or link's content; 0 for the rest.
    pub size: u64,
    /// The content, of a file of at most the limit.
    pub content: Option<Vec<u8>>,
}

/// What a path of a commit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Nothing.
    Absent,
    /// A regular file, executable or not.
    File,
    /// A symbolic link.
    Link,
    /// A directory.
    Directory,
    /// A commit of another repository.
    Submodule,
}

/// Opens a repository with its own configuration only: nothing of the user's or the system's.
///
/// # Errors
/// [`RepositoryError::Open`].
pub fn open(path: &Path) -> Result<gix::Repository, RepositoryError> {
    if let Some((file, error)) = irregular(path) {
        return Err(RepositoryError::Open {
            path: file.display().to_string(),
            source: error.into(),
        });
    }
    loop {
        let options = gix::open::Options::isolated().open_path_as_is(true);
        match gix::open_opts(path, options) {
            Ok(repository) => return Ok(repository),
            // Its directories are not opened again by themselves.
            Err(error) if is_interrupted(&error) => {}
            Err(error) => {
                return Err(RepositoryError::Open {
                    path: path.display().to_string(),
                    source: error.into(),
                });
            }
        }
    }
}

/// What of a repository is read when it is opened and is no regular file, or longer than anybody's: a pipe
/// would keep whoever reads it, and a device has no end.
pub fn irregular(path: &Path) -> Option<(PathBuf, io::Error)> {
    READ_FIRST.iter().find_map(|name| {
        let file = path.join(name);
        let metadata = file.metadata().ok()?;
        let is_config = name.starts_with("config");
        let why = match () {
            () if !metadata.is_file() => "it is no regular file",
            () if is_config && metadata.len() > LONGEST_CONFIG => {
                "it is longer than any configuration"
            }
            () => return None,
        };
        Some((file, io::Error::other(why)))
    })
}

/// Whether a signal is why.
fn is_interrupted(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|error| {
        let error = error.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
    })
}

/// Reads a full object id.
///
/// # Errors
/// [`RepositoryError::BadId`]: nothing but 40 hexadecimal digits is taken, no `HEAD` or `main~3`.
pub fn object_id(hex: &str) -> Result<gix::ObjectId, RepositoryError> {
    gix::ObjectId::from_hex(hex.as_bytes())
        .map_err(|_| RepositoryError::BadId(hex.chars().take(80).collect()))
}

/// Names what was read in an error.
pub(crate) fn reading<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    kind: &str,
    id: impl std::fmt::Display,
) -> impl FnOnce(E) -> RepositoryError {
    let what = format!("{kind} {id}");
    move |error| RepositoryError::Read {
        what,
        source: error.into(),
    }
}

pub(crate) fn commit<'r>(
    repository: &'r gix::Repository,
    hex: &str,
) -> Result<gix::Commit<'r>, RepositoryError> {
    repository
        .find_commit(object_id(hex)?)
        .map_err(reading("commit", hex))
}

/// Reads the wanted paths of a commit; contents of at most `limit` bytes. One entry for each path.
///
/// # Errors
/// When the repository, the commit or a tree on the way cannot be read.
pub fn read_files(
    repository: &Path,
    hex: &str,
    wanted: &[&str],
    limit: u64,
) -> Result<Vec<Entry>, RepositoryError> {
    let repository = open(repository)?;
    let tree = commit(&repository, hex)?
        .tree()
        .map_err(reading("the tree of commit", hex))?;
    wanted
        .iter()
        .map(|path| read_file(&repository, &tree, path, limit))
        .collect()
}

pub(crate) fn read_file(
    repository: &gix::Repository,
    tree: &gix::Tree<'_>,
    path: &str,
    limit: u64,
) -> Result<Entry, RepositoryError> {
    use gix::objs::tree::EntryKind as Mode;
    let mut entry = Entry {
        path: path.to_owned(),
        kind: EntryKind::Absent,
        size: 0,
        content: None,
    };
    let found = tree
        .lookup_entry(path.split('/'))
        .map_err(|error| reading::<gix::Error>("path", path)(error))?;
    let Some(found) = found else { return Ok(entry) };
    entry.kind = match found.mode().kind() {
        Mode::Blob | Mode::BlobExecutable => EntryKind::File,
        Mode::Link => EntryKind::Link,
        Mode::Tree => EntryKind::Directory,
        Mode::Commit => EntryKind::Submodule,
    };
    if matches!(entry.kind, EntryKind::File | EntryKind::Link) {
        let id = found.object_id();
        // The size first: a blob may be larger than the memory.
        let header = repository.find_header(id).map_err(reading("blob", id))?;
        entry.size = header.size();
        if entry.size <= limit {
            let blob = repository.find_blob(id).map_err(reading("blob", id))?;
            entry.content = Some(blob.detach().data);
        }
    }
    Ok(entry)
}

/// A blob by its id; the caller knows its size.
///
/// # Errors
/// When it cannot be read.
pub fn blob(repository: &Path, hex: &str) -> Result<Vec<u8>, RepositoryError> {
    let repository = open(repository)?;
    let blob = repository
        .find_blob(object_id(hex)?)
        .map_err(reading("blob", hex))?;
    Ok(blob.detach().data)
}

/// The first line of a commit's message, lossy, at most 500 characters: hostile text.
///
/// # Errors
/// When the commit cannot be read.
pub fn subject(repository: &Path, hex: &str) -> Result<String, RepositoryError> {
    let repository = open(repository)?;
    let commit = commit(&repository, hex)?;
    let message = commit
        .message_raw()
        .map_err(reading("the message of commit", hex))?;
    let line = message
        .split(|b| *b == b'\n')
        .find(|line| !line.trim_ascii().is_empty());
    Ok(
        String::from_utf8_lossy(line.unwrap_or_default().trim_ascii())
            .chars()
            .take(500)
            .collect(),
    )
}

/// Whether `old` is `new` or an ancestor of it.
///
/// # Errors
/// When one of them cannot be read.
pub fn is_ancestor(repository: &Path, old: &str, new: &str) -> Result<bool, RepositoryError> {
    let repository = open(repository)?;
    let (old, new) = (commit(&repository, old)?.id, commit(&repository, new)?.id);
    if old == new {
        return Ok(true);
    }
    // "No common history" is an answer here, not an error.
    let bases = repository
        .merge_bases_many(old, &[new])
        .map_err(|error| reading::<gix::Error>("the history of", new)(error))?;
    Ok(bases.iter().any(|base| *base == old))
}

/// The object id of a commit's tree.
///
/// # Errors
/// When the commit cannot be read.
pub fn tree_of(repository: &Path, hex: &str) -> Result<String, RepositoryError> {
    let repository = open(repository)?;
    let commit = commit(&repository, hex)?;
    let tree = commit
        .tree_id()
        .map_err(reading("the tree of commit", hex))?;
    Ok(tree.to_string())
}
