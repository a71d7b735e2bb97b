//! TLS: real visitors, real certificates.

mod renewed;
mod spoken;

use http::header::{HeaderName, STRICT_TRANSPORT_SECURITY};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use wharf_wire::secure::Tls;

use crate::support::{
    PATIENCE, World, app, route,
    secure::{curl, openssl, said, serial},
    to,
};

#[tokio::test]
async fn names_choose_certificates() {
    let world = World::new();
    let authority = world.authority();
    authority.issue(&world, "first", &["main.test"], 1);
    authority.issue(&world, "wild", &["*.shop.test", "shop.test"], 2);
    authority.issue(&world, "own", &["own.shop.test"], 3);
    let app = app::saying("here").await;
    let mut route = to(route("main", 1), &app.upstream);
    route.hosts.push("own.shop.test".into());
    route.hosts.push("a.shop.test".into());
    world.route(&route);
    world.secure(Some(world.settings(&["first", "wild", "own"])));
    let router = world.start_secure();
    let at = router.secure_address();
    assert_eq!(router.secured(false).certificates, 3);
    for (name, number) in [
        (Some("main.test"), 1),
        (Some("shop.test"), 2),
        (Some("A.Shop.Test"), 2),
        (Some("own.shop.test"), 3),
        (Some("a.b.shop.test"), 1),
        (Some("elsewhere.test"), 1),
        (None, 1),
    ] {
        assert_eq!(serial(at, name).await, number, "{name:?}");
    }
    for host in ["main.test", "own.shop.test", "a.shop.test"] {
        assert_eq!(
            said(&curl(&world, &[], host, at, "/").await),
            "here",
            "{host}"
        );
    }
    // Whom no certificate names is told so by curl, not by us.
    let stranger = curl(&world, &[], "elsewhere.test", at, "/").await;
    assert_eq!(stranger.status.code(), Some(60), "{stranger:?}");
}

#[tokio::test]
async fn old_versions_are_refused() {
    let world = World::new();
    world.authority().issue(&world, "first", &["main.test"], 1);
    world.secure(Some(world.settings(&["first"])));
    let router = world.start_secure();
    let at = router.secure_address();
    for (version, is_spoken) in [("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)] {
        let more = [version, "-cipher", "DEFAULT@SECLEVEL=0"];
        let shown = openssl(at, Some("main.test"), &more).await;
        assert_eq!(
            shown.contains("BEGIN CERTIFICATE"),
            is_spoken,
            "{version}: {shown}"
        );
    }
}

#[tokio::test]
async fn who_comes_without_is_sent_there_and_told_to_stay() {
    let world = World::new();
    let authority = world.authority();
    authority.issue(&world, "first", &["main.test"], 1);
    let app = app::saying("here").await;
    let mut route = to(route("main", 1), &app.upstream);
    route.hosts.push("main--shop.localhost".into());
    world.route(&route);
    world.secure(Some(Tls {
        redirect: true,
        hsts: Some(600),
        ..world.settings(&["first"])
    }));
    let router = world.start_secure();
    let at = router.secure_address();
    let hsts = |headers: &http::HeaderMap| headers.contains_key(STRICT_TRANSPORT_SECURITY);

    let sent = router.get("main.test", "/a?b=c").await;
    assert_eq!(sent.status, 308);
    let to = format!("https://main.test:{}/a?b=c", at.port());
    assert_eq!(sent.headers["location"], to);
    assert!(!hsts(&sent.headers), "{sent:?}");
    let follow = [
        "--location",
        "--resolve",
        &format!("main.test:{}:127.0.0.1", router.address.port()),
    ];
    let followed = curl(&world, &follow, "main.test", at, "/").await;
    assert_eq!(said(&followed), "here");
    let head = said(&curl(&world, &["--head"], "main.test", at, "/").await);
    assert!(
        head.contains("strict-transport-security: max-age=600"),
        "{head}"
    );

    // An authority asks without TLS; a proxy says that a visitor has it; nobody has a certificate
    // for localhost, and nobody is sent to a host that nobody serves.
    let challenge = router
        .get("main.test", "/.well-known/acme-challenge/aZ0_-")
        .await;
    assert_eq!(
        (challenge.status.as_u16(), hsts(&challenge.headers)),
        (200, false)
    );
    let by_proxy = router
        .ask("GET", "main.test", "/", "X-Forwarded-Proto: https\r\n")
        .await;
    assert_eq!(
        (by_proxy.status.as_u16(), hsts(&by_proxy.headers)),
        (200, true)
    );
    assert_eq!(router.get("main--shop.localhost", "/").await.status, 200);
    assert_eq!(router.get("nobody.test", "/").await.status, 404);

    world.secure(Some(world.settings(&["first"])));
    router.secured(true);
    assert_eq!(router.get("main.test", "/").await.status, 200);
    assert_eq!(router.secure_address(), at);
}

#[tokio::test]
async fn half_a_handshake_disturbs_nobody() {
    let world = World::new();
    world.authority().issue(&world, "first", &["main.test"], 1);
    let app = app::saying("here").await;
    world.route(&to(route("main", 1), &app.upstream));
    world.secure(Some(world.settings(&["first"])));
    let router = world.start_secure();
    let at = router.secure_address();
    let mut halves = Vec::new();
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"",
        b"\x16",
    ]
    .repeat(30)
    {
        let mut stream = TcpStream::connect(at).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        halves.push(stream);
    }
    let no_tls = b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n";
    let mut plain = TcpStream::connect(at).await.unwrap();
    plain.write_all(no_tls).await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(said(&curl(&world, &[], "main.test", at, "/").await), "here");
    assert_eq!(router.get("main.test", "/").await.body, "here");
    // None of them is kept for longer than a handshake may take.
    for mut half in halves {
        let read = tokio::time::timeout(PATIENCE, half.read(&mut [0; 64])).await;
        assert_eq!(read.expect("the router hangs up").unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn an_application_hears_how_a_visitor_came() {
    let world = World::new();
    world.authority().issue(&world, "first", &["main.test"], 1);
    let app = app::tcp(|request| async move {
        let said = |name: &'static str| {
            let name = HeaderName::from_static(name);
            let values = request.headers().get_all(name).iter();
            let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
            values.join("|")
        };
        let names = [
            "x-forwarded-proto",
            "x-forwarded-for",
            "x-forwarded-host",
            "host",
            "cookie",
        ];
        app::text(names.map(said).join("\n"))
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    world.secure(Some(world.settings(&["first"])));
    let router = world.start_secure();
    let at = router.secure_address();
    let host = format!("main.test:{}", at.port());
    for version in ["--http1.1", "--http2"] {
        let asked = [
            version,
            "--header",
            "Cookie: a=1; b=2",
            "--header",
            "Forwarded: for=evil",
        ];
        let heard = said(&curl(&world, &asked, "main.test", at, "/").await);
        assert_eq!(
            heard,
            format!("https\n127.0.0.1\n{host}\n{host}\na=1; b=2"),
            "{version}"
        );
    }
}
