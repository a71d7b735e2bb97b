//! The one place that touches descriptors by number: what the sandbox does not inherit.
#![expect(
    unsafe_code,
    reason = "a descriptor is only known by its number in /proc/self/fd"
)]

use std::{io, os::fd::BorrowedFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Marks all descriptors but the standard three and `kept` to be closed at the next exec.
///
/// Something may have been inherited from whoever started the daemon, and bubblewrap closes nothing.
pub(super) fn close_at_exec(kept: &[i32]) -> io::Result<()> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.parse::<i32>().ok()) {
            numbers.push(number);
        }
    }
    for number in numbers.into_iter().filter(|n| *n > 2 && !kept.contains(n)) {
        // SAFETY: the number was listed as open just now and this program has one thread; the one
        // that listed them is closed again, which is the error that is let pass. Nothing is read,
        // written or closed through the borrowed descriptor, and it does not outlive this call.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(rustix::io::Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
