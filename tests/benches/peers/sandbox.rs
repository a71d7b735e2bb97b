//! The same build in Wharf's sandbox and without any.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wharf_daemon::run::{
    bubblewrap::Bubblewrap,
    isolation::Isolation,
    job::{Job, JobId, Jobs, Kind, Stage},
    runner::{Exit, Runner},
    sandbox::{Access, Sandbox},
};

use crate::{
    in_turn,
    table::{Peer, Table},
    world::World,
};

const ROUNDS: usize = 15;
/// What a build is made of: programs that are started, and files that are read, worked on and written.
const STARTS: &str = "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done";
const WORK: &str = "rm -rf out; cp -r /usr/lib/python3*/email out; python3 -m compileall -q -f out";
const NOTHING: &str = ":";

pub(crate) fn measure(world: &World) -> Table {
    let app = world.directory("sandbox/app");
    let jobs = world.directory("sandbox/jobs");
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let runner = {
        let _entered = runtime.enter();
        let keeper = PathBuf::from(std::env::var_os("WHARF_BIN").unwrap()).join("wharf-keeper");
        Runner::new(
            Jobs::new(jobs.clone()),
            keeper,
            &Isolation::Bubblewrap(Bubblewrap::find().unwrap()),
        )
        .unwrap()
    };
    let (app, jobs, runner, runtime) = (&app, &Jobs::new(jobs), &runner, &runtime);
    let bare = |command: &'static str| -> Box<dyn FnMut(usize) -> Duration + '_> {
        Box::new(move |_| bare(app, command))
    };
    let inside = |command: &'static str| -> Box<dyn FnMut(usize) -> Duration + '_> {
        Box::new(move |_| runtime.block_on(inside(app, jobs, runner, command)))
    };
    let mut peers = [
        Peer {
            name: "500 programs, bare",
            run: bare(STARTS),
        },
        Peer {
            name: "500 programs, in the sandbox",
            run: inside(STARTS),
        },
        Peer {
            name: "a package is compiled, bare",
            run: bare(WORK),
        },
        Peer {
            name: "a package is compiled, in the sandbox",
            run: inside(WORK),
        },
        Peer {
            name: "nothing, bare",
            run: bare(NOTHING),
        },
        Peer {
            name: "nothing, in the sandbox",
            run: inside(NOTHING),
        },
    ];
    let table = in_turn(ROUNDS, &mut peers);
    let note = "The same shell text with and without: `/bin/true` 500 times, Python's `email` package \
                compiled, and nothing at all, which is what a sandbox's beginning and end cost.";
    table.titled(
        "A build in the sandbox",
        note,
        "a package is compiled, bare",
    )
}

fn bare(app: &Path, command: &str) -> Duration {
    let began = Instant::now();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).current_dir(app).env_clear();
    shell
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null());
    assert!(shell.status().unwrap().success(), "{command}");
    began.elapsed()
}

async fn inside(app: &Path, jobs: &Jobs, runner: &Runner, command: &str) -> Duration {
    let began = Instant::now();
    let id = JobId::parse("build.1").unwrap();
    let job = Job {
        id: id.clone(),
        sandbox: Sandbox::new(app.to_owned(), Access::Write),
        command: command.to_owned(),
        arguments: Vec::new(),
        kind: Kind::Stage(Stage {
            limit: None,
            silence: None,
        }),
    };
    jobs.write(&job).unwrap();
    let mut running = runner.start(&id).await.unwrap();
    while running.next_output().await.is_some() {}
    assert_eq!(running.wait().await, Exit::Code(0), "{command}");
    began.elapsed()
}
