//! Leads connections into a sandbox's own network, or out of it, while its command runs.
//!
//! A program that only knows a port listens where nobody outside can come; a Unix socket in a
//! directory that both sides see is the door. This is inside, so it can do what the command can and
//! no more. It is in the command's parent: the command finds no child that it did not start, and what
//! stops a process tree asks the command first.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use rustix::{
    fs::Mode,
    process::{Resource, getrlimit},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, copy_bidirectional},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::{Builder, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    job::{Door as Outward, End},
    keeper::reach,
    sandbox::Forward,
};

/// Connections at a time. One more waits to be accepted, as with a server that is busy.
const MOST: usize = 1024;
/// Half of the descriptors that are for other things.
const SPARE: usize = 32;
/// The waits between two looks at a port where nothing listens yet; each is a quarter longer.
const FASTEST: Duration = Duration::from_millis(5);
/// See [`FASTEST`].
const SLOWEST: Duration = Duration::from_millis(250);
/// How long nothing is accepted after the kernel refused a connection: it is out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Forwards in a thread of its own for as long as this process lives.
///
/// # Errors
/// That there is no thread, or no door.
pub(super) fn aside(forwards: Vec<Forward>) -> io::Result<()> {
    if forwards.is_empty() {
        return Ok(());
    }
    let runtime = runtime()?;
    let mut doors = Vec::with_capacity(forwards.len());
    for forward in forwards {
        let door = runtime.block_on(Door::make(&forward))?;
        doors.push((forward, door));
    }
    let forwarding = async {
        let serving = doors.into_iter().map(|(forward, door)| async {
            let why = serve(forward, door).await;
            eprintln!("wharf: connections are not led to the process: {why}");
        });
        join_all(serving).await;
    };
    in_thread(move || runtime.block_on(forwarding))
}

/// Keeps a door for as long as this process lives; returns why it cannot.
pub(super) fn keep(door: &Outward) -> io::Error {
    let opened = runtime().and_then(|runtime| {
        let listener = runtime.block_on(Listener::bind(&door.from))?;
        Ok((runtime, listener))
    });
    match opened {
        Ok((runtime, listener)) => runtime.block_on(keep_open(listener, door.to.clone())),
        Err(error) => error,
    }
}

/// Keeps a door in a thread of its own for as long as this process lives.
///
/// # Errors
/// That there is no thread, or it cannot be where it should.
pub(super) fn beside(door: Outward) -> io::Result<()> {
    let runtime = runtime()?;
    let listener = runtime.block_on(Listener::bind(&door.from))?;
    in_thread(move || runtime.block_on(keep_open(listener, door.to)))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn in_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name("forwarder".into());
    thread.spawn(work).map(drop)
}

/// Where a door takes connections.
enum Listener {
    Socket(UnixListener),
    Port(TcpListener),
}

impl Listener {
    async fn bind(at: &End) -> io::Result<Self> {
        match at {
            End::Socket(socket) => {
                let (_directory, path) = reach(socket)?;
                // Who sees it may use it, and who that is their directories say.
                rustix::process::umask(Mode::from_raw_mode(0o077));
                UnixListener::bind(path).map(Self::Socket)
            }
            End::Port { host, port } => {
                let listener = TcpListener::bind((host.as_str(), *port)).await?;
                Ok(Self::Port(listener))
            }
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Socket(listener) => Ok(Box::new(listener.accept().await?.0)),
            Self::Port(listener) => {
                let (from, _) = listener.accept().await?;
                drop(from.set_nodelay(true));
                Ok(Box::new(from))
            }
        }
    }
}

