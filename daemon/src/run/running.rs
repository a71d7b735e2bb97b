//! A step that runs: its output, and how it ends.

use std::{
    io, os::fd::OwnedFd, os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration,
};

use rustix::process::Pid;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe::Receiver,
    process::Child,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    holder::{self, LOST},
    job::Stage,
    meter::{Excess, LOOK, Meter},
    runner::{Exit, TableEntry},
    sandbox::Limits,
    signals,
};

/// How long a cancelled step may take to end by itself: all must be gone within a second.
const CANCEL_GRACE: Duration = Duration::from_millis(500);
/// How long one may take that ran out of time.
const GRACE: Duration = Duration::from_secs(5);
/// How long the pipe may stay open after the end: whoever holds it is no process of the sandbox.
const HELD: Duration = Duration::from_secs(1);
/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// A step that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Running {
    output: Option<Receiver>,
    printed: watch::Sender<Instant>,
    ended: watch::Receiver<Option<Instant>>,
    supervisor: Option<JoinHandle<Exit>>,
    outer: Option<Pid>,
}

impl Running {
    pub(super) fn new(
        child: Child,
        output: Option<OwnedFd>,
        bounds: Bounds,
        cancelled: watch::Receiver<bool>,
        entry: TableEntry,
    ) -> io::Result<Self> {
        let output = output.map(Receiver::from_owned_fd).transpose()?;
        let (printed, last) = watch::channel(Instant::now());
        let (end, ended) = watch::channel(None);
        let outer = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let supervisor = Supervisor {
            child,
            outer,
            bounds,
            cancelled,
            last,
            end,
            entry,
        };
        let supervisor = Some(tokio::spawn(supervisor.run()));
        Ok(Self {
            output,
            printed,
            ended,
            supervisor,
            outer,
        })
    }

    /// The sandbox's process id on the host.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.outer.map(|pid| pid.as_raw_nonzero().get())
    }

    /// The next bytes of its output, both streams in one; `None` at the end, and where it goes to
    /// somebody else.
    ///
    /// At most 16 KiB are held: a step that prints faster than it is read waits.
    pub async fn next_output(&mut self) -> Option<Vec<u8>> {
        let output = self.output.as_mut()?;
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = tokio::select! {
            biased;
            read = output.read_buf(&mut chunk) => read,
            () = held(self.ended.clone()) => Ok(0),
        };
        match read {
            Ok(count) if count > 0 => {
                self.printed.send_replace(Instant::now());
                Some(chunk)
            }
            _ => {
                self.output = None;
                None
            }
        }
    }

    /// How it ended. What it still prints is read and dropped.
    pub async fn wait(mut self) -> Exit {
        self.ended().await
    }

    /// The same. Whoever gives up waiting may ask again; once it has been said, it is lost.
    pub async fn ended(&mut self) -> Exit {
        while self.next_output().await.is_some() {}
        let Some(supervisor) = &mut self.supervisor else {
            return Exit::Lost;
        };
        let exit = supervisor.await.unwrap_or(Exit::Lost);
        self.supervisor = None;
        exit
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(supervisor) = self.supervisor.take() {
            // The child goes with the task: killed, and reaped by the runtime.
            supervisor.abort();
        }
    }
}

/// Waits until the pipe has stayed open for [`HELD`] after the end.
async fn held(mut ended: watch::Receiver<Option<Instant>>) {
    let at = match ended.wait_for(Option::is_some).await {
        Ok(at) => at.unwrap_or_else(Instant::now),
        // The supervisor was lost: give what is in the pipe the same time.
        Err(_) => Instant::now(),
    };
    sleep_until(at + HELD).await;
}

/// What a step may take, and who looks.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) stage: Stage,
    pub(super) limits: Limits,
    pub(super) meter: Option<Meter>,
}

struct Supervisor {
    child: Child,
    outer: Option<Pid>,
    bounds: Bounds,
    cancelled: watch::Receiver<bool>,
    last: watch::Receiver<Instant>,
    end: watch::Sender<Option<Instant>>,
    entry: TableEntry,
}

