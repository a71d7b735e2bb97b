//! What a project of the daemon's may take of a file system that keeps quotas.
//!
//! rustix has no quotactl_fd(2), Linux 5.14, so this module makes it.
#![expect(unsafe_code)]

use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd},
};

use rustix::{
    fs::{Mode, OFlags, openat},
    io::Errno,
};
use wharf_sandbox::quota;

/// `Q_SETQUOTA` for projects, of which there is no constant in one word: see `QCMD` of sys/quota.h.
const SET: i32 = (libc::Q_SETQUOTA << 8) | PROJECTS;
/// `PRJQUOTA` of linux/quota.h.
const PROJECTS: i32 = 2;

/// Lets all that has the number of this directory take so many bytes, or as much as there is. Nothing
/// happens where the directory has no number of the daemon's, or the file system keeps no quotas.
///
/// # Errors
/// When it keeps them, and says no.
pub(crate) fn limit(directory: impl AsFd, bytes: Option<u64>) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // A file has none of its own.
    let directory = openat(directory, ".", flags, Mode::empty()).ok();
    let number = directory.as_ref().and_then(quota::of);
    let (Some(directory), Some(number)) = (directory, number) else {
        return Ok(());
    };
    // SAFETY: it is numbers alone.
    let mut room: libc::dqblk = unsafe { mem::zeroed() };
    // In pieces of 1,024 bytes; none is no limit.
    room.dqb_bhardlimit = bytes.map_or(0, |bytes| bytes.div_ceil(1024).max(1));
    room.dqb_valid = libc::QIF_BLIMITS;
    // SAFETY: the pointer is to a structure of the kernel's that lives until the call returns.
    let done = unsafe {
        let fd = directory.as_raw_fd();
        libc::syscall(libc::SYS_quotactl_fd, fd, SET, number, &raw const room)
    };
    match Errno::from_io_error(&io::Error::last_os_error()) {
        _ if done == 0 => Ok(()),
        // No quotas of this kind are kept, or none at all.
        Some(Errno::SRCH | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => Ok(()),
        error => Err(error.unwrap_or(Errno::IO).into()),
    }
}
