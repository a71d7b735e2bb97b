//! Where branches point to: read by gix, and by git itself where refs are kept in a reftable.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;

use gix::prelude::ReferenceExt as _;
use wharf_config::name::{BranchName, ProjectName};
use wharf_config::project::Project;

use super::git::isolated;
use super::repository::{RepositoryError, open, reading};

/// What a branch's ref begins with.
pub const HEADS: &str = "refs/heads/";

/// The tip of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The ref's full name, as bytes: hostile.
    pub name: Vec<u8>,
    /// Object id of what it points to; none where it is there and cannot be followed.
    pub commit: Option<String>,
}

/// All branches, in the order of their names.
///
/// # Errors
/// When the refs cannot be read.
pub fn tips(repository: &Path) -> Result<Vec<Tip>, RepositoryError> {
    let opened = open(repository)?;
    if !in_files(&opened) {
        return listed(repository, HEADS);
    }
    let what = || repository.display();
    let platform = opened
        .references()
        .map_err(|error| reading::<gix::Error>("the refs of", what())(error))?;
    let branches = platform
        .local_branches()
        .map_err(|error| reading::<gix::Error>("the branches of", what())(error))?;
    let mut tips = Vec::new();
    for branch in branches {
        let branch = branch.map_err(|error| RepositoryError::Read {
            what: format!("a branch of {}", what()),
            source: error.into(),
        })?;
        tips.push(tip(branch));
    }
    Ok(tips)
}

/// One branch by its full name; none where it is not there.
///
/// # Errors
/// When the ref cannot be read.
pub fn find_tip(repository: &Path, name: &str) -> Result<Option<Tip>, RepositoryError> {
    Ok(find_tips(repository, [name])?.pop())
}

/// Those of the branches, by their full names, that are there. While git packs refs, a branch moves
/// from one place to the other: [`tips`] may miss it, or see an older packed tip, but not this.
///
/// # Errors
/// When a ref cannot be read.
pub fn find_tips<'n>(
    repository: &Path,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<Vec<Tip>, RepositoryError> {
    let opened = open(repository)?;
    let names = names.into_iter();
    if !in_files(&opened) {
        // git reads all of them at one moment.
        let mut found = listed(repository, HEADS)?;
        let names: BTreeSet<&[u8]> = names.map(str::as_bytes).collect();
        found.retain(|tip| names.contains(tip.name.as_slice()));
        return Ok(found);
    }
    let mut found = Vec::new();
    for name in names {
        found.extend(find_in_files(&opened, name)?.map(tip));
    }
    Ok(found)
}

/// A ref by its full name. The loose one first, and only then what is packed, as git has it: packed
/// refs that were read before do not hold what git has packed since.
fn find_in_files<'r>(
    opened: &'r gix::Repository,
    name: &str,
) -> Result<Option<gix::Reference<'r>>, RepositoryError> {
    let loose = opened
        .refs
        .try_find_loose(name)
        .map_err(|error| reading::<gix::Error>("ref", name)(error))?;
    let found = match loose {
        Some(loose) => Some(gix::refs::Reference::from(loose).attach(opened)),
        None => opened
            .try_find_reference(name)
            .map_err(|error| reading::<gix::Error>("ref", name)(error))?,
    };
    // Asked for `a`, gix finds `heads/a` as well.
    Ok(found.filter(|found| found.name().as_bstr() == name))
}

/// The branch that HEAD names, whether it exists or not; none when it is detached or unreadable.
pub fn head(repository: &Path) -> Option<BranchName> {
    let opened = open(repository).ok()?;
    let name = if in_files(&opened) {
        opened.head_name().ok()??.as_bstr().to_string()
    } else {
        let said = git(repository, &["symbolic-ref", "--quiet", "HEAD"]).ok()?;
        String::from_utf8(said).ok()?
    };
    BranchName::parse(name.trim_end().strip_prefix(HEADS)?).ok()
}

/// The same of a project, looked at only where its file names no production. Blocks.
pub fn default_of(project: &Project) -> Option<BranchName> {
    match project.production(None) {
        Some(_) => None,
        None => head(&project.repository),
    }
}

/// The default branches of projects, each read once.
#[derive(Debug, Default)]
pub struct Defaults(BTreeMap<ProjectName, Option<BranchName>>);

impl Defaults {
    /// One project's; see [`default_of`].
    pub fn of(&mut self, project: &Project) -> Option<BranchName> {
        let read = || tokio::task::block_in_place(|| default_of(project));
        let default = self.0.entry(project.name.clone());
        default.or_insert_with(read).clone()
    }
}

fn tip(mut branch: gix::Reference<'_>) -> Tip {
    let name = branch.name().as_bstr().to_vec();
    let id = match branch.try_id() {
        Some(id) => Some(id),
        None => branch.peel_to_id().ok(),
    };
    Tip {
        name,
        commit: id.map(|id| id.to_string()),
    }
}

/// Whether gix can read the refs. In another form they look to it like no branch at all, and none
/// may be taken for deleted for that.
fn in_files(repository: &gix::Repository) -> bool {
    let config = repository.config_snapshot();
    let storage = config.string("extensions.refStorage");
    storage.is_none_or(|storage| **storage == *b"files")
}

fn listed(repository: &Path, what: &str) -> Result<Vec<Tip>, RepositoryError> {
    let format = "--format=%(objectname) %(refname)";
    let said = git(repository, &["for-each-ref", format, what]).map_err(|source| {
        RepositoryError::Read {
            what: format!("the refs of {}", repository.display()),
            source: source.into(),
        }
    })?;
    let lines = said.split(|byte| *byte == b'\n').filter(|l| !l.is_empty());
    let tips = lines.filter_map(|line| {
        let space = line.iter().position(|byte| *byte == b' ')?;
        Some(Tip {
            name: line[space + 1..].to_vec(),
            commit: String::from_utf8(line[..space].to_vec()).ok(),
        })
    });
    Ok(tips.collect())
}

/// Runs git for its output, with the repository's own configuration only.
fn git(repository: &Path, words: &[&str]) -> std::io::Result<Vec<u8>> {
    let output = isolated(repository, words)?.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default();
    Err(std::io::Error::other(format!("git: {said}")))
}

#[cfg(test)]
mod tests;
