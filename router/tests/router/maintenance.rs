//! Environments in maintenance: who waits, who passes, and what the others see.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};
use wharf_wire::route::{FromRouter, Maintenance, Route, ToRouter, Unavailable, Upstream, Who};

use crate::support::{PATIENCE, Reply, Router, World, app, ask, route, to};

/// Somebody who reads pages.
const BROWSER: &str = "Accept: text/html,*/*;q=0.8\r\n";

/// A route whose visitors wait for so many seconds.
fn held(route: Route, seconds: u64) -> Route {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let maintenance = Maintenance {
        hold_until: u64::try_from(now.as_millis()).unwrap() + seconds * 1_000,
        ..Maintenance::default()
    };
    Route {
        maintenance: Some(maintenance),
        ..route
    }
}

fn put(world: &World, router: &Router, route: &Route) {
    world.route(route);
    let generation = Some(route.generation);
    assert_eq!(router.load(route), FromRouter::Loaded { generation });
}

/// Returns as soon as so many requests wait.
async fn until_held(router: &Router, count: u32) {
    let mut control = router.connect();
    let look = move || loop {
        match ask(&mut control, &ToRouter::Status) {
            FromRouter::Status { held, .. } if held == count => return,
            FromRouter::Status { .. } => std::thread::yield_now(),
            other => panic!("{other:?}"),
        }
    };
    tokio::task::spawn_blocking(look).await.unwrap();
}

fn start_of(reply: &Reply) -> (u16, &str, &str) {
    let (status, again) = (reply.status.as_u16(), reply.header("retry-after"));
    (status, again, reply.body.lines().next().unwrap_or_default())
}

