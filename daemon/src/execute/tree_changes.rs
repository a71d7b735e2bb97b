//! Which files differ between two trees.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use gix::object::tree::diff::Change;
use wharf_wire::slug::How;

use super::repository::{RepositoryError, object_id, open, reading};

/// Files that differ, by path: a moved one is two.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The first of them in byte order, with what became of each; the bytes that are no UTF-8 lost.
    pub first: Vec<(String, How)>,
    /// How many more there are.
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
    let repository = open(repository)?;
    let tree = |hex: &str| {
        repository
            .find_tree(object_id(hex)?)
            .map_err(reading("tree", hex))
    };
    let (old, new) = (tree(old)?, tree(new)?);
    let mut found = BTreeMap::new();
    let mut more = 0;
    let mut changes = old.changes().map_err(reading("tree", old.id))?;
    changes.options(|options| {
        options.track_path();
        options.track_rewrites(None);
    });
    changes
        .for_each_to_obtain_tree(&new, |change| {
            let (path, how, is_tree) = match change {
                Change::Addition {
                    location,
                    entry_mode,
                    ..
                } => (location, How::Added, entry_mode.is_tree()),
                Change::Deletion {
                    location,
                    entry_mode,
                    ..
                } => (location, How::Removed, entry_mode.is_tree()),
                Change::Modification {
                    location,
                    entry_mode,
                    ..
                }
                | Change::Rewrite {
                    location,
                    entry_mode,
                    ..
                } => (location, How::Changed, entry_mode.is_tree()),
            };
            if !is_tree {
                found.insert(path.to_vec(), how);
                // Never more in memory than are named.
                if found.len() > most {
                    found.pop_last();
                    more += 1;
                }
            }
            Ok(ControlFlow::Continue(()))
        })
        .map_err(reading("tree", new.id))?;
    let named = found.into_iter();
    let named = named.map(|(path, how)| (String::from_utf8_lossy(&path).into_owned(), how));
    Ok(Files {
        first: named.collect(),
        more,
    })
}
