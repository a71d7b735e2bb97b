//! Hook files: what stands there, and changing it in one step.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, fchown, lchown},
    path::Path,
};

use rustix::process::geteuid;

use super::InstallError;

/// The mode of a stub: everybody may push, its owner may change it.
pub(super) const STUB_MODE: u32 = 0o755;

/// What stands at a hook's path.
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A file that we wrote.
    Ours {
        /// Its text.
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else's hook, perhaps a link.
    Theirs(Theirs),
}

/// Somebody else's hook.
pub(super) struct Theirs {
    /// Whether git would run it.
    pub(super) executable: bool,
    /// Its text; empty for a link that leads nowhere.
    pub(super) bytes: Vec<u8>,
    device: u64,
    inode: u64,
}

impl Theirs {
    /// Whether both are one file, or two that say the same.
    pub(super) fn is_same(&self, other: &Theirs) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
            || (self.bytes == other.bytes && self.executable == other.executable)
    }

    /// Whether the hook looks at the name under which it runs.
    pub(super) fn reads_own_name(&self) -> bool {
        self.bytes.windows(2).any(|two| two == b"$0") || contains(&self.bytes, b"BASH_SOURCE")
    }
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Looks at a hook's path.
///
/// # Errors
/// The disk's, or [`InstallError::NotAFile`].
pub(super) fn look(path: &Path) -> Result<Found, InstallError> {
    let own = match fs::symlink_metadata(path) {
        Ok(own) => own,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Ok(Found::Nothing),
            _ => return Err(InstallError::disk("read", path)(error)),
        },
    };
    if own.is_symlink() {
        let target = fs::metadata(path).ok().filter(Metadata::is_file);
        let bytes = target
            .as_ref()
            .map(|_| head(path))
            .transpose()?
            .unwrap_or_default();
        let executable = target.is_some_and(|target| is_executable(&target));
        return Ok(theirs(&own, executable, bytes));
    }
    if !own.is_file() {
        return Err(InstallError::NotAFile(path.to_owned()));
    }
    let bytes = head(path)?;
    if wharf_hooks::stub::is_ours(&bytes) {
        return Ok(Found::Ours {
            bytes,
            mode: own.permissions().mode() & 0o7777,
        });
    }
    Ok(theirs(&own, is_executable(&own), bytes))
}

fn theirs(own: &Metadata, executable: bool, bytes: Vec<u8>) -> Found {
    Found::Theirs(Theirs {
        executable,
        bytes,
        device: own.dev(),
        inode: own.ino(),
    })
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}

/// A hook's first mebibyte, which is all of any but a very odd one.
fn head(path: &Path) -> Result<Vec<u8>, InstallError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 20).read_to_end(&mut bytes));
    read.map_err(InstallError::disk("read", path))?;
    Ok(bytes)
}

/// Puts a file in place so that a reader and a power cut see the old one or the new one.
///
/// # Errors
/// The disk's.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InstallError> {
    let directory = parent(path);
    let write = || {
        let mut file = tempfile::Builder::new()
            .prefix(".wharf-")
            .tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))?;
        if let Some((uid, gid)) = other_owner(directory)? {
            fchown(file.as_file(), Some(uid), Some(gid))?;
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync(directory)
    };
    write().map_err(InstallError::disk("write", path))
}

/// Whose a directory is, where root has to give away what it makes there: else its owner could not
/// change it.
fn other_owner(directory: &Path) -> io::Result<Option<(u32, u32)>> {
    let metadata = fs::metadata(directory)?;
    let is_others = geteuid().is_root() && metadata.uid() != 0;
    Ok(is_others.then(|| (metadata.uid(), metadata.gid())))
}

/// Makes a directory where there is none, which belongs to whoever has the one above.
///
/// # Errors
/// The disk's.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    let above = parent(path);
    match fs::create_dir(path) {
        // Whoever made it may have their reasons for whose it is.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    if let Some((uid, gid)) = other_owner(above)? {
        // Never what a link leads to.
        lchown(path, Some(uid), Some(gid))?;
    }
    sync(above)
}

/// Gives a hook its second name. The first one stays until [`replace`] takes it over, so there is
/// no moment in which a push meets no hook.
///
/// # Errors
/// The disk's.
pub(super) fn keep(hook: &Path, kept: &Path) -> Result<(), InstallError> {
    // A link is hard-linked itself, not what it leads to.
    fs::hard_link(hook, kept)
        .and_then(|()| sync(parent(kept)))
        .map_err(InstallError::disk("keep the hook as", kept))
}

/// Moves a kept hook back over ours.
///
/// # Errors
/// The disk's.
pub(super) fn restore(kept: &Path, hook: &Path) -> Result<(), InstallError> {
    fs::rename(kept, hook)
        .and_then(|()| sync(parent(hook)))
        .map_err(InstallError::disk("restore", hook))
}

/// Removes a file; one that is gone already is fine.
///
/// # Errors
/// The disk's.
pub(super) fn remove(path: &Path) -> Result<(), InstallError> {
    match fs::remove_file(path).and_then(|()| sync(parent(path))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(InstallError::disk("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .expect("hooks and records lie in a repository")
}

/// Makes a file's content, or the names in a directory, durable.
///
/// # Errors
/// The disk's.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
