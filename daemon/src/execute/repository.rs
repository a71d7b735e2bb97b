//! What the daemon reads of a repository for its own decisions, by object id and ref.

use std::path::Path;

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

/// The tip of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The ref's full name, as bytes: hostile.
    pub name: Vec<u8>,
    /// Object id of what it points to.
    pub commit: String,
}

/// Reads the wanted paths of a commit; contents of at most `limit` bytes. One entry for each path.
///
/// # Errors
/// When the repository, the commit or a tree on the way cannot be read.
pub fn read_files(
    _repository: &Path,
    _commit: &str,
    _wanted: &[&str],
    _limit: u64,
) -> Result<Vec<Entry>, RepositoryError> {
    unimplemented!()
}

/// The first line of a commit's message, lossy: hostile text.
///
/// # Errors
/// When the commit cannot be read.
pub fn subject(_repository: &Path, _commit: &str) -> Result<String, RepositoryError> {
    unimplemented!()
}

/// Whether `old` is `new` or an ancestor of it.
///
/// # Errors
/// When one of them cannot be read.
pub fn is_ancestor(_repository: &Path, _old: &str, _new: &str) -> Result<bool, RepositoryError> {
    unimplemented!()
}

/// The object id of a commit's tree.
///
/// # Errors
/// When the commit cannot be read.
pub fn tree_of(_repository: &Path, _commit: &str) -> Result<String, RepositoryError> {
    unimplemented!()
}

/// All branches.
///
/// # Errors
/// When the refs cannot be read.
pub fn tips(_repository: &Path) -> Result<Vec<Tip>, RepositoryError> {
    unimplemented!()
}
