//! Requests that no browser sends: what two servers could read in two ways is read in one, or not at
//! all, and the application never sees a second request where its visitor sent one.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use wharf_tests::{Tree, World};

use crate::app::{CONFIG, deployed, host};
use crate::host::Host;

/// Remembers the line and the host of every request that it got, and tells at `/seen`.
pub(crate) const REMEMBERS: &str = r#"import http.server, os, signal, threading

seen = []

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("content-length", 0))
        self.rfile.read(length)
        chunked = "chunked" in self.headers.get("transfer-encoding", "")
        while chunked:
            size = int(self.rfile.readline(), 16)
            self.rfile.read(size + 2)
            chunked = size > 0
        body = "\n".join(seen).encode() if self.path == "/seen" else b"it answers"
        seen.append(f"{self.requestline} for {self.headers['host']}")
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_OPTIONS = answer

    def log_message(self, *args):
        pass

# All who come at once are to be heard: a queue of 5 has the kernel drop the others.
http.server.ThreadingHTTPServer.request_queue_size = 1024
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"#;

/// What comes back for these bytes, until the router ends the connection, as it does where it cannot
/// read on, or was asked to. `HOST` is the environment's.
pub(crate) fn said(world: &World, request: &str) -> String {
    let request = request.replace("HOST", &host("app"));
    let mut stream = TcpStream::connect(("127.0.0.1", world.port())).unwrap();
    // It may have hung up already.
    drop(stream.write_all(request.as_bytes()));
    if !request.contains("\r\n\r\n") {
        drop(stream.shutdown(Shutdown::Write));
    }
    let mut answer = Vec::new();
    // A reset comes where it did not read all.
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of all answers in it.
pub(crate) fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer
        .split("\r\n")
        .flat_map(|line| line.split("it answers"));
    lines
        .filter_map(|line| line.strip_prefix("HTTP/1.1 "))
        .map(|line| &line[..3])
        .collect()
}

/// A work tree of an application that remembers.
pub(crate) fn remembering(world: &World) -> Tree<'_> {
    let app = deployed(world, "app");
    app.write("app.py", REMEMBERS);
    app.write("wharf.toml", CONFIG.1);
    app.commit("Remember");
    app.push(&["main"]).ok().has("main now serves r2");
    app
}

#[test]
fn one_request_is_one_request() {
    let here = Host::new();
    let app = remembering(&here);
    let second = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let size = second.replace("HOST", &host("app")).len();
    let last = "GET /last HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n";
    let long = "a".repeat(70_000);
    let many: String = (0..500).map(|n| format!("x-{n}: 1\r\n")).collect();
    let get =
        |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\n{more}Connection: close\r\n\r\n");
    let post =
        |more: &str, rest: &str| format!("POST /a HTTP/1.1\r\nHost: HOST\r\n{more}\r\n{rest}");
    let good = "Host: HOST\r\n";
    // Each with the statuses that may come back; none: the connection is ended without an answer.
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("a good one", get("/good", good), &["200"]),
        ("no host", get("/", ""), &["400"]),
        (
            "two hosts",
            get("/", "Host: HOST\r\nHost: HOST\r\n"),
            &["400"],
        ),
        (
            "a host that is none",
            get("/", "Host: HOST@evil\r\n"),
            &["400"],
        ),
        (
            "a host with a path",
            get("/", "Host: HOST/..\r\n"),
            &["400"],
        ),
        (
            "a stranger's host",
            get("/", "Host: evil.test\r\n"),
            &["404"],
        ),
        ("an address", get("/", "Host: 127.0.0.1\r\n"), &["404"]),
        (
            "another host in the line, which counts",
            get("http://evil.test/", good),
            &["404"],
        ),
        (
            "two lengths",
            post("Content-Length: 0\r\nContent-Length: 5\r\n", second),
            &["400"],
        ),
        (
            "a length that is none",
            post("Content-Length: +5\r\n", second),
            &["400"],
        ),
        (
            "a length and chunks",
            post(
                "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
                &format!("{size:x}\r\n{second}\r\n0\r\n\r\n{last}"),
            ),
            &["200"],
        ),
        (
            "an unknown encoding",
            post("Transfer-Encoding: xchunked\r\n", second),
            &["400"],
        ),
        (
            "chunks that are not the last encoding",
            post(
                "Transfer-Encoding: chunked, identity\r\n",
                &format!("0\r\n\r\n{second}"),
            ),
            &["400"],
        ),
        (
            "a space before a colon",
            post(
                "Transfer-Encoding : chunked\r\n",
                &format!("0\r\n\r\n{second}"),
            ),
            &["400"],
        ),
        (
            "a chunk of more than there can be",
            post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
            &["400"],
        ),
        (
            "a header in two lines",
            get("/a", "Host: HOST\r\nX-A: b\r\n c: d\r\n"),
            &["400"],
        ),
        ("a NUL", get("/a\0b", good), &["400"]),
        (
            "a bare return",
            get("/a", "Host: HOST\r\nX-A: b\rX-C: d\r\n"),
            &["400"],
        ),
        (
            "the next version",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
            &[""],
        ),
        ("no version", "GET /a\r\n\r\n".into(), &["400"]),
        (
            "a tunnel",
            "CONNECT evil.test:22 HTTP/1.1\r\nConnection: close\r\n\r\n".into(),
            &["404"],
        ),
        (
            "a long path",
            get(&format!("/{long}"), good),
            &["414", "431"],
        ),
        (
            "a long header",
            get("/", &format!("{good}X: {long}\r\n")),
            &["431"],
        ),
        ("many headers", get("/", &format!("{good}{many}")), &["431"]),
        ("half a head", "GET / HTTP/1.1\r\nHost: HO".into(), &[""]),
        ("nothing", String::new(), &[""]),
        (
            "no HTTP",
            "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".into(),
            &["400"],
        ),
    ];
    let mut wrong = Vec::new();
    for (what, request, expected) in cases {
        let answer = said(&here, &request);
        let found = statuses(&answer).join(" ");
        if !expected.contains(&found.as_str()) {
            wrong.push(format!("{what}: {found:?}, not {expected:?}\n{answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let seen = app.get("/seen").ok();
    let mine = host("app");
    let health = "GET / HTTP/1.1 for localhost";
    for line in seen.lines().filter(|line| *line != health) {
        assert!(line.ends_with(&format!(" for {mine}")), "{line}");
        assert!(!line.contains("smuggled"), "{seen}");
    }
    assert!(seen.contains("GET /good HTTP/1.1"), "{seen}");
    here.still_serves();
}

#[test]
fn who_sends_half_a_request_keeps_nobody_waiting() {
    let here = Host::new();
    let app = remembering(&here);
    let half: Vec<TcpStream> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", here.port())).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
            stream
        })
        .collect();
    assert_eq!(app.get("/").ok(), "it answers");
    app.write("version", "two\n");
    app.commit("Second");
    app.push(&["main"]).ok().has("main now serves r3");
    assert_eq!(app.get("/").ok(), "it answers");
    drop(half);
    here.still_serves();
}
