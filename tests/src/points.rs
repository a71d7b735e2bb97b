//! Fail points of the daemon: the places where a test freezes it. See `daemon/src/fail.rs`.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    process::Stdio,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::{LIMIT, World, installed, pause};

/// The longest that the daemon may take to come to a point.
const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// Every point that the world's daemons have passed, in order.
    pub fn trace(&self) -> Vec<String> {
        match fs::read_to_string(self.points().join("trace")) {
            Ok(trace) => trace.lines().map(str::to_owned).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => panic!("the trace cannot be read: {error}"),
        }
    }

    /// Forgets the points that were passed.
    pub fn forget_trace(&self) {
        fs::write(self.points().join("trace"), "").expect("a trace can be written");
    }

    /// Waits until the daemon has passed this point.
    #[track_caller]
    pub fn wait_for_point(&self, point: &str) {
        let mut tail = self.command("timeout");
        let trace = self.points().join("trace");
        tail.arg(LIMIT.as_secs().to_string())
            .args(["tail", "-n", "+1", "-F"])
            .arg(trace)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut tail = tail.spawn().expect("tail can be run");
        let lines = BufReader::new(tail.stdout.take().expect("piped")).lines();
        let passed = lines.map_while(Result::ok).any(|line| line == point);
        tail.kill().expect("our own child can be killed");
        tail.wait().expect("a child can be waited for");
        assert!(passed, "never passed {point}:\n{}", self.trace().join("\n"));
    }

    /// Lets the daemon freeze at this point, once.
    pub fn freeze_at(&self, point: &str) {
        let (new, stop) = (self.points().join("new"), self.points().join("stop"));
        fs::write(&new, point).expect("a file can be written");
        fs::rename(&new, &stop).expect("a file can be renamed");
    }

    /// Waits until the daemon is frozen. The caller goes on with [`World::thaw`] or
    /// [`World::kill_daemon`].
    #[track_caller]
    pub fn wait_until_frozen(&self) {
        if let Err(problem) = self.freezes() {
            panic!("{problem}");
        }
    }

    /// The same.
    ///
    /// # Errors
    /// That it never came to the point.
    pub fn freezes(&self) -> Result<(), String> {
        let pid = self.daemon_pid();
        if self.is_installed() {
            return self.stops(pid);
        }
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let stopped = waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED);
            let stopped = stopped.is_ok_and(|status| status.is_some());
            // Nobody listens any more once the limit is over.
            tell.send(stopped).ok();
        });
        if told.recv_timeout(PATIENCE) == Ok(true) {
            return Ok(());
        }
        Err(self.never_came())
    }

    /// The same of a process that is systemd's child.
    fn stops(&self, pid: Pid) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
        loop {
            let text = fs::read_to_string(&stat).unwrap_or_default();
            // The name before it may hold anything.
            if text
                .rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
            {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(self.never_came());
            }
            pause();
        }
    }

    fn never_came(&self) -> String {
        let stop = fs::read_to_string(self.points().join("stop"));
        format!(
            "the daemon never came to {stop:?}\n{}",
            self.trace().join("\n")
        )
    }

    /// Waits until the daemon is frozen, or until that cannot happen any more; says which.
    pub fn freezes_before(&self, mut over: impl FnMut() -> bool) -> bool {
        let stop = self.points().join("stop");
        let until = Instant::now() + LIMIT;
        loop {
            // Looked at first: the point may be passed in between.
            let over = over();
            if !stop.exists() {
                self.wait_until_frozen();
                return true;
            }
            if over && fs::remove_file(&stop).is_ok() {
                return false;
            }
            assert!(Instant::now() < until, "neither frozen nor over");
            pause();
        }
    }

    /// Lets a frozen daemon go on.
    pub fn thaw(&self) {
        kill_process(self.daemon_pid(), Signal::CONT).expect("our own child can be told");
    }

    /// The daemon's process.
    pub fn daemon_pid(&self) -> Pid {
        if self.is_installed() {
            return installed::main_process("wharfd.service").expect("the daemon runs");
        }
        let daemon = self.daemon();
        Pid::from_child(daemon.as_ref().expect("the daemon runs"))
    }
}
