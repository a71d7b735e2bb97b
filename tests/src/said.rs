//! A program that ran to its end, and what it said.

use std::{
    io::Read,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::retry_on_intr,
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
};

/// The longest that a program may take.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What git puts behind each remote line where there is no terminal, to cover an older, longer one.
const COVER: &str = "        ";

/// What a program said, and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// The command line, for messages.
    pub line: String,
    /// The exit status; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Itself, if the program ended well.
    #[track_caller]
    pub fn ok(self) -> Said {
        self.exits(0)
    }

    /// Itself, if the program ended with this status.
    #[track_caller]
    pub fn exits(self, code: i32) -> Said {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Itself, if one of its outputs holds the text, on one line or wrapped.
    #[track_caller]
    pub fn has(self, text: &str) -> Said {
        assert!(self.holds(text), "nothing says `{text}`\n{self}");
        self
    }

    /// Itself, if none of its outputs holds the text, on one line or wrapped.
    #[track_caller]
    pub fn lacks(self, text: &str) -> Said {
        assert!(!self.holds(text), "something says `{text}`\n{self}");
        self
    }

    fn holds(&self, text: &str) -> bool {
        let whole = |output: &str| {
            let lines = output
                .lines()
                .map(|line| line.strip_prefix("remote: ").unwrap_or(line));
            lines
                .flat_map(str::split_whitespace)
                .collect::<Vec<_>>()
                .join(" ")
        };
        [&self.out, &self.err]
            .iter()
            .any(|output| output.contains(text) || whole(output).contains(text))
    }

    /// What the hooks said to the pusher, without git's own prefix and padding.
    pub fn transcript(&self) -> String {
        let mut text = String::new();
        for line in self.err.split_inclusive('\n') {
            let Some(line) = line.strip_prefix("remote: ") else {
                continue;
            };
            let line = line.strip_suffix('\n').unwrap_or(line);
            text.push_str(line.strip_suffix(COVER).unwrap_or(line));
            text.push('\n');
        }
        text
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Said {
            line,
            code,
            out,
            err,
        } = self;
        write!(to, "$ {line}   (exit {code})\n{out}{err}")
    }
}

/// Runs a program to its end, within [`LIMIT`].
#[track_caller]
pub fn run(command: &mut Command) -> Said {
    run_for(command, LIMIT)
}

/// Runs a program to its end. One that takes longer is killed with its group, and the test fails.
#[track_caller]
pub fn run_for(command: &mut Command, limit: Duration) -> Said {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let line = words.join(" ");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
    let out = drain(child.stdout.take().expect("piped"));
    let err = drain(child.stderr.take().expect("piped"));
    let in_time = wait(&child, limit);
    if !in_time {
        kill(&child);
    }
    let status = child.wait().expect("a child can be waited for");
    let text = |reader: thread::JoinHandle<Vec<u8>>| {
        let bytes = reader.join().expect("a reader does not panic");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let said = Said {
        line,
        code: status.code().unwrap_or(-1),
        out: text(out),
        err: text(err),
    };
    assert!(in_time, "not done after {limit:?}\n{said}");
    said
}

/// Waits until the child has ended; false when it takes longer.
pub(crate) fn wait(child: &Child, limit: Duration) -> bool {
    let process = pidfd_open(pid(child), PidfdFlags::empty()).expect("our own child has a pidfd");
    let limit = Timespec::try_from(limit).expect("some minutes fit");
    let mut wanted = [PollFd::new(&process, PollFlags::IN)];
    retry_on_intr(|| poll(&mut wanted, Some(&limit))).expect("a pidfd can be polled") > 0
}

/// Kills the child's group, which is its own.
pub(crate) fn kill(child: &Child) {
    // It may have ended this moment.
    if let Err(error) = kill_process_group(pid(child), Signal::KILL) {
        eprintln!("cannot kill the group of {}: {error}", child.id());
    }
}

fn pid(child: &Child) -> Pid {
    let pid = i32::try_from(child.id()).expect("a pid fits");
    Pid::from_raw(pid).expect("a pid is not 0")
}

fn drain(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("a pipe can be read");
        bytes
    })
}
