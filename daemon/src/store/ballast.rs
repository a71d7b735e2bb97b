//! A file beside the store that is given up when the disk is full: so much more can be recorded.
//!
//! A build that fills the disk leaves no room to record that it failed, and only once that is recorded
//! its work directory goes. With the room of the ballast it ends, tidies up after itself, and the
//! ballast is there again.

use std::fs::File;
use std::path::PathBuf;

use rustix::fs::FallocateFlags;

use crate::disk;

/// More than the store and the logs take for some thousand ends.
const SIZE: u64 = 8 << 20;
/// It is given up when less than this is free: more than any one record takes.
const LITTLE: u64 = 1 << 20;
/// It is made where so much is free.
const PLENTY: u64 = 4 * SIZE;

/// The ballast.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    is_there: bool,
}

impl Ballast {
    /// The ballast at this path, from an earlier time or made now.
    pub fn new(path: PathBuf) -> Ballast {
        let mut ballast = Ballast {
            is_there: path.exists(),
            path,
        };
        ballast.balance();
        ballast
    }

    /// Gives it up where there is little room, and makes it again where there is plenty.
    pub fn balance(&mut self) {
        let directory = self.path.parent().expect("below the state directory");
        let Ok(free) = disk::free_space(directory) else {
            return;
        };
        if self.is_there && free.bytes < LITTLE {
            self.give_up();
        } else if !self.is_there && free.bytes >= PLENTY {
            self.make();
        }
    }

    fn make(&mut self) {
        let made = File::create(&self.path).and_then(|file| {
            let flags = FallocateFlags::empty();
            Ok(rustix::fs::fallocate(file, flags, 0, SIZE)?)
        });
        match made {
            Ok(()) => self.is_there = true,
            // Nothing depends on it.
            Err(error) => tracing::debug!(%error, "no ballast"),
        }
    }

    fn give_up(&mut self) {
        match std::fs::remove_file(&self.path) {
            Ok(()) => tracing::warn!("the disk is full: the ballast is given up"),
            Err(error) => tracing::error!(%error, "the ballast stays"),
        }
        self.is_there = false;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_takes_room_until_it_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ballast");
        let mut ballast = Ballast::new(path.clone());
        assert!(path.metadata().unwrap().blocks() * 512 >= SIZE);
        ballast.give_up();
        assert!(!path.exists());
        ballast.balance();
        assert!(path.exists(), "there is plenty of room");
        assert!(Ballast::new(path).is_there, "it is found again");
    }
}