/// What bytes go through, both ways.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn keep_open(listener: Listener, to: End) -> ! {
    let (places, to) = (Arc::new(Semaphore::new(most())), Arc::new(to));
    loop {
        let place = place(&places).await;
        match listener.accept().await {
            Ok(from) => drop(tokio::spawn(out_of_door(from, Arc::clone(&to), place))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Connections at a time, as far as there are descriptors: one has two.
fn most() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    let half = descriptors.map_or(MOST as u64, |all| all / 2);
    usize::try_from(half)
        .unwrap_or(MOST)
        .clamp(1 + SPARE, MOST + SPARE)
        - SPARE
}

async fn out_of_door(from: Box<dyn Stream>, to: Arc<End>, place: OwnedSemaphorePermit) {
    if let Err(error) = lead(from, &to).await {
        eprintln!("wharf: cannot connect to {to}: {error}");
    }
    drop(place);
}

async fn lead(from: Box<dyn Stream>, to: &End) -> io::Result<()> {
    match to {
        End::Socket(path) => {
            let (_directory, path) = reach(path)?;
            join(from, UnixStream::connect(path).await?).await;
        }
        End::Port { host, port } => {
            let to = TcpStream::connect((host.as_str(), *port)).await?;
            drop(to.set_nodelay(true));
            join(from, to).await;
        }
    }
    Ok(())
}

/// Where connections come from, as far as it is there before the command is.
enum Door {
    /// The application's port, which is behind it, is looked for first.
    Later,
    Port(TcpListener),
}

impl Door {
    async fn make(forward: &Forward) -> io::Result<Self> {
        match forward {
            Forward::In { socket, .. } => match std::fs::remove_file(socket) {
                // What an earlier run left would look as if something listened.
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(Self::Later),
            },
            Forward::Out { port, .. } => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).await?;
                Ok(Self::Port(listener))
            }
        }
    }
}

