//! Visitors who mean to reach another's site, to keep others waiting, or to be taken for somebody else;
//! and applications that answer what is no answer.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use wharf_tests::{Tree, World, lines_obey_the_rules};

use crate::app::{CONFIG, deployed, host};
use crate::host::Host;
use crate::requests::{remembering, said, statuses};

#[test]
fn a_neighbours_name() {
    let here = Host::new();
    let app = remembering(&here);
    let (own, other) = (host("app"), Host::neighbour());
    let upper = other.replace("main", "MAIN").replace("local", "LOCAL");
    let get = |line: &str, hosts: &str| {
        format!("GET {line} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")
    };
    let good = format!("Host: {own}\r\n");
    // One host counts, wherever it is named; what names two, or none that is one, is refused.
    for (request, status) in [
        (
            get("/", &format!("Host: {upper}.:{}\r\n", here.port())),
            "200",
        ),
        (get(&format!("http://{other}/"), &good), "200"),
        (get(&format!("http://{own}@{other}/"), &good), "400"),
        (get(&format!("http://{own}:1@{other}/"), &good), "400"),
        (get("/", &format!("Host: {own}, {other}\r\n")), "400"),
        (get("/", &format!("Host: {own} {other}\r\n")), "400"),
        (
            get("/", &format!("Host: {own}\r\nHost: {other}\r\n")),
            "400",
        ),
        (get("/", &format!("Host: {own}#{other}\r\n")), "400"),
        (get("/", &format!("Host: {own}/../{other}\r\n")), "400"),
        (get("/", &format!("Host: {own}:80:{other}\r\n")), "400"),
        (get("/", &format!("Host: {own}..\r\n")), "404"),
        (get("/", &format!("Host: .{own}\r\n")), "404"),
        (get("/", "Host: [::1]\r\n"), "404"),
        (get("/", "Host: [::ffff:127.0.0.1]:80\r\n"), "404"),
        (get("/", &format!("Host: [{own}]\r\n")), "400"),
        (get("/", "Host: ../../neighbour.main\r\n"), "400"),
        (get("/", "Host: \u{1b}[31m\r\n"), "400"),
    ] {
        let answer = said(&here, &request);
        assert_eq!(statuses(&answer).join(" "), status, "{request}\n{answer}");
        let is_neighbours = answer.ends_with("one\n");
        assert_eq!(is_neighbours, status == "200", "{request}\n{answer}");
        assert!(!answer.contains('\u{1b}'), "{answer:?}");
    }
    // Who names one host in the line and forwards another is heard for the line's alone.
    let forwarded = format!("{good}X-Forwarded-Host: {other}\r\nX-Host: {other}\r\n");
    assert!(said(&here, &get("/", &forwarded)).ends_with("it answers"));
    let seen = app.get("/seen").ok();
    assert!(!seen.contains(&other), "{seen}");
    here.still_serves();
}

#[test]
fn headers_for_one_connection_only() {
    let here = Host::new();
    let app = remembering(&here);
    let second = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let size = second.replace("HOST", &host("app")).len();
    // Each names a header that would change where the body ends, or who asks.
    for named in [
        "content-length",
        "transfer-encoding",
        "host",
        "x-forwarded-for",
        "te, close",
    ] {
        let request = format!(
            "POST /a HTTP/1.1\r\nHost: HOST\r\nConnection: close, {named}\r\n\
             Content-Length: {size}\r\n\r\n{second}"
        );
        let answer = said(&here, &request);
        assert_eq!(statuses(&answer), ["200"], "{named}\n{answer}");
    }
    let seen = app.get("/seen").ok();
    assert!(!seen.contains("smuggled"), "{seen}");
    let mine = format!(" for {}", host("app"));
    assert_eq!(
        seen.matches(&format!("POST /a HTTP/1.1{mine}")).count(),
        5,
        "{seen}"
    );
    here.still_serves();
}

#[test]
fn an_upgrade_that_hides_a_request() {
    let here = Host::new();
    let app = remembering(&here);
    let second = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let socket = "Connection: upgrade\r\nSec-WebSocket-Key: eHh4eHh4eHh4eHh4eHh4eA==\r\n";
    for upgrade in [
        "Upgrade: websocket\r\nSec-WebSocket-Version: 777\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
        "Upgrade: websocket, h2c\r\n",
        "Upgrade: websocket\r\nUpgrade: h2c\r\n",
        "Upgrade: TLS/1.0\r\n",
    ] {
        // The application knows no protocol but HTTP. What follows is a second request of the same
        // visitor to the same host, read as one: never bytes behind the router's back.
        let request = format!(
            "GET /a HTTP/1.1\r\nHost: HOST\r\n{socket}{upgrade}\r\n\
             GET /b HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n{second}"
        );
        let answer = said(&here, &request);
        assert_eq!(statuses(&answer), ["200", "404"], "{upgrade}\n{answer}");
    }
    let seen = app.get("/seen").ok();
    assert!(!seen.contains("smuggled") && !seen.contains("/b"), "{seen}");
    here.still_serves();
}

