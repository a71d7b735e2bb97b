//! What outlived whoever made it or should have watched it, found by its mark and killed.
//!
//! bubblewrap's child, process 1 of the sandbox, asks for its death signal only after it has set the
//! sandbox up, and does not look whether its parent is still there. Where the parent is killed in
//! between, it goes on and lives for good, and nothing leads from it to a record. So each job has a
//! mark, which is an argument of its keeper and the name (`argv[0]`) of its bubblewrap: the kernel hands
//! that on to process 1 with the fork, and shows it in `/proc` to whoever looks.
//!
//! A process may give itself the mark of another. It gains an early end by that: only who bears a
//! mark is killed, and with process 1 the kernel ends all others of the sandbox.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, retry_on_intr},
    process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal},
};

use super::job::JobId;

/// How long the kernel may take to end what was killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Programs that begin sandboxes, as the kernel names them.
const MAKERS: [&str; 2] = ["wharfd", "wharf-keeper"];

/// The marks of one daemon's jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks(String);

/// The mark of one job, borne by every process that makes its sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(String);

impl Marks {
    /// Those of the daemon whose job files are in `jobs`. By the directory's place on the disk, not by
    /// its name: a container's daemon may have the same names, and the host sees its processes.
    ///
    /// # Errors
    /// When the directory is not there.
    pub fn of(jobs: &Path) -> io::Result<Self> {
        let directory = fs::metadata(jobs)?;
        let (device, inode) = (directory.dev(), directory.ino());
        Ok(Self(format!("wharf:{device:x}-{inode:x}:")))
    }

    /// A job's mark.
    #[must_use]
    pub fn mark(&self, job: &JobId) -> Mark {
        Mark(format!("{}{job}", self.0))
    }

    /// Kills what is left of all jobs for which `is_dead` holds, given their ids; returns how many
    /// processes that were. Blocks until they are gone.
    ///
    /// # Errors
    /// When processes cannot be looked at, or one does not end.
    pub fn kill_if(&self, is_dead: impl Fn(&str) -> bool) -> io::Result<usize> {
        kill(|word| word.strip_prefix(&self.0).is_some_and(&is_dead))
    }
}

impl Mark {
    /// The mark that was handed on as an argument.
    #[must_use]
    pub fn from_argument(word: &str) -> Self {
        Self(word.to_owned())
    }

    /// The mark as an argument.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Kills what is left of the job, but not this process itself; returns how many processes that
    /// were. Blocks until they are gone.
    ///
    /// # Errors
    /// When processes cannot be looked at, or one does not end.
    pub fn kill(&self) -> io::Result<usize> {
        kill(|word| word == self.0)
    }
}

/// Kills every process one of whose arguments is such a mark, and what these begin meanwhile.
fn kill(is_mark: impl Fn(&str) -> bool) -> io::Result<usize> {
    wait_for_the_dying()?;
    let mut killed = 0;
    loop {
        let mut dying = Vec::new();
        for pid in all()? {
            dying.extend(kill_bearer(pid, &is_mark)?);
        }
        if dying.is_empty() {
            return Ok(killed);
        }
        killed += dying.len();
        if !all_end(&dying)? {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}

/// Kills a process if it bears such a mark.
fn kill_bearer(pid: Pid, is_mark: impl Fn(&str) -> bool) -> io::Result<Option<OwnedFd>> {
    let bears = || arguments(pid).map(|words| words.split('\0').any(&is_mark));
    if pid == getpid() || !bears()? {
        return Ok(None);
    }
    let Some(process) = hold(pid)? else {
        return Ok(None);
    };
    // Its id may have become another's until it was held.
    if !bears()? {
        return Ok(None);
    }
    match pidfd_send_signal(&process, Signal::KILL) {
        Ok(()) => Ok(Some(process)),
        Err(Errno::SRCH) => Ok(None),
        // Another user's, then, whatever it calls itself.
        Err(Errno::PERM) => {
            let pid = pid.as_raw_nonzero();
            tracing::warn!(pid, "a process of another user bears a mark of ours");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits for daemons and keepers that are about to be gone. One that was killed closes its sockets
/// and locks, by which its end is seen, before the kernel kills its children: a child may still begin
/// a sandbox then.
fn wait_for_the_dying() -> io::Result<()> {
    let mut dying = Vec::new();
    for pid in all()? {
        let comm = read(pid, "comm")?;
        // Its memory goes first of all, and its arguments with it.
        if MAKERS.contains(&comm.trim_end()) && arguments(pid)?.is_empty() {
            dying.extend(hold(pid)?);
        }
    }
    if !all_end(&dying)? {
        tracing::warn!("a dying process is not gone within {PATIENCE:?}");
    }
    Ok(())
}

/// The arguments of a process, each ended by a NUL; none once it is dead.
fn arguments(pid: Pid) -> io::Result<String> {
    read(pid, "cmdline")
}

/// A file in a process's directory; empty once it is gone, and where it is not ours to see.
fn read(pid: Pid, file: &str) -> io::Result<String> {
    shown(fs::read(format!("/proc/{}/{file}", pid.as_raw_nonzero())))
}

fn shown(read: io::Result<Vec<u8>>) -> io::Result<String> {
    match read {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if is_gone(&error) || is_hidden(&error) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

fn is_gone(error: &io::Error) -> bool {
    let no_such_process = Some(Errno::SRCH.raw_os_error());
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == no_such_process
}

/// Where `/proc` is mounted with `hidepid`, other users' processes are there and cannot be read.
fn is_hidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// All processes of the host.
fn all() -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        found.extend(id.and_then(Pid::from_raw));
    }
    Ok(found)
}

/// Waits until a process has ended.
pub(super) async fn end(process: OwnedFd) -> io::Result<()> {
    let ended = tokio::task::spawn_blocking(move || all_end(&[process])).await;
    match ended.map_err(io::Error::other)?? {
        true => Ok(()),
        false => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A descriptor of a process; none once it is gone.
pub(super) fn hold(pid: Pid) -> io::Result<Option<OwnedFd>> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Waits for the end of processes; false when they take too long.
fn all_end(processes: &[OwnedFd]) -> io::Result<bool> {
    let until = Instant::now() + PATIENCE;
    for process in processes {
        let ended = retry_on_intr(|| {
            let left = until.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).expect("some seconds");
            poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left))
        })?;
        if ended == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_gone_or_hidden_bears_no_mark_and_a_broken_look_is_said() {
        let failed = |error: Errno| shown(Err(error.into()));
        for error in [Errno::NOENT, Errno::SRCH, Errno::PERM, Errno::ACCESS] {
            assert_eq!(failed(error).unwrap(), "", "{error}");
        }
        assert_eq!(shown(Ok(b"wharfd\n".to_vec())).unwrap(), "wharfd\n");
        assert!(failed(Errno::IO).is_err());
    }
}
