//! Processes that speak FastCGI: what they are told, and what comes of what they say.

use std::{collections::BTreeMap, path::Path};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    task::JoinSet,
};
use wharf_wire::route::{FastCgi, Protocol, Route, Upstream};

use crate::support::{Reply, World, route};

/// What a request brought: its variables and its body.
type Request = (BTreeMap<String, String>, Vec<u8>);

/// A record as an application sends it.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut bytes = vec![1, kind, 0, 1, length[0], length[1], 0, 0];
    bytes.extend(content);
    bytes
}

const STDOUT: u8 = 6;
const STDERR: u8 = 7;

fn end() -> Vec<u8> {
    record(3, &[0; 8])
}

async fn next(stream: &mut UnixStream) -> (u8, Vec<u8>) {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await.unwrap();
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let mut content = vec![0; length + usize::from(header[6])];
    stream.read_exact(&mut content).await.unwrap();
    content.truncate(length);
    (header[1], content)
}

/// Reads until the variables have come.
async fn variables(stream: &mut UnixStream) -> BTreeMap<String, String> {
    assert_eq!(next(stream).await, (1, vec![0, 1, 0, 0, 0, 0, 0, 0]));
    let mut bytes = Vec::new();
    while let (4, content) = next(stream).await {
        if content.is_empty() {
            break;
        }
        bytes.extend(content);
    }
    let mut rest = &bytes[..];
    let text = |length: usize, rest: &mut &[u8]| {
        let (text, after) = rest.split_at(length);
        *rest = after;
        String::from_utf8(text.to_vec()).unwrap()
    };
    let length = |rest: &mut &[u8]| {
        let bytes = if rest[0] < 128 { 1 } else { 4 };
        let (number, after) = rest.split_at(bytes);
        *rest = after;
        let number = number
            .iter()
            .fold(0, |all, byte| all << 8 | usize::from(*byte));
        number & 0x7fff_ffff
    };
    let mut variables = BTreeMap::new();
    while !rest.is_empty() {
        let (name, value) = (length(&mut rest), length(&mut rest));
        variables.insert(text(name, &mut rest), text(value, &mut rest));
    }
    variables
}

async fn request(stream: &mut UnixStream) -> Request {
    let variables = variables(stream).await;
    let mut body = Vec::new();
    while let (5, content) = next(stream).await {
        if content.is_empty() {
            break;
        }
        body.extend(content);
    }
    (variables, body)
}

/// An application that answers each request by a function.
fn app(path: &Path, answer: impl Fn(Request) -> Vec<u8> + Send + Sync + 'static) -> JoinSet<()> {
    let listener = UnixListener::bind(path).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = request(&mut stream).await;
            stream.write_all(&answer(request)).await.unwrap();
        }
    });
    tasks
}

/// An application that says what it was told.
fn telling(path: &Path) -> JoinSet<()> {
    app(path, |(variables, body)| {
        let mut text = "Content-Type: text/plain\r\n\r\n".to_owned();
        for (name, value) in variables {
            text.push_str(&format!("{name}={value}\n"));
        }
        text.push_str(&format!("body of {}", body.len()));
        [record(STDOUT, text.as_bytes()), end()].concat()
    })
}

/// An environment whose static files are in `public` and whose scripts are in `/app/pub`.
fn php(world: &World, front: Option<&str>) -> Route {
    std::fs::create_dir_all(world.path("public")).unwrap();
    Route {
        public: Some(world.path("public")),
        upstream: Some(Upstream::Unix(world.path("php.sock"))),
        protocol: Protocol::FastCgi(FastCgi {
            root: "/app/pub".into(),
            front: front.map(Into::into),
        }),
        ..route("main", 1)
    }
}

fn told<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let start = format!("{name}=");
    reply
        .body
        .lines()
        .find_map(|line| line.strip_prefix(&start))
}

