//! A push that nobody took, kept for the daemon's return.
//!
//! Where the daemon has a user of its own, the spool is a directory in which its group may make files
//! and see none: whose a file is stays so, its name cannot be guessed, and the daemon, whose group it
//! gets, reads it.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::rand::{GetRandomFlags, getrandom};

use wharf_wire::hook::Push;

/// At most this many files wait; a daemon that is away for so long compares branch tips anyway.
const MAX_FILES: usize = 10_000;
/// Bytes that a directory of so many has at most, where the files cannot be counted.
const MAX_BYTES: u64 = 2 << 20;

/// The bit of a directory whose files get its group.
const SETGID: u32 = 0o2000;

/// Why a push is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The stub names no directory.
    #[error("the host keeps no spool for this repository")]
    None,
    /// Nobody takes the files away.
    #[error("{} is full: {MAX_FILES} pushes wait there", .0.display())]
    Full(PathBuf),
    /// The disk said no.
    #[error("{}: {source}", .directory.display())]
    Disk {
        /// The spool.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Writes the push into the spool so that a power cut leaves all or nothing of it, and all of it once
/// this returns: the repository is synced too, which git leaves to whoever promises something. The
/// daemon reads `*.json`, in the order of their names.
///
/// # Errors
/// [`SpoolError`]; then there is no file.
pub(crate) fn keep(directory: Option<&Path>, push: &Push) -> Result<(), SpoolError> {
    let directory = directory.ok_or(SpoolError::None)?;
    let disk = |source| SpoolError::Disk {
        directory: directory.to_owned(),
        source,
    };
    if is_full(directory).map_err(disk)? {
        return Err(SpoolError::Full(directory.to_owned()));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut random = [0; 16];
    getrandom(&mut random, GetRandomFlags::empty()).map_err(|error| disk(error.into()))?;
    let random = u128::from_ne_bytes(random);
    let name = format!("{:020}-{random:032x}.json", now.as_nanos());
    let temporary = directory.join(format!(".{name}.new"));
    sync_repository(push)?;
    write(&temporary, push)
        .and_then(|file| {
            fs::rename(&temporary, directory.join(&name))?;
            sync_directory(directory, &file)
        })
        .map_err(|error| {
            // What is not whole has no meaning; the daemon also sweeps such names.
            drop(fs::remove_file(&temporary));
            disk(error)
        })
}

fn is_full(directory: &Path) -> io::Result<bool> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(fs::metadata(directory)?.len() > MAX_BYTES)
        }
        entries => Ok(entries?.count() >= MAX_FILES),
    }
}

/// Makes a file's name durable. A directory that cannot be read is synced with its file system.
fn sync_directory(directory: &Path, file: &File) -> io::Result<()> {
    match File::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(rustix::fs::syncfs(file)?)
        }
        opened => opened?.sync_all(),
    }
}

fn sync_repository(push: &Push) -> Result<(), SpoolError> {
    let repository = Path::new(&push.repository);
    let synced = File::open(repository).and_then(|open| Ok(rustix::fs::syncfs(open)?));
    synced.map_err(|source| SpoolError::Disk {
        directory: repository.to_owned(),
        source,
    })
}

fn write(path: &Path, push: &Push) -> io::Result<File> {
    let bytes = serde_json::to_vec(push).map_err(io::Error::other)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&bytes)?;
    // Its group is the spool's, and so the daemon's; whatever the umask says.
    let spool = path.parent().unwrap_or(Path::new("."));
    if fs::metadata(spool)?.mode() & SETGID != 0 {
        file.set_permissions(Permissions::from_mode(0o640))?;
    }
    file.sync_all()?;
    Ok(file)
}
