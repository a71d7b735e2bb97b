//! Branches that the daemon moves itself: each from where it was seen, or none of them.

use wharf_config::name::BranchName;
use wharf_config::project::Project;
use wharf_sandbox::git::{Line, Operation};

use super::forge;
use super::git::{self, Author, GitError, Input};
use super::refs::{self, HEADS};
use super::repository::RepositoryError;
use super::world::World;

/// One branch's move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Which.
    pub branch: BranchName,
    /// Where it must be, in hex; none: it must not be there.
    pub old: Option<String>,
    /// Where it is to be, in hex; none: it is to go.
    pub new: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// All of them moved.
    Yes,
    /// Somebody else moved one, or is about to: none moved.
    Lost,
}

/// Why it is not known whether they moved, or why they cannot.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// git said no.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The refs cannot be read.
    #[error(transparent)]
    Refs(#[from] RepositoryError),
    /// The git host that was pushed to said no.
    #[error("the git host refuses it: {0}")]
    Refused(String),
    /// There was nobody to say anything.
    #[error("the git host cannot be pushed to: {0}")]
    Unreachable(String),
}

impl SwapError {
    /// Whether it is certain that nothing moved.
    pub fn moved_nothing(&self) -> bool {
        match self {
            Self::Git(GitError::Refused(..)) | Self::Refused(_) | Self::Unreachable(_) => true,
            Self::Git(_) | Self::Refs(_) => false,
        }
    }
}

/// Moves branches: in one transaction of git's, or in one push where a git host is to know of it.
///
/// # Errors
/// [`SwapError`].
pub async fn swap(
    world: &World,
    project: &Project,
    swaps: &[Swap],
    author: &Author,
    why: Line,
) -> Result<Swapped, SwapError> {
    if let Some(remote) = &project.remote {
        return forge::push(world, project, remote, swaps).await;
    }
    let repository = &project.repository;
    let lines: String = swaps.iter().map(line).collect();
    // Where this program dies while it writes, what git has read by then must not count.
    let input = format!("start\n{lines}prepare\ncommit\n");
    let (update, input) = (Operation::Update { why }, Input::Bytes(input.as_bytes()));
    let said = git::write(project, &update, Some(author), input).await?;
    if said.exit == Some(0) {
        return Ok(Swapped::Yes);
    }
    let is_elsewhere = |swap: &Swap| {
        let name = format!("{HEADS}{}", swap.branch);
        let tip = tokio::task::block_in_place(|| refs::find_tip(repository, &name))?;
        Ok::<_, RepositoryError>(tip.and_then(|tip| tip.commit) != swap.old)
    };
    for swap in swaps {
        if is_elsewhere(swap)? {
            return Ok(Swapped::Lost);
        }
    }
    // Another update holds the ref at this moment.
    if said.complaint.contains(".lock") {
        return Ok(Swapped::Lost);
    }
    Err(GitError::Refused("update-ref".into(), said.complaint).into())
}

/// A line of `git update-ref --stdin`; a branch's name holds nothing that would end a word.
fn line(swap: &Swap) -> String {
    let name = format!("{HEADS}{}", swap.branch);
    match (&swap.old, &swap.new) {
        (None, Some(new)) => format!("create {name} {new}\n"),
        (Some(old), Some(new)) => format!("update {name} {new} {old}\n"),
        (Some(old), None) => format!("delete {name} {old}\n"),
        (None, None) => String::new(),
    }
}
