//! How a file stands: what it is, whose, with which mode.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Link,
    Socket,
    /// A file, or anything else that is read or run.
    File,
}

/// A path with its owner and mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stand {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The permission bits, with setuid, setgid and sticky.
    pub(super) mode: u32,
}

impl Stand {
    /// The path itself, also where it is a link.
    pub(super) fn of(path: &Path) -> io::Result<Stand> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Stand {
            path: path.to_owned(),
            kind: kind(&metadata),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & 0o7777,
        })
    }

    /// `mode 0750, owner wharf:wharf`.
    pub(super) fn said(&self) -> String {
        let group = uzers::get_group_by_gid(self.gid);
        let group = group.map_or_else(
            || self.gid.to_string(),
            |group| group.name().to_string_lossy().into_owned(),
        );
        format!("mode {:04o}, owner {}:{group}", self.mode, user(self.uid))
    }
}

fn kind(metadata: &Metadata) -> Kind {
    let is = metadata.file_type();
    match () {
        () if is.is_dir() => Kind::Directory,
        () if is.is_symlink() => Kind::Link,
        () if is.is_socket() => Kind::Socket,
        () => Kind::File,
    }
}

/// A user's name, or the number where it has none.
pub(super) fn user(uid: u32) -> String {
    uzers::get_user_by_uid(uid).map_or_else(
        || uid.to_string(),
        |user| user.name().to_string_lossy().into_owned(),
    )
}

/// A path as a shell reads it.
pub(super) fn quoted(path: &Path) -> String {
    shell_words::quote(&path.to_string_lossy()).into_owned()
}
