//! What lies in the directories that a sandbox may write to.
//!
//! A walk through them costs what they hold, so it is begun only where the file system has lost
//! enough for the limit to be near, and goes on for a slice at each look.

use std::{
    collections::HashSet,
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat, statvfs},
    path::Arg,
};

use super::inside::Inside;
use crate::run::sandbox::{APP, Access, Sandbox};

/// How long one look walks at most.
const SLICE: Duration = Duration::from_millis(50);
/// Directories in directories; deeper ones are not walked through, since each costs an open file.
const DEEPEST: usize = 128;
/// What a file takes besides its content: many empty ones fill a disk, too.
const EACH: u64 = 512;
/// Files with several names of which it is remembered that they were counted.
const MOST_LINKED: usize = 1_000_000;

/// The directories, and a walk that is under way.
#[derive(Debug)]
pub(super) struct Disk {
    places: Vec<Place>,
    walk: Option<Walk>,
}

#[derive(Debug, Clone)]
struct Place {
    path: PathBuf,
    counts: Counts,
}

/// Which files of a directory count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// All.
    All,
    /// Those that were written since: a cache has others' work in it.
    Since(Duration),
}

#[derive(Debug)]
struct Walk {
    /// The cheap figure when it began.
    rough: u64,
    waiting: Vec<Place>,
    open: Vec<Dir>,
    tally: Tally,
}

#[derive(Debug)]
struct Tally {
    total: u64,
    /// Whatever is no directory.
    files: u64,
    each: u64,
    counts: Counts,
    linked: HashSet<(u64, u64)>,
}

impl Disk {
    /// What may be written in this sandbox. Where the code itself may be, it is a build, and what
    /// else it writes to are caches.
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let writable = sandbox
            .binds
            .iter()
            .filter(|bind| bind.access == Access::Write);
        let is_build = writable.clone().any(|bind| bind.target == Path::new(APP));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let places = writable.map(|bind| Place {
            path: bind.source.clone(),
            counts: match is_build && bind.target != Path::new(APP) {
                true => Counts::Since(now),
                false => Counts::All,
            },
        });
        Self {
            places: places.collect(),
            walk: None,
        }
    }

    /// What is used of the file systems that they are on; once for each of them, which is too much
    /// rather than too little.
    pub(super) fn rough(&self) -> u64 {
        let used = self.places.iter().filter_map(|place| {
            let space = statvfs(&place.path).ok()?;
            Some((space.f_blocks - space.f_bfree) * space.f_frsize)
        });
        used.sum()
    }

    /// What is left of a quota of this size: the file system says of a directory what its project may
    /// take and has taken. None where there is no such quota.
    pub(super) fn left(&self, limit: u64) -> Option<u64> {
        let quotas = self.places.iter().filter_map(|place| {
            let space = statvfs(&place.path).ok()?;
            let is_quota = (space.f_blocks * space.f_frsize).abs_diff(limit) <= space.f_frsize;
            is_quota.then_some(space.f_bfree * space.f_frsize)
        });
        quotas.min()
    }

    pub(super) fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Begins a walk, with what has no name. Where a quota is kept files count as it counts them.
    pub(super) fn begin(&mut self, rough: u64, inside: Option<&Inside>, is_kept: bool) {
        let mut walk = Walk {
            rough,
            waiting: self.places.clone(),
            open: Vec::new(),
            tally: Tally {
                total: 0,
                files: 0,
                each: if is_kept { 0 } else { EACH },
                counts: Counts::All,
                linked: HashSet::new(),
            },
        };
        let devices = self
            .places
            .iter()
            .filter_map(|place| rustix::fs::stat(&place.path).ok());
        let devices: HashSet<u64> = devices.map(|stat| stat.st_dev).collect();
        for stat in inside.map(Inside::nameless).unwrap_or_default() {
            let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
            if is_file && devices.contains(&stat.st_dev) {
                walk.tally.add(&stat);
            }
        }
        self.walk = Some(walk);
    }

    /// Goes on with the walk. At its end, or as soon as there is more than `limit`: the cheap figure
    /// when it began, and what there is.
    pub(super) fn walk_on(&mut self, limit: u64) -> Option<(u64, u64)> {
        let walk = self.walk.as_mut()?;
        let until = Instant::now() + SLICE;
        while walk.tally.total <= limit && walk.step() {
            if Instant::now() >= until {
                return None;
            }
        }
        let done = (walk.rough, walk.tally.total);
        self.walk = None;
        Some(done)
    }
}

