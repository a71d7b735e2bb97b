//! The keeper's loop: one thread, one `poll`.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{
    Ended, Record, State, ToKeeper, child::Kept, client::Client, output::Output, restarts::Restarts,
};
use crate::{
    disk,
    journal::Application,
    run::{
        holder,
        isolation::Isolation,
        job::{Job, Process},
        meter::{Excess, LOOK, Meter},
        orphans::Mark,
    },
};

/// How long processes may take when the keeper itself is told to end.
const GRACE: Duration = Duration::from_secs(5);
/// How long the kernel may take to end what was killed, before it is killed again.
const KILL_AGAIN: Duration = Duration::from_secs(1);
/// More connections than a daemon ever has.
const MOST_CLIENTS: usize = 32;

/// A keeper at work.
pub(super) struct Keeper {
    pub(super) job: Job,
    pub(super) mark: Mark,
    pub(super) process: Process,
    pub(super) isolation: Isolation,
    pub(super) listener: UnixListener,
    /// Readable when the keeper got a TERM.
    pub(super) told_to_end: UnixStream,
    pub(super) output: Output,
    /// The same for operators, where there is a journal.
    pub(super) journal: Option<Application>,
}

struct Work {
    keeper: Keeper,
    restarts: Restarts,
    state: State,
    kept: Option<Kept>,
    next_start: Option<Instant>,
    /// Who looks at what it takes, where that is limited; over its restarts, so that a disk that is
    /// too full is known to be.
    meter: Option<Meter>,
    next_look: Option<Instant>,
    /// Why it was killed, until it is reaped.
    excess: Option<Excess>,
    /// Set once it is to end: when what still runs is killed.
    kill_at: Option<Instant>,
    /// Processes that were asked to end first.
    asked: Vec<OwnedFd>,
    clients: Vec<Client>,
}

impl Keeper {
    /// Keeps the process until it is told to stop. Returns who is still on the line: they learn
    /// that all is done by its end.
    pub(super) fn run(self) -> io::Result<Vec<Client>> {
        let Process {
            restart,
            first_start_fails_is_final,
            ..
        } = self.process;
        let mut work = Work {
            restarts: Restarts::new(restart, first_start_fails_is_final),
            state: State::Stopped,
            kept: None,
            next_start: None,
            meter: Meter::of(&self.job.sandbox),
            next_look: None,
            excess: None,
            kill_at: None,
            asked: Vec::new(),
            clients: Vec::new(),
            keeper: self,
        };
        work.start();
        while work.kept.is_some() || work.kill_at.is_none() {
            work.turn()?;
        }
        work.state = State::Stopped;
        for client in &mut work.clients {
            client.state(&State::Stopped);
        }
        Ok(work.clients)
    }
}

/// What can be ready, in the order of the polled descriptors; the clients follow.
const LISTENER: usize = 0;
const SIGNAL: usize = 1;
const ENDED: usize = 2;
const PIPE: usize = 3;

impl Work {
    /// Waits for the next event and handles all that are there.
    fn turn(&mut self) -> io::Result<()> {
        let ready = self.wait()?;
        let is = |index: usize| ready.get(index).copied().unwrap_or(false);
        let (ended, pipe) = (
            self.kept.is_some() && is(ENDED),
            self.kept.is_some() && is(PIPE),
        );
        let first_client = if self.kept.is_some() { 4 } else { 2 };

        if pipe || ended {
            self.pump();
        }
        if ended {
            self.reap()?;
        }
        let first_asked = first_client + self.clients.len();
        if !self.asked.is_empty() {
            let mut index = first_asked..;
            self.asked.retain(|_| !index.next().is_some_and(is));
            if self.asked.is_empty()
                && let Some(kept) = &self.kept
            {
                kept.terminate_rest();
            }
        }
        for index in 0..self.clients.len() {
            if is(first_client + index) {
                for message in self.clients[index].read() {
                    self.obey(index, &message);
                }
            }
        }
        if is(LISTENER) {
            self.accept();
        }
        if is(SIGNAL) && self.kill_at.is_none() {
            self.stop(GRACE);
        }
        self.on_time();
        self.clients.retain(|client| !client.gone);
        Ok(())
    }

