//! Room that the file system itself keeps: project quotas of ext4 and xfs.
//!
//! A directory has a project's number, and what is made in it inherits that. The daemon, whose the
//! directory is, gives the number; nothing in a sandbox can change it, since only the host's own user
//! namespace may. What a project may take root says: the helper. Where a file system keeps no such
//! quotas nothing of this is in force, and whoever looks at the use is all there is.
//! See "Project quota" in xfs_quota(8), and ext4(5).
#![expect(unsafe_code)]

use std::{
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    os::fd::AsFd,
    path::Path,
};

use rustix::ioctl::{Getter, Setter, ioctl, opcode};

/// Where our numbers begin: above all that people write into /etc/projid.
pub const FIRST: u32 = 1 << 30;
/// What is made in the directory has its number: `FS_XFLAG_PROJINHERIT` of linux/fs.h.
const INHERIT: u32 = 0x200;

/// `struct fsxattr` of linux/fs.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copied_extent_size: u32,
    pad: [u8; 8],
}

/// The number of what is called so: a build, or an environment's mounts.
#[must_use]
pub fn number(name: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let hash = hasher.finish().to_le_bytes();
    FIRST | (u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]]) & (FIRST - 1))
}

/// Gives an empty directory a project's number, which all has that is made in it.
///
/// # Errors
/// When the file system knows of no projects, or the directory is another user's.
pub fn give(directory: &Path, number: u32) -> io::Result<()> {
    let directory = File::open(directory)?;
    let mut attributes = read(&directory)?;
    attributes.project = number;
    attributes.flags |= INHERIT;
    // SAFETY: FS_IOC_FSSETXATTR reads a `struct fsxattr` and no more.
    unsafe {
        let set = Setter::<{ opcode::write::<Attributes>(b'X', 32) }, _>::new(attributes);
        Ok(ioctl(&directory, set)?)
    }
}

/// The number of ours that an opened directory has; none where it has none, or the file system knows
/// of none.
#[must_use]
pub fn of(directory: impl AsFd) -> Option<u32> {
    let attributes = read(directory).ok()?;
    let is_ours = attributes.flags & INHERIT != 0 && attributes.project >= FIRST;
    is_ours.then_some(attributes.project)
}

fn read(directory: impl AsFd) -> io::Result<Attributes> {
    // SAFETY: FS_IOC_FSGETXATTR writes a `struct fsxattr` and no more.
    unsafe {
        let get = Getter::<{ opcode::read::<Attributes>(b'X', 31) }, Attributes>::new();
        Ok(ioctl(directory, get)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_numbers_of_their_own_above_everybody_else_s() {
        assert_eq!(size_of::<Attributes>(), 28);
        assert_eq!(number("shop.main"), number("shop.main"));
        assert_ne!(number("shop.main"), number("shop.next"));
        let mut numbers = (0..1_000).map(|name| number(&name.to_string()));
        assert!(numbers.all(|number| (FIRST..FIRST * 2).contains(&number)));
    }
}
