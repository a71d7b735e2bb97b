//! Mounts that show one user's files as another's, and take what the other writes as the first one's.
//!
//! See mount_setattr(2), "ID-mapped mounts": Linux 5.12 on ext4, xfs and others. rustix has no such
//! call, so this module makes it.
#![expect(unsafe_code)]

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::{fs::MetadataExt, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
};

use rustix::{fs::AtFlags, mount::OpenTreeFlags};
use wharf_sandbox::sandbox::Access;

/// Whose files are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

impl Owner {
    /// The owner of a place that is no link.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn of(place: &Path) -> io::Result<Self> {
        let facts = fs::symlink_metadata(place)?;
        let (user, group) = (facts.uid(), facts.gid());
        Ok(Self { user, group })
    }
}

/// A mapping of the files' owner to another user, who has a group of the same number.
#[derive(Debug)]
pub(crate) struct Mapping(File);

impl Mapping {
    /// Makes it: a user namespace in which nothing runs.
    ///
    /// # Errors
    /// When the kernel makes none.
    pub(crate) fn new(owner: Owner, to: u32) -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg("namespace")
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        // SAFETY: one system call, which allocates nothing and takes no lock.
        unsafe {
            command.pre_exec(|| match libc::unshare(libc::CLONE_NEWUSER) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        let mut child = command.spawn()?;
        let process = format!("/proc/{}", child.id());
        let made = (|| {
            for (file, id) in [("uid_map", owner.user), ("gid_map", owner.group)] {
                fs::write(format!("{process}/{file}"), format!("{id} {to} 1"))?;
            }
            File::open(format!("{process}/ns/user"))
        })();
        // It ends with its input.
        drop(child.stdin.take());
        child.wait()?;
        made.map(Self)
    }

    /// A mount of what `place` is, not yet anywhere: without devices, without programs that run as
    /// their owner.
    ///
    /// # Errors
    /// When the file system cannot be mapped.
    pub(crate) fn mount(&self, place: BorrowedFd<'_>, access: Access) -> io::Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH;
        let mount = rustix::mount::open_tree(place, "", flags)?;
        let mut set = libc::MOUNT_ATTR_IDMAP | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        if access == Access::Read {
            set |= libc::MOUNT_ATTR_RDONLY;
        }
        let attributes = libc::mount_attr {
            attr_set: set,
            attr_clr: 0,
            // What is mounted on it later appears nowhere else.
            propagation: libc::MS_PRIVATE,
            userns_fd: u64::try_from(self.0.as_raw_fd()).expect("a descriptor is positive"),
        };
        // SAFETY: the pointers are to values that live until the call returns, and the size is the
        // structure's own.
        let result = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                mount.as_raw_fd(),
                c"".as_ptr(),
                AtFlags::EMPTY_PATH.bits(),
                &raw const attributes,
                size_of::<libc::mount_attr>(),
            )
        };
        match result {
            0 => Ok(mount),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
