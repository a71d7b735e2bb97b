//! Brings an archive back: everything into its place, the database last. Until that is there no daemon
//! starts on what is half restored.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, Mode, OFlags};
use tar::{Archive, Entry, EntryType};
use wharf_config::place::Place;

use super::look::{Looked, look};
use super::{CONFIG, DATABASE, END, MANIFEST, Manifest, Part, WholeError, parts};
use crate::disk::{self, DiskError, at};
use crate::execute::archive::tree::times;
use crate::execute::beneath;
use crate::store::backup::stamp;
use crate::store::paths::Paths;
use crate::store::restore::{self, Lost, Source};

/// What becomes of a Wharf that is here already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// Nothing is restored.
    Refuse,
    /// It is put aside.
    PutAside,
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// What the archive says of itself.
    pub manifest: Manifest,
    /// Environments whose release has no slug here: their branches are deployed again.
    pub lost: Vec<Lost>,
    /// Where what was here before is.
    pub aside: Vec<PathBuf>,
}

/// Restores an archive. The caller holds the state directory's lock. Blocks.
///
/// # Errors
/// [`WholeError`]. Of a bad archive, and of one that does not fit or meets another Wharf, nothing is
/// touched; later, what was brought is taken away again.
pub fn unpack(
    place: &Place,
    paths: &Paths,
    file: &Path,
    present: Present,
) -> Result<Restored, WholeError> {
    let Looked { manifest, bytes } = look(file, paths)?;
    let all = parts(place, paths);
    let occupied = occupied(paths, &all)?;
    if !occupied.is_empty() && present == Present::Refuse {
        return Err(WholeError::Occupied(occupied));
    }
    if disk::entries(&paths.keepers()).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(WholeError::Running);
    }
    has_room(paths, bytes)?;
    let aside = put_aside(paths, &all)?;
    let made = paths.make();
    made.map_err(at("make the directories of", &paths.state()))?;
    std::fs::create_dir_all(&place.config).map_err(at("make", &place.config))?;
    let mut bringing = Bringing {
        parts: all,
        database: paths.arriving_database(),
        directories: Vec::new(),
        brought: Vec::new(),
    };
    let restored = bringing.bring(file).and_then(|()| {
        let lost = restore::without_slugs(&bringing.database, |slug| paths.has_slug(slug))?;
        for one in &lost {
            disk::remove_file(&paths.route(&one.key.project, &one.key.id))?;
        }
        give_to_owner(paths, &bringing.brought)?;
        disk::sync_filesystem(&paths.state())?;
        disk::sync_filesystem(&place.config)?;
        let done = restore::restore(paths, &Source::File(bringing.database.clone()))?;
        give_to_owner(paths, &[paths.database()])?;
        Ok((lost, done.aside))
    });
    disk::remove_file(&bringing.database)?;
    match restored {
        Ok((lost, database)) => Ok(Restored {
            manifest,
            lost,
            aside: aside.into_iter().chain(database).collect(),
        }),
        Err(error) => {
            if let Err(left) = bringing.take_away() {
                tracing::error!("what was brought is not all taken away: {left}");
            }
            Err(error)
        }
    }
}

/// What another Wharf has here.
fn occupied(paths: &Paths, parts: &[Part]) -> Result<Vec<PathBuf>, DiskError> {
    let mut found = Vec::new();
    if paths.database().exists() {
        found.push(paths.database());
    }
    for part in parts {
        if !contents(part)?.is_empty() {
            found.push(part.path.clone());
        }
    }
    Ok(found)
}

/// What is in a part that would be met: empty directories are nothing, and neither is what was put
/// aside before.
fn contents(part: &Part) -> Result<Vec<PathBuf>, DiskError> {
    let entries = match disk::entries(&part.path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at("read", &part.path)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(at("read", &part.path))?.path();
        let is_empty =
            path.is_dir() && disk::entries(&path).is_ok_and(|mut all| all.next().is_none());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !is_empty && !name.starts_with(ASIDE) {
            found.push(path);
        }
    }
    Ok(found)
}

/// How the name of a directory begins that holds the configuration that was replaced.
const ASIDE: &str = "replaced-";

/// Moves what is here away: the state's parts below `replaced`, the configuration beside itself.
fn put_aside(paths: &Paths, parts: &[Part]) -> Result<Vec<PathBuf>, DiskError> {
    let stamp = stamp(SystemTime::now());
    let mut aside = Vec::new();
    for part in parts {
        let found = contents(part)?;
        if found.is_empty() {
            continue;
        }
        let to = match part.name == Path::new(CONFIG) {
            true => part.path.join(format!("{ASIDE}{stamp}")),
            false => paths
                .replaced(&stamp)
                .join(part.name.file_name().unwrap_or_default()),
        };
        std::fs::create_dir_all(&to).map_err(at("make", &to))?;
        for path in found {
            let name = path.file_name().expect("an entry of a directory");
            std::fs::rename(&path, to.join(name)).map_err(at("move", &path))?;
        }
        disk::sync_directory(&to)?;
        disk::sync_directory(&part.path)?;
        aside.push(to);
    }
    Ok(aside)
}

