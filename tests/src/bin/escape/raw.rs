//! System calls by their numbers: most that are tried here have no safe name, since no program of
//! good will makes them.
#![expect(
    unsafe_code,
    reason = "what is tried is what no library offers; each probe passes memory that it holds"
)]

use std::{arch::asm, io, ptr};

/// Makes a system call. Pointers among the arguments are of memory that the caller holds meanwhile.
pub(crate) fn call<const N: usize>(number: libc::c_long, arguments: [usize; N]) -> io::Result<i64> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the kernel reads and writes what the arguments point to, which the caller holds.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// Asks for the process id by the rules of a 32-bit program.
#[cfg(target_arch = "x86_64")]
pub(crate) fn process_id_of_i386() -> i32 {
    let result: i32;
    // SAFETY: the call has no arguments and touches no memory; a filter or a kernel without such
    // programs ends this process, which is why the probe is one of its own.
    unsafe {
        asm!("int 0x80", inlateout("eax") 20 => result, options(nostack));
    }
    result
}

/// The address of a value, for a call that reads or writes it.
pub(crate) fn at<T: ?Sized>(value: &T) -> usize {
    ptr::from_ref(value).cast::<u8>().addr()
}
