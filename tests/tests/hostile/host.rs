//! What every test here has: a host whose neighbour is visited, and whose daemon is asked, all the
//! time.

use std::{
    io,
    ops::Deref,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::Pid;
use wharf_tests::{Visitor, World};
use wharf_wire::{FromDaemon, Hello, ToDaemon, VERSION, ask::Ask, frame};

use crate::app::{deployed, host};

/// Between two looks.
const PACE: Duration = Duration::from_millis(100);
/// The longest that an answer may take beside whatever is tried, on a machine that runs other tests.
const SLOWEST: Duration = Duration::from_secs(15);
/// The project of the neighbour.
const NEIGHBOUR: &str = "neighbour";

/// A host with a neighbour.
pub(crate) struct Host {
    watch: Option<Watch>,
    /// The neighbour's web process.
    process: Pid,
    /// Last: nobody watches a host that has ended.
    world: World,
}

impl Deref for Host {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Host {
    /// A host where everything is as it is installed.
    pub(crate) fn new() -> Host {
        Host::of(World::new())
    }

    /// The same on a host that was made otherwise.
    pub(crate) fn of(world: World) -> Host {
        deployed(&world, NEIGHBOUR);
        let process = webs(&world)[0];
        let watch = Watch::begin(world.port(), world.home().join("run/wharfd.sock"));
        Host {
            watch: Some(watch),
            process,
            world,
        }
    }

    /// The neighbour's host name.
    pub(crate) fn neighbour() -> String {
        host(NEIGHBOUR)
    }

    /// Whatever was tried: neighbour and daemon answered each time since the beginning, by the same
    /// process and the same release, and nothing is under way any more.
    #[track_caller]
    pub(crate) fn still_serves(mut self) {
        let watch = self.watch.take().expect("this ends it");
        let seen = watch.end();
        assert!(seen.is_ok(), "{}\n{}", seen.unwrap_err(), self.logs());
        assert_eq!(self.get(&Host::neighbour(), "/").ok(), "one\n");
        let serving = webs(&self.world);
        assert!(serving.contains(&self.process), "it is another process");
        let releases = self.releases(NEIGHBOUR, "main").unwrap();
        assert_eq!(releases.len(), 1, "{releases:?}");
        let status = self.status().unwrap();
        assert_eq!((status.running, status.waiting), (0, 0), "{status:?}");
    }
}

/// The processes of servers as [`deployed`] makes them; the neighbour's is the first of all.
fn webs(world: &World) -> Vec<Pid> {
    let is_web = |line: &[String]| line == ["python3", "app.py"];
    let all = world.processes().into_iter();
    all.filter(|process| is_web(&process.line))
        .map(|process| process.pid)
        .collect()
}

/// Somebody who looks at the neighbour and asks the daemon until told to stop.
struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Watch {
    fn begin(port: u16, daemon: PathBuf) -> Watch {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            loop {
                look(port).map_err(|error| format!("the neighbour: {error}"))?;
                ask(&daemon).map_err(|error| format!("the daemon: {error}"))?;
                // The wait is for the pace alone, until somebody says or lets go.
                if stopped.recv_timeout(PACE) != Err(RecvTimeoutError::Timeout) {
                    return Ok(());
                }
            }
        });
        Watch { stop, thread }
    }

    fn end(self) -> Result<(), String> {
        // It may have ended with an error already.
        drop(self.stop);
        self.thread.join().expect("it does not panic")
    }
}

/// One visitor's look, over a connection of its own.
fn look(port: u16) -> Result<(), String> {
    let began = Instant::now();
    let page = Visitor::new(port).get(&Host::neighbour(), "/");
    let page = page.map_err(|error| error.to_string())?;
    match (page.status, began.elapsed()) {
        (200, took) if took < SLOWEST && page.body == "one\n" => Ok(()),
        (status, took) => Err(format!("{status} after {took:?}: {}", page.body)),
    }
}

/// One question for the daemon.
fn ask(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SLOWEST))?;
    let hello = ToDaemon::Hello(Hello {
        wharf: VERSION,
        client: "watch".into(),
    });
    for message in [hello, ToDaemon::Ask(Ask::Status)] {
        frame::write(&mut stream, &message).map_err(io::Error::other)?;
    }
    loop {
        match frame::read(&mut stream).map_err(io::Error::other)? {
            Some(FromDaemon::End { .. }) => return Ok(()),
            Some(FromDaemon::Welcome(_) | FromDaemon::Item(_)) => {}
            other => return Err(io::Error::other(format!("it says {other:?}"))),
        }
    }
}
