//! The data plane's control: one connection, one question at a time; started here when embedded.

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf_wire::frame;
use wharf_wire::route::{Answered, FromRouter, ToRouter, Upstream};
use wharf_wire::secure::Secured;

use crate::connection::Connection;

/// The longest that the router may take for anything but a drain.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the router did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// Nobody answers on its socket.
    #[error("the router does not answer")]
    Unreachable(#[source] io::Error),
    /// It answered something else.
    #[error("the router said something unexpected")]
    Protocol(#[source] frame::FrameError),
    /// It said no.
    #[error("the router refused: {0}")]
    Failed(String),
    /// It cannot be started.
    #[error("the router cannot be started: {0}")]
    Start(String),
}

impl RouterError {
    /// Whether no router is there: it reads every route once it is, for it takes calls before that.
    pub fn is_away(&self) -> bool {
        let RouterError::Unreachable(error) = self else {
            return false;
        };
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        )
    }
}

/// How a router is.
#[derive(Debug)]
pub struct Standing {
    /// Its process id.
    pub pid: u32,
    /// Where it serves plain HTTP; none where it could not have any address.
    pub listen: Option<SocketAddr>,
    /// What is wrong with where it serves.
    pub problems: Vec<String>,
}

/// A client of the router's control socket.
#[derive(Debug)]
pub struct Router {
    socket: PathBuf,
    port: AtomicU16,
    secure_port: AtomicU16,
}

impl Router {
    /// A client of that socket.
    pub fn new(socket: PathBuf) -> Router {
        Router {
            socket,
            port: AtomicU16::new(0),
            secure_port: AtomicU16::new(0),
        }
    }

    /// The port on which requests are served, as last heard.
    pub fn port(&self) -> u16 {
        self.port.load(Ordering::Relaxed)
    }

    /// The same by TLS; 0 where there is none.
    pub fn secure_port(&self) -> u16 {
        self.secure_port.load(Ordering::Relaxed)
    }

    /// How TLS stands, once it has read settings and certificates again or as it is.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn secure(&self, again: bool) -> Result<Secured, RouterError> {
        match self.ask(&ToRouter::Secure { again }, PATIENCE).await? {
            FromRouter::Secured(secured) => {
                let port = secured.listen.map_or(0, |listen| listen.port());
                self.secure_port.store(port, Ordering::Relaxed);
                Ok(secured)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Makes it follow an environment's file; returns the generation that new requests follow.
    ///
    /// # Errors
    /// [`RouterError`]; the file counts all the same once the router reads it.
    pub async fn load(&self, project: &str, environment: &str) -> Result<Option<u64>, RouterError> {
        let load = ToRouter::Load {
            project: project.into(),
            environment: environment.into(),
        };
        match self.ask(&load, PATIENCE).await? {
            FromRouter::Loaded { generation } => Ok(generation),
            other => Err(unexpected(&other)),
        }
    }

    /// Waits until nothing is in flight to a process; returns what was left at the deadline.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn drain(&self, upstream: Upstream, limit: Duration) -> Result<u32, RouterError> {
        let milliseconds = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let drain = ToRouter::Drain {
            upstream,
            milliseconds,
        };
        match self.ask(&drain, limit + PATIENCE).await? {
            FromRouter::Drained { left } => Ok(left),
            other => Err(unexpected(&other)),
        }
    }

    /// How it is.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn status(&self) -> Result<Standing, RouterError> {
        match self.ask(&ToRouter::Status, PATIENCE).await? {
            FromRouter::Status {
                pid,
                listen,
                problems,
                ..
            } => {
                if let Some(listen) = listen {
                    self.port.store(listen.port(), Ordering::Relaxed);
                }
                Ok(Standing {
                    pid,
                    listen,
                    problems,
                })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// How many requests it has answered how.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn counted(&self) -> Result<Vec<Answered>, RouterError> {
        match self.ask(&ToRouter::Count, PATIENCE).await? {
            FromRouter::Counted(counted) => Ok(counted),
            other => Err(unexpected(&other)),
        }
    }

    /// How many seconds ago an environment was last asked for; since the router started where it
    /// was not.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn used(&self, project: &str, environment: &str) -> Result<u64, RouterError> {
        let used = ToRouter::Used {
            project: project.into(),
            environment: environment.into(),
        };
        match self.ask(&used, PATIENCE).await? {
            FromRouter::Used { seconds } => Ok(seconds),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&self, question: &ToRouter, limit: Duration) -> Result<FromRouter, RouterError> {
        let exchange = async {
            let mut stream = Connection::to(&self.socket)
                .await
                .map_err(RouterError::Unreachable)?;
            say(&mut stream, question).await?;
            read(&mut stream).await
        };
        tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| RouterError::Unreachable(io::ErrorKind::TimedOut.into()))?
    }

    /// A connection on which the router tells who waits for a paused environment.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn wanted(&self) -> Result<Wanted, RouterError> {
        let exchange = async {
            let mut stream = Connection::to(&self.socket)
                .await
                .map_err(RouterError::Unreachable)?;
            say(&mut stream, &ToRouter::Watch).await?;
            Ok(Wanted(stream))
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| RouterError::Unreachable(io::ErrorKind::TimedOut.into()))?
    }

