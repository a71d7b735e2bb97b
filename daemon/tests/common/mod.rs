//! A directory with jobs, and the programs that the tests are built with.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{fs, path::PathBuf};

use wharf_daemon::run::{
    bubblewrap::Bubblewrap,
    isolation::Isolation,
    job::{Job, JobId, Jobs, Kind, Stage},
    runner::{Exit, Runner},
    sandbox::{Access, Sandbox},
};

pub(crate) struct World {
    pub(crate) home: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for name in ["jobs", "app", "keepers"] {
            fs::create_dir(home.path().join(name)).unwrap();
        }
        Self { home }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn jobs(&self) -> Jobs {
        Jobs::new(self.path("jobs"))
    }

    pub(crate) fn sandbox(&self) -> Sandbox {
        Sandbox::new(self.path("app"), Access::Write)
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::new(
            self.jobs(),
            keeper(),
            &Isolation::Bubblewrap(Bubblewrap::find().unwrap()),
        )
        .unwrap()
    }

    pub(crate) fn stage(&self, command: &str, stage: Stage) -> JobId {
        self.stage_in(self.sandbox(), command, stage)
    }

    pub(crate) fn stage_in(&self, sandbox: Sandbox, command: &str, stage: Stage) -> JobId {
        let id = JobId::parse("build.1").unwrap();
        let kind = Kind::Stage(stage);
        let job = Job {
            id: id.clone(),
            sandbox,
            command: command.into(),
            arguments: Vec::new(),
            kind,
        };
        self.jobs().write(&job).unwrap();
        id
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, sandbox: Sandbox, command: &str) -> (Exit, String) {
        let id = self.stage_in(sandbox, command, NO_LIMITS);
        let runner = self.runner();
        let mut running = runner.start(&id).await.unwrap();
        let mut output = Vec::new();
        while let Some(chunk) = running.next_output().await {
            output.extend(chunk);
        }
        (running.wait().await, String::from_utf8(output).unwrap())
    }
}

pub(crate) const NO_LIMITS: Stage = Stage {
    limit: None,
    silence: None,
};

pub(crate) fn keeper() -> PathBuf {
    env!("CARGO_BIN_EXE_wharf-keeper").into()
}

/// Whether a process of this id runs. A dead one that is not reaped yet does not.
pub(crate) fn alive(pid: i32) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(") ").next().unwrap().starts_with(['Z', 'X']),
        Err(_) => false,
    }
}

/// Waits for the end of a process that need not be a child; takes hold of it at once.
pub(crate) fn end_of(pid: i32) -> impl Future<Output = ()> {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{Pid, PidfdFlags, pidfd_open},
    };
    let process = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    async move {
        let wait = move || {
            let deadline = Timespec {
                tv_sec: 10,
                tv_nsec: 0,
            };
            poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&deadline)).unwrap()
        };
        assert_eq!(
            tokio::task::spawn_blocking(wait).await.unwrap(),
            1,
            "{pid} lives on"
        );
    }
}
