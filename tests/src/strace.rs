//! strace: sees the calls of a process, and lets some of them fail, or the process die of one.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Command, Stdio},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tempfile::NamedTempFile;

use crate::{LIMIT, programs, said};

/// strace, attached to each thread that a process has.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    output: NamedTempFile,
    /// Open until its end: it says when it lets go.
    _said: BufReader<ChildStderr>,
}

impl Strace {
    /// Attaches it, with these arguments.
    #[track_caller]
    pub fn attach(process: Pid, expression: &[&str]) -> Strace {
        let tasks = format!("/proc/{}/task", process.as_raw_nonzero());
        let threads: Vec<String> = fs::read_dir(tasks)
            .expect("it has threads")
            .map(|thread| thread.expect("one of them").file_name())
            .map(|name| name.into_string().expect("a number"))
            .collect();
        let output = NamedTempFile::new().expect("a file can be made");
        let mut strace = Command::new(programs::find("strace"));
        strace.arg("-o").arg(output.path()).args(expression);
        for thread in &threads {
            strace.args(["-p", thread]);
        }
        let mut child = strace
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace can be run");
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        for _ in &threads {
            let mut line = String::new();
            said.read_line(&mut line).expect("it says something");
            assert!(line.contains(" attached"), "strace says {line}");
        }
        Strace {
            child,
            output,
            _said: said,
        }
    }

    /// Attaches it so that each of these calls is seen, in one line each.
    #[track_caller]
    pub fn of(process: Pid, calls: &str) -> Strace {
        let trace = format!("trace={calls}");
        Strace::attach(process, &["-e", &trace, "-e", "signal=none"])
    }

    /// Attaches it so that the process is killed before the n-th of these calls of an earlier, equal run,
    /// counted from 0.
    #[track_caller]
    pub fn kills_before(process: Pid, calls: &[String], n: usize) -> Strace {
        // Each call is counted for itself.
        let name = |call: &String| call.split_once('(').map(|(name, _)| name.to_owned());
        let fatal = name(&calls[n]).expect("a line has a call");
        let time = calls[..=n]
            .iter()
            .filter(|call| name(call).as_ref() == Some(&fatal));
        let inject = format!("inject={fatal}:signal=KILL:when={}", time.count());
        let trace = format!("trace={fatal}");
        Strace::attach(process, &["-e", &trace, "-e", &inject])
    }

    /// The calls that it saw, without the ids of processes.
    pub fn calls(self) -> Vec<String> {
        let seen = self.end();
        let is_pid = |c: char| c.is_ascii_digit() || c == ' ';
        let lines = seen.lines().map(|line| line.trim_start_matches(is_pid));
        // Ends are no calls.
        let calls = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        calls.map(str::to_owned).collect()
    }

    /// Waits until it has ended with whom it saw; what that was.
    #[track_caller]
    pub fn dies(self) -> String {
        assert!(said::wait(&self.child, LIMIT), "strace goes on");
        self.end()
    }

    /// What it saw.
    pub fn end(mut self) -> String {
        // It may have ended with whom it saw.
        if let Err(error) = kill_process(Pid::from_child(&self.child), Signal::INT) {
            assert_eq!(error, Errno::SRCH);
        }
        self.child.wait().expect("a child can be waited for");
        fs::read_to_string(self.output.path()).expect("what it wrote can be read")
    }
}
