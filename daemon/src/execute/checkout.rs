//! Writes the tree of a commit into a fresh directory, as git would, or says why not.

mod attributes;
mod survey;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use gix::worktree::stack::state::attributes::Source;

use self::survey::{Budget, survey};
use super::repository::{self, RepositoryError};
use crate::disk::{self, DiskError};

/// More than two gain nothing: creating inodes is the cost.
const THREADS: usize = 2;
/// Bytes of decoded objects that are kept: trees are read twice.
const OBJECT_CACHE: usize = 16 << 20;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Object id of the tree.
    pub tree: String,
    /// Files and links.
    pub files: u64,
    /// Bytes as stored in the repository.
    pub bytes: u64,
    /// What a person should know, such as paths left out.
    pub notes: Vec<String>,
}

/// Why a tree is not checked out. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The repository or an object cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The target cannot be written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The target exists.
    #[error("{} exists already", .0.display())]
    NotFresh(PathBuf),
    /// A commit of another repository.
    #[error("submodules are not supported yet: {0}")]
    Submodule(String),
    /// A pointer of Git LFS, whose content is elsewhere.
    #[error("Git LFS is not supported yet: {0} is only a pointer")]
    Lfs(String),
    /// An attribute that asks for a conversion that is not made here.
    #[error("{path} has the attribute {attribute}, which is not supported")]
    Attribute {
        /// The file.
        path: String,
        /// The attribute and its value.
        attribute: String,
    },
    /// A name that could lead out of the directory or into git's own.
    #[error("the tree holds a path that is refused: {0}")]
    Name(String),
    /// A budget is exceeded.
    #[error("the tree is too large: more than {limit} {unit}{place}")]
    Budget {
        /// The budget.
        limit: u64,
        /// Of what.
        unit: &'static str,
        /// ` at PATH`, or nothing.
        place: String,
    },
    /// gix could not write it.
    #[error("cannot write the work tree")]
    Write(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody wanted it to end.
    #[error("the checkout was stopped")]
    Stopped,
    /// Files that could not be written.
    #[error("cannot write {path} of the work tree")]
    File {
        /// The first of them.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl CheckoutError {
    /// What to do next, for the developer.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Submodule(_) => {
                Some("commit its files, or install it as a dependency in the build")
            }
            Self::Lfs(_) => {
                Some("store the file itself (git lfs migrate export), or fetch it in the build")
            }
            Self::Attribute { .. } => {
                Some("remove it from .gitattributes, or convert the file in the build")
            }
            Self::Name(_) => Some("rewrite the commit without it; git fsck names the object"),
            Self::Budget { .. } => Some("remove what is not needed to build from the repository"),
            _ => None,
        }
    }
}

/// Checks a commit out into `into`, which does not exist yet, below a directory that does.
///
/// Durable only after a later [`crate::disk::sync_filesystem`]. Ends early when `stop` becomes true.
///
/// # Errors
/// [`CheckoutError`]; what was written by then stays, for the caller to remove.
pub fn checkout(
    repository: &Path,
    commit: &str,
    into: &Path,
    stop: &AtomicBool,
) -> Result<Checked, CheckoutError> {
    let mut repository = repository::open(repository)?;
    repository.object_cache_size_if_unset(OBJECT_CACHE);
    let tree = repository::commit(&repository, commit)?
        .tree_id()
        .map_err(repository::reading("the tree of commit", commit))?
        .detach();

    // All that can be refused is refused before a byte is written.
    let survey = survey(&repository, tree, Budget::default())?;
    let mut index = repository
        .index_from_tree(&tree)
        .map_err(repository::reading("tree", tree))?;
    let plan = attributes::apply(&repository, &mut index, &survey)?;

    fs::create_dir(into).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CheckoutError::NotFresh(into.into()),
        _ => disk::at("create", into)(error).into(),
    })?;
    disk::count_apart(into);
    write(&repository, &mut index, into, stop)?;
    Ok(Checked {
        tree: tree.to_string(),
        files: survey.files - plan.left_out,
        bytes: survey.bytes,
        notes: plan.notes,
    })
}

fn write(
    repository: &gix::Repository,
    index: &mut gix::index::File,
    into: &Path,
    stop: &AtomicBool,
) -> Result<(), CheckoutError> {
    let failed = |error: gix::Error| CheckoutError::Write(error.into());
    let mut options = repository
        .checkout_options(Source::IdMapping)
        .map_err(failed)?;
    options.destination_is_initially_empty = true;
    options.thread_limit = Some(THREADS);
    // What the probe of the repository's own file system says need not hold here.
    options.fs.symlink = true;
    options.fs.executable_bit = true;
    options.fs.ignore_case = false;
    let objects = repository
        .objects
        .clone()
        .into_arc()
        .map_err(|error| CheckoutError::Write(error.into()))?;
    let outcome = gix::worktree::state::checkout(
        index,
        into,
        objects,
        &gix::progress::Discard,
        &gix::progress::Discard,
        stop,
        options,
    );
    if stop.load(Ordering::Relaxed) {
        return Err(CheckoutError::Stopped);
    }
    let outcome = outcome.map_err(failed)?;
    let lossy = |path: &gix::bstr::BString| path.to_string();
    if let Some(record) = outcome.errors.into_iter().next() {
        return Err(CheckoutError::File {
            path: lossy(&record.path),
            source: record.error.into(),
        });
    }
    if let Some(collision) = outcome.collisions.first() {
        return Err(CheckoutError::Name(lossy(&collision.path)));
    }
    Ok(())
}
