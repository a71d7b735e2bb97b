//! File systems of a test's own, in files: small ones that fill up, and ones whose power can be cut.

use std::{
    ffi::OsStr,
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{LIMIT, pause, programs, run};

/// What is on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian's default.
    Ext4,
    /// Red Hat's default.
    Xfs,
    /// In memory: nothing of it survives anything, but it fills up as others do.
    Tmpfs,
}

/// A disk: a file with a file system, mounted through a loop device that goes with the mount.
///
/// Mounting needs a mount namespace of the test's own: see [`crate::apart`].
#[derive(Debug)]
pub struct Image {
    file: PathBuf,
    at: PathBuf,
    kind: Kind,
    size: u64,
}

impl Image {
    /// A new disk in the file, of so many MiB, mounted.
    pub fn new(file: PathBuf, at: PathBuf, kind: Kind, size: u64) -> Image {
        let image = Image {
            file,
            at,
            kind,
            size,
        };
        let made = fs::File::create(&image.file).expect("a file can be made");
        made.set_len(size << 20).expect("a file can be sparse");
        // No lazy initialisation: nothing but the test writes.
        let at_once = "lazy_itable_init=0,lazy_journal_init=0";
        match kind {
            Kind::Ext4 => image.run("mkfs.ext4", &["-qF", "-m", "0", "-E", at_once], &[]),
            Kind::Xfs => image.run("mkfs.xfs", &["-qf"], &[]),
            Kind::Tmpfs => {}
        }
        image.mount();
        image
    }

    /// Mounts it: what its journal holds is replayed.
    pub fn mount(&self) {
        fs::create_dir_all(&self.at).expect("a directory can be made");
        if self.kind == Kind::Tmpfs {
            let size = format!("size={}m,nr_inodes=20000", self.size);
            let words = ["-t", "tmpfs", "-o", &size, "tmpfs"].map(OsStr::new);
            return self.program("mount", &[&words[..], &[self.at.as_os_str()]].concat());
        }
        // The last mount of a sandbox goes a moment after its last process; a device that is still
        // there would be the disk as it was before the cut.
        let until = Instant::now() + LIMIT;
        while self.is_attached() {
            let file = self.file.display();
            assert!(Instant::now() < until, "{file} stays attached");
            pause();
        }
        self.run("mount", &["-o", "loop"], &[&self.at]);
    }

    /// Unmounts it. Nobody may use it any more.
    pub fn unmount(&self) {
        self.program("umount", &[self.at.as_os_str()]);
    }

    /// Cuts the power of disks: from here on nothing reaches their files, and what did not reach
    /// them is lost.
    pub fn cut(disks: &[Image]) {
        // FS_IOC_SHUTDOWN with NOLOGFLUSH: not even the journal is written.
        let script = "import fcntl, os, struct, sys\n\
            for path in [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]:\n    \
            fcntl.ioctl(path, 0x8004587d, struct.pack('I', 2))\n";
        let mut python = Command::new(programs::find("python3"));
        let at = disks.iter().map(|disk| &disk.at);
        run(python.args(["-ISc", script]).args(at)).ok();
    }

    /// Writes a file until no byte fits any more.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.filling()).expect("a file can be made");
        for size in [1 << 20, 4096, 1] {
            let bytes = vec![b'x'; size];
            while file.write_all(&bytes).is_ok() {}
        }
        if let Err(error) = file.sync_all() {
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Takes all room but so many bytes.
    pub fn leave(&self, bytes: u64) {
        let free = rustix::fs::statvfs(&self.at).expect("a disk says what is free");
        let taken = (free.f_bavail * free.f_frsize).checked_sub(bytes);
        let file = fs::File::create(self.filling()).expect("a file can be made");
        let taken = taken.expect("so much is free");
        let flags = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(file, flags, 0, taken).expect("there is room");
    }

    /// Makes files until no other can be made.
    pub fn fill_with_files(&self) {
        let directory = self.filling();
        fs::create_dir(&directory).expect("a directory can be made");
        for number in 0.. {
            match fs::File::create(directory.join(number.to_string())) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("a file cannot be made: {error}"),
            }
        }
    }

    /// Takes away what filled it.
    pub fn make_room(&self) {
        let filling = self.filling();
        let removed = if filling.is_dir() {
            fs::remove_dir_all(&filling)
        } else {
            fs::remove_file(&filling)
        };
        removed.expect("our own file can be removed");
    }

    fn filling(&self) -> PathBuf {
        self.at.join("filling")
    }

    /// Runs a program with the file and these paths as its last arguments.
    fn run(&self, program: &str, words: &[&str], paths: &[&Path]) {
        let words = words.iter().map(OsStr::new);
        let paths = paths.iter().map(|path| path.as_os_str());
        let all: Vec<&OsStr> = words.chain([self.file.as_os_str()]).chain(paths).collect();
        self.program(program, &all);
    }

    fn program(&self, program: &str, words: &[&OsStr]) {
        let mut command = Command::new(programs::find(program));
        run(command.args(words)).ok();
    }

    /// Whether a loop device holds the file.
    fn is_attached(&self) -> bool {
        let devices = fs::read_dir("/sys/block").expect("there is a /sys");
        devices.filter_map(Result::ok).any(|device| {
            let backing = device.path().join("loop/backing_file");
            let held = fs::read_to_string(backing).unwrap_or_default();
            Path::new(held.trim_end()) == self.file
        })
    }
}
