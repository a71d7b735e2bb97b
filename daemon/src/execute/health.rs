//! Whether a new web process is good: it listens, and answers where it was asked to.

mod fastcgi;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::fs::{FileType, Mode, OFlags};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use wharf_config::application::Protocol;
use wharf_wire::route::{FastCgi, Upstream};

use super::launch::PRIVATE_PORT;
use crate::store::paths::Paths;
use crate::store::process::ProcessRecord;

/// The wait between two looks at a process that does not listen yet; grows by a quarter each time
/// up to [`SLOWEST`], so that what is waited too long stays a fraction of the start itself.
const FASTEST: Duration = Duration::from_millis(5);
/// See [`FASTEST`].
const SLOWEST: Duration = Duration::from_millis(250);
/// The longest that one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Where a process may listen: whichever answers first counts.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// Unix sockets: its own, and what leads to its port where its network is its own.
    sockets: [PathBuf; 2],
    /// Its port on the host's loopback interface.
    port: Option<u16>,
}

impl Candidates {
    /// Those of a process.
    pub fn of(paths: &Paths, process: &ProcessRecord) -> Self {
        let instance = process.instance.as_str();
        Self {
            sockets: [paths.socket(instance), paths.door(instance)],
            port: process.port_of_host(),
        }
    }
}

/// What a process is asked.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// What it must answer well; without it, that it listens is enough.
    pub path: Option<&'a str>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Which scripts it runs.
    pub scripts: Option<FastCgi>,
}

/// Waits until the process listens, and answers the question well. The caller sets the deadline. Returns where it listens and what was seen.
///
/// Looking again and again is unavoidable here: nobody tells when a stranger's program listens.
pub async fn wait(candidates: &Candidates, question: &Question<'_>, last: &mut String) -> Upstream {
    let mut pause = FASTEST;
    loop {
        match look(candidates, question, last).await {
            Ok((upstream, seen)) => {
                *last = seen;
                return upstream;
            }
            Err(seen) => *last = seen,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 5 / 4).min(SLOWEST);
    }
}

async fn look(
    candidates: &Candidates,
    question: &Question<'_>,
    last: &mut String,
) -> Result<(Upstream, String), String> {
    let asked = question
        .path
        .map(|path| format!("it listens, but GET {path} was not answered"));
    for socket in &candidates.sockets {
        if let Ok(stream) = connect(socket).await {
            let upstream = Upstream::Unix(socket.clone());
            // What is true if the caller's deadline ends the wait for the answer.
            *last = asked.unwrap_or_default();
            return answer(stream, question).await.map(|seen| (upstream, seen));
        }
    }
    let Some(port) = candidates.port else {
        return Err(format!(
            "nothing listens on port {PRIVATE_PORT} (PORT) or in SOCKET"
        ));
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpStream::connect(address).await {
        Ok(stream) => {
            *last = asked.unwrap_or_default();
            answer(stream, question)
                .await
                .map(|seen| (Upstream::Tcp(address), seen))
        }
        Err(_) => Err(format!(
            "nothing listens on port {port} (PORT) or in SOCKET"
        )),
    }
}

/// Connects to the process's socket as the router does: a link in its place is not followed.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let socket = rustix::fs::open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&socket)?.st_mode) != FileType::Socket {
        return Err(io::ErrorKind::NotFound.into());
    }
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}

async fn answer<S>(stream: S, question: &Question<'_>) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(path) = question.path else {
        return Ok("it listens".into());
    };
    let began = std::time::Instant::now();
    let ask = async {
        match (&question.protocol, &question.scripts) {
            (Protocol::Fastcgi, Some(scripts)) => fastcgi::get(stream, path, scripts).await,
            _ => get(stream, path).await,
        }
    };
    let status = tokio::time::timeout(ANSWER, ask)
        .await
        .map_err(|_| format!("GET {path} gave no answer within {} s", ANSWER.as_secs()))?
        .map_err(|error| format!("GET {path} failed: {error}"))?;
    if status.is_success() || status.is_redirection() {
        Ok(format!(
            "GET {path} {} in {} ms",
            status.as_u16(),
            began.elapsed().as_millis()
        ))
    } else {
        Err(format!("GET {path} answered {}", status.as_u16()))
    }
}

/// Why there was no answer.
type Broke = Box<dyn std::error::Error + Send + Sync>;

async fn get<S>(stream: S, path: &str) -> Result<StatusCode, Broke>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header("host", "localhost")
        .header("user-agent", "wharf-health")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    // A server may close the connection as soon as it has answered, so the connection is driven
    // beside the exchange and its end is no failure of its own.
    let driver = tokio::spawn(connection);
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // The whole body, so that the process does not see a client that went away.
        let _ended = response.into_body().collect().await;
        Ok(status)
    };
    let status = exchange.await;
    driver.abort();
    status
}
