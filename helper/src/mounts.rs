//! Lays out what a job sees: each place of the daemon's as the job's user's own.
//!
//! All of it by handles: sources are opened beneath the daemon's directory, targets beneath what is
//! mounted already, and neither through a link. What is laid out lies in a directory of root's that
//! nobody else can enter, until the unit's own root takes it over.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt, chown},
    },
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, openat2},
    io::Errno,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
        UnmountFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_bind,
        mount_change, move_mount, unmount,
    },
};
use wharf_sandbox::{
    ask::{self, MOST, Root, Start},
    host_root,
    id::Id,
    sandbox::Access,
};

use crate::{
    idmap::{Mapping, Owner},
    place,
};

/// Why a job's places cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayError {
    /// More than [`MOST`] places.
    #[error("more than {MOST} places")]
    Many,
    /// The daemon's own place cannot be shown.
    #[error("cannot show {0}")]
    Source(String, #[source] io::Error),
    /// It cannot appear where it should.
    #[error("nothing can appear at {0}")]
    Target(String, #[source] io::Error),
    /// The mapping, or a directory of the helper's own.
    #[error("cannot {0}")]
    Make(&'static str, #[source] io::Error),
}

fn cannot<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> LayError {
    move |error| LayError::Make(what, error.into())
}

/// Makes the directories of the helper's own. What is mounted below the jobs' one stays there: it
/// does not follow into units, which have their own mounts of it.
///
/// # Errors
/// When one cannot be made.
pub(crate) fn prepare() -> io::Result<()> {
    for directory in [place::jobs(), place::building()] {
        make(&directory, 0o700)?;
    }
    let jobs = place::jobs();
    match mount_change(&jobs, MountPropagationFlags::PRIVATE) {
        // It is no mount yet.
        Err(Errno::INVAL) => {
            mount_bind(&jobs, &jobs)?;
            Ok(mount_change(&jobs, MountPropagationFlags::PRIVATE)?)
        }
        done => Ok(done?),
    }
}

/// Whose the daemon's files are.
///
/// # Errors
/// When its directory is not there.
pub(crate) fn owner() -> io::Result<Owner> {
    let facts = fs::symlink_metadata(ask::STATE)?;
    Ok(Owner {
        user: facts.uid(),
        group: facts.gid(),
    })
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
/// [`LayError`]; what is laid out already stays for [`clear`].
pub(crate) fn lay(start: &Start, owner: Owner, user: u32) -> Result<(), LayError> {
    if start.shows.len() > MOST {
        return Err(LayError::Many);
    }
    let mapping = Mapping::new(owner, user).map_err(cannot("map users"))?;
    accounts(&start.job, user).map_err(cannot("write the accounts"))?;
    let state = File::open(ask::STATE).map_err(cannot("open the daemon's directory"))?;
    let command = place::command(&start.job);
    File::create(&command).map_err(cannot("make the command's place"))?;
    let file = ask::job_file(&start.job);
    let command_place = open(CWD, &command).map_err(cannot("open the command's place"))?;
    show(&mapping, state.as_fd(), &file, Access::Read, command_place)?;
    home(start, user).map_err(cannot("make the home"))?;
    for one in &start.shows {
        let top = place::laid(&start.job, one.root);
        if one.target.is_empty() {
            fs::create_dir_all(&top).map_err(cannot("make a directory"))?;
        }
        let no_target = |error| LayError::Target(one.target.as_path().display().to_string(), error);
        let at = open(CWD, &top).map_err(no_target)?;
        let at = match (one.root, one.target.is_empty()) {
            (_, true) => at,
            (Root::Home, false) => made(at, one.target.as_path(), user).map_err(no_target)?,
            (_, false) => beneath(at.as_fd(), one.target.as_path()).map_err(no_target)?,
        };
        show(
            &mapping,
            state.as_fd(),
            one.source.as_path(),
            one.access,
            at,
        )?;
    }
    Ok(())
}

/// Shows a place below `state` at another.
fn show(
    mapping: &Mapping,
    state: std::os::fd::BorrowedFd<'_>,
    source: &Path,
    access: Access,
    at: OwnedFd,
) -> Result<(), LayError> {
    let shown = (|| {
        let place = beneath(state, source)?;
        // A directory over a file, or the other way, is refused by the kernel.
        match FileType::from_raw_mode(fstat(&place)?.st_mode) {
            FileType::Directory | FileType::RegularFile => {}
            _ => return Err(io::Error::other("it is neither a directory nor a file")),
        }
        let mount = mapping.mount(place.as_fd(), access)?;
        let flags =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        Ok(move_mount(mount, "", at, "", flags)?)
    })();
    shown.map_err(|error| LayError::Source(source.display().to_string(), error))
}

/// The user's home, in memory.
fn home(start: &Start, user: u32) -> io::Result<()> {
    let top = place::laid(&start.job, Root::Home);
    make(&top, 0o700)?;
    let system = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in [
        ("mode", "0700".to_owned()),
        ("size", start.scratch.to_string()),
        ("uid", user.to_string()),
        ("gid", user.to_string()),
    ] {
        fsconfig_set_string(&system, key, &value)?;
    }
    fsconfig_create(&system)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    let mount = fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(mount, "", CWD, &top, flags)?)
}

/// A directory in the new home, made where it is not there, and the user's.
fn made(home: OwnedFd, target: &Path, user: u32) -> io::Result<OwnedFd> {
    let mut at = home;
    for part in target {
        match mkdirat(&at, part, Mode::RWXU) {
            Err(Errno::EXIST) => {}
            done => {
                done?;
                let id = (
                    rustix::fs::Uid::from_raw(user),
                    rustix::fs::Gid::from_raw(user),
                );
                let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
                rustix::fs::chownat(&at, part, Some(id.0), Some(id.1), flags)?;
            }
        }
        at = beneath(at.as_fd(), Path::new(part))?;
    }
    Ok(at)
}

fn open(directory: std::os::fd::BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat2(
        directory,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )?)
}

/// Opens a path that leaves the directory by no link and no `..`.
fn beneath(directory: std::os::fd::BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(directory, path, flags, Mode::empty(), resolve)?)
}

fn make(directory: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(directory)
}

fn accounts(job: &Id, user: u32) -> io::Result<()> {
    let [passwd, group] = place::accounts(job);
    let number = user.to_string();
    fs::write(&passwd, host_root::PASSWD.replace("1000", &number))?;
    fs::write(&group, host_root::GROUP.replace("1000", &number))?;
    chown(&passwd, Some(0), Some(0))?;
    chown(&group, Some(0), Some(0))
}

/// Takes away what was laid out for a job. What is mounted is unmounted, and nothing below it touched:
/// each removal is of one empty directory or one file.
///
/// # Errors
/// The first thing that does not go; the rest went.
pub(crate) fn clear(job: &Id) -> io::Result<()> {
    let mut done = Ok(());
    let mut also = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound && done.is_ok() => done = Err(error),
        _ => {}
    };
    for directory in Root::ALL.map(|root| place::laid(job, root)) {
        also(unmounted(&directory));
        also(fs::remove_dir(directory));
    }
    let command = place::command(job);
    also(unmounted(&command));
    also(fs::remove_file(command));
    for file in place::accounts(job) {
        also(fs::remove_file(file));
    }
    also(fs::remove_dir(place::job(job)));
    done
}

/// Unmounts what is there, with what is mounted below it.
fn unmounted(path: &Path) -> io::Result<()> {
    match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        // It is no mount.
        Err(Errno::INVAL) => Ok(()),
        done => Ok(done?),
    }
}
