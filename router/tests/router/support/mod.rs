//! A router of its own for each test: the real program, real sockets, real files.
#![allow(unreachable_pub)] // shared by the modules of one program

pub mod app;
pub mod secure;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use http::{HeaderMap, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wharf_wire::{
    frame,
    route::{Access, FromRouter, Kind, Protocol, Route, ToRouter, Upstream},
};

/// The longest that anything here may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with routes, a socket and sites.
pub struct World {
    pub directory: TempDir,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("routes")).unwrap();
        Self { directory }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes a route as the daemon does: by one rename.
    pub fn route(&self, route: &Route) {
        let name = format!("{}.{}.json", route.project, route.environment);
        self.write("routes/.new", serde_json::to_vec(route).unwrap());
        std::fs::rename(self.path("routes/.new"), self.path("routes").join(name)).unwrap();
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf-router"));
        command.args(["--listen", "127.0.0.1:0", "--log", "json", "--routes"]);
        command
            .arg(self.path("routes"))
            .arg("--control")
            .arg(self.path("router.sock"));
        command
    }

    pub fn start(&self) -> Router {
        self.start_with(&[])
    }

    /// Starts the router and waits until it serves.
    pub fn start_with(&self, arguments: &[&str]) -> Router {
        let mut command = self.command();
        let mut child = command
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "the router ended: {seen}"
            );
            seen.push_str(&line);
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["message"] == "serving" {
                break entry["listen"].as_str().unwrap().parse().unwrap();
            }
        };
        // Somebody must read on, or the router would wait for it.
        let rest = std::thread::spawn(move || {
            log.lines()
                .map_while(Result::ok)
                .collect::<Vec<_>>()
                .join("\n")
        });
        Router {
            child,
            address,
            log: seen,
            rest: Some(rest),
            control: self.path("router.sock"),
        }
    }
}

/// A running router. Killed when dropped.
pub struct Router {
    child: Child,
    pub address: SocketAddr,
    pub log: String,
    rest: Option<std::thread::JoinHandle<String>>,
    control: PathBuf,
}

impl Router {
    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.control).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    pub fn tell(&self, message: &ToRouter) -> FromRouter {
        ask(&mut self.connect(), message)
    }

    pub fn load(&self, route: &Route) -> FromRouter {
        self.tell(&load(route))
    }

    pub fn signal(&self) {
        self.send(Signal::TERM);
    }

    pub fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the router has begun to stop: a conversation of ours ends with it.
    pub fn until_control_is_gone(&self) {
        match UnixStream::connect(&self.control) {
            Ok(mut stream) => {
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                match std::io::Read::read(&mut stream, &mut [0]) {
                    Ok(read) => assert_eq!(read, 0),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
                }
            }
            Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::PermissionDenied),
        }
    }

    /// Waits for the end; answers the status and what was logged.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        let rest = self.rest.take().unwrap().join().unwrap();
        (status, format!("{}{rest}", self.log))
    }

    pub fn stop(self) -> (ExitStatus, String) {
        self.signal();
        self.wait()
    }

    pub async fn get(&self, host: &str, path: &str) -> Reply {
        self.ask("GET", host, path, "").await
    }

    /// One request on a connection of its own; `headers` are whole lines.
    pub async fn ask(&self, method: &str, host: &str, path: &str, headers: &str) -> Reply {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        );
        self.raw(head.as_bytes()).await
    }

    /// Sends bytes and reads until the router closes.
    pub async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        read.expect("the router closes the connection").unwrap();
        Reply::parse(&answer)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            // Shown when the test fails.
            eprintln!("{}{}", self.log, rest.join().unwrap_or_default());
        }
    }
}

pub fn load(route: &Route) -> ToRouter {
    ToRouter::Load {
        project: route.project.clone(),
        environment: route.environment.clone(),
    }
}

pub fn ask(stream: &mut UnixStream, message: &ToRouter) -> FromRouter {
    frame::write(stream, message).unwrap();
    frame::read(stream).unwrap().expect("an answer")
}

/// An answer; a chunked body is as it came.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {text}"));
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_owned(),
        }
    }

    /// A header's text, empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A route of project `shop`, which answers at `<environment>.test`.
pub fn route(environment: &str, generation: u64) -> Route {
    Route {
        version: wharf_wire::VERSION,
        project: "shop".to_owned(),
        environment: environment.to_owned(),
        release: 1,
        generation,
        hosts: vec![format!("{environment}.test")],
        url: format!("http://{environment}.test/"),
        kind: Kind::Production,
        noindex: false,
        public: None,
        over: BTreeMap::new(),
        upstream: None,
        protocol: Protocol::Http,
        processes: BTreeMap::new(),
        rules: Vec::new(),
        locations: Vec::new(),
        access: Access::default(),
        unavailable: None,
        maintenance: None,
    }
}

pub fn to(mut route: Route, upstream: &Upstream) -> Route {
    route.upstream = Some(upstream.clone());
    route
}