fn has_room(paths: &Paths, needs: u64) -> Result<(), WholeError> {
    let mut path = paths.state();
    while !path.exists() && path.pop() {}
    let free = disk::free_space(&path)?.bytes;
    match needs <= free {
        true => Ok(()),
        false => Err(WholeError::Room {
            path,
            needs: bytesize::ByteSize(needs),
            free: bytesize::ByteSize(free),
        }),
    }
}

/// What is being brought.
struct Bringing {
    parts: Vec<Part>,
    database: PathBuf,
    /// Directories, with modes and times that they get once all is in them.
    directories: Vec<(PathBuf, PathBuf, u32, u64)>,
    /// What is below each part now that was not there.
    brought: Vec<PathBuf>,
}

impl Bringing {
    fn bring(&mut self, file: &Path) -> Result<(), WholeError> {
        let opened = File::open(file).map_err(at("open", file))?;
        let mut archive = Archive::new(io::BufReader::with_capacity(1 << 16, opened));
        let broken = |error: io::Error| at("read", file)(error);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let name = entry.path().map_err(broken)?.into_owned();
            if name == Path::new(MANIFEST) || name == Path::new(END) {
                continue;
            }
            let done = match name == Path::new(DATABASE) {
                true => self.database(&mut entry),
                false => self.one(&name, &mut entry),
            };
            done.map_err(at("restore", &name))?;
        }
        // The innermost first: whoever may not be written into is done by then.
        for (top, path, mode, modified) in self.directories.iter().rev() {
            let settled = settle(top, path, *mode, *modified);
            settled.map_err(at("restore", &top.join(path)))?;
        }
        Ok(())
    }

    fn database(&self, entry: &mut Entry<'_, impl io::Read>) -> io::Result<()> {
        disk::remove_file(&self.database).map_err(io::Error::other)?;
        let mut to = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.database)?;
        io::copy(entry, &mut to)?;
        to.sync_all()
    }

    fn one(&mut self, name: &Path, entry: &mut Entry<'_, impl io::Read>) -> io::Result<()> {
        let part = self.parts.iter().find(|part| name.starts_with(&part.name));
        let part = part.ok_or(io::ErrorKind::InvalidInput)?.clone();
        let path = name.strip_prefix(&part.name).map_err(io::Error::other)?;
        let first = path
            .components()
            .next()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let first = part.path.join(first);
        if self.brought.last() != Some(&first) {
            self.brought.push(first);
        }
        let (directory, last) = match beneath::parent(&part.path, path)? {
            Some(found) => found,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let mode = entry.header().mode()? & 0o777;
        let modified = entry.header().mtime()?;
        match entry.header().entry_type() {
            EntryType::Directory => {
                match rustix::fs::mkdirat(&directory, last, Mode::RWXU) {
                    // Ours, and empty until now.
                    Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                let path = path.to_owned();
                self.directories.push((part.path, path, mode, modified));
                Ok(())
            }
            EntryType::Symlink => {
                let to = entry.link_name()?.ok_or(io::ErrorKind::InvalidData)?;
                Ok(rustix::fs::symlinkat(to.as_ref(), &directory, last)?)
            }
            _ => file(&directory, last, entry, mode, modified),
        }
    }

    /// Takes away what was brought: the host is as it was, but for what was put aside.
    fn take_away(&self) -> Result<(), DiskError> {
        for path in &self.brought {
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => disk::remove_tree(path)?,
                _ => disk::remove_file(path)?,
            }
        }
        Ok(())
    }
}

fn file(
    directory: &OwnedFd,
    name: &Path,
    entry: &mut impl io::Read,
    mode: u32,
    modified: u64,
) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(file);
    io::copy(entry, &mut file)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(rustix::fs::futimens(&file, &times(modified))?)
}

/// Gives a directory the mode and time that it had.
fn settle(top: &Path, path: &Path, mode: u32, modified: u64) -> io::Result<()> {
    let Some((directory, name)) = beneath::parent(top, path)? else {
        return Ok(());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&directory, name, flags, Mode::empty())?;
    rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode))?;
    Ok(rustix::fs::futimens(&opened, &times(modified))?)
}

/// What root brought into the state of another user becomes theirs.
fn give_to_owner(paths: &Paths, brought: &[PathBuf]) -> Result<(), DiskError> {
    let state = paths.state();
    let owner = std::fs::metadata(&state).map_err(at("look at", &state))?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    let to = (owner.uid(), owner.gid());
    let below = paths.private().into_iter().chain([state.clone()]);
    let own = below.map(|path| (path, false));
    let all = brought.iter().filter(|path| path.starts_with(&state));
    for (path, whole) in own.chain(all.map(|path| (path.clone(), true))) {
        give(&path, to, whole).map_err(at("give away", &path))?;
    }
    Ok(())
}

fn give(path: &Path, to: (u32, u32), whole: bool) -> io::Result<()> {
    let (user, group) = (
        rustix::fs::Uid::from_raw(to.0),
        rustix::fs::Gid::from_raw(to.1),
    );
    let found = path.symlink_metadata()?;
    rustix::fs::chownat(
        rustix::fs::CWD,
        path,
        Some(user),
        Some(group),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    if whole && found.is_dir() {
        for entry in disk::entries(path)? {
            give(&entry?.path(), to, true)?;
        }
    }
    Ok(())
}
