//! A daemon that says what the test tells it to.

use std::{
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread::JoinHandle,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wharf_wire::{
    FromDaemon, ToDaemon, VERSION, Welcome, frame,
    hook::{Compare, Compared, FilePart, Judgement, Push, RefUpdate, Verdict, Want},
    outcome::Exit,
};

/// Longer than any test takes, so that a broken one ends.
const PATIENCE: Duration = Duration::from_secs(30);

/// Listens at once, then runs `script`.
pub(crate) fn daemon<T: Send + 'static>(
    socket: &Path,
    script: impl FnOnce(Door) -> T + Send + 'static,
) -> JoinHandle<T> {
    let door = Door(UnixListener::bind(socket).unwrap());
    std::thread::spawn(move || script(door))
}

/// Where hooks knock.
pub(crate) struct Door(UnixListener);

/// One conversation.
pub(crate) struct Caller {
    pub(crate) stream: UnixStream,
    pub(crate) name: String,
}

impl Door {
    /// The next hook, not yet greeted.
    pub(crate) fn accept(&self) -> UnixStream {
        let wait = Timespec::try_from(PATIENCE).unwrap();
        let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&wait)).unwrap();
        assert_eq!(ready, 1, "no hook has called");
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The next hook, after the greetings.
    pub(crate) fn greet(&self) -> Caller {
        let mut caller = Caller {
            stream: self.accept(),
            name: String::new(),
        };
        match caller.receive() {
            ToDaemon::Hello(hello) => {
                assert_eq!(hello.wharf, VERSION);
                caller.name = hello.client;
            }
            other => panic!("{other:?}"),
        }
        caller.send(&FromDaemon::Welcome(Welcome {
            wharf: VERSION,
            daemon: "test".into(),
        }));
        caller
    }
}

impl Caller {
    pub(crate) fn receive(&mut self) -> ToDaemon {
        frame::read(&mut self.stream)
            .unwrap()
            .expect("the hook left early")
    }

    pub(crate) fn send(&mut self, message: &FromDaemon) {
        frame::write(&mut self.stream, message).unwrap();
    }

    /// The push with all of its updates.
    pub(crate) fn push(&mut self) -> Push {
        let mut push = match (self.name.clone().as_str(), self.receive()) {
            ("pre-receive", ToDaemon::Admit(push))
            | ("proc-receive", ToDaemon::Propose(push))
            | ("post-receive", ToDaemon::Ring(push)) => push,
            other => panic!("{other:?}"),
        };
        loop {
            match self.receive() {
                ToDaemon::More(more) => push.updates.extend::<Vec<RefUpdate>>(more),
                ToDaemon::Sent => return push,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Asks for files and takes them.
    pub(crate) fn files(&mut self, commits: &[&str], paths: &[&str]) -> Vec<FilePart> {
        let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let want = Want {
            commits: strings(commits),
            paths: strings(paths),
        };
        self.send(&FromDaemon::Want(want));
        let mut parts = Vec::new();
        loop {
            match self.receive() {
                ToDaemon::File(part) => parts.push(part),
                ToDaemon::FilesSent => return parts,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Asks what a commit changes.
    pub(crate) fn compare(&mut self, commit: &str, tree: Option<&str>, paths: &[&str]) -> Compared {
        self.send(&FromDaemon::Compare(Compare {
            commit: commit.to_owned(),
            tree: tree.map(str::to_owned),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }));
        match self.receive() {
            ToDaemon::Compared(compared) => compared,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn verdict(&mut self, accepted: bool, lines: &[&str]) {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.send(&FromDaemon::Verdict(Verdict { accepted, lines }));
    }

    /// Judges one of the updates.
    pub(crate) fn judge(&mut self, update: u32, refused: Option<&str>) {
        let refused = refused.map(str::to_owned);
        self.send(&FromDaemon::Judged(Judgement { update, refused }));
    }

    pub(crate) fn queued(&mut self, activities: &[&str]) {
        let activities = activities.iter().map(|id| (*id).to_owned()).collect();
        self.send(&FromDaemon::Queued { activities });
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.send(&FromDaemon::Line(text.to_owned()));
    }

    pub(crate) fn end(&mut self) {
        self.send(&FromDaemon::End { exit: Exit::Ok });
    }
}

/// Admits one push without asking for files and returns it.
pub(crate) fn admit(door: &Door) -> Push {
    let mut caller = door.greet();
    assert_eq!(caller.name, "pre-receive");
    let push = caller.push();
    caller.files(&[], &[]);
    caller.verdict(true, &[]);
    push
}
