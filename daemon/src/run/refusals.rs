//! Whether the kernel refused a unit another process: its control group counts that, and is gone with
//! the unit. So whoever stands for it watches the count from outside, where anybody may read it.

use std::{fs, os::fd::OwnedFd, path::PathBuf};

use rustix::{
    fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags},
    io::Errno,
};

use wharf_sandbox::unit::name;

use super::job::Job;

/// Where the slice of our units is: within the one before its dash.
const GROUPS: &str = "/sys/fs/cgroup/wharf.slice";

/// The watched count of a unit that runs.
#[derive(Debug)]
pub(super) struct Refusals {
    /// What was before anybody looked.
    before: bool,
    /// Tells of each change since.
    changes: OwnedFd,
}

impl Refusals {
    /// Those of this job's unit; none where the kernel does not count them.
    pub(super) fn of(job: &Job) -> Option<Self> {
        let count = count(job)?;
        let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        inotify::add_watch(&changes, &count, WatchFlags::MODIFY).ok()?;
        let text = fs::read_to_string(&count).ok()?;
        Some(Self {
            before: says_refused(&text),
            changes,
        })
    }

    /// Whether there were any. The count moves by nothing else.
    pub(super) fn were(&self) -> bool {
        let mut space = [std::mem::MaybeUninit::uninit(); 512];
        let mut events = Reader::new(&self.changes, &mut space);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::MODIFY) => return true,
                // The group is gone.
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return self.before,
            }
        }
    }
}

fn count(job: &Job) -> Option<PathBuf> {
    let label = job.sandbox.label.as_ref()?;
    let slice = name::slice(Some(&label.project));
    let unit = name::unit(&job.id);
    Some([GROUPS, &slice, &unit, "pids.events"].iter().collect())
}

/// `max 3`: so often.
fn says_refused(text: &str) -> bool {
    let times = text.lines().find_map(|line| line.strip_prefix("max "));
    times.is_some_and(|times| times != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_says_whether_anything_was_refused() {
        for (text, refused) in [("max 0\n", false), ("max 12\n", true), ("", false)] {
            assert_eq!(says_refused(text), refused, "{text}");
        }
    }

    #[test]
    fn a_change_is_seen_also_when_the_count_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pids.events");
        fs::write(&file, "max 0\n").unwrap();
        let watched = || {
            let changes = inotify::init(CreateFlags::NONBLOCK).unwrap();
            inotify::add_watch(&changes, &file, WatchFlags::MODIFY).unwrap();
            Refusals {
                before: false,
                changes,
            }
        };
        let (quiet, loud) = (watched(), watched());
        assert!(!quiet.were());
        fs::write(&file, "max 1\n").unwrap();
        fs::remove_file(&file).unwrap();
        assert!(loud.were());
    }
}
