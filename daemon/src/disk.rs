//! Writing so that a power cut leaves the old or the new, never a half.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use wharf_sandbox::quota;

/// A file operation that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {}", path.display())]
pub struct DiskError {
    /// What was tried, such as `write`.
    pub verb: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Names what was tried and where in an error.
pub fn at(verb: &'static str, path: &Path) -> impl Fn(io::Error) -> DiskError {
    move |source| DiskError {
        verb,
        path: path.to_owned(),
        source,
    }
}

/// The entries of a directory. The standard library opens files again that a signal interrupted, but
/// no directories.
///
/// # Errors
/// As [`fs::read_dir`].
pub fn entries(directory: &Path) -> io::Result<fs::ReadDir> {
    loop {
        match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// What the name of a file begins with until it is whole and moved to its own.
pub const UNWRITTEN: &str = ".new-";

/// Replaces a file durably: temporary file, fsync, rename, fsync of the directory.
///
/// # Errors
/// When any of it fails; the old file is then whole, or the new one is.
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DiskError> {
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let failed = at("write", path);
    let mut file = tempfile::Builder::new()
        .prefix(UNWRITTEN)
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(directory)
        .map_err(&failed)?;
    file.write_all(bytes).map_err(&failed)?;
    // The umask took bits away from the mode at creation.
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .map_err(&failed)?;
    file.as_file().sync_all().map_err(&failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    sync_directory(directory)
}

/// Makes a directory durably, with those above it that are missing.
///
/// # Errors
/// When one cannot be made or synced.
pub fn make_directory(path: &Path) -> Result<(), DiskError> {
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
    fs::create_dir_all(path).map_err(at("make", path))?;
    for made in missing {
        sync_directory(made.parent().unwrap_or(Path::new("/")))?;
    }
    Ok(())
}

/// Has what is made in a new directory counted apart, where the file system does that: the helper can
/// limit it then.
pub fn count_apart(directory: &Path) {
    let number = quota::number(&directory.to_string_lossy());
    if let Err(error) = quota::give(directory, number) {
        tracing::debug!(directory = %directory.display(), %error, "it is not counted apart");
    }
}

/// Moves what is at one name to another, durably.
///
/// # Errors
/// When it cannot be moved, or one of the two directories not be synced.
pub fn rename(from: &Path, to: &Path) -> Result<(), DiskError> {
    fs::rename(from, to).map_err(at("move", from))?;
    for directory in [to, from].map(Path::parent) {
        sync_directory(directory.unwrap_or(Path::new("/")))?;
    }
    Ok(())
}

/// Makes an empty file that only its owner may read; it must not be there.
///
/// # Errors
/// When it cannot be made.
pub fn create_private(path: &Path) -> Result<(), DiskError> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(at("make", path))
}

/// Makes a file's content durable.
///
/// # Errors
/// When it cannot be opened or synced.
pub fn sync_file(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(at("sync", path))
}

/// Makes renames and new names in a directory durable.
///
/// # Errors
/// When it cannot be opened or synced.
pub fn sync_directory(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(at("sync", path))
}

/// Makes all that was written to the file system of `path` durable.
///
/// # Errors
/// When it cannot be opened or synced.
pub fn sync_filesystem(path: &Path) -> Result<(), DiskError> {
    File::open(path)
        .and_then(|directory| Ok(rustix::fs::syncfs(&directory)?))
        .map_err(at("sync the file system of", path))
}

/// Removes a directory with all in it, following no link. It need not be there.
///
/// A build may have taken its own right to write away from directories: that is given back.
///
/// # Errors
/// Of the file system.
pub fn remove_tree(path: &Path) -> Result<(), DiskError> {
    let failed = at("remove", path);
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_directories(path).map_err(&failed)?;
            fs::remove_dir_all(path).map_err(&failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn open_directories(top: &Path) -> io::Result<()> {
    let mut waiting = vec![top.to_owned()];
    while let Some(directory) = waiting.pop() {
        // O_NOFOLLOW by lstat: a link is not a directory. Nobody writes here any more.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        for entry in entries(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}

/// What is left on the file system of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// Bytes that an ordinary user may still write.
    pub bytes: u64,
    /// Files that may still be made; `None` where the file system has no such limit.
    pub inodes: Option<u64>,
}

/// Looks at what is left on the file system of a path.
///
/// # Errors
/// When it cannot be asked.
pub fn free_space(path: &Path) -> Result<Free, DiskError> {
    let stat = rustix::fs::statvfs(path).map_err(|error| at("look at", path)(error.into()))?;
    Ok(Free {
        bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        inodes: (stat.f_files > 0).then_some(stat.f_favail),
    })
}

/// Bytes that are too few for anything.
const FULL: u64 = 256 * 1024;
/// Files that are too few for anything.
const FULL_OF_FILES: u64 = 16;

/// Whether the file system of a path has no room left.
pub fn is_full(path: &Path) -> bool {
    free_space(path).is_ok_and(|free| {
        free.bytes < FULL || free.inodes.is_some_and(|inodes| inodes < FULL_OF_FILES)
    })
}

/// The file system of a path: its number, and the directory where it is mounted.
///
/// # Errors
/// When the path cannot be looked at.
pub fn file_system(path: &Path) -> Result<(u64, PathBuf), DiskError> {
    use std::os::unix::fs::MetadataExt;
    let failed = at("look at", path);
    let mut mount = path.canonicalize().map_err(&failed)?;
    let number = mount.metadata().map_err(&failed)?.dev();
    while let Some(parent) = mount.parent() {
        if parent.metadata().map_err(&failed)?.dev() != number {
            break;
        }
        mount = parent.to_owned();
    }
    Ok((number, mount))
}

/// The bytes that a tree takes on its disk, following no link. What is unreadable or goes away
/// meanwhile is not counted.
pub fn measure(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut waiting = vec![path.to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = entries(&directory) else {
            continue;
        };
        for entry in entries.filter_map(Result::ok) {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    bytes
}

/// Removes a file durably; it need not be there.
///
/// # Errors
/// Of the file system.
pub fn remove_file(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        // Whoever removed it may not have come to the sync.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => sync_directory(path.parent().unwrap_or(Path::new("/"))),
    }
}

/// The last bytes of a file, at most `most` of them.
///
/// # Errors
/// When it cannot be opened or read.
pub fn read_tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use io::{Read, Seek};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads what somebody left, who may mean ill: a file of its own, with no other name anywhere. Tells
/// whose it is, too.
///
/// # Errors
/// When it is something else, or more than `most` bytes.
pub fn read_left(path: &Path, most: u64) -> Result<(Vec<u8>, u32), DiskError> {
    use rustix::fs::{Mode, OFlags};
    use std::{io::Read, os::unix::fs::MetadataExt};

    let failed = at("read", path);
    // A pipe would keep whoever opens it waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| failed(error.into()))?);
    let facts = file.metadata().map_err(&failed)?;
    if !facts.is_file() || facts.nlink() > 1 {
        return Err(failed(io::Error::other("it is no file with one name")));
    }
    if facts.len() > most {
        return Err(failed(io::Error::other(format!(
            "it has more than {most} bytes"
        ))));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(&failed)?;
    Ok((bytes, facts.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_left_is_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "x").unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(read_left(&at("file"), 1).unwrap(), (b"x".to_vec(), own));
        fs::write(at("long"), "xx").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        let pipe = rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        );
        pipe.unwrap();
        for bad in ["long", "link", "pipe", "gone", "."] {
            assert!(read_left(&at(bad), 1).is_err(), "{bad}");
        }
        fs::hard_link(at("file"), at("other")).unwrap();
        assert!(read_left(&at("file"), 1).is_err());
    }

    #[test]
    fn a_written_file_has_its_mode_and_replaces_the_old() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        atomic_write(&path, b"old", 0o644).unwrap();
        atomic_write(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing temporary stays"
        );
    }

    #[test]
    fn directories_are_made_and_moved() {
        let directory = tempfile::tempdir().unwrap();
        let (deep, moved) = (
            directory.path().join("a/b/c"),
            directory.path().join("moved"),
        );
        make_directory(&deep).unwrap();
        make_directory(&deep).unwrap();
        rename(deep.parent().unwrap(), &moved).unwrap();
        assert!(moved.join("c").is_dir() && !deep.exists());
        assert!(rename(&deep, &moved).is_err());
    }

    #[test]
    fn an_error_names_the_path() {
        let error = atomic_write(Path::new("/nowhere/at/all"), b"", 0o600).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nowhere/at/all");
    }

    #[test]
    fn a_tree_is_removed_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (tree, other) = (
            directory.path().join("tree"),
            directory.path().join("other"),
        );
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(&other, "stays").unwrap();
        std::os::unix::fs::symlink(&other, tree.join("a/link")).unwrap();
        fs::set_permissions(tree.join("a"), fs::Permissions::from_mode(0o500)).unwrap();
        remove_tree(&tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && other.exists());
    }

    #[test]
    fn a_tree_is_measured_and_its_file_system_known() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("a")).unwrap();
        fs::write(tree.join("a/b"), vec![1; 100_000]).unwrap();
        assert!((100_000..200_000).contains(&measure(&tree)));
        assert_eq!(measure(&directory.path().join("none")), 0);
        let (root, mount) = file_system(Path::new("/")).unwrap();
        assert_eq!(mount, Path::new("/"));
        let (proc, mount) = file_system(Path::new("/proc/self/fd")).unwrap();
        assert_eq!(mount, Path::new("/proc"));
        assert_ne!(root, proc);
    }

    #[test]
    fn free_space_is_known() {
        assert!(free_space(Path::new("/")).unwrap().bytes > 0);
    }
}
