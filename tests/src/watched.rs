//! A push that somebody watches while the test does something else.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Said, Tree};

/// A push that goes on, in a process group of its own, as a shell's jobs are.
#[derive(Debug)]
pub struct Watched {
    git: Child,
    transcript: BufReader<ChildStderr>,
    read: String,
}

impl Watched {
    /// Begins `git push wharf WORDS`.
    pub fn push(shop: &Tree<'_>, words: &[&str]) -> Watched {
        let mut git = shop.command("git");
        git.args(["push", "wharf"])
            .args(words)
            .stdout(Stdio::null());
        Watched::begin(git)
    }

    /// Begins `wharf WORDS`.
    pub fn wharf(shop: &Tree<'_>, words: &[&str]) -> Watched {
        let mut wharf = shop.command("sh");
        wharf
            .args(["-c", "exec wharf \"$@\" >&2", "wharf"])
            .args(words);
        Watched::begin(wharf)
    }

    fn begin(mut program: Command) -> Watched {
        program.stderr(Stdio::piped()).process_group(0);
        let mut git = program.spawn().expect("it can be run");
        let transcript = BufReader::new(git.stderr.take().expect("piped"));
        Watched {
            git,
            transcript,
            read: String::new(),
        }
    }

    /// Reads until a line holds the text.
    #[track_caller]
    pub fn until(&mut self, text: &str) {
        loop {
            let from = self.read.len();
            let length = self.transcript.read_line(&mut self.read);
            let length = length.expect("a transcript is text");
            assert_ne!(length, 0, "never said `{text}`:\n{}", self.read);
            if self.read[from..].contains(text) {
                return;
            }
        }
    }

    /// The activity's id, which the second line names.
    pub fn id(&self) -> String {
        let rest = self.read.split_once("Log: wharf log ");
        let rest = rest.expect("the second line was read").1;
        let id = rest.split_whitespace().next();
        id.expect("an id follows").to_owned()
    }

    /// Whether it has ended by itself.
    pub fn is_over(&mut self) -> bool {
        let ended = self.git.try_wait();
        ended.expect("a child can be waited for").is_some()
    }

    /// What a terminal's keys send to its job.
    pub fn signal(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.git), signal).expect("our own child can be told");
    }

    /// The client ends without a word; what it started on the host lives on.
    pub fn vanish(mut self) {
        self.git.kill().expect("our own child can be killed");
        self.git.wait().expect("a child can be waited for");
    }

    /// All that was said, once it is over.
    pub fn end(self) -> String {
        self.said().err
    }

    /// The same, with how it ended.
    pub fn said(mut self) -> Said {
        let rest = self.transcript.read_to_string(&mut self.read);
        rest.expect("a transcript is text");
        let status = self.git.wait().expect("a child can be waited for");
        Said {
            line: "what was watched".into(),
            code: status.code().unwrap_or(-1),
            out: String::new(),
            err: self.read,
        }
    }
}
