//! Keepers, their processes, and a daemon that comes and goes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod common;

use std::{fs, time::Duration};

use common::{World, alive, end_of, keeper};
use tokio::time::{Instant, timeout};
use wharf_daemon::run::{
    bubblewrap::Bubblewrap,
    isolation::Isolation,
    job::{Backoff, Job, JobId, Kind, Process},
    keeper::{Ended, Record, State},
    keepers::{Keeper, KeeperError, Keepers, Watch},
};

const GRACE: Duration = Duration::from_secs(5);

struct House {
    world: World,
    keepers: Keepers,
}

impl House {
    fn new() -> Self {
        let world = World::new();
        let isolation = Isolation::Bubblewrap(Bubblewrap::find().unwrap());
        let keepers = Keepers::new(keeper(), world.jobs(), world.path("keepers"), &isolation);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, world.path("app/up"), fifo, mode, 0).unwrap();
        Self { world, keepers }
    }

    fn job(&self, name: &str, command: &str, first_start_fails_is_final: bool) -> JobId {
        let id = JobId::parse(name).unwrap();
        let process = Process {
            journal: None,
            door: None,
            output: self.world.path("web.log"),
            record: self.world.path("web.exit"),
            socket: self.keepers.socket(&id),
            restart: Backoff {
                first: Duration::from_millis(20),
                ..Backoff::default()
            },
            first_start_fails_is_final,
        };
        let job = Job {
            id: id.clone(),
            sandbox: self.world.sandbox(),
            command: command.into(),
            arguments: Vec::new(),
            kind: Kind::Process(process),
        };
        self.world.jobs().write(&job).unwrap();
        id
    }

    async fn start(&self, command: &str) -> (Keeper, Watch) {
        let keeper = self
            .keepers
            .spawn(&self.job("shop.main.1", command, true))
            .await
            .unwrap();
        let watch = keeper.watch().await.unwrap();
        (keeper, watch)
    }

    fn output(&self) -> String {
        fs::read_to_string(self.world.path("web.log")).unwrap()
    }

    /// Waits until the process has opened the pipe at `/app/up`.
    async fn up(&self) {
        let path = self.world.path("app/up");
        let read = tokio::task::spawn_blocking(move || fs::read(path));
        timeout(Duration::from_secs(10), read)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

async fn next(watch: &mut Watch) -> State {
    timeout(Duration::from_secs(10), watch.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

fn outer(state: &State) -> i32 {
    let State::Started { pid, .. } = state else {
        panic!("{state:?}")
    };
    i32::try_from(*pid).unwrap()
}

#[tokio::test]
async fn a_process_is_kept_and_stopped() {
    let house = House::new();
    let (keeper, mut watch) = house
        .start("echo hello; echo oops >&2; echo >up; exec sleep 1000")
        .await;
    let pid = outer(&next(&mut watch).await);
    house.up().await;
    assert!(alive(pid));
    assert!(
        !house.world.path("jobs/shop.main.1.json").exists(),
        "jobs hold secrets"
    );
    let stat = fs::read_to_string(format!("/proc/{}/stat", keeper.pid())).unwrap();
    let session = stat.rsplit(") ").next().unwrap().split(' ').nth(3).unwrap();
    assert_eq!(session, keeper.pid().to_string(), "a session of its own");
    let gone = end_of(i32::try_from(keeper.pid()).unwrap());
    keeper.stop(GRACE).await.unwrap();
    assert!(!alive(pid));
    assert_eq!(next(&mut watch).await, State::Stopped);
    assert_eq!(watch.next().await.unwrap(), None);
    gone.await;
    assert_eq!(house.output(), "hello\noops\n");
    assert_eq!(house.keepers.instances().unwrap(), []);
    keeper.stop(GRACE).await.unwrap();
    let error = house.keepers.connect(keeper.instance()).await.unwrap_err();
    assert!(matches!(error, KeeperError::Gone { .. }), "{error}");
}

#[tokio::test]
async fn term_reaches_the_application_itself() {
    let python = "import signal, sys\n\
        def bye(*_):\n    print('bye', flush=True); sys.exit(0)\n\
        signal.signal(signal.SIGTERM, bye)\nopen('/app/up', 'w').close()\nsignal.pause()";
    let node = "process.on('SIGTERM', () => { console.log('bye'); process.exit(0) }); \
        require('fs').writeFileSync('/app/up', ''); setInterval(() => {}, 1000)";
    let shell = "trap 'echo bye; exit 0' TERM; echo >up; while :; do sleep 0.05; done";
    for (program, script, command) in [
        ("/bin/sh", shell, "/bin/sh script"),
        // A shell that would start it again.
        (
            "/bin/sh",
            shell,
            "while :; do sh -c 'true; sh script; true'; done",
        ),
        // Below a shell, and out of its session.
        (
            "/usr/bin/python3",
            python,
            "setsid -w /usr/bin/python3 script; true",
        ),
        ("/usr/bin/node", node, "/usr/bin/node script"),
    ] {
        if !std::path::Path::new(program).exists() {
            continue;
        }
        let house = House::new();
        fs::write(house.world.path("app/script"), script).unwrap();
        let (keeper, _watch) = house.start(command).await;
        house.up().await;
        let before = Instant::now();
        keeper.stop(GRACE).await.unwrap();
        assert!(
            house.output().contains("bye"),
            "{program}: {}",
            house.output()
        );
        assert!(before.elapsed() < GRACE, "{program}");
    }
}

#[tokio::test]
async fn who_does_not_end_is_killed_after_the_grace() {
    let house = House::new();
    let (keeper, mut watch) = house
        .start("trap '' TERM; echo >up; while :; do sleep 1; done")
        .await;
    let pid = outer(&next(&mut watch).await);
    house.up().await;
    let before = Instant::now();
    keeper.stop(Duration::from_millis(200)).await.unwrap();
    assert!(
        before.elapsed() < Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_crash_at_the_first_start_is_final_and_recorded() {
    let house = House::new();
    let (keeper, mut watch) = house.start("echo no such module; exit 3").await;
    let mut state = next(&mut watch).await;
    if matches!(state, State::Started { .. }) {
        state = next(&mut watch).await;
    }
    let exited = State::Exited {
        status: Ended::Code(3),
        restart_in: None,
        restarts: 0,
    };
    assert_eq!(state, exited);
    assert_eq!(keeper.status().await.unwrap(), exited);
    assert_eq!(house.output(), "no such module\n");
    let record = fs::read(house.world.path("web.exit")).unwrap();
    let record: Record = serde_json::from_slice(&record).unwrap();
    assert_eq!((record.status, record.restart_in), (Ended::Code(3), None));
    keeper.stop(GRACE).await.unwrap();
    assert!(!house.world.path("web.exit").exists());
}

#[tokio::test]
async fn a_confirmed_process_starts_again() {
    let house = House::new();
    let command = "echo up; until test -e go; do sleep 0.01; done; rm go; exit 4";
    let (keeper, mut watch) = house.start(command).await;
    let first = outer(&next(&mut watch).await);
    assert!(matches!(
        keeper.confirm().await.unwrap(),
        State::Started { restarts: 0, .. }
    ));
    fs::write(house.world.path("app/go"), "").unwrap();
    let wait = Some(Duration::from_millis(20));
    let exited = State::Exited {
        status: Ended::Code(4),
        restart_in: wait,
        restarts: 0,
    };
    assert_eq!(next(&mut watch).await, exited);
    let state = next(&mut watch).await;
    assert!(
        matches!(state, State::Started { restarts: 1, .. }),
        "{state:?}"
    );
    assert_ne!(outer(&state), first);
    keeper.stop(GRACE).await.unwrap();
    assert!(house.output().starts_with("up\n"));
}

#[tokio::test]
async fn a_keeper_that_is_killed_takes_its_process_along() {
    let house = House::new();
    let (keeper, mut watch) = house.start("echo >up; setsid sleep 1000").await;
    let pid = outer(&next(&mut watch).await);
    house.up().await;
    let inside = children(children(pid)[0]);
    assert!(!inside.is_empty());
    let ends: Vec<_> = inside.into_iter().chain([pid]).map(end_of).collect();
    let id = rustix::process::Pid::from_raw(i32::try_from(keeper.pid()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    for end in ends {
        end.await;
    }
    assert_eq!(watch.next().await.unwrap(), None);
    // What it left is recognised as dead, and a new one takes its place.
    assert_eq!(house.keepers.instances().unwrap().len(), 1);
    assert!(matches!(
        keeper.status().await,
        Err(KeeperError::Gone { .. })
    ));
    let (keeper, _) = house.start("sleep 1000").await;
    keeper.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_keeper_told_to_end_by_the_system_lets_its_process_end() {
    let house = House::new();
    let command = "trap 'echo bye; exit 0' TERM; echo >up; while :; do sleep 0.05; done";
    let (keeper, mut watch) = house.start(command).await;
    next(&mut watch).await;
    house.up().await;
    let id = rustix::process::Pid::from_raw(i32::try_from(keeper.pid()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(next(&mut watch).await, State::Stopped);
    assert!(house.output().ends_with("bye\n"), "{}", house.output());
}

#[tokio::test]
async fn another_daemon_finds_the_keeper_again() {
    let house = House::new();
    // A daemon of its own, whose runtime ends.
    let instance = {
        let keepers = house.keepers.clone();
        let id = house.job("shop.main.1", "echo >up; sleep 1000", true);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap()
                .block_on(async { keepers.spawn(&id).await.unwrap() });
            id
        })
        .join()
        .unwrap()
    };
    house.up().await;
    assert_eq!(
        house.keepers.instances().unwrap(),
        std::slice::from_ref(&instance)
    );
    let keeper = house.keepers.connect(&instance).await.unwrap();
    assert!(matches!(
        keeper.confirm().await.unwrap(),
        State::Started { .. }
    ));

    // A socket under another's name is not taken for it.
    let other = JobId::parse("shop.other.1").unwrap();
    fs::hard_link(
        house.keepers.socket(&instance),
        house.keepers.socket(&other),
    )
    .unwrap();
    let error = house.keepers.connect(&other).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the socket of shop.other.1 is answered by shop.main.1"
    );
    keeper.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn a_second_keeper_of_one_instance_is_refused() {
    let house = House::new();
    let (keeper, _watch) = house.start("sleep 1000").await;
    let id = house.job("shop.main.1", "sleep 1000", true);
    let error = house.keepers.spawn(&id).await.unwrap_err().to_string();
    assert!(error.contains("another keeper answers"), "{error}");
    keeper.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn garbage_on_the_socket_disturbs_nobody() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let house = House::new();
    let (keeper, _watch) = house.start("sleep 1000").await;
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\0\0\x02{}",
        b"\xff\xff\xff\xff",
    ] {
        let socket = house.keepers.socket(keeper.instance());
        let mut line = tokio::net::UnixStream::connect(socket).await.unwrap();
        line.write_all(garbage).await.unwrap();
        let mut rest = Vec::new();
        timeout(GRACE, line.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
    }
    assert!(matches!(
        keeper.status().await.unwrap(),
        State::Started { .. }
    ));
    keeper.stop(GRACE).await.unwrap();
}

#[tokio::test]
async fn closed_output_costs_nothing() {
    let house = House::new();
    let (keeper, mut watch) = house
        .start("echo >up; exec sleep 1000 >/dev/null 2>&1 </dev/null")
        .await;
    house.up().await;
    next(&mut watch).await;
    timeout(Duration::from_millis(300), watch.next())
        .await
        .unwrap_err();
    let stat = fs::read_to_string(format!("/proc/{}/stat", keeper.pid())).unwrap();
    let ticks: u64 = stat
        .rsplit(") ")
        .next()
        .unwrap()
        .split(' ')
        .nth(11)
        .unwrap()
        .parse()
        .unwrap();
    assert!(ticks < 10, "the keeper is busy: {ticks} ticks");
    keeper.stop(GRACE).await.unwrap();
}

fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace()
        .map(|id| id.parse().unwrap())
        .collect()
}
