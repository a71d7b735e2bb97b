//! What is in a tree, by its metadata.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{LayerError, MOST_ENTRIES};
use crate::disk;

/// Everything below a directory, by its path from there: parents before what they hold.
pub(super) type Tree = BTreeMap<String, Look>;

/// What metadata says of a file, link or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// A directory. What is in it says when it changed.
    Directory { mode: u32 },
    /// A regular file.
    File(Stamp),
    /// A symbolic link.
    Link(Stamp),
    /// Something that no slug may hold.
    Special,
}

/// Changes whenever a file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) mode: u32,
    pub(super) bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

/// Looks at everything below a directory in which nothing works any more, following no link.
pub(super) fn walk(top: &Path, stop: &AtomicBool) -> Result<Tree, LayerError> {
    let mut tree = Tree::new();
    let mut waiting = vec![String::new()];
    while let Some(directory) = waiting.pop() {
        let path = top.join(&directory);
        let failed = || LayerError::at("look at", &path);
        for entry in disk::entries(&path).map_err(failed())? {
            if stop.load(Ordering::Relaxed) {
                return Err(LayerError::Stopped);
            }
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().into_string().map_err(|name| {
                LayerError::Unfit(format!("{} has no name in UTF-8", name.display()))
            })?;
            let name = match directory.is_empty() {
                true => name,
                false => format!("{directory}/{name}"),
            };
            let look = look(&entry.metadata().map_err(failed())?);
            if matches!(look, Look::Directory { .. }) {
                waiting.push(name.clone());
            }
            tree.insert(name, look);
            if tree.len() > MOST_ENTRIES {
                let why = format!("the tree has more than {MOST_ENTRIES} files");
                return Err(LayerError::Unfit(why));
            }
        }
    }
    Ok(tree)
}

/// What the metadata of a name itself says.
pub(super) fn look(metadata: &Metadata) -> Look {
    let kind = metadata.file_type();
    let mode = metadata.mode() & 0o1777;
    let stamp = || Stamp {
        mode,
        bytes: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
    };
    if kind.is_dir() {
        Look::Directory { mode }
    } else if kind.is_symlink() {
        Look::Link(stamp())
    } else if kind.is_file() {
        Look::File(stamp())
    } else {
        debug_assert!(
            kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
        );
        Look::Special
    }
}