impl Supervisor {
    async fn run(mut self) -> Exit {
        let exit = self.supervise().await;
        if !matches!(exit, Exit::Code(_)) {
            self.entry.kill_orphans().await;
        }
        self.end.send_replace(Some(Instant::now()));
        exit
    }

    async fn supervise(&mut self) -> Exit {
        let Stage { limit, silence } = self.bounds.stage;
        let deadline = limit.map(|limit| Instant::now() + limit);
        loop {
            let silent = silence.map(|silence| *self.last.borrow() + silence);
            let look = self.bounds.meter.as_ref().map(|_| Instant::now() + LOOK);
            let why = tokio::select! {
                status = self.child.wait() => return self.ended(exit(status)),
                () = cancelled(&mut self.cancelled) => Exit::Cancelled,
                () = at(deadline) => Exit::TimedOut(limit.unwrap_or_default()),
                () = at(look) => match self.look().await {
                    Some(excess) => Exit::Exceeded(excess),
                    None => continue,
                },
                () = at(silent) => match silence {
                    Some(silence) if self.last.borrow().elapsed() >= silence => Exit::Silent(silence),
                    _ => continue,
                },
            };
            self.stop(why).await;
            return why;
        }
    }

    /// What an end means that is nobody's command's, and what where the kernel keeps the limits: whoever
    /// stands for a unit says which, and of the disk what was run has been told, and failed.
    fn ended(&self, exit: Exit) -> Exit {
        let excess = match exit {
            Exit::Signal(LOST) => return Exit::Lost,
            Exit::Signal(signal) => holder::kept_to(signal, self.bounds.limits),
            Exit::Code(1..) => self.bounds.meter.as_ref().and_then(Meter::disk),
            _ => None,
        };
        excess.map_or(exit, Exit::Exceeded)
    }

    /// Looks at what the sandbox takes. What cannot be looked at any more is not limited any more.
    async fn look(&mut self) -> Option<Excess> {
        let (outer, mut meter) = (self.outer?, self.bounds.meter.take()?);
        let look = tokio::task::spawn_blocking(move || (meter.look(outer), meter));
        let (excess, meter) = look
            .await
            .inspect_err(|error| tracing::error!(%error, "cannot look at a sandbox"))
            .ok()?;
        self.bounds.meter = Some(meter);
        excess
    }

    /// TERM, grace, KILL, and the end of all processes of the sandbox. One that took too much gets no
    /// grace, in which it would take more.
    async fn stop(&mut self, why: Exit) {
        let Some(outer) = self.outer else { return };
        if !matches!(why, Exit::Exceeded(_)) && self.asked_it_ended(outer, why).await {
            return;
        }
        signals::kill(outer);
        if timeout(HELD, self.child.wait()).await.is_err() {
            signals::kill_outer(outer);
            if let Err(error) = self.child.wait().await {
                tracing::error!(%error, "cannot wait for a sandbox");
            }
        }
    }

    /// Asks it to end, and says whether it did so in time.
    async fn asked_it_ended(&mut self, outer: Pid, why: Exit) -> bool {
        let grace = if why == Exit::Cancelled {
            CANCEL_GRACE
        } else {
            GRACE
        };
        let asked = signals::terminate(outer);
        let second_wave = async {
            all_ended(asked, grace).await;
            signals::terminate_rest(outer);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = self.child.wait() => return true,
            () = second_wave => {}
            () = tokio::time::sleep(grace) => {}
            // Cancelled while it was given the longer grace.
            () = async {
                cancelled(&mut self.cancelled).await;
                tokio::time::sleep(CANCEL_GRACE).await;
            }, if why != Exit::Cancelled => {}
        }
        false
    }
}

/// Waits until all processes have ended, or for `longest`.
async fn all_ended(processes: Vec<OwnedFd>, longest: Duration) {
    let wait = move || signals::wait_for(&processes, longest);
    if let Err(error) = tokio::task::spawn_blocking(wait).await {
        tracing::warn!(%error, "waiting for processes failed");
    }
}

async fn cancelled(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|cancelled| *cancelled).await.is_err() {
        // The runner is gone, and with it every way to cancel.
        std::future::pending::<()>().await;
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

fn exit(status: io::Result<ExitStatus>) -> Exit {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Lost,
        },
        Err(_) => Exit::Lost,
    }
}
