//! A push that nobody took, kept for the daemon's return.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use wharf_wire::hook::Push;

/// At most this many files wait; a daemon that is away for so long compares branch tips anyway.
const MAX_FILES: usize = 10_000;

/// Why a push is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The stub names no directory.
    #[error("the host keeps no spool for this repository")]
    None,
    /// Nobody takes the files away.
    #[error("{} holds {MAX_FILES} files already", .0.display())]
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
    if fs::read_dir(directory).map_err(disk)?.count() >= MAX_FILES {
        return Err(SpoolError::Full(directory.to_owned()));
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // The process id lives as long as this process, so no other hook takes the name.
    let name = format!("{:020}-{}.json", now.as_nanos(), std::process::id());
    let temporary = directory.join(format!(".{name}.new"));
    sync_repository(push)?;
    write(&temporary, push)
        .and_then(|()| fs::rename(&temporary, directory.join(&name)))
        .and_then(|()| File::open(directory)?.sync_all())
        .map_err(|error| {
            // What is not whole has no meaning; the daemon also sweeps such names.
            drop(fs::remove_file(&temporary));
            disk(error)
        })
}

fn sync_repository(push: &Push) -> Result<(), SpoolError> {
    let repository = Path::new(&push.repository);
    let synced = File::open(repository).and_then(|open| Ok(rustix::fs::syncfs(open)?));
    synced.map_err(|source| SpoolError::Disk {
        directory: repository.to_owned(),
        source,
    })
}

fn write(path: &Path, push: &Push) -> io::Result<()> {
    let bytes = serde_json::to_vec(push).map_err(io::Error::other)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&bytes)?;
    file.sync_all()
}
