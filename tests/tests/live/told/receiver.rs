//! Somebody who is told: a server of a few lines, which says what it was sent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Inbox, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long something may take to come: the second attempt is made after 5 s, the third after 15.
const LIMIT: Duration = Duration::from_secs(40);
/// What a receiver says that is content.
pub(crate) const TAKEN: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

/// A request that came.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) line: String,
    pub(crate) head: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    connection: TcpStream,
}

impl Came {
    /// Answers it.
    pub(crate) fn answer(mut self, with: &str) {
        // Whoever asked may have had enough.
        let written = self.connection.write_all(with.as_bytes());
        drop(written.and_then(|()| self.connection.shutdown(Shutdown::Both)));
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        &self.head["webhook-id"]
    }
}

/// The server. It is gone when it is dropped, and its port is refused from then on.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    inbox: Inbox<Came>,
    over: Arc<Mutex<bool>>,
    accepting: Option<thread::JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn new() -> Receiver {
        Receiver::at(([127, 0, 0, 1], 0).into())
    }

    pub(crate) fn at(address: SocketAddr) -> Receiver {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, inbox) = channel();
        let over = Arc::new(Mutex::new(false));
        let is_over = Arc::clone(&over);
        let accepting = thread::spawn(move || {
            for connection in listener.incoming() {
                if *is_over.lock().unwrap() {
                    return;
                }
                let (connection, sender) = (connection.unwrap(), sender.clone());
                thread::spawn(move || read(connection, &sender));
            }
        });
        Receiver {
            address,
            inbox,
            over,
            accepting: Some(accepting),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it takes what it is sent; the path is a secret.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hidden-path", self.address)
    }

    /// What comes next; it waits for its answer.
    #[track_caller]
    pub(crate) fn next(&self) -> Came {
        self.inbox.recv_timeout(LIMIT).expect("something comes")
    }

    /// The same, taken.
    #[track_caller]
    pub(crate) fn take(&self) -> (serde_json::Value, String) {
        let came = self.next();
        let taken = (came.json(), came.id().to_owned());
        came.answer(TAKEN);
        taken
    }

    /// Whether anything came that nobody has looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.inbox.try_recv().is_err()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        *self.over.lock().unwrap() = true;
        // Wakes it; then nobody listens there.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

fn read(connection: TcpStream, sender: &Sender<Came>) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let head: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = head
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let came = Came {
        line: lines[0].clone(),
        head,
        body,
        connection,
    };
    drop(sender.send(came));
}
