//! A look into a sandbox that runs: its own `/proc` lists its processes and no others, also those
//! whose parents are gone, so nobody's but theirs have to be looked at.

use std::{
    fs,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, Stat, fstat, fstatfs, fstatvfs, open, openat, statat},
    process::Pid,
};

use crate::run::{sandbox::HOME, signals};

/// What `statfs` calls `/proc`.
const PROC: i64 = 0x9fa0;
/// Where files are in memory.
const SCRATCH: [&str; 3] = ["tmp", "dev/shm", HOME];
/// More open files than are looked at in one go.
const MOST_FILES: usize = 100_000;

/// A sandbox's own view of itself.
#[derive(Debug)]
pub(super) struct Inside {
    /// Its `/`.
    root: OwnedFd,
    /// Its `/proc`.
    proc: OwnedFd,
}

/// What the kernel says of a process's pages, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Pages {
    /// Its own, in memory and swapped out.
    own: u64,
    /// Those of files in memory.
    files: u64,
}

impl Inside {
    /// The sandbox of this bubblewrap; none while it is being made, and once it is gone.
    pub(super) fn of(outer: Pid) -> Option<Self> {
        let init = signals::children(outer).first()?.as_raw_nonzero();
        let directory = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = format!("/proc/{init}/root");
        let root = open(root, OFlags::PATH | directory, Mode::empty()).ok()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | directory;
        let proc = openat(&root, "proc", flags, Mode::empty()).ok()?;
        // Until bubblewrap has left the host's root, this is the host's.
        let host = rustix::fs::stat("/proc").ok()?;
        let is_its_own =
            fstatfs(&proc).ok()?.f_type == PROC && fstat(&proc).ok()?.st_dev != host.st_dev;
        is_its_own.then_some(Self { root, proc })
    }

    /// Too much rather than too little, for little: pages that processes share count for each.
    pub(super) fn rough_memory(&self) -> u64 {
        let pages = self.sum("status", ["RssAnon:", "VmSwap:"], "RssShmem:");
        pages.own + pages.files + self.scratch()
    }

    /// What there is, each page counted once. What lies in `/tmp` and its kin may be mapped by a
    /// process as well, so the larger of the two counts.
    pub(super) fn memory(&self) -> u64 {
        let pages = self.sum("smaps_rollup", ["Pss_Anon:", "SwapPss:"], "Pss_Shmem:");
        pages.own + pages.files.max(self.scratch())
    }

    /// Bytes of files in memory.
    fn scratch(&self) -> u64 {
        let used = SCRATCH.iter().filter_map(|path| {
            let path = path.trim_start_matches('/');
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let place = openat(&self.root, path, flags, Mode::empty()).ok()?;
            let space = fstatvfs(&place).ok()?;
            Some((space.f_blocks - space.f_bfree) * space.f_frsize)
        });
        used.sum()
    }

    fn sum(&self, file: &str, own: [&str; 2], files: &str) -> Pages {
        let mut all = Pages::default();
        for pid in self.processes() {
            let text = fs::read_to_string(self.path(&pid).join(file)).unwrap_or_default();
            for line in text.lines() {
                let Some((name, value)) = line.split_once(char::is_whitespace) else {
                    continue;
                };
                let sum = match name {
                    name if own.contains(&name) => &mut all.own,
                    name if name == files => &mut all.files,
                    _ => continue,
                };
                *sum += kibibytes(value);
            }
        }
        all
    }

    /// Files without a name that its processes have open: no walk through directories finds them.
    pub(super) fn nameless(&self) -> Vec<Stat> {
        let mut found = Vec::new();
        let files = self.processes().into_iter().flat_map(|pid| {
            let directory = fs::read_dir(self.path(&pid).join("fd"));
            directory.into_iter().flatten().flatten()
        });
        for file in files.take(MOST_FILES) {
            // Followed: what it stands for is the open file itself.
            let stat = statat(rustix::fs::CWD, file.path(), AtFlags::empty());
            found.extend(stat.ok().filter(|stat| stat.st_nlink == 0));
        }
        found
    }

    /// Its processes, by the names that they have inside.
    fn processes(&self) -> Vec<String> {
        let Ok(directory) = Dir::read_from(self.proc.as_fd()) else {
            return Vec::new();
        };
        let names = directory.filter_map(|entry| {
            let entry = entry.ok()?;
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()).to_str()?;
            name.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| name.to_owned())
        });
        names.collect()
    }

    fn path(&self, pid: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.proc.as_raw_fd())).join(pid)
    }
}

/// `  1234 kB` in bytes.
fn kibibytes(text: &str) -> u64 {
    let number = text.split_ascii_whitespace().next();
    number
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or_default()
        * 1024
}
