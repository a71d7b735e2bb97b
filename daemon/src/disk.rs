//! Writing so that a power cut leaves the old or the new, never a half.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

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
        .prefix(".new-")
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
        for entry in fs::read_dir(&directory)? {
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

/// Removes a file durably; it need not be there.
///
/// # Errors
/// Of the file system.
pub fn remove_file(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(at("remove", path)(error)),
        Ok(()) => sync_directory(path.parent().unwrap_or(Path::new("/"))),
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn free_space_is_known() {
        assert!(free_space(Path::new("/")).unwrap().bytes > 0);
    }
}
