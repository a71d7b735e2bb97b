//! The merge of one branch's tip into another's, by git's own machinery.
//!
//! It happens in a scratch repository that reads the true one's objects through an alternate: no
//! configuration, attribute, hook or merge driver of the repository counts there, and what comes of a
//! merge that is refused goes with it. What is accepted becomes one pack. The scratch repository lies
//! below the true one's objects, or below the state where only the helper may write into the true one.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use wharf_config::project::Project;
use wharf_sandbox::git::Operation;

use super::git::{self, Author, GitError, Input};
use super::owner::{Writer, as_owner};
use super::repository::{self, RepositoryError};
use crate::plan::merge::{self, Said};
use crate::store::paths::Paths;

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
    project: Box<Project>,
    writer: Writer,
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
    project: &Project,
    paths: &Paths,
    into: &str,
    from: &str,
    message: &str,
    author: &Author,
) -> Result<Merged, MergeError> {
    let repository = project.repository.as_path();
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
    let (scratch, writer) = {
        let (of, own) = (repository.to_owned(), paths.builds());
        let make = move || {
            let writer = Writer::of(&of)?;
            let scratch = match writer {
                Writer::Helper => scratch(&of, &own)?,
                _ => as_owner(&of, || scratch(&of, &of.join("objects")))?,
            };
            Ok((scratch, writer))
        };
        let made = tokio::task::spawn_blocking(make).await?;
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
        project: Box::new(project.clone()),
        writer,
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
        let at = match self.writer {
            Writer::Helper => self.scratch().to_owned(),
            Writer::Myself | Writer::Theirs(_) => self.project.repository.join("objects/pack"),
        };
        let pack = at.join("pack");
        let words = ["pack-objects", "--revs", "--quiet"].map(OsStr::new);
        let words = [words.as_slice(), &[pack.as_os_str()]].concat();
        let id = git::ask(self.scratch(), &words, None, wanted.as_bytes()).await?;
        if self.writer == Writer::Helper {
            let pack = tokio::fs::File::open(at.join(format!("pack-{id}.pack"))).await;
            let pack = pack.map_err(|error| GitError::Run("pack-objects".into(), error))?;
            let input = Input::File(pack.into_std().await);
            let said = git::write(&self.project, &Operation::Take, None, input).await?;
            said.good("index-pack")?;
        }
        Ok(())
    }
}

fn objects_of(repository: &Path) -> String {
    repository.join("objects").display().to_string()
}

/// An empty repository that sees the objects of another one. One that a death left goes by itself: git
/// knows its name among objects, and what is below the state goes as a build's directory does.
pub(super) fn scratch(repository: &Path, below: &Path) -> io::Result<tempfile::TempDir> {
    let objects = repository.join("objects");
    if objects.as_os_str().as_encoded_bytes().contains(&b'\n') {
        return Err(io::Error::other("its path has a line end"));
    }
    let scratch = tempfile::Builder::new()
        .prefix("tmp_objdir-wharf-")
        .tempdir_in(below)?;
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
