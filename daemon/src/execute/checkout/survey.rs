//! Walks a tree before anything is written: names, kinds, sizes and budgets.
//!
//! Ten tree objects can describe 10^10 files, so each entry is counted, also of a tree seen before.

use std::collections::{HashMap, HashSet};

use gix::{ObjectId, bstr::ByteSlice, objs::tree::EntryKind};

use super::CheckoutError;
use crate::execute::repository::reading;

/// The most that a tree may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Files, links and directories.
    pub(super) entries: u64,
    /// Directories in each other.
    pub(super) depth: u64,
    /// Bytes of all contents.
    pub(super) bytes: u64,
    /// Bytes of one path.
    pub(super) path: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            entries: 500_000,
            depth: 128,
            bytes: 4 << 30,
            path: 4_096,
        }
    }
}

/// What a tree holds.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Files and links.
    pub(super) files: u64,
    /// Bytes of their contents.
    pub(super) bytes: u64,
    /// Whether a file of the tree sets attributes.
    pub(super) has_attributes: bool,
    /// All directories, parents first.
    pub(super) directories: Vec<String8>,
}

/// A path as git has it: bytes.
pub(super) type String8 = gix::bstr::BString;

/// Sizes between which a file can be a pointer of Git LFS: three lines, the last with the size.
const POINTER_SIZES: std::ops::RangeInclusive<u64> = 120..=300;
/// How such a pointer begins.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Walks the whole tree.
pub(super) fn survey(
    repository: &gix::Repository,
    tree: ObjectId,
    budget: Budget,
) -> Result<Survey, CheckoutError> {
    let mut survey = Survey::default();
    let mut entries = 0u64;
    let mut sizes: HashMap<ObjectId, u64> = HashMap::new();
    let mut waiting = vec![(String8::default(), tree, 1u64)];
    while let Some((prefix, id, depth)) = waiting.pop() {
        let here = || format!(" at {}", shown(&prefix));
        if depth > budget.depth {
            return Err(over(budget.depth, "directories in each other", here()));
        }
        let tree = repository.find_tree(id).map_err(reading("tree", id))?;
        let mut names = HashSet::new();
        for entry in tree.iter() {
            let entry = entry.map_err(reading("tree", id))?;
            entries += 1;
            if entries > budget.entries {
                return Err(over(budget.entries, "files and directories", here()));
            }
            let name = entry.filename();
            let mut path = prefix.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            // git's own order does not put a link and a directory of one name side by side.
            if refused(name) || !names.insert(name.to_owned()) {
                return Err(CheckoutError::Name(shown(&path)));
            }
            if path.len() as u64 > budget.path {
                return Err(over(budget.path, "bytes of a path", here()));
            }
            match entry.mode().kind() {
                EntryKind::Commit => return Err(CheckoutError::Submodule(shown(&path))),
                EntryKind::Tree => {
                    survey.directories.push(path.clone());
                    waiting.push((path, entry.object_id(), depth + 1));
                }
                kind @ (EntryKind::Blob | EntryKind::BlobExecutable | EntryKind::Link) => {
                    let id = entry.object_id();
                    let size = match sizes.get(&id) {
                        Some(size) => *size,
                        None => {
                            let header = repository.find_header(id).map_err(reading("blob", id))?;
                            sizes.insert(id, header.size());
                            header.size()
                        }
                    };
                    survey.files += 1;
                    survey.bytes = survey.bytes.saturating_add(size);
                    if survey.bytes > budget.bytes {
                        return Err(over(budget.bytes, "bytes", here()));
                    }
                    survey.has_attributes |= name == ".gitattributes";
                    if kind != EntryKind::Link && POINTER_SIZES.contains(&size) {
                        let blob = repository.find_blob(id).map_err(reading("blob", id))?;
                        if blob.data.starts_with(POINTER) {
                            return Err(CheckoutError::Lfs(shown(&path)));
                        }
                    }
                }
            }
        }
    }
    Ok(survey)
}

/// Names that could lead out of the directory, or into git's own.
fn refused(name: &[u8]) -> bool {
    name.is_empty()
        || name == b"."
        || name == b".."
        || name.eq_ignore_ascii_case(b".git")
        || name.contains(&b'/')
        || name.contains(&0)
}

fn over(limit: u64, unit: &'static str, place: String) -> CheckoutError {
    CheckoutError::Budget {
        limit,
        unit,
        place: if place == " at " {
            String::new()
        } else {
            place
        },
    }
}

/// A path for people: hostile bytes are escaped, and it is not endless.
pub(super) fn shown(path: &[u8]) -> String {
    let text: String = path.to_str_lossy().chars().take(200).collect();
    if text
        .chars()
        .all(|c| !c.is_control() && c != char::REPLACEMENT_CHARACTER)
    {
        text
    } else {
        format!("{text:?}")
    }
}
