//! The merge of one branch's tip into another's, by git's own machinery.
//!
//! It happens in a scratch repository below the true one's objects, which it reads through an
//! alternate: no configuration, attribute, hook or merge driver of the repository counts there, and
//! what comes of a merge that is refused goes with it. What is accepted becomes one pack.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::git::{self, Author, GitError};
use super::owner::as_owner;
use super::repository::{self, RepositoryError};
use crate::plan::merge::{self, Said};

/// What comes of a merge. Nothing of it is in the repository yet.
#[derive(Debug)]
pub enum Merged {
    /// The one holds all of the other already.
    Nothing,
    /// The one has nothing that the other has not: its tip is all that is needed.
    Forward,
    /// This commit has both as parents.
    Commit(Made),
    /// Both changed these files, as bytes: hostile.
    Conflicts(Vec<Vec<u8>>),
    /// They have no commit in common.
    Unrelated,
}

/// A commit in a scratch repository.
#[derive(Debug)]
pub struct Made {
    /// Its id, in hex.
    pub id: String,
    parents: [String; 2],
    scratch: tempfile::TempDir,
    repository: PathBuf,
}

/// Why there is no merge.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// git could not do it.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The scratch repository cannot be made.
    #[error("cannot write to {0}")]
    Disk(String, #[source] io::Error),
    /// It printed something else.
    #[error("git merge-tree: {0}")]
    Nonsense(String),
    /// The work broke off.
    #[error("the merge broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// Merges one commit into another, both in hex.
///
/// # Errors
/// [`MergeError`]; a conflict is none.
pub async fn merge(
    repository: &Path,
    into: &str,
    from: &str,
    message: &str,
    author: &Author,
) -> Result<Merged, MergeError> {
    let related = {
        let (repository, into, from) = (repository.to_owned(), into.to_owned(), from.to_owned());
        tokio::task::spawn_blocking(move || {
            if repository::is_ancestor(&repository, &from, &into)? {
                return Ok(Some(Merged::Nothing));
            }
            let forward = repository::is_ancestor(&repository, &into, &from)?;
            Ok::<_, RepositoryError>(forward.then_some(Merged::Forward))
        })
    };
    if let Some(done) = related.await?? {
        return Ok(done);
    }
    let scratch = {
        let of = repository.to_owned();
        let made = tokio::task::spawn_blocking(move || as_owner(&of, || scratch(&of))).await?;
        made.map_err(|error| MergeError::Disk(objects_of(repository), error))?
    };
    let at = scratch.path();
    let words = [
        "merge-tree",
        "--write-tree",
        "-z",
        "--name-only",
        "--no-messages",
    ];
    let mut words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
    words.extend([OsStr::new(into), OsStr::new(from)]);
    let said = git::run(at, &words, None, b"").await?;
    let tree = match merge::read(&said.out, said.exit) {
        Said::Clean(tree) => tree,
        Said::Conflicts(files) => return Ok(Merged::Conflicts(files)),
        Said::Nonsense if said.complaint.contains("unrelated histories") => {
            return Ok(Merged::Unrelated);
        }
        Said::Nonsense => return Err(MergeError::Nonsense(said.complaint)),
    };
    let words = ["commit-tree", &tree, "-p", into, "-p", from, "-F", "-"].map(OsStr::new);
    let id = git::ask(at, &words, Some(author), message.as_bytes()).await?;
    Ok(Merged::Commit(Made {
        id,
        parents: [into.to_owned(), from.to_owned()],
        scratch,
        repository: repository.to_owned(),
    }))
}

impl Made {
    /// Where the commit can be read before it is kept.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Brings the commit and what is new with it into the repository, as one pack.
    ///
    /// # Errors
    /// git's; then nothing of it is there.
    pub async fn keep(&self) -> Result<(), GitError> {
        let [into, from] = &self.parents;
        let wanted = format!("{}\n^{into}\n^{from}\n", self.id);
        let pack = self.repository.join("objects/pack/pack");
        let words = ["pack-objects", "--revs", "--quiet"].map(OsStr::new);
        let words = [words.as_slice(), &[pack.as_os_str()]].concat();
        git::ask(self.scratch.path(), &words, None, wanted.as_bytes()).await?;
        Ok(())
    }
}

fn objects_of(repository: &Path) -> String {
    repository.join("objects").display().to_string()
}

/// An empty repository that sees the objects of another one. git itself removes one that a death
/// left there, by its name.
fn scratch(repository: &Path) -> io::Result<tempfile::TempDir> {
    let objects = repository.join("objects");
    if objects.as_os_str().as_encoded_bytes().contains(&b'\n') {
        return Err(io::Error::other("its path has a line end"));
    }
    let scratch = tempfile::Builder::new()
        .prefix("tmp_objdir-wharf-")
        .tempdir_in(&objects)?;
    let at = scratch.path();
    for directory in ["objects/info", "objects/pack", "refs/heads"] {
        fs::create_dir_all(at.join(directory))?;
    }
    fs::write(at.join("HEAD"), "ref: refs/heads/none\n")?;
    fs::write(
        at.join("config"),
        "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
    )?;
    let mut alternate = objects.into_os_string().into_encoded_bytes();
    alternate.push(b'\n');
    fs::write(at.join("objects/info/alternates"), alternate)?;
    Ok(scratch)
}

#[cfg(test)]
mod tests;
