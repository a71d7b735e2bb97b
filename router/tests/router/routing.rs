//! Hosts, the table and the control socket.

use std::{
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use crate::support::{PATIENCE, World, app, ask, load, route, to};
use wharf_wire::route::{FromRouter, Kind, ToRouter, Unavailable};

#[tokio::test]
async fn a_request_finds_its_hosts_environment() {
    let world = World::new();
    let (shop, blog) = (app::saying("shop").await, app::saying("blog").await);
    world.route(&to(route("main", 1), &shop.upstream));
    let router = world.start();
    assert_eq!(router.get("MAIN.test.:80", "/").await.body, "shop");

    let other = to(route("other", 4), &blog.upstream);
    assert_eq!(router.get("other.test", "/").await.status, 404);
    world.route(&other);
    assert_eq!(
        router.load(&other),
        FromRouter::Loaded {
            generation: Some(4)
        }
    );
    assert_eq!(router.get("other.test", "/").await.body, "blog");

    std::fs::remove_file(world.path("routes/shop.main.json")).unwrap();
    assert_eq!(
        router.load(&route("main", 0)),
        FromRouter::Loaded { generation: None }
    );
    assert_eq!(router.get("main.test", "/").await.status, 404);
}

#[tokio::test]
async fn requests_are_counted_by_type_and_class() {
    let world = World::new();
    let app = app::saying("here").await;
    world.route(&to(route("main", 1), &app.upstream));
    let mut feature = to(route("feature", 1), &app.upstream);
    feature.kind = Kind::Development;
    feature.unavailable = Some(Unavailable::Starting);
    world.route(&feature);
    let router = world.start();
    for (host, times) in [("main.test", 3), ("feature.test", 2), ("lost.test", 1)] {
        for _ in 0..times {
            router.get(host, "/").await;
        }
    }
    let FromRouter::Counted(counted) = router.tell(&ToRouter::Count) else {
        panic!("it counts");
    };
    let seen = counted.iter().filter(|one| one.requests > 0);
    let seen: Vec<_> = seen
        .map(|one| (one.kind, one.class, one.requests))
        .collect();
    let expected = [
        (Kind::Production, 2, 3),
        (Kind::Development, 5, 2),
        (Kind::None, 4, 1),
    ];
    assert_eq!((seen, counted.len()), (expected.to_vec(), 20));
}

#[tokio::test]
async fn a_socket_is_an_upstream_too_and_learns_who_asks() {
    let world = World::new();
    let app = app::unix(&world.path("app.sock"), |request| async move {
        app::text(format!("{:?} {:?}", request.uri(), request.headers()))
    })
    .await;
    let mut route = to(route("main", 1), &app.upstream);
    route.noindex = true;
    world.route(&route);
    let router = world.start();
    let reply = router
        .ask(
            "GET",
            "Main.test:81",
            "/a%2fb?q=1",
            "X-Own: 1\r\nTE: gzip\r\n",
        )
        .await;
    assert_eq!(
        reply.body,
        r#"/a%2fb?q=1 {"host": "Main.test:81", "x-own": "1", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "Main.test:81"}"#
    );
    assert_eq!(reply.header("x-robots-tag"), "noindex");
}

#[tokio::test]
async fn an_unknown_host_gets_a_page_that_helps_and_names_nobody() {
    let world = World::new();
    world.route(&route("main", 1));
    let router = world.start();
    let page = router
        .ask("GET", "lost.test:7080", "/", "Accept: text/html,*/*\r\n")
        .await;
    assert_eq!(
        (page.status.as_u16(), page.header("content-type")),
        (404, "text/html; charset=utf-8")
    );
    assert!(
        page.body
            .contains("No environment answers at lost.test</h1>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("wharf environments") && !page.body.contains("main"));
    let text = router.get("lost.test", "/").await;
    assert_eq!(
        text.body,
        "No environment answers at lost.test\n\n\
         The address may be mistyped, or its branch is not deployed.\n  \
         wharf environments  shows where each branch answers\n"
    );
    for bad in ["<script>", "a b", "[::1", ""] {
        assert_eq!(router.get(bad, "/").await.status, 400, "{bad}");
    }
    assert_eq!(router.get("[::1]:80", "/").await.status, 404);
    let none = router
        .raw(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(none.status, 400);
    let connect =
        router.raw(b"CONNECT a.test:1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    assert_eq!(connect.await.status, 404);
}

#[tokio::test]
async fn a_process_that_is_gone_is_a_502_with_the_next_step() {
    let world = World::new();
    // A socket of its own: a port that is free again could become another test's.
    let path = world.path("app.sock");
    let app = app::unix(&path, |_| async { app::text("short-lived") }).await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start();
    assert_eq!(router.get("main.test", "/").await.body, "short-lived");
    app.stop().await;
    let page = router.get("main.test", "/").await;
    assert_eq!(page.status, 502);
    assert!(
        page.body.contains("wharf log") && page.body.contains("wharf status"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn the_table_survives_a_restart_and_a_bad_file() {
    let world = World::new();
    let app = app::saying("shop").await;
    world.route(&to(route("main", 3), &app.upstream));
    world.write("routes/shop.bad.json", "{");
    world.write("routes/nonsense.json", "{}");
    world.write("routes/notes.txt", "");
    for _ in 0..2 {
        let router = world.start();
        assert!(
            router.log.contains("shop.bad.json is not a route"),
            "{}",
            router.log
        );
        assert_eq!(router.get("main.test", "/").await.body, "shop");
        let FromRouter::Status {
            pid,
            listen,
            routes,
            ..
        } = router.tell(&ToRouter::Status)
        else {
            panic!("no status");
        };
        assert_eq!((listen, routes), (Some(router.address), 1));
        assert_ne!(pid, std::process::id());
        let (status, log) = router.stop();
        assert!(status.success(), "{log}");
        assert!(!world.path("router.sock").exists());
    }
}

#[tokio::test]
async fn garbage_is_cut_off_and_disturbs_nobody() {
    let world = World::new();
    let router = world.start();
    let mut good = router.connect();
    assert_eq!(
        ask(&mut good, &load(&route("main", 1))),
        FromRouter::Loaded { generation: None }
    );
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\xff\xff\xff\xff",
        b"\0\0\0\x02{}",
        b"\0\0\0\x02",
    ] {
        let mut stream = router.connect();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
        assert!(answer.is_empty());
    }
    for (project, environment) in [
        ("../shop", "main"),
        ("shop", ""),
        ("shop", "a/b"),
        ("SHOP", "main"),
    ] {
        let names = ToRouter::Load {
            project: project.into(),
            environment: environment.into(),
        };
        assert!(
            matches!(ask(&mut good, &names), FromRouter::Failed { .. }),
            "{project}"
        );
    }
}

#[tokio::test]
async fn the_control_socket_is_private_and_not_taken_from_another() {
    let world = World::new();
    // A router that was killed leaves its socket.
    drop(UnixListener::bind(world.path("router.sock")).unwrap());
    let router = world.start();
    let mode = std::fs::metadata(world.path("router.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = tokio::process::Command::from(world.command()).output();
    let second = tokio::time::timeout(PATIENCE, second)
        .await
        .unwrap()
        .unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another router answers on"));
    assert!(matches!(
        router.tell(&ToRouter::Status),
        FromRouter::Status { .. }
    ));
}

#[tokio::test]
async fn a_host_is_kept_by_whoever_serves_it() {
    let world = World::new();
    let (first, second) = (app::saying("first").await, app::saying("second").await);
    world.route(&to(route("main", 1), &first.upstream));
    let router = world.start();
    let mut thief = to(route("a-thief", 1), &second.upstream);
    thief.hosts.push("main.test".to_owned());
    world.route(&thief);
    assert_eq!(
        router.load(&thief),
        FromRouter::Loaded {
            generation: Some(1)
        }
    );
    assert_eq!(router.get("main.test", "/").await.body, "first");
    assert_eq!(router.get("a-thief.test", "/").await.body, "second");
    let (_, log) = router.stop();
    assert!(log.contains("host is taken"), "{log}");
}
