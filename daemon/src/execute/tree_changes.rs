//! Which files differ between two trees.
//!
//! The trees are anybody's, and ten objects can describe 10^10 files: no more is looked at than a tree
//! may have that is checked out. gix's own way to ask for changes would first make an index of all that
//! HEAD holds, without a bound, so its walk is used alone.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;

use gix::bstr::{BStr, BString, ByteSlice as _};
use gix::diff::tree::{State, Visit, visit};
use gix::objs::TreeRefIter;
use wharf_wire::slug::How;

use super::repository::{RepositoryError, object_id, open, reading};

/// The most files and directories that are looked at.
const MOST: u64 = 500_000;
/// Bytes of the paths of directories that wait to be looked at, at most.
const MOST_BYTES: usize = 64 << 20;

/// Files that differ, by path: a moved one is two.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The first of them in byte order, with what became of each; the bytes that are no UTF-8 lost.
    pub first: Vec<(String, How)>,
    /// How many more there are, as far as they were looked at.
    pub more: u64,
}

/// What makes one tree of another, by their ids; at most `most` are named. Blocks.
///
/// # Errors
/// When one of them cannot be read.
pub fn files(
    repository: &Path,
    old: &str,
    new: &str,
    most: usize,
) -> Result<Files, RepositoryError> {
    let mut found = BTreeMap::new();
    let mut more = 0;
    walk(repository, old, new, |path, how| {
        found.insert(path.to_vec(), how);
        // Never more in memory than are named.
        if found.len() > most {
            found.pop_last();
            more += 1;
        }
    })?;
    let named = found.into_iter();
    let named = named.map(|(path, how)| (String::from_utf8_lossy(&path).into_owned(), how));
    Ok(Files {
        first: named.collect(),
        more,
    })
}

/// How many files differ between two trees, by their ids: added, deleted, changed. None where they are
/// too many to look at. Blocks.
///
/// # Errors
/// When one of them cannot be read.
pub fn count(repository: &Path, old: &str, new: &str) -> Result<Option<u64>, RepositoryError> {
    let mut files = 0;
    let walked = walk(repository, old, new, |_, _| files += 1)?;
    Ok((walked == Walked::Whole).then_some(files))
}

/// How far a walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walked {
    /// To its end.
    Whole,
    /// To the bound.
    TooMuch,
}

/// Hands every file that differs to `each`.
fn walk(
    repository: &Path,
    old: &str,
    new: &str,
    each: impl FnMut(&BStr, How),
) -> Result<Walked, RepositoryError> {
    let repository = open(repository)?;
    let tree = |hex: &str| {
        repository
            .find_tree(object_id(hex)?)
            .map_err(reading("tree", hex))
    };
    let (old, new) = (tree(old)?, tree(new)?);
    let mut walk = Walk {
        each,
        path: BString::default(),
        waiting: VecDeque::new(),
        bytes: 0,
        seen: 0,
    };
    let before = TreeRefIter::from_bytes(&old.data, old.id.kind());
    let after = TreeRefIter::from_bytes(&new.data, new.id.kind());
    let state = State::default();
    let walked = gix::diff::tree(before, after, state, &repository.objects, &mut walk);
    match walked {
        Ok(()) => Ok(Walked::Whole),
        // Which gix calls an error.
        Err(_) if walk.is_over() => Ok(Walked::TooMuch),
        Err(error) => Err(reading("tree", new.id)(error)),
    }
}

/// A walk through two trees: all of a directory, then those in it.
struct Walk<F> {
    each: F,
    /// Where it is.
    path: BString,
    /// Directories that it has seen and not looked at.
    waiting: VecDeque<BString>,
    /// Of their paths.
    bytes: usize,
    seen: u64,
}

impl<F> Walk<F> {
    fn is_over(&self) -> bool {
        self.seen > MOST || self.bytes > MOST_BYTES
    }
}

impl<F: FnMut(&BStr, How)> Visit for Walk<F> {
    fn pop_front_tracked_path_and_set_current(&mut self) {
        self.path = self.waiting.pop_front().unwrap_or_default();
        self.bytes -= self.path.len();
    }

    fn push_back_tracked_path_component(&mut self, name: &BStr) {
        self.push_path_component(name);
        self.bytes += self.path.len();
        self.waiting.push_back(self.path.clone());
    }

    fn push_path_component(&mut self, name: &BStr) {
        if !self.path.is_empty() && !name.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
    }

    fn pop_path_component(&mut self) {
        let above = self.path.rfind_byte(b'/');
        self.path.truncate(above.unwrap_or(0));
    }

    fn visit(&mut self, change: visit::Change) -> visit::Action {
        self.seen += 1;
        if self.is_over() {
            return ControlFlow::Break(());
        }
        let how = match change {
            visit::Change::Addition { .. } => How::Added,
            visit::Change::Deletion { .. } => How::Removed,
            visit::Change::Modification { .. } => How::Changed,
        };
        if !change.entry_mode().is_tree() {
            (self.each)(self.path.as_bstr(), how);
        }
        ControlFlow::Continue(())
    }
}