    /// A connection that ends when the router does. It carries a question first: a caller that
    /// never says anything is cut off.
    ///
    /// # Errors
    /// [`RouterError`].
    pub async fn watch(&self) -> Result<Connection, RouterError> {
        let exchange = async {
            let mut stream = Connection::to(&self.socket)
                .await
                .map_err(RouterError::Unreachable)?;
            say(&mut stream, &ToRouter::Status).await?;
            read(&mut stream).await.map(|_| stream)
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .map_err(|_| RouterError::Unreachable(io::ErrorKind::TimedOut.into()))?
    }
}

/// Tells of paused environments that somebody waits for.
#[derive(Debug)]
pub struct Wanted(Connection);

impl Wanted {
    /// The next one: its project's name and its id. Not to be broken off: it may have read a part.
    ///
    /// # Errors
    /// That the router ended, or says something else.
    pub async fn next(&mut self) -> Result<(String, String), RouterError> {
        match read(&mut self.0).await? {
            FromRouter::Wanted {
                project,
                environment,
            } => Ok((project, environment)),
            other => Err(unexpected(&other)),
        }
    }
}

async fn say(stream: &mut Connection, question: &ToRouter) -> Result<(), RouterError> {
    let bytes = frame::encode(question).map_err(RouterError::Protocol)?;
    let written = stream.write_all(&bytes).await;
    written.map_err(RouterError::Unreachable)
}

async fn read(stream: &mut Connection) -> Result<FromRouter, RouterError> {
    let mut prefix = [0; frame::PREFIX];
    stream
        .read_exact(&mut prefix)
        .await
        .map_err(RouterError::Unreachable)?;
    let mut bytes = vec![0; frame::length(prefix).map_err(RouterError::Protocol)?];
    stream
        .read_exact(&mut bytes)
        .await
        .map_err(RouterError::Unreachable)?;
    frame::decode(&bytes).map_err(RouterError::Protocol)
}

fn unexpected(answer: &FromRouter) -> RouterError {
    match answer {
        FromRouter::Failed { message } => RouterError::Failed(message.clone()),
        other => RouterError::Failed(format!("an answer to another question: {other:?}")),
    }
}

/// How the embedded router is started.
#[derive(Debug, Clone)]
pub struct Start {
    /// The program.
    pub program: PathBuf,
    /// Where it listens for requests.
    pub listen: SocketAddr,
    /// Where route files are.
    pub routes: PathBuf,
    /// What it does beside its routes.
    pub settings: PathBuf,
    /// Its control socket.
    pub control: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
}

/// Starts the router in a session of its own, so that it outlives the daemon, and waits until it
/// answers.
///
/// # Errors
/// [`RouterError::Start`] with what it said.
pub async fn start(router: &Router, start: &Start) -> Result<(), RouterError> {
    let said = |error: io::Error| RouterError::Start(error.to_string());
    let log = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&start.log)
        .map_err(said)?;
    let mut command = std::process::Command::new(&start.program);
    command
        .args(["--listen", &start.listen.to_string()])
        .arg("--routes")
        .arg(&start.routes)
        .arg("--settings")
        .arg(&start.settings)
        .arg("--control")
        .arg(&start.control)
        .current_dir("/")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(log)
        .process_group(0);
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .map_err(said)?;
    let mut pause = Duration::from_millis(5);
    // The router says that it is ready by answering; a few milliseconds, bounded.
    for _ in 0..12 {
        tokio::select! {
            ended = child.wait() => {
                let how = ended.map(|status| status.to_string()).unwrap_or_default();
                return Err(RouterError::Start(format!(
                    "it ended ({how}); is {} taken? see {}", start.listen, start.log.display()
                )));
            }
            () = tokio::time::sleep(pause) => {}
        }
        if router.status().await.is_ok() {
            // Not a child to wait for: it lives on when the daemon ends; its end is seen on the
            // control socket, and here it is only reaped.
            tokio::spawn(async move { child.wait().await });
            return Ok(());
        }
        pause = (pause * 2).min(Duration::from_millis(500));
    }
    Err(RouterError::Start(format!(
        "it does not answer; see {}",
        start.log.display()
    )))
}
