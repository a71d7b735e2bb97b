//! The processes of a world, found from outside: nobody's record is believed.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, retry_on_intr},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
};

use crate::{World, installed};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: Pid,
    /// Its parent's.
    pub parent: i32,
    /// Its arguments.
    pub line: Vec<String>,
}

impl Process {
    /// Whose keeper it is; none when it is none.
    pub fn keeps(&self) -> Option<String> {
        let [program, job, ..] = self.line.as_slice() else {
            return None;
        };
        let job = Path::new(job);
        (program.ends_with("/wharf-keeper") && job.is_absolute())
            .then(|| job.file_stem().unwrap_or_default())
            .map(|stem| stem.to_string_lossy().into_owned())
    }

    /// Whether it is bubblewrap, under the name of its job.
    pub fn is_sandbox(&self) -> bool {
        self.line[0].starts_with("wharf:")
    }
}

impl World {
    /// What all its jobs' marks begin with; none where no daemon was yet.
    pub fn mark(&self) -> Option<String> {
        let jobs = fs::metadata(self.home().join("state/jobs")).ok()?;
        Some(format!("wharf:{:x}-{:x}:", jobs.dev(), jobs.ino()))
    }

    /// Every process of this world: those that bear its mark, and those that its directory is named
    /// in, in their arguments, their environment or the mounts of their sandbox; and whatever these
    /// started.
    pub fn processes(&self) -> Vec<Process> {
        if self.is_installed() {
            let all = all().into_iter();
            return all.filter(|one| installed::is_judged(one.pid)).collect();
        }
        let mine = self.path("").to_string_lossy().into_owned();
        let mine = mine.trim_end_matches('/').to_owned();
        let mark = self.mark();
        let own_mounts = fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
        let all = all();
        let mut found: BTreeSet<i32> = all
            .iter()
            .filter(|process| {
                let bears = |mark: &String| process.line.iter().any(|word| word.starts_with(mark));
                mark.as_ref().is_some_and(bears) || is_of(process, &mine, &own_mounts)
            })
            .map(|process| process.pid.as_raw_nonzero().get())
            .collect();
        loop {
            let before = found.len();
            let children = all.iter().filter(|process| found.contains(&process.parent));
            let children: Vec<i32> = children
                .map(|process| process.pid.as_raw_nonzero().get())
                .collect();
            found.extend(children);
            if found.len() == before {
                break;
            }
        }
        all.into_iter()
            .filter(|process| found.contains(&process.pid.as_raw_nonzero().get()))
            .collect()
    }

    /// Ends the daemon as its service manager would; applications and router live on.
    #[track_caller]
    pub fn end_daemon(&self) {
        if self.is_installed() {
            // One that is frozen hears of it when it goes on.
            self.thaw();
            return installed::stop_the_daemon();
        }
        let pid = self.daemon_pid();
        kill_process(pid, Signal::TERM).expect("our own child can be told");
        // One that is frozen hears of it when it goes on.
        self.thaw();
        let ended = ends(pid, Duration::from_secs(20));
        assert!(ended, "wharfd does not end\n{}", self.logs());
        let daemon = self.daemon().take();
        let mut daemon = daemon.expect("it was there");
        daemon.wait().expect("a child can be waited for");
    }

    /// Kills the router, without a word; whoever sees to it starts another.
    #[track_caller]
    pub fn kill_router(&self) {
        kill(self.router_pid().expect("the router answers"));
    }
}

/// Kills a process without a word and waits until it is gone; one that is gone already is fine.
#[track_caller]
pub fn kill(pid: Pid) {
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return,
        process => process.expect("a process has a descriptor"),
    };
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => panic!("{pid:?} cannot be killed: {error}"),
    }
    assert!(ends(pid, Duration::from_secs(20)), "{pid:?} does not die");
}

/// Whether a process that sleeps so long is left; the kernel's own list is asked.
pub fn is_left(mark: &str) -> bool {
    let wanted = ["sleep", mark];
    all().iter().any(|process| process.line == wanted)
}

/// Waits until a process has ended; false when it takes longer.
pub fn ends(pid: Pid, within: Duration) -> bool {
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return true;
    };
    let limit = Timespec::try_from(within).expect("some seconds");
    let mut wanted = [PollFd::new(&process, PollFlags::IN)];
    retry_on_intr(|| poll(&mut wanted, Some(&limit))).expect("a pidfd can be polled") > 0
}

fn is_of(process: &Process, mine: &str, own_mounts: &Path) -> bool {
    if process.line.iter().any(|word| word.contains(mine)) {
        return true;
    }
    let directory = PathBuf::from(format!("/proc/{}", process.pid.as_raw_nonzero()));
    let holds = |file: &str| {
        let text = fs::read(directory.join(file)).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(mine)
    };
    let mounts = fs::read_link(directory.join("ns/mnt"));
    holds("environ") || (mounts.is_ok_and(|mounts| mounts != own_mounts) && holds("mountinfo"))
}

pub(crate) fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| Pid::from_raw(name.parse().ok()?));
    // One that ends meanwhile is no process any more; a dead one has no arguments.
    pids.filter_map(look).collect()
}

fn look(pid: Pid) -> Option<Process> {
    let directory = format!("/proc/{}", pid.as_raw_nonzero());
    let line = fs::read(format!("{directory}/cmdline")).ok()?;
    let line: Vec<String> = String::from_utf8_lossy(&line)
        .split_terminator('\0')
        .map(str::to_owned)
        .collect();
    let stat = fs::read_to_string(format!("{directory}/stat")).ok()?;
    // The name before it may hold anything.
    let rest = stat.rsplit_once(") ")?.1;
    let parent = rest.split(' ').nth(1)?.parse().ok()?;
    (!line.is_empty()).then_some(Process { pid, parent, line })
}
