//! Visitors during ten deployments that also change how the application is served.

use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use wharf_tests::{Tree, Visitor, World};

/// Between two requests of all visitors together: 200 a second.
const PACE: Duration = Duration::from_millis(5);
const VISITORS: u32 = 4;
const HOST: &str = "main--site.localhost";

/// A server as a beginner writes it: it knows nothing of SIGTERM, and it keeps connections open.
const APP: &str = r#"import http.server, os, socketserver

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = open("index.html", "rb").read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

class Socket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 100
    daemon_threads = True

if os.path.exists("socket"):
    Socket(os.environ["SOCKET"], Handler).serve_forever()
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

/// Makes a version: a static site, an application on a port or one on a Unix socket, in turn.
fn make(site: &Tree<'_>, version: u32) {
    site.git(&[
        "rm",
        "-rfq",
        "--ignore-unmatch",
        "app.py",
        "socket",
        "wharf.toml",
    ])
    .ok();
    site.write("index.html", &format!("{version}\n"));
    let kind = version % 3;
    if kind > 0 {
        site.write("app.py", APP);
        let config = "web = \"exec python3 app.py\"\n[deploy]\nhealth = \"/\"\n";
        site.write("wharf.toml", config);
    }
    if kind == 2 {
        site.write("socket", "");
    }
    site.commit("Next");
}

/// Asks in the given pace until told to stop, and returns the versions in the order of the answers.
fn visit(port: u16, keeps: bool, number: u32, done: &AtomicBool) -> Vec<u32> {
    let (regular, mut seen) = (Visitor::new(port), Vec::new());
    let mut due = Instant::now() + PACE * number;
    // Nobody ever sends: the wait is for the pace alone.
    let (_keep, pace) = mpsc::channel::<()>();
    while !done.load(Ordering::Relaxed) {
        let wait = due.saturating_duration_since(Instant::now());
        assert_eq!(pace.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
        due += PACE * VISITORS;
        let visitor = if keeps { &regular } else { &Visitor::new(port) };
        let page = visitor.get(HOST, "/").unwrap_or_else(|error| {
            panic!("request {} of visitor {number}: {error}", seen.len());
        });
        seen.push(page.ok().trim().parse().unwrap());
    }
    seen
}

#[test]
fn each_version_is_seen_in_its_turn_and_no_request_fails() {
    let world = World::new();
    let site = world.site("site", &[("index.html", "1\n")]);
    site.init();
    site.push(&["main"]).ok().has("main now serves r1.");
    let (port, done) = (world.port(), AtomicBool::new(false));
    let seen: Vec<Vec<u32>> = thread::scope(|scope| {
        let done = &done;
        let visitors: Vec<_> = (0..VISITORS)
            .map(|number| scope.spawn(move || visit(port, number % 2 == 0, number, done)))
            .collect();
        let pushed = (2..=11).find_map(|version| {
            make(&site, version);
            let said = site.push(&["main"]);
            let live = format!("main now serves r{version} (was r{}).", version - 1);
            (!said.err.contains(&live)).then_some(said)
        });
        done.store(true, Ordering::Relaxed);
        if let Some(said) = pushed {
            panic!("{said}");
        }
        visitors.into_iter().map(|v| v.join().unwrap()).collect()
    });
    let requests: usize = seen.iter().map(Vec::len).sum();
    assert!(requests > 200, "only {requests} requests");
    for versions in &seen {
        assert!(
            versions.is_sorted(),
            "an older version after a newer one: {versions:?}"
        );
    }
    let all: std::collections::BTreeSet<u32> = seen.into_iter().flatten().collect();
    assert!(
        (2..=10).all(|version| all.contains(&version)),
        "{all:?} of {requests} requests"
    );
}