#[tokio::test]
async fn a_script_is_told_what_cgi_says() {
    let world = World::new();
    let _app = telling(&world.path("php.sock"));
    world.route(&php(&world, Some("index.php")));
    let router = world.start();
    let headers = "X-Own: 1\r\nX-Own: 2\r\nX_Own: 3\r\nProxy: evil\r\nCookie: a=b\r\nCookie: c=d\r\n\
                   X-Forwarded-Proto: https\r\nContent-Type: text/x\r\nContent-Length: 0\r\n";
    let reply = router
        .ask("POST", "Main.test:81", "/a%20b/c?d=e&f", headers)
        .await;
    assert_eq!(reply.header("content-type"), "text/plain");
    for (name, value) in [
        ("REQUEST_METHOD", "POST"),
        ("REQUEST_URI", "/a%20b/c?d=e&f"),
        ("QUERY_STRING", "d=e&f"),
        ("SCRIPT_NAME", "/index.php"),
        ("SCRIPT_FILENAME", "/app/pub/index.php"),
        ("DOCUMENT_ROOT", "/app/pub"),
        ("SERVER_NAME", "main.test"),
        ("SERVER_PORT", "81"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("HTTPS", "on"),
        ("REQUEST_SCHEME", "https"),
        ("CONTENT_TYPE", "text/x"),
        ("CONTENT_LENGTH", "0"),
        ("HTTP_HOST", "Main.test:81"),
        ("HTTP_X_OWN", "1, 2"),
        ("HTTP_COOKIE", "a=b; c=d"),
        ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
    ] {
        assert_eq!(told(&reply, name), Some(value), "{name}");
    }
    for name in [
        "HTTP_PROXY",
        "PATH_INFO",
        "HTTP_CONTENT_TYPE",
        "HTTP_CONTENT_LENGTH",
    ] {
        assert_eq!(told(&reply, name), None, "{name}");
    }
    let plain = router.get("main.test", "/").await;
    assert_eq!(told(&plain, "HTTPS"), None);
    assert_eq!(told(&plain, "SERVER_PORT"), Some("80"));
    assert_eq!(told(&plain, "CONTENT_LENGTH"), Some(""));
}

#[tokio::test]
async fn scripts_are_run_and_never_read() {
    let world = World::new();
    for path in [
        "index.php",
        "a/tool.php",
        "a/index.php",
        "a/old.php.bak",
        "a/x.phtml",
        ".h.php",
    ] {
        world.write(&format!("public/{path}"), "<?php secret");
    }
    world.write("public/style.css", "css");
    world.write("outside.php", "<?php secret");
    std::os::unix::fs::symlink("tool.php", world.path("public/a/link.txt")).unwrap();
    std::os::unix::fs::symlink("../outside.php", world.path("public/out.php")).unwrap();
    world.write("data/photo.jpg", "photo");
    world.write("data/evil.php", "<?php secret");
    world.write("data/.hidden", "secret");
    std::os::unix::fs::symlink("../outside.php", world.path("data/way.txt")).unwrap();
    let mut route = php(&world, Some("index.php"));
    route.over.insert("media/up".into(), world.path("data"));
    let _app = telling(&world.path("php.sock"));
    world.route(&route);
    let router = world.start();
    assert_eq!(router.get("main.test", "/style.css").await.body, "css");
    assert_eq!(
        router.get("main.test", "/media/up/photo.jpg").await.body,
        "photo"
    );
    for (path, script, rest) in [
        ("/", "/index.php", None),
        ("/index.php?x", "/index.php", None),
        ("/a/tool.php", "/a/tool.php", None),
        ("/a/tool.php/b/c", "/a/tool.php", Some("/b/c")),
        ("//a/./%74ool.php", "/a/tool.php", None),
        ("/a/", "/a/index.php", None),
        ("/none", "/index.php", None),
        ("/a/none.php", "/index.php", None),
        ("/a/old.php.bak", "/index.php", None),
        ("/a/x.phtml", "/index.php", None),
        ("/a/link.txt", "/index.php", None),
        ("/out.php", "/index.php", None),
        ("/.h.php", "/index.php", None),
        ("/media/up/evil.php", "/index.php", None),
        ("/media/up/.hidden", "/index.php", None),
        ("/media/up/way.txt", "/index.php", None),
    ] {
        let reply = router.get("main.test", path).await;
        assert_eq!(
            told(&reply, "SCRIPT_NAME"),
            Some(script),
            "{path}: {}",
            reply.body
        );
        assert_eq!(told(&reply, "PATH_INFO"), rest, "{path}");
        let file = format!("/app/pub{script}");
        assert_eq!(told(&reply, "SCRIPT_FILENAME"), Some(&*file), "{path}");
    }
    // A file that is posted to is what the front says of it.
    let reply = router.ask("POST", "main.test", "/style.css", "").await;
    assert_eq!(told(&reply, "SCRIPT_NAME"), Some("/index.php"));
}

#[tokio::test]
async fn without_a_front_only_scripts_answer() {
    let world = World::new();
    world.write("public/tool.php", "<?php");
    let _app = telling(&world.path("php.sock"));
    world.route(&php(&world, None));
    let router = world.start();
    let reply = router.get("main.test", "/tool.php").await;
    assert_eq!(told(&reply, "SCRIPT_NAME"), Some("/tool.php"));
    assert_eq!(router.get("main.test", "/none").await.status, 404);
}

#[tokio::test]
async fn bodies_of_any_size_go_up_and_what_says_no_length_is_read_first() {
    let world = World::new();
    let _app = telling(&world.path("php.sock"));
    world.route(&php(&world, Some("index.php")));
    let router = world.start();
    let post = |headers: &str, body: &[u8]| {
        let head =
            format!("POST / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\n{headers}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let size = 5_000_000;
    let reply = router
        .raw(&post(&format!("Content-Length: {size}"), &vec![b'x'; size]))
        .await;
    assert!(reply.body.contains("body of 5000000"), "{}", reply.body);
    let chunked = "Transfer-Encoding: chunked";
    let reply = router
        .raw(&post(chunked, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"))
        .await;
    assert_eq!(told(&reply, "CONTENT_LENGTH"), Some("5"));
    assert!(reply.body.contains("body of 5"), "{}", reply.body);
    let endless = [b"200000\r\n".to_vec(), vec![b'x'; 0x20_0000]].concat();
    let head = post(chunked, b"");
    let mut stream = tokio::net::TcpStream::connect(router.address)
        .await
        .unwrap();
    stream.write_all(&head).await.unwrap();
    // The router may close before it has all.
    stream.write_all(&endless).await.ok();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 411");
}

#[tokio::test]
async fn what_scripts_say_becomes_an_answer() {
    let world = World::new();
    let _app = app(&world.path("php.sock"), |(variables, _)| {
        let out = |text: &str| record(STDOUT, text.as_bytes());
        match &*variables["REQUEST_URI"] {
            "/moved" => [out("Status: 301 Moved\r\nLocation: /x\r\n\r\n"), end()].concat(),
            "/found" => [out("Location: /y\r\n\r\n"), end()].concat(),
            "/failed" => [
                record(STDERR, b"PHP Fatal error\nin line \x1b[1m7"),
                out("Status: 500 Internal"),
                out(" Server Error\r\nConnection: x\r\n\r\nsorry"),
                out(", really"),
                end(),
            ]
            .concat(),
            "/none" => end(),
            "/bad" => [out("no head at all\r\n\r\n"), end()].concat(),
            "/cut" => out("Content-Type: text/plain\r\n\r\nhalf"),
            "/busy" => record(3, &[0, 0, 0, 0, 2, 0, 0, 0]),
            other => panic!("{other}"),
        }
    });
    world.route(&php(&world, Some("index.php")));
    let router = world.start();
    let moved = router.get("main.test", "/moved").await;
    assert_eq!(
        (moved.status.as_u16(), moved.header("location")),
        (301, "/x")
    );
    assert_eq!(router.get("main.test", "/found").await.status, 302);
    let failed = router.ask("GET", "main.test", "/failed", "").await;
    assert_eq!(failed.status, 500);
    assert!(failed.body.contains("sorry") && failed.body.contains(", really"));
    assert_eq!(
        router.ask("HEAD", "main.test", "/failed", "").await.body,
        ""
    );
    for path in ["/none", "/bad", "/busy"] {
        assert_eq!(router.get("main.test", path).await.status, 502, "{path}");
    }
    let mut cut = tokio::net::TcpStream::connect(router.address)
        .await
        .unwrap();
    cut.write_all(b"GET /cut HTTP/1.1\r\nHost: main.test\r\n\r\n")
        .await
        .unwrap();
    let mut all = Vec::new();
    cut.read_to_end(&mut all).await.ok();
    // Whatever of it has come: nobody takes it for the whole.
    assert!(!all.ends_with(b"0\r\n\r\n"), "{}", all.escape_ascii());
    let (_, log) = router.stop();
    assert!(
        log.contains(r"PHP Fatal error\\nin line \\x1b[1m7"),
        "{log}"
    );
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_rest_of_the_request() {
    let world = World::new();
    let listener = UnixListener::bind(world.path("php.sock")).unwrap();
    world.route(&php(&world, Some("index.php")));
    let router = world.start();
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        variables(&mut stream).await;
        let no = record(STDOUT, b"Status: 413 Too Large\r\n\r\ntoo large");
        stream.write_all(&[no, end()].concat()).await.unwrap();
        stream
    };
    let ask = async {
        let mut visitor = tokio::net::TcpStream::connect(router.address)
            .await
            .unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: main.test\r\nContent-Length: 90000000\r\n\r\nfirst";
        visitor.write_all(head).await.unwrap();
        let mut answer = [0; 12];
        visitor.read_exact(&mut answer).await.unwrap();
        answer
    };
    let (_stream, answer) = tokio::join!(answer, ask);
    assert_eq!(&answer, b"HTTP/1.1 413");
}