    fn wait(&self) -> io::Result<Vec<bool>> {
        let mut polled = vec![
            PollFd::new(&self.keeper.listener, PollFlags::IN),
            PollFd::new(&self.keeper.told_to_end, self.unless_ending()),
        ];
        if let Some(kept) = &self.kept {
            polled.push(PollFd::new(&kept.ended, PollFlags::IN));
            polled.push(PollFd::from_borrowed_fd(kept.output(), PollFlags::IN));
        }
        for client in &self.clients {
            polled.push(PollFd::from_borrowed_fd(
                client.stream.as_fd(),
                PollFlags::IN,
            ));
        }
        for process in &self.asked {
            polled.push(PollFd::new(process, PollFlags::IN));
        }
        let at = [self.next_start, self.next_look, self.kill_at];
        let at = at.into_iter().flatten().min();
        let timeout = at.map(|at| {
            let wait = at.saturating_duration_since(Instant::now());
            Timespec::try_from(wait).expect("waits of minutes fit")
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect())
    }

    /// The signal stays readable: once it is obeyed it is not asked for again.
    fn unless_ending(&self) -> PollFlags {
        if self.kill_at.is_none() {
            PollFlags::IN
        } else {
            PollFlags::empty()
        }
    }

    fn pump(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        let Keeper {
            output, journal, ..
        } = &mut self.keeper;
        let drained = kept.drain(|bytes| {
            // A full disk must not end the application; what it prints meanwhile is lost.
            drop(output.write(bytes));
            if let Some(journal) = journal {
                journal.push(bytes);
            }
        });
        if let Err(error) = drained {
            self.say(&format!("cannot read the output: {error}"));
        }
    }

    fn say(&mut self, what: &str) {
        let line = format!("wharf: {what}\n");
        // Nothing is left that could be told of it.
        drop(self.keeper.output.write(line.as_bytes()));
    }

    fn start(&mut self) {
        self.next_start = None;
        let Keeper {
            job,
            mark,
            isolation,
            ..
        } = &self.keeper;
        match Kept::start(job, mark, isolation) {
            Ok(kept) => {
                self.set(State::Started {
                    pid: kept.id(),
                    restarts: self.restarts.count,
                });
                self.kept = Some(kept);
                self.next_look = self.meter.as_ref().map(|_| Instant::now() + LOOK);
            }
            Err(error) => {
                self.say(&format!("cannot start the process: {error}"));
                self.ended(Ended::Code(125), Duration::ZERO);
            }
        }
    }

    fn reap(&mut self) -> io::Result<()> {
        let Some(kept) = &mut self.kept else {
            return Ok(());
        };
        let Some(status) = kept.status()? else {
            return Ok(());
        };
        let lived = kept.since.elapsed();
        self.pump();
        self.kept = None;
        self.next_look = None;
        let limits = self.keeper.job.sandbox.limits;
        let kept_to = match status {
            Ended::Signal(signal) => holder::kept_to(signal, limits),
            Ended::Code(_) | Ended::Exceeded(_) => None,
        };
        if let Some(excess) = kept_to {
            self.say(&excess.said("processes"));
        }
        let excess = kept_to.or(self.excess.take());
        let status = excess.map_or(status, Ended::Exceeded);
        if let Ended::Signal(_) | Ended::Exceeded(_) = status {
            self.kill_orphans();
        }
        if self.kill_at.is_none() {
            self.ended(status, lived);
        }
        Ok(())
    }

    /// bubblewrap was killed, perhaps before its child would have died with it.
    fn kill_orphans(&mut self) {
        if let Err(error) = self.keeper.mark.kill() {
            self.say(&format!("something of the process may be left: {error}"));
        }
    }

    fn ended(&mut self, status: Ended, lived: Duration) {
        let restart_in = self.restarts.ended(lived);
        self.next_start = restart_in.map(|wait| Instant::now() + wait);
        let restarts = self.restarts.count;
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let instance = self.keeper.job.id.to_string();
        let record = Record {
            instance,
            status,
            at,
            lived,
            restarts,
            restart_in,
        };
        let bytes = serde_json::to_vec(&record).expect("numbers and names");
        if let Err(error) = disk::atomic_write(&self.keeper.process.record, &bytes, 0o640) {
            self.say(&error.to_string());
        }
        self.set(State::Exited {
            status,
            restart_in,
            restarts,
        });
    }

    fn set(&mut self, state: State) {
        for client in self.clients.iter_mut().filter(|client| client.watches) {
            client.state(&state);
        }
        self.state = state;
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.keeper.listener.accept() else {
            return;
        };
        if self.clients.len() < MOST_CLIENTS
            && let Ok(client) = Client::new(stream, self.keeper.job.id.as_str())
        {
            self.clients.push(client);
        }
    }

    fn obey(&mut self, client: usize, message: &ToKeeper) {
        match message {
            ToKeeper::Status => {}
            ToKeeper::Watch => self.clients[client].watches = true,
            ToKeeper::Confirm => self.confirm(),
            ToKeeper::Stop { grace } => return self.stop(*grace),
        }
        self.clients[client].state(&self.state);
    }

    fn confirm(&mut self) {
        self.restarts.confirm();
        // It ended between the health check and this word: that end was not final, then.
        if let State::Exited {
            restart_in: None,
            status,
            restarts,
        } = self.state
            && self.kill_at.is_none()
        {
            let wait = self.restarts.ended(Duration::ZERO);
            self.next_start = wait.map(|wait| Instant::now() + wait);
            self.set(State::Exited {
                status,
                restart_in: wait,
                restarts,
            });
        }
    }

    /// Begins the end. A second word may only shorten it.
    fn stop(&mut self, grace: Duration) {
        let at = Instant::now() + grace.min(Duration::from_secs(3_600));
        let first = self.kill_at.is_none();
        self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
        self.next_start = None;
        if let Some(kept) = self.kept.as_ref().filter(|_| first) {
            self.asked = kept.terminate();
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if let (Some(at), Some(kept)) = (self.kill_at, &self.kept)
            && now >= at
        {
            kept.kill();
            self.kill_at = Some(now + KILL_AGAIN);
        }
        if self.next_look.is_some_and(|at| now >= at) {
            self.look();
        }
        if self.next_start.is_some_and(|at| now >= at) {
            self.restarts.started_again();
            self.start();
        }
    }

    /// Kills what takes too much. Once it is killed nothing is to be looked at.
    fn look(&mut self) {
        let (Some(kept), Some(meter)) = (&self.kept, &mut self.meter) else {
            return;
        };
        self.excess = kept.look(meter);
        self.next_look = match self.excess {
            Some(_) => {
                kept.kill();
                None
            }
            None => Some(Instant::now() + LOOK),
        };
        if let Some(excess) = self.excess {
            self.say(&format!("stopped: {}", excess.said("processes")));
        }
    }
}