impl Walk {
    /// Looks at one entry, by its directory's handle and following nothing. False at the end.
    fn step(&mut self) -> bool {
        let may_go_deeper = self.open.len() < DEEPEST;
        let Some(directory) = self.open.last_mut() else {
            let Some(place) = self.waiting.pop() else {
                return false;
            };
            self.tally.counts = place.counts;
            self.open.extend(self.tally.look(CWD, &place.path));
            return true;
        };
        match directory.next() {
            Some(Ok(entry)) if [c".", c".."].contains(&entry.file_name()) => {}
            Some(Ok(entry)) => {
                let below = directory.fd().ok();
                let below = below.and_then(|at| self.tally.look(at, entry.file_name()));
                self.open.extend(below.filter(|_| may_go_deeper));
            }
            // What cannot be read is left out: code may close a directory to everybody.
            Some(Err(_)) | None => drop(self.open.pop()),
        }
        true
    }
}

impl Tally {
    /// Counts what is at a path; returns a directory's entries.
    fn look(&mut self, at: BorrowedFd<'_>, path: impl Arg + Copy) -> Option<Dir> {
        let stat = statat(at, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let counts = match self.counts {
            Counts::Since(time) => changed(&stat) >= time,
            Counts::All => true,
        };
        if counts {
            self.add(&stat);
        }
        if !FileType::from_raw_mode(stat.st_mode).is_dir() {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(at, path, flags, Mode::empty());
        directory.and_then(Dir::new).ok()
    }

    /// Counts a file; one of several names, or of none, once.
    fn add(&mut self, stat: &Stat) {
        let is_directory = FileType::from_raw_mode(stat.st_mode).is_dir();
        let is_new = is_directory
            || stat.st_nlink == 1
            || self.linked.len() >= MOST_LINKED
            || self.linked.insert((stat.st_dev, stat.st_ino));
        if is_new {
            self.files += u64::from(!is_directory);
            self.total += self.each + taken(stat);
        }
    }
}

/// What there is at a place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Bytes of the disk.
    pub(crate) bytes: u64,
    /// Whatever is no directory; of several names of a file one counts.
    pub(crate) files: u64,
    /// False where it was not all looked at.
    pub(crate) whole: bool,
}

/// Counts what is at a name in a directory, as long as `go_on` says so.
pub(crate) fn used(at: BorrowedFd<'_>, name: &Path, go_on: impl Fn() -> bool) -> Used {
    let mut walk = Walk {
        rough: 0,
        waiting: Vec::new(),
        open: Vec::new(),
        tally: Tally {
            total: 0,
            files: 0,
            each: 0,
            counts: Counts::All,
            linked: HashSet::new(),
        },
    };
    walk.open.extend(walk.tally.look(at, name));
    let mut whole = true;
    while whole && walk.step() {
        whole = go_on();
    }
    Used {
        bytes: walk.tally.total,
        files: walk.tally.files,
        whole,
    }
}

/// When a file was changed last, after 1970: no program can set that.
fn changed(stat: &Stat) -> Duration {
    let seconds = u64::try_from(stat.st_ctime).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(stat.st_ctime_nsec)
}

/// What a file's content takes of the disk.
fn taken(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or_default() * 512
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn used(disk: &mut Disk) -> u64 {
        disk.begin(0, None, false);
        std::iter::repeat_with(|| disk.walk_on(u64::MAX))
            .find_map(|done| done)
            .unwrap()
            .1
    }

    #[test]
    fn what_is_written_counts_once_and_of_a_cache_what_is_new() {
        let directory = tempfile::tempdir().unwrap();
        let (app, cache) = (directory.path().join("app"), directory.path().join("cache"));
        fs::create_dir_all(app.join("a/b")).unwrap();
        fs::create_dir_all(&cache).unwrap();
        fs::write(cache.join("old"), vec![1; 1 << 20]).unwrap();
        let mut sandbox = Sandbox::new(app.clone(), Access::Write);
        sandbox.binds.push(crate::run::sandbox::Bind {
            source: cache.clone(),
            target: "/cache".into(),
            access: Access::Write,
        });
        let mut disk = Disk::of(&sandbox);
        let Counts::Since(time) = &mut disk.places[1].counts else {
            panic!("{disk:?}");
        };
        *time += Duration::from_secs(3_600);
        let empty = used(&mut disk);
        assert!(empty < 1 << 18, "{empty}");

        fs::write(app.join("a/b/one"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(app.join("a/b/one"), app.join("two")).unwrap();
        // Neither what a link names nor a hole is on the disk.
        symlink("/", app.join("root")).unwrap();
        let hole = fs::File::create(app.join("hole")).unwrap();
        hole.set_len(1 << 40).unwrap();
        let more = used(&mut disk) - empty;
        assert!((1 << 20..(1 << 20) + (1 << 16)).contains(&more), "{more}");

        disk.places[1].counts = Counts::Since(Duration::ZERO);
        let all = used(&mut disk) - empty;
        assert!(all >= 2 << 20, "{all}");
        // It ends as soon as there is too much.
        disk.begin(7, None, false);
        assert_eq!(disk.walk_on(10).unwrap().0, 7);
        assert!(!disk.is_walking());
    }
}
