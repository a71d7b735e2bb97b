//! How much is in a mount, as du(1) counts it.

use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use wharf_config::application::Application;
use wharf_config::name::RelPath;
use wharf_wire::mount::Used;

use super::{MountError, Thing, open};
use crate::disk;
use crate::execute::beneath;
use crate::plan::mounts::{self, Named};
use crate::run::meter;

/// How long a look at one mount takes, at most: whoever asks waits for all of them.
pub const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// Counts what is in a mount or at a path of it; for so long at most. Blocks.
///
/// # Errors
/// That it is not there, or is neither a file nor a directory; that it was stopped.
pub fn size(
    mount: &Path,
    named: &Named,
    longest: Duration,
    stop: &CancellationToken,
) -> Result<Used, MountError> {
    let until = Instant::now() + longest;
    let go_on = || Instant::now() < until && !stop.is_cancelled();
    let used = match open(mount, named)? {
        Thing::Directory(directory) => meter::used(directory.as_fd(), Path::new("."), go_on),
        Thing::File(file, _) => {
            let stat = rustix::fs::fstat(&file).map_err(|error| failed(mount, error))?;
            meter::Used {
                bytes: taken(&stat),
                files: 1,
                whole: true,
            }
        }
    };
    super::go_on(stop)?;
    Ok(Used {
        bytes: used.bytes,
        files: used.files,
        whole: used.whole,
    })
}

/// Which of an application's mounts hold more than their quotas, in words. Blocks, for `longest` with
/// each of those that have one.
pub fn over(
    application: &Application,
    longest: Duration,
    place: impl Fn(&RelPath) -> PathBuf,
) -> Vec<String> {
    let stop = CancellationToken::new();
    let all = mounts::all(application).into_iter();
    let over = all.filter_map(|named| {
        named.quota?;
        // One that cannot be looked at is not over.
        let used = size(&place(&named.mount), &named, longest, &stop).ok()?;
        named.over(used.bytes)
    });
    over.collect()
}

/// What all mounts of an environment take together; 0 where there are none. Blocks.
///
/// # Errors
/// Of the file system.
pub(super) fn of_all(mounts: &Path, go_on: impl Fn() -> bool) -> Result<u64, MountError> {
    let opened = beneath::open(mounts).map_err(disk::at("open", mounts))?;
    Ok(meter::used(opened.as_fd(), Path::new("."), go_on).bytes)
}

/// What a file takes of the disk.
pub(super) fn taken(stat: &rustix::fs::Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default() * 512
}

fn failed(mount: &Path, error: rustix::io::Errno) -> disk::DiskError {
    disk::at("look at", mount)(error.into())
}