#[test]
fn chunks_that_two_would_read_in_two_ways() {
    let here = Host::new();
    let app = remembering(&here);
    let get = "GET /smuggled HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let size = get.replace("HOST", &host("app")).len();
    let post = |body: &str| {
        format!(
            "POST /a HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n{body}"
        )
    };
    for (what, body) in [
        (
            "an extension",
            format!("{size:x};a=b\r\n{get}\r\n0\r\n\r\n"),
        ),
        (
            "a line end in an extension",
            format!("{size:x};a\n{get}\r\n0\r\n\r\n"),
        ),
        (
            "a quoted line end",
            format!("{size:x};a=\"\r\n\"{get}\r\n0\r\n\r\n"),
        ),
        ("a bare line end", format!("{size:x}\n{get}\n0\n\n")),
        ("a sign", format!("+{size:x}\r\n{get}\r\n0\r\n\r\n")),
        ("a prefix", format!("0x{size:x}\r\n{get}\r\n0\r\n\r\n")),
        ("a space", format!("{size:x} \r\n{get}\r\n0\r\n\r\n")),
        ("no end of a chunk", format!("{size:x}\r\n{get}0\r\n\r\n")),
        (
            "a trailer",
            format!("{size:x}\r\n{get}\r\n0\r\nHost: evil.test\r\n\r\n"),
        ),
        (
            "many trailers",
            format!("0\r\n{}\r\n", "x: y\r\n".repeat(20_000)),
        ),
        (
            "an endless extension",
            format!("{size:x};{}", "a".repeat(200_000)),
        ),
    ] {
        let answer = said(&here, &post(&body));
        // One answer, or none.
        let found = statuses(&answer).join(" ");
        assert!(
            ["200", "400", "502", ""].contains(&found.as_str()),
            "{what}: {found}\n{answer}"
        );
    }
    let seen = app.get("/seen").ok();
    assert!(!seen.contains("GET /smuggled"), "{seen}");
    here.still_serves();
}

/// Connections that say these bytes and nothing more.
fn silent(world: &World, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
    let port = world.port();
    let open = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

#[test]
fn ten_thousand_who_never_finish() {
    let here = Host::new();
    let app = deployed(&here, "app");
    // More than the router has places for.
    let half = silent(&here, 10_500, b"GET / HTTP/1.1\r\nHost: ");
    assert_eq!(app.get("/").ok(), "one\n");
    app.write("version", "two\n");
    app.commit("Second");
    app.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(app.get("/").ok(), "two\n");
    drop(half);
    here.still_serves();
}

#[test]
fn bodies_that_never_end() {
    let here = Host::new();
    let app = remembering(&here);
    let name = host("app");
    let post = format!("POST /a HTTP/1.1\r\nHost: {name}\r\nContent-Length: 1000000\r\n\r\nx");
    let half = silent(&here, 100, post.as_bytes());
    let chunked =
        format!("POST /a HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\nx");
    let more = silent(&here, 100, chunked.as_bytes());
    assert_eq!(app.get("/").ok(), "it answers");
    app.write("version", "two\n");
    app.commit("Second");
    app.push(&["main"]).ok().has("main now serves r3");
    assert_eq!(app.get("/").ok(), "it answers");
    drop((half, more));
    here.still_serves();
}

/// Answers what the file `answer` holds, as it is.
const ANSWERS: &str = r#"import os, socket, threading
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    stream, _ = server.accept()
    def talk(stream=stream):
        asked = stream.recv(65536)
        name = asked.split(b" ")[1].decode().strip("/") or "good"
        try:
            if name == "endless":
                stream.sendall(b"HTTP/1.1 200 OK\r\n")
                while True: stream.sendall(b"x-more: and more\r\n" * 100)
            if name == "continues":
                for _ in range(200): stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            elif name == "long":
                stream.sendall(b"HTTP/1.1 200 OK\r\nx: " + b"a" * 2000000 + b"\r\n\r\n")
            else:
                stream.sendall(open(f"answers/{name}", "rb").read())
        except OSError:
            pass
        stream.close()
    threading.Thread(target=talk, daemon=True).start()
"#;

/// A work tree of an application that answers so.
fn answering<'w>(world: &'w World, answers: &[(&str, &str)]) -> Tree<'w> {
    let app = deployed(world, "app");
    app.write("app.py", ANSWERS);
    let good = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\ngood\n";
    app.write("answers/good", good);
    for (name, answer) in answers {
        app.write(&format!("answers/{name}"), answer);
    }
    app.write("wharf.toml", CONFIG.1);
    app.commit("Answer");
    lines_obey_the_rules(
        &app.push(&["main"])
            .ok()
            .has("main now serves r2")
            .transcript(),
    );
    app
}

#[test]
fn answers_that_are_none() {
    let here = Host::new();
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nevil\n";
    let two = format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none{second}");
    let lengths =
        format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n{second}");
    let both = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}"
    );
    let switch = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n{second}"
    );
    let app = answering(
        &here,
        &[
            ("two", &two),
            ("lengths", &lengths),
            ("both", &both),
            ("switch", &switch),
            ("garbage", "\0\x01\x02 not HTTP\r\n\r\n"),
            ("status", "HTTP/1.1 999999 \u{1b}[31m\r\n\r\n"),
            ("nothing", ""),
            (
                "folded",
                "HTTP/1.1 200 OK\r\nX: a\r\n b: c\r\nContent-Length: 0\r\n\r\n",
            ),
            (
                "early",
                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
            ),
        ],
    );
    for name in [
        "two",
        "lengths",
        "both",
        "switch",
        "garbage",
        "status",
        "nothing",
        "folded",
        "early",
        "endless",
        "continues",
        "long",
    ] {
        // On one connection: whatever comes of the first, the second is answered by its own.
        let host = host("app");
        let mut stream = TcpStream::connect(("127.0.0.1", here.port())).unwrap();
        let ask = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n");
        let first = format!("{}\r\n", ask(name));
        let then = format!("{}Connection: close\r\n\r\n", ask("good"));
        stream.write_all(first.as_bytes()).unwrap();
        stream.write_all(then.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // It is ended where an answer ended too early.
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("evil"), "{name}: {answer}");
        assert!(answer.len() < 100_000, "{name}: {} bytes", answer.len());
        assert!(answer.starts_with("HTTP/1.1 "), "{name}: {answer}");
        assert_eq!(app.get("/").ok(), "good\n", "{name}");
    }
    here.still_serves();
}
