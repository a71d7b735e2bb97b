//! Lays out what a job sees: each place of the daemon's as the job's user's own.
//!
//! All of it by handles: sources are opened beneath the daemon's directory, targets beneath what is
//! mounted already, and neither through a link. What is laid out lies in a directory of root's that
//! nobody else can enter, until the unit's own root takes it over.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::DirBuilderExt,
    },
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fstat, mkdirat,
        openat2,
    },
    io::Errno,
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_bind,
        mount_change, move_mount, unmount,
    },
};
use wharf_sandbox::{
    ask::{self, MOST, Root, STATE, Show, Start},
    host_root,
    id::Id,
    place,
    sandbox::Access,
};

use crate::{
    AnyError, at,
    idmap::{Mapping, Owner},
    quota,
};

/// How places are opened.
const FLAGS: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Makes the directories of the helper's own. What is mounted below the jobs' one stays there: it
/// does not follow into units, which have their own mounts of it.
///
/// # Errors
/// When one cannot be made.
pub(crate) fn prepare() -> io::Result<()> {
    let jobs = place::jobs();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&jobs)?;
    match mount_change(&jobs, MountPropagationFlags::PRIVATE) {
        // It is no mount yet.
        Err(Errno::INVAL) => {
            mount_bind(&jobs, &jobs)?;
            Ok(mount_change(&jobs, MountPropagationFlags::PRIVATE)?)
        }
        done => Ok(done?),
    }
}

/// The jobs for which something is laid out: all that run, and those whose end was not seen.
///
/// # Errors
/// When that cannot be read.
pub(crate) fn jobs() -> io::Result<Vec<Id>> {
    let names = fs::read_dir(place::jobs())?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    let ids = names
        .iter()
        .filter_map(|name| Id::parse(name.to_str()?).ok());
    Ok(ids.collect())
}

/// Makes the directory in which a job's places are laid out: two jobs of one name never share it.
///
/// # Errors
/// When it is there already.
pub(crate) fn claim(job: &Id) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(place::job(job))
}

/// Lays out what a job sees, once it is claimed.
///
/// # Errors
/// What cannot be shown; what is laid out already stays for [`clear`].
pub(crate) fn lay(start: &Start, owner: Owner, user: u32) -> Result<(), AnyError> {
    if start.shows.len() > MOST {
        return Err(format!("more than {MOST} places").into());
    }
    let mapping = Mapping::new(owner, user).map_err(at("cannot map users"))?;
    accounts(&start.job, user).map_err(at("cannot write the accounts"))?;
    home(start, user).map_err(at("cannot make the home"))?;
    let state = File::open(STATE).map_err(at(STATE))?;
    let room = start.limits.disk;
    let show = |source: &Path, access: Access, target: io::Result<OwnedFd>| {
        let target = target.map_err(at("nothing can appear there"));
        let shown =
            target.and_then(|target| Ok(show(&mapping, &state, source, access, room, &target)?));
        shown.map_err(at(format_args!("cannot show {}", source.display())))
    };
    let command = place::command(&start.job);
    let made = File::create(&command).and_then(|_| open(&command, OFlags::PATH));
    show(&ask::job_file(&start.job), Access::Read, made)?;
    for one in &start.shows {
        show(
            one.source.as_path(),
            one.access,
            target(&start.job, one, user),
        )?;
    }
    Ok(())
}

/// Where a place appears. Nothing is made below what is the daemon's.
fn target(job: &Id, show: &Show, user: u32) -> io::Result<OwnedFd> {
    let (top, target) = (place::laid(job, show.root), show.target.as_path());
    if show.target.is_empty() {
        fs::create_dir_all(&top)?;
    }
    let top = open(&top, OFlags::PATH)?;
    match show.root {
        _ if show.target.is_empty() => Ok(top),
        Root::Home => made(top, target, user),
        _ => beneath(&top, target),
    }
}

/// Shows a place below `state` at another.
fn show(
    mapping: &Mapping,
    state: &File,
    source: &Path,
    access: Access,
    room: Option<u64>,
    at: &OwnedFd,
) -> io::Result<()> {
    let place = beneath(state, source)?;
    if access == Access::Write {
        quota::limit(&place, room)?;
    }
    // A directory over a file, or the other way, is refused by the kernel.
    match FileType::from_raw_mode(fstat(&place)?.st_mode) {
        FileType::Directory | FileType::RegularFile => {}
        _ => return Err(io::Error::other("it is neither a directory nor a file")),
    }
    let mount = mapping.mount(place.as_fd(), access)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", at, "", flags)?)
}

/// The user's home, in memory.
fn home(start: &Start, user: u32) -> io::Result<()> {
    let top = place::laid(&start.job, Root::Home);
    fs::create_dir(&top)?;
    let size = start.scratch;
    let options = CString::new(format!("mode=0700,size={size},uid={user},gid={user}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount("tmpfs", &top, "tmpfs", flags, options.as_c_str())?)
}

/// A directory in the new home, made where it is not there, and the user's.
fn made(home: OwnedFd, target: &Path, user: u32) -> io::Result<OwnedFd> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    let mut at = home;
    for part in target {
        match mkdirat(&at, part, Mode::RWXU) {
            Err(Errno::EXIST) => {}
            done => {
                done?;
                chownat(&at, part, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        at = beneath(&at, Path::new(part))?;
    }
    Ok(at)
}

/// Opens a place through no link.
///
/// # Errors
/// When it is not there, or there is a link on the way.
pub(crate) fn open(path: &Path, how: OFlags) -> io::Result<OwnedFd> {
    let flags = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat2(
        CWD,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )?)
}

/// Opens a path that leaves the directory by no link and no `..`.
fn beneath(directory: &impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(directory, path, FLAGS, Mode::empty(), resolve)?)
}

fn accounts(job: &Id, user: u32) -> io::Result<()> {
    let texts = [host_root::PASSWD, host_root::GROUP];
    let mut files = place::accounts(job).into_iter().zip(texts);
    files.try_for_each(|(file, text)| fs::write(file, text.replace("1000", &user.to_string())))
}

/// Takes away what was laid out for a job. What is mounted is unmounted, and nothing below it touched:
/// each removal is of one empty directory or one file of the helper's own.
///
/// # Errors
/// The first thing that does not go.
pub(crate) fn clear(job: &Id) -> io::Result<()> {
    let directory = place::job(job);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        // As often as something is mounted there; then it is no mount.
        while unmount(&path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
        if fs::symlink_metadata(&path)?.is_dir() {
            fs::remove_dir(path)?;
        } else {
            fs::remove_file(path)?;
        }
    }
    fs::remove_dir(directory)
}