/// Forwards for ever; returns why it cannot.
async fn serve(forward: Forward, door: Door) -> io::Error {
    let places = Arc::new(Semaphore::new(MOST));
    match (forward, door) {
        (
            Forward::In {
                socket,
                port,
                instead,
            },
            _,
        ) => {
            if !port_first(port, instead.as_deref()).await {
                return std::future::pending().await;
            }
            let listener = match UnixListener::bind(&socket) {
                Ok(listener) => listener,
                Err(error) => return error,
            };
            loop {
                let place = place(&places).await;
                match listener.accept().await {
                    Ok((from, _)) => drop(tokio::spawn(into_port(from, port, place))),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        }
        (Forward::Out { socket, .. }, Door::Port(listener)) => loop {
            let place = place(&places).await;
            match listener.accept().await {
                Ok((from, _)) => drop(tokio::spawn(out_of_port(from, socket.clone(), place))),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        },
        (Forward::Out { .. }, Door::Later) => io::ErrorKind::AddrNotAvailable.into(),
    }
}

async fn place(places: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let place = Arc::clone(places).acquire_owned();
    place.await.expect("nobody closes it")
}

/// Waits until something listens on the port; false when the application listens in its socket
/// instead. Until then nobody outside should think that it listens; afterwards nothing is looked at.
async fn port_first(port: u16, instead: Option<&Path>) -> bool {
    let mut pause = FASTEST;
    loop {
        if TcpStream::connect(local(port)).await.is_ok() {
            return true;
        }
        let found = instead.map(std::fs::symlink_metadata);
        if found.is_some_and(|found| found.is_ok_and(|found| found.file_type().is_socket())) {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 5 / 4).min(SLOWEST);
    }
}

async fn into_port(from: UnixStream, port: u16, place: OwnedSemaphorePermit) {
    if let Ok(to) = TcpStream::connect(local(port)).await {
        // Answers come in small pieces, and nobody should wait for the next.
        drop(to.set_nodelay(true));
        join(from, to).await;
    }
    drop(place);
}

async fn out_of_port(from: TcpStream, socket: PathBuf, place: OwnedSemaphorePermit) {
    if let Ok(to) = UnixStream::connect(socket).await {
        join(from, to).await;
    }
    drop(place);
}

/// Moves bytes both ways. The end of one way is handed on, and the other goes on until its own end.
async fn join(
    mut from: impl AsyncRead + AsyncWrite + Unpin,
    mut to: impl AsyncRead + AsyncWrite + Unpin,
) {
    // What breaks is seen by both sides as the end of their connection.
    drop(copy_bidirectional(&mut from, &mut to).await);
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_end_of_one_way_is_handed_on_and_the_other_goes_on() {
        let server = TcpListener::bind(local(0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let (mut visitor, inner) = UnixStream::pair().unwrap();
        let places = Arc::new(Semaphore::new(1));
        let forwarding = tokio::spawn(into_port(inner, port, place(&places).await));
        let (mut served, _) = server.accept().await.unwrap();

        visitor.write_all(b"question").await.unwrap();
        visitor.shutdown().await.unwrap();
        let mut question = String::new();
        served.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        assert_eq!(places.available_permits(), 0, "it goes on");
        served.write_all(b"answer").await.unwrap();
        drop(served);
        let mut answer = String::new();
        visitor.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        forwarding.await.unwrap();
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_door_leads_to_a_socket_and_to_a_port() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let inner = UnixListener::bind(at("inner")).unwrap();
        let tcp = TcpListener::bind(local(0)).await.unwrap();
        let port = End::Port {
            host: "localhost".into(),
            port: tcp.local_addr().unwrap().port(),
        };
        for (name, to) in [("one", End::Socket(at("inner"))), ("two", port)] {
            let (place, (mut visitor, from)) =
                (Arc::new(Semaphore::new(1)), UnixStream::pair().unwrap());
            let place = place.acquire_owned().await.unwrap();
            let leading = tokio::spawn(out_of_door(Box::new(from), Arc::new(to), place));
            visitor.write_all(name.as_bytes()).await.unwrap();
            visitor.shutdown().await.unwrap();
            let mut heard = String::new();
            if name == "one" {
                let (mut served, _) = inner.accept().await.unwrap();
                served.read_to_string(&mut heard).await.unwrap();
            } else {
                let (mut served, _) = tcp.accept().await.unwrap();
                served.read_to_string(&mut heard).await.unwrap();
            }
            assert_eq!(heard, name);
            leading.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_door_may_be_a_port_that_leads_to_a_socket() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("inner");
        let inner = UnixListener::bind(&socket).unwrap();
        let own = TcpListener::bind(local(0)).await.unwrap();
        let port = own.local_addr().unwrap().port();
        drop(own);
        let door = Outward {
            from: End::Port {
                host: Ipv4Addr::LOCALHOST.to_string(),
                port,
            },
            to: End::Socket(socket),
        };
        tokio::task::spawn_blocking({
            let door = door.clone();
            move || beside(door).unwrap()
        })
        .await
        .unwrap();
        let mut visitor = TcpStream::connect(local(port)).await.unwrap();
        visitor.write_all(b"question").await.unwrap();
        visitor.shutdown().await.unwrap();
        let (mut served, _) = inner.accept().await.unwrap();
        let mut question = String::new();
        served.read_to_string(&mut question).await.unwrap();
        assert_eq!(question, "question");
        // Where somebody listens already, it is said at once.
        let again = tokio::task::spawn_blocking(move || beside(door));
        let refused = again.await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn who_finds_nobody_at_the_port_is_told_so_at_once() {
        let nobody = TcpListener::bind(local(0))
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let (mut visitor, inner) = UnixStream::pair().unwrap();
        let places = Arc::new(Semaphore::new(1));
        into_port(inner, nobody.port(), place(&places).await).await;
        assert_eq!(visitor.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn there_is_no_door_before_something_listens_nor_beside_the_application_s_own() {
        let directory = tempfile::tempdir().unwrap();
        let instead = directory.path().join("web.sock");
        let server = TcpListener::bind(local(0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        assert!(port_first(port, Some(&instead)).await);
        drop(server);
        // A file is no socket, and then it is there.
        std::fs::write(&instead, "").unwrap();
        let waiting = port_first(port, Some(&instead));
        let makes = async {
            tokio::task::yield_now().await;
            std::fs::remove_file(&instead).unwrap();
            UnixListener::bind(&instead).unwrap()
        };
        let (listens, _socket) = tokio::join!(waiting, makes);
        assert!(!listens);
    }
}
