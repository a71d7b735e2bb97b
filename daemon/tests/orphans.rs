//! Sandboxes whose makers are killed before bubblewrap's child would die with them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::{
    fs::{self, File, Permissions},
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::Command,
};

use common::{NO_LIMITS, World, alive, end_of, keeper};
use rustix::process::{Pid, Signal, kill_process};
use wharf_daemon::run::{
    bubblewrap::Bubblewrap,
    isolation::Isolation,
    job::{Backoff, Job, JobId, Kind, Process},
    keeper::{Ended, State},
    keepers::Keepers,
    runner::{Exit, Runner},
};

/// Programs whose sandboxes stop in the middle of being set up.
struct Window {
    world: World,
}

impl Window {
    fn new() -> Self {
        let world = World::new();
        let fifo = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, world.path("trace"), fifo, mode, 0).unwrap();
        Self { world }
    }

    /// `wharf-keeper`, whose bubblewrap's child is stopped when it changes its root.
    fn keeper(&self) -> PathBuf {
        let script = self.world.path("wharf-keeper");
        let trace = self.world.path("trace");
        let text = format!(
            "#!/bin/sh\nexec /usr/bin/strace -D -f -qq -o {} -e trace=pivot_root \
             -e inject=pivot_root:signal=STOP:when=1 {} \"$@\"\n",
            trace.display(),
            keeper().display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        script
    }

    /// Waits until it is stopped; its process id.
    async fn stopped(&self) -> (i32, BufReader<File>) {
        let trace = self.world.path("trace");
        let wait = move || {
            let mut said = BufReader::new(File::open(trace).unwrap());
            let mut line = String::new();
            while !line.contains("stopped by SIGSTOP") {
                line.clear();
                assert_ne!(said.read_line(&mut line).unwrap(), 0, "strace ended");
            }
            let pid = line.split(' ').next().unwrap().parse().unwrap();
            // Whoever wrote it would be killed by its next line otherwise.
            (pid, said)
        };
        tokio::task::spawn_blocking(wait).await.unwrap()
    }

    fn keepers(&self) -> Keepers {
        let isolation = Isolation::Bubblewrap(Bubblewrap::find().unwrap());
        let sockets = self.world.path("keepers");
        Keepers::new(self.keeper(), self.world.jobs(), sockets, &isolation)
    }

    fn process(&self, keepers: &Keepers, name: &str) -> JobId {
        let id = JobId::parse(name).unwrap();
        let process = Process {
            output: self.world.path("web.log"),
            record: self.world.path("web.exit"),
            journal: None,
            door: None,
            socket: keepers.socket(&id),
            restart: Backoff::default(),
            first_start_fails_is_final: true,
        };
        let job = Job {
            id: id.clone(),
            sandbox: self.world.sandbox(),
            command: "exec sleep 1000".into(),
            arguments: Vec::new(),
            kind: Kind::Process(process),
        };
        self.world.jobs().write(&job).unwrap();
        id
    }
}

#[tokio::test]
async fn a_sandbox_whose_keeper_dies_in_its_window_is_killed() {
    let window = Window::new();
    let keepers = window.keepers();
    let id = window.process(&keepers, "shop.main.1");
    let (keeper, (init, _trace)) = tokio::join!(keepers.spawn(&id), window.stopped());
    let keeper = keeper.unwrap();
    let monitor = parent(init);
    let ends = [
        end_of(monitor),
        end_of(i32::try_from(keeper.pid()).unwrap()),
    ];
    kill(i32::try_from(keeper.pid()).unwrap());
    for end in ends {
        end.await;
    }
    // This is what nobody would ever find.
    assert!(alive(init));
    let marks = window.world.jobs().marks().unwrap();
    let other = marks.mark(&JobId::parse("shop.main.2").unwrap());
    assert_eq!(on_a_thread(move || other.kill().unwrap()).await, 0);
    assert!(alive(init), "only the mark's own bearers are killed");
    let end = end_of(init);
    let mark = marks.mark(&id);
    assert!(on_a_thread(move || mark.kill().unwrap()).await > 0);
    end.await;
}

#[tokio::test]
async fn a_keeper_kills_what_bubblewrap_left_in_its_window() {
    let window = Window::new();
    let keepers = window.keepers();
    let id = window.process(&keepers, "shop.main.1");
    let (keeper, (init, _trace)) = tokio::join!(keepers.spawn(&id), window.stopped());
    let keeper = keeper.unwrap();
    let mut watch = keeper.watch().await.unwrap();
    let end = end_of(init);
    kill(parent(init));
    end.await;
    let mut state = watch.next().await.unwrap().unwrap();
    if matches!(state, State::Started { .. }) {
        state = watch.next().await.unwrap().unwrap();
    }
    let killed = Ended::Signal(Signal::KILL.as_raw());
    assert!(
        matches!(state, State::Exited { status, .. } if status == killed),
        "{state:?}"
    );
    keeper.stop(std::time::Duration::ZERO).await.unwrap();
}

#[tokio::test]
async fn a_step_leaves_nothing_where_bubblewrap_is_killed_in_its_window() {
    let window = Window::new();
    let jobs = window.world.jobs();
    let runner = Runner::new(
        jobs,
        window.keeper(),
        &Isolation::Bubblewrap(Bubblewrap::find().unwrap()),
    )
    .unwrap();
    let id = window.world.stage("sleep 1000", NO_LIMITS);
    let running = runner.start(&id).await.unwrap();
    let (init, _trace) = window.stopped().await;
    let end = end_of(init);
    kill(parent(init));
    assert_eq!(running.wait().await, Exit::Signal(Signal::KILL.as_raw()));
    end.await;
}

#[tokio::test]
async fn every_bearer_of_a_mark_is_killed_and_nobody_else() {
    let world = World::new();
    let other = World::new();
    let marks = world.jobs().marks().unwrap();
    let [dead, kept] = ["build.1", "build.2"].map(|name| JobId::parse(name).unwrap());
    let sleep = |mark: String| {
        Command::new("sleep")
            .arg0(mark)
            .arg("1000")
            .spawn()
            .unwrap()
    };
    let name = |id: &JobId| marks.mark(id).as_str().to_owned();
    let foreign = other.jobs().marks().unwrap().mark(&dead);
    let mut sleeping = [
        sleep(name(&dead)),
        sleep(name(&kept)),
        sleep(format!("{}0", name(&dead))),
        sleep(foreign.as_str().to_owned()),
    ];
    let is_dead = move |job: &str| job == dead.as_str();
    let killed = on_a_thread(move || marks.kill_if(is_dead).unwrap()).await;
    let left = sleeping
        .each_mut()
        .map(|one| one.try_wait().unwrap().is_none());
    for child in &mut sleeping {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!((killed, left), (1, [false, true, true, true]));
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit(") ").next().unwrap();
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}