const OURS: (u16, &str, &str) = (503, "10", "This site is being worked on");

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_wait_for_the_new_release() {
    let world = World::new();
    world.write("old/page.html", "old file");
    world.write("new/page.html", "new file");
    let old = app::saying("old").await;
    let new = app::tcp(|request| async move {
        let bytes = request.into_body().collect().await.unwrap().to_bytes();
        app::text(format!("new {}", bytes.len()))
    })
    .await;
    let mut serving = to(route("main", 1), &old.upstream);
    serving.public = Some(world.path("old"));
    world.route(&held(serving.clone(), 60));
    let router = world.start();
    let length = 300_000;
    let mut upload =
        format!("POST / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    upload.resize(upload.len() + length, b'x');
    let mind = async {
        until_held(&router, 3).await;
        // Nobody who waits is in flight to the process, which may end.
        let drain = ToRouter::Drain {
            upstream: old.upstream.clone(),
            milliseconds: 0,
        };
        assert_eq!(router.tell(&drain), FromRouter::Drained { left: 0 });
        // Maintenance goes on, by another route.
        put(
            &world,
            &router,
            &held(
                Route {
                    generation: 2,
                    ..serving.clone()
                },
                60,
            ),
        );
        until_held(&router, 3).await;
        let mut next = to(route("main", 3), &new.upstream);
        next.public = Some(world.path("new"));
        put(&world, &router, &next);
        until_held(&router, 0).await;
    };
    let (file, page, posted, ()) = tokio::join!(
        router.get("main.test", "/page.html"),
        router.get("main.test", "/"),
        router.raw(&upload),
        mind,
    );
    assert_eq!((file.status.as_u16(), &*file.body), (200, "new file"));
    assert_eq!((page.status.as_u16(), &*page.body), (200, "new 0"));
    assert_eq!((posted.status.as_u16(), &*posted.body), (200, "new 300000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_websocket_waits_too() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::Tcp(listener.local_addr().unwrap());
    world.route(&held(route("main", 1), 60));
    let router = world.start();
    let echo = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        let said = socket.next().await.unwrap().unwrap();
        socket.send(said).await.unwrap();
    };
    let mind = async {
        until_held(&router, 1).await;
        put(&world, &router, &to(route("main", 2), &upstream));
    };
    let visit = async {
        let stream = TcpStream::connect(router.address).await.unwrap();
        let (mut socket, _) = client_async("ws://main.test/", stream).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap()
    };
    let (said, (), ()) = tokio::join!(visit, echo, mind);
    assert_eq!(said, Message::text("hello"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_waited_or_comes_too_late_sees_the_page() {
    let world = World::new();
    let app = app::saying("old").await;
    world.route(&held(to(route("main", 1), &app.upstream), 1));
    world.route(&held(to(route("late", 1), &app.upstream), 0));
    let router = world.start();
    assert_eq!(start_of(&router.get("main.test", "/").await), OURS);
    let page = router.ask("GET", "late.test", "/", BROWSER).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.body.contains("This site is being worked on</h1>"));
    let head = router.ask("HEAD", "late.test", "/", BROWSER).await;
    assert_eq!((head.status.as_u16(), &*head.body), (503, ""));
    assert_eq!(head.header("retry-after"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_applications_own_page_is_shown_to_those_who_take_it() {
    let world = World::new();
    world.write("slug/503.html", "<p>Back at noon");
    world.write("slug/503.json", r#"{"back":"noon"}"#);
    std::os::unix::fs::symlink("503.html", world.path("slug/link.html")).unwrap();
    let base = world.directory.path().canonicalize().unwrap();
    let own = |environment: &str, page: &str| {
        let mut route = held(route(environment, 1), 0);
        route.maintenance.as_mut().unwrap().page = Some(base.join(page));
        world.route(&route);
    };
    own("html", "slug/503.html");
    own("json", "slug/503.json");
    own("link", "slug/link.html");
    own("none", "slug/none.html");
    let router = world.start();
    let page = router.ask("GET", "html.test", "/any", BROWSER).await;
    assert_eq!(start_of(&page), (503, "10", "<p>Back at noon"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let head = router.ask("HEAD", "html.test", "/any", BROWSER).await;
    assert_eq!((head.header("content-length"), &*head.body), ("15", ""));
    let json = "Accept: application/json\r\n";
    let other = router.ask("GET", "html.test", "/", json).await;
    assert_eq!(start_of(&other), OURS);
    let page = router.ask("POST", "json.test", "/", json).await;
    assert_eq!(start_of(&page), (503, "10", r#"{"back":"noon"}"#));
    assert_eq!(page.header("content-type"), "application/json");
    for host in ["link.test", "none.test"] {
        let page = router.get(host, "/").await;
        assert_eq!(start_of(&page), OURS, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_over_the_bound_sees_the_page_at_once_and_a_place_is_given_back() {
    let world = World::new();
    let app = app::saying("new").await;
    world.route(&held(route("main", 1), 60));
    let router = world.start_with(&["--hold-most", "1"]);
    for head in [
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 9\r\n",
    ] {
        let mut visitor = TcpStream::connect(router.address).await.unwrap();
        let head = format!("{head}Host: main.test\r\n\r\nbody");
        visitor.write_all(head.as_bytes()).await.unwrap();
        until_held(&router, 1).await;
        assert_eq!(start_of(&router.get("main.test", "/").await), OURS);
        // Who hangs up is forgotten, also with a body that nobody reads.
        visitor.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, visitor.read_to_end(&mut rest)).await;
        ended.expect("it is forgotten").unwrap();
        until_held(&router, 0).await;
    }
    let mind = async {
        until_held(&router, 1).await;
        put(&world, &router, &to(route("main", 2), &app.upstream));
    };
    let (reply, ()) = tokio::join!(router.get("main.test", "/"), mind);
    assert_eq!(reply.body, "new");
}

#[tokio::test]
async fn operators_and_authorities_pass_and_doors_come_first() {
    let world = World::new();
    let app = app::saying("open").await;
    let at = |environment: &str, pass: &[&str], proxies: &[&str]| {
        let mut route = held(to(route(environment, 1), &app.upstream), 0);
        let pass = pass.iter().map(|text| text.parse().unwrap()).collect();
        route.maintenance.as_mut().unwrap().pass = pass;
        route.access.proxies = proxies.iter().map(|text| text.parse().unwrap()).collect();
        route
    };
    world.route(&at("here", &["127.0.0.0/8"], &[]));
    world.route(&at("far", &["192.0.2.0/24"], &["127.0.0.1/32"]));
    world.route(&at("liar", &["192.0.2.0/24"], &[]));
    let mut closed = at("closed", &[], &[]);
    closed.access.who = Who::Names([].into());
    world.route(&closed);
    // Maintenance wakes nobody.
    let mut paused = at("paused", &[], &[]);
    paused.upstream = None;
    paused.unavailable = Some(Unavailable::Paused { wake: true });
    world.route(&paused);
    let router = world.start();
    assert_eq!(router.get("here.test", "/").await.body, "open");
    let from = "X-Forwarded-For: 192.0.2.7\r\n";
    assert_eq!(router.ask("GET", "far.test", "/", from).await.body, "open");
    assert_eq!(router.ask("GET", "liar.test", "/", from).await.status, 503);
    assert_eq!(router.get("far.test", "/").await.status, 503);
    assert_eq!(router.get("closed.test", "/").await.status, 403);
    assert_eq!(start_of(&router.get("paused.test", "/").await), OURS);
    let challenge = "/.well-known/acme-challenge/x";
    assert_eq!(router.get("liar.test", challenge).await.body, "open");
    assert_eq!(router.get("closed.test", challenge).await.body, "open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_router_that_stops_lets_nobody_wait_and_the_next_reads_the_file() {
    let world = World::new();
    let app = app::saying("new").await;
    world.route(&held(route("main", 1), 60));
    let router = world.start();
    let stop = async {
        until_held(&router, 1).await;
        router.signal();
    };
    let (reply, ()) = tokio::join!(router.get("main.test", "/"), stop);
    assert_eq!(start_of(&reply), OURS);
    assert!(router.wait().0.success());
    let router = world.start();
    let mind = async {
        until_held(&router, 1).await;
        put(&world, &router, &to(route("main", 2), &app.upstream));
    };
    let (reply, ()) = tokio::join!(router.get("main.test", "/"), mind);
    assert_eq!(reply.body, "new");
}
