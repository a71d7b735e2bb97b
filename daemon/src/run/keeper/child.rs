//! One run of the process.

use std::{
    fs::File,
    io::{self, PipeReader, Read, Seek, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::Instant,
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::Errno,
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::Ended;
use crate::run::{
    holder::LOST,
    isolation::Isolation,
    job::Job,
    meter::{Excess, Meter},
    orphans::Mark,
    signals,
};

/// A process that was started and not yet waited for.
#[derive(Debug)]
pub(super) struct Kept {
    child: Child,
    /// Readable when it has ended.
    pub(super) ended: OwnedFd,
    /// What it prints.
    pipe: PipeReader,
    /// Whether anything can still come: an application may close both its streams and live on.
    open: bool,
    pub(super) since: Instant,
}

impl Kept {
    /// Starts the job's command in its sandbox, as a child that dies with this program.
    pub(super) fn start(job: &Job, mark: &Mark, isolation: &Isolation) -> io::Result<Self> {
        let mut text = File::from(memfd_create("job", MemfdFlags::CLOEXEC)?);
        text.write_all(&serde_json::to_vec(job)?)?;
        text.rewind()?;
        let (pipe, input) = io::pipe()?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        // This very program, also when its file was replaced by a newer one since.
        let child = Command::new("/proc/self/exe")
            .args([
                "exec",
                &std::process::id().to_string(),
                mark.as_str(),
                &isolation.to_argument(),
            ])
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(text))
            .stderr(Stdio::from(input.try_clone()?))
            .stdout(Stdio::from(input))
            .spawn()?;
        let pid = pid_of(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Self {
            child,
            ended,
            pipe,
            open: true,
            since: Instant::now(),
        })
    }

    /// What is readable when there is output; the end, where there will be none.
    pub(super) fn output(&self) -> BorrowedFd<'_> {
        if self.open {
            self.pipe.as_fd()
        } else {
            self.ended.as_fd()
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end; the second wave is due when all that is returned is readable.
    pub(super) fn terminate(&self) -> Vec<OwnedFd> {
        signals::terminate(pid_of(&self.child))
    }

    pub(super) fn terminate_rest(&self) {
        signals::terminate_rest(pid_of(&self.child));
    }

    pub(super) fn kill(&self) {
        signals::kill(pid_of(&self.child));
    }

    /// The excess of what it takes.
    pub(super) fn look(&self, meter: &mut Meter) -> Option<Excess> {
        meter.look(pid_of(&self.child))
    }

    /// Its status, once [`Self::ended`] is readable.
    pub(super) fn status(&mut self) -> io::Result<Option<Ended>> {
        Ok(self.child.try_wait()?.map(ended))
    }

    /// Hands what is in the pipe to `sink`. Stops at 1 MiB, so that the rest is not forgotten.
    pub(super) fn drain(&mut self, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        let mut buffer = [0; 64 * 1024];
        for _ in 0..16 {
            match self.pipe.read(&mut buffer) {
                Ok(0) => {
                    self.open = false;
                    return Ok(());
                }
                Ok(count) => sink(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(Errno::AGAIN.raw_os_error()) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn pid_of(child: &Child) -> Pid {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.expect("process ids are positive")
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        // It was not begun.
        (None, Some(LOST)) => Ended::Code(125),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}
