//! Copies of mounts: each file shares its content with the one that it is of where the file system can do that,
//! else it is copied.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;
use tokio_util::sync::CancellationToken;
use wharf_config::application::{Application, Mount};
use wharf_config::name::RelPath;

use super::Source;
use crate::disk::{self, DiskError};
use crate::execute::activity::Act;
use crate::execute::archive::tree::Tree;
use crate::execute::failure::Failure;
use crate::execute::walk::{Found, Visit, walk};
use crate::report;
use crate::store::paths::Paths;

/// What is left out is named, of so many.
const MOST_NAMED: usize = 20;
/// After so many bytes it is looked whether there is still room.
const LOOK: u64 = 64 << 20;

/// What was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    files: u64,
    bytes: u64,
    /// Files whose content is their originals'.
    shared: u64,
    /// What is not in the copy, and why: the first of them.
    pub(super) left_out: Vec<String>,
}

impl Copied {
    pub(super) fn said(&self, from: &str) -> String {
        let how = match self.shared {
            0 => "",
            shared if shared == self.files => ", shared with the originals",
            _ => ", some shared with the originals",
        };
        let files = report::count(self.files, "file");
        format!("{files} of {from}, {}{how}", report::size(self.bytes))
    }
}

/// The `data` mounts that both have.
pub(super) fn mounts<'a>(theirs: &'a Application, ours: &Application) -> Vec<&'a RelPath> {
    let is_data = |of: &Application, path: &RelPath| of.mounts.get(path) == Some(&Mount::Data);
    let paths = theirs.mounts.keys();
    paths
        .filter(|path| is_data(theirs, path) && is_data(ours, path))
        .collect()
}

/// Copies those mounts of an environment to directories below `into`, which is made; none where there are none.
///
/// # Errors
/// Of the file system; that there is no room, or that it was stopped.
pub(super) async fn copy(
    act: &Act,
    from: &Source,
    mounts: &[&RelPath],
    into: &Path,
) -> Result<Option<Copied>, Failure> {
    let key = from.act.key();
    let place = |path: &&RelPath| {
        let source = act.world.paths.mount(&key.project, &key.id, path);
        (source, into.join(Paths::mount_name(path)))
    };
    let pairs: Vec<(PathBuf, PathBuf)> = mounts.iter().map(place).collect();
    if pairs.is_empty() {
        return Ok(None);
    }
    let (into, stop) = (into.to_owned(), act.cancel.clone());
    let reserve = act.settings.host.keep.min_free.size;
    let copying = tokio::task::spawn_blocking(move || {
        disk::make_directory(&into).map_err(|error| cannot(&error))?;
        let mut copied = Copied::default();
        for (source, target) in pairs {
            one(&source, &target, &mut copied, (reserve, &stop))?;
        }
        Ok(copied)
    });
    let copied: Result<Copied, Failure> = copying.await.expect("copying does not panic");
    copied.map(Some)
}

fn cannot(error: &DiskError) -> Failure {
    Failure::host("cannot copy the files", error).or_full()
}

/// What it came of; where is said of all of the mount.
fn cause(error: DiskError) -> io::Error {
    error.source
}

fn one(
    source: &Path,
    target: &Path,
    copied: &mut Copied,
    (reserve, stop): (u64, &CancellationToken),
) -> Result<(), Failure> {
    let failed = |error: io::Error| cannot(&disk::at("copy", source)(error));
    let is_file = match source.symlink_metadata() {
        Ok(metadata) => metadata.is_file(),
        // What nobody ever used is not there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut copying = Copying {
        tree: None,
        copied,
        reserve,
        since: 0,
        stop,
        target,
    };
    let walked = match is_file {
        true => copying.only(source),
        false => Tree::make(target).map_err(cause).and_then(|tree| {
            copying.tree = Some(tree);
            walk(source, Path::new(""), &mut copying)
        }),
    };
    walked.map_err(|error| match stop.is_cancelled() {
        true => Failure::cancelled(),
        false => failed(error),
    })
}

struct Copying<'a> {
    tree: Option<Tree<'a>>,
    copied: &'a mut Copied,
    /// Bytes that stay free.
    reserve: u64,
    /// Bytes since somebody looked.
    since: u64,
    stop: &'a CancellationToken,
    target: &'a Path,
}

impl Copying<'_> {
    /// A mount that is a file.
    fn only(&mut self, source: &Path) -> io::Result<()> {
        let from = File::options().read(true).open(source)?;
        let mut into = File::create_new(self.target)?;
        self.content(&from, &mut into)?;
        into.set_permissions(from.metadata()?.permissions())
    }

    /// What is in a file.
    fn content(&mut self, from: &File, into: &mut File) -> io::Result<()> {
        self.copied.files += 1;
        if rustix::fs::ioctl_ficlone(&*into, from).is_ok() {
            self.copied.shared += 1;
            self.copied.bytes += from.metadata()?.size();
            return Ok(());
        }
        let mut from = from;
        loop {
            self.go_on()?;
            let copied = io::copy(&mut io::Read::take(&mut from, LOOK), into)?;
            self.copied.bytes += copied;
            self.since += copied;
            if copied < LOOK {
                return Ok(());
            }
        }
    }

    /// Whether it was stopped, or there is no more room.
    fn go_on(&mut self) -> io::Result<()> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        if self.since >= LOOK {
            self.since = 0;
            let free = disk::free_space(self.target).map_err(cause)?;
            if free.bytes < self.reserve {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }
}

impl Visit for Copying<'_> {
    fn found(&mut self, path: &Path, stat: &Stat, found: Found) -> io::Result<()> {
        self.go_on()?;
        let mut tree = self.tree.take().expect("a directory has one");
        // Files and links are in the directory that was found last, or in one above it.
        let mode = stat.st_mode & 0o777;
        let done = match found {
            Found::Directory => tree.directory(path, mode | 0o700).map_err(cause),
            Found::Link(to) => tree.link(path, &to).map_err(cause),
            Found::File(from) => {
                let modified = u64::try_from(stat.st_mtime).ok();
                let filled = tree.file(path, mode, modified, |into| {
                    self.content(&from, into).map_err(disk::at("copy", path))
                });
                filled.map_err(cause)
            }
        };
        self.tree = Some(tree);
        done
    }

    fn left_out(&mut self, path: &Path, why: &str) {
        if self.copied.left_out.len() < MOST_NAMED {
            let text = format!("{} is left out: {why}", path.display());
            self.copied.left_out.push(text);
        }
    }
}
