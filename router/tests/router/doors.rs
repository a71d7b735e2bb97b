//! Who may look.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64;
use ed25519_dalek::{Signer, SigningKey};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use wharf_wire::{
    grant::{Token, said},
    route::{Access, FromRouter, Route, ToRouter, Who},
};

use crate::support::{Reply, Router, World, app, route, to};

/// An environment that answers with what its application is told, behind doors.
async fn world(who: Who, proxies: &[&str]) -> (World, Route, app::App) {
    let world = World::new();
    let app = app::tcp(|request| async move {
        app::text(format!("{:?} {:?}", request.uri(), request.headers()))
    })
    .await;
    let mut route = to(route("main", 1), &app.upstream);
    route.noindex = true;
    route.access = Access {
        who,
        key: Some(BASE64.encode(key().verifying_key().as_bytes())),
        proxies: proxies.iter().map(|text| text.parse().unwrap()).collect(),
    };
    world.route(&route);
    (world, route, app)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn names(names: &[(&str, &str, u32)]) -> Who {
    let hash = |&(name, password, cost): &(&str, &str, u32)| {
        (name.to_owned(), bcrypt::hash(password, cost).unwrap())
    };
    Who::Names(names.iter().map(hash).collect())
}

fn token(environment: &str, from_now: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let expires = now.as_secs().checked_add_signed(from_now).unwrap();
    let signature = key().sign(said("shop", environment, expires).as_bytes());
    Token {
        expires,
        signature: signature.to_bytes(),
    }
    .text()
}

fn basic(text: &str) -> String {
    format!(
        "Authorization: Basic {}\r\n",
        BASE64.encode(text.as_bytes())
    )
}

async fn ask(router: &Router, path: &str, headers: &str) -> Reply {
    router.ask("GET", "main.test", path, headers).await
}

#[tokio::test]
async fn a_name_and_its_password_open_and_go_no_further() {
    let who = names(&[("guest", "s3cret", 4), ("other", "x", 4)]);
    let (world, _, _app) = world(who, &[]).await;
    let router = world.start();
    let page = ask(&router, "/", "Accept: text/html\r\n").await;
    assert_eq!(page.status, 401);
    assert_eq!(
        page.header("www-authenticate"),
        "Basic realm=\"shop.main\", charset=\"UTF-8\""
    );
    assert_eq!(page.header("x-robots-tag"), "noindex");
    assert!(page.body.contains("wharf url --grant 1h"), "{}", page.body);
    for wrong in ["guest:x", "nobody:s3cret", "guest:", ":", "guest"] {
        assert_eq!(
            ask(&router, "/", &basic(wrong)).await.status,
            401,
            "{wrong}"
        );
    }
    for _ in 0..2 {
        let reply = ask(&router, "/a?b", &(basic("guest:s3cret") + "X-Own: 1\r\n")).await;
        assert_eq!(reply.status, 200);
        assert!(reply.body.starts_with("/a?b {"), "{}", reply.body);
        assert!(!reply.body.contains("authorization"), "{}", reply.body);
    }
    // An application's own is its own, where a link lets its visitor in.
    let cookie = format!("Cookie: a=1; wharf-grant={}\r\n", token("main", 60));
    let own = ask(
        &router,
        "/",
        &(cookie.clone() + "Authorization: Bearer 1\r\n"),
    )
    .await;
    assert!(
        own.body.contains(r#""authorization": "Bearer 1""#),
        "{}",
        own.body
    );
    assert!(own.body.contains(r#""cookie": "a=1""#), "{}", own.body);
    let ours = ask(&router, "/", &(cookie + &basic("other:whatever"))).await;
    assert!(
        ours.status == 200 && !ours.body.contains("authorization"),
        "{}",
        ours.body
    );
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_is_turned_away_and_starves_nobody() {
    let (world, route, _app) = world(names(&[("guest", "s3cret", 12)]), &["127.0.0.1/32"]).await;
    let mut public = to(
        crate::support::route("other", 1),
        route.upstream.as_ref().unwrap(),
    );
    public.access.proxies.clone_from(&route.access.proxies);
    world.route(&public);
    let router = world.start();
    let mut flood = JoinSet::new();
    for number in 0..60 {
        let mut stream = TcpStream::connect(router.address).await.unwrap();
        let wrong = basic(&format!("guest:{number}"));
        let head = format!(
            "GET / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.1\r\n{wrong}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        flood.spawn(async move {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer[9..12].to_owned()
        });
    }
    // Others are answered, and get their own turn, while most of the flood still waits.
    assert_eq!(router.get("other.test", "/").await.status, 200);
    let visitor = format!("X-Forwarded-For: 192.0.2.2\r\n{}", basic("guest:s3cret"));
    assert_eq!(ask(&router, "/", &visitor).await.status, 200);
    let mut answers = BTreeMap::<String, u32>::new();
    while let Some(answer) = flood.join_next().await {
        *answers.entry(answer.unwrap()).or_default() += 1;
    }
    assert_eq!(answers.values().sum::<u32>(), 60);
    assert!(answers["429"] >= 30, "{answers:?}");
    assert!(answers["401"] >= 1, "{answers:?}");
}

#[tokio::test]
async fn a_link_opens_once_and_its_cookie_from_then_on() {
    let (world, route, _app) = world(Who::Names(BTreeMap::new()), &[]).await;
    let router = world.start();
    let page = ask(&router, "/", "").await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("wharf url --grant 1h"), "{}", page.body);

    let token = token("main", 60);
    let way_on = ask(&router, &format!("/a?b=1&wharf-grant={token}"), "").await;
    assert_eq!(
        (way_on.status.as_u16(), way_on.header("location")),
        (303, "/a?b=1")
    );
    assert_eq!(way_on.header("cache-control"), "no-store");
    let cookie = way_on.header("set-cookie");
    let (pair, rest) = cookie.split_once("; ").unwrap();
    assert_eq!(pair, format!("wharf-grant={token}"));
    assert!(
        ["60", "59", "58"]
            .iter()
            .any(|age| rest == format!("Path=/; Max-Age={age}; HttpOnly; SameSite=Lax")),
        "{rest}"
    );
    let https = ask(
        &router,
        &format!("/?wharf-grant={token}"),
        "X-Forwarded-Proto: https\r\n",
    )
    .await;
    assert!(https.header("set-cookie").ends_with("; Secure"));

    let cookie = format!("Cookie: {pair}\r\n");
    for _ in 0..2 {
        let reply = ask(&router, "/a", &cookie).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.body.contains("wharf-grant"), "{}", reply.body);
    }
    // Not its own key any more: the environment was made anew.
    let mut anew = route.clone();
    anew.access.key =
        Some(BASE64.encode(SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes()));
    world.route(&anew);
    router.load(&anew);
    assert_eq!(ask(&router, "/a", &cookie).await.status, 403);
}

#[tokio::test]
async fn wrong_and_expired_links_are_told_from_each_other() {
    let (world, route, _app) = world(Who::Names(BTreeMap::new()), &[]).await;
    let mut other = route.clone();
    other.environment = "other".to_owned();
    other.hosts = vec!["other.test".to_owned()];
    world.route(&other);
    let router = world.start();
    let good = token("main", 60);
    let (expired, foreign) = (token("main", -1), token("other", 60));
    let mut forged = good.clone();
    forged.replace_range(20..21, if &good[20..21] == "A" { "B" } else { "A" });
    for (token, title) in [
        (&expired, "This link has expired"),
        (&foreign, "This link does not open this page"),
        (&forged, "This link does not open this page"),
    ] {
        for (path, headers) in [
            (format!("/?wharf-grant={token}"), String::new()),
            ("/".to_owned(), format!("Cookie: wharf-grant={token}\r\n")),
        ] {
            let page = ask(&router, &path, &headers).await;
            assert!(
                page.status == 403 && page.body.starts_with(title),
                "{}",
                page.body
            );
            assert_eq!(page.header("set-cookie"), "");
        }
    }
    // One that a sibling has set beside ours does no harm.
    let both = format!("Cookie: wharf-grant={foreign}; wharf-grant={good}\r\n");
    assert_eq!(ask(&router, "/", &both).await.status, 200);
    let page = router
        .ask("GET", "other.test", &format!("/?wharf-grant={good}"), "")
        .await;
    assert_eq!(page.status, 403);
    let nonsense = ask(&router, "/?wharf-grant=%00", "").await;
    assert!(
        nonsense
            .body
            .starts_with("This link does not open this page")
    );
}

#[tokio::test]
async fn networks_are_told_by_the_peer_or_by_the_operators_proxy() {
    let networks = |text: &str| Who::Networks(vec![text.parse().unwrap()]);
    let (world, mut route, _app) = world(networks("192.0.2.0/24"), &[]).await;
    let router = world.start();
    // Nobody said that this machine has a proxy.
    let said = "X-Forwarded-For: 192.0.2.9\r\n";
    assert_eq!(ask(&router, "/", said).await.status, 403);
    let link = format!("/?wharf-grant={}", token("main", 60));
    let page = ask(&router, &link, "").await;
    assert_eq!(page.status, 403);
    assert!(
        page.body.contains("from some networks only"),
        "{}",
        page.body
    );

    route.access.proxies = vec!["127.0.0.0/8".parse().unwrap()];
    world.route(&route);
    router.load(&route);
    let reply = ask(&router, "/", said).await;
    assert!(
        reply
            .body
            .contains(r#""x-forwarded-for": "192.0.2.9, 127.0.0.1""#),
        "{}",
        reply.body
    );
    for outside in ["X-Forwarded-For: 192.0.2.9, 198.51.100.1\r\n", ""] {
        assert_eq!(ask(&router, "/", outside).await.status, 403, "{outside}");
    }

    route.access.who = Who::Machine;
    world.route(&route);
    router.load(&route);
    assert_eq!(ask(&router, "/", said).await.status, 403);
    assert_eq!(ask(&router, "/", "").await.status, 403);
    assert_eq!(
        ask(&router, "/", "X-Forwarded-For: ::1\r\n").await.status,
        200
    );
    route.access.proxies.clear();
    world.route(&route);
    router.load(&route);
    assert_eq!(ask(&router, "/", "").await.status, 200);
}

#[tokio::test]
async fn files_and_websockets_are_behind_the_doors_too_and_challenges_are_not() {
    let (world, mut route, app) = world(Who::Names(BTreeMap::new()), &[]).await;
    world.write("site/index.html", "private");
    world.write("site/.well-known/acme-challenge/tOken", "answer");
    route.public = Some(world.path("site"));
    world.route(&route);
    let router = world.start();
    for path in [
        "/",
        "/index.html",
        "/.well-known/acme-challenge/../../index.html",
    ] {
        let reply = ask(&router, path, "").await;
        assert_eq!(reply.status, 403, "{path}");
        assert!(!reply.body.contains("private"));
    }
    let wish = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(ask(&router, "/chat", wish).await.status, 403);
    let challenge = ask(&router, "/.well-known/acme-challenge/tOken", "").await;
    assert_eq!(
        (challenge.status.as_u16(), &*challenge.body),
        (200, "answer")
    );
    let cookie = format!("Cookie: wharf-grant={}\r\n", token("main", 60));
    assert_eq!(ask(&router, "/", &cookie).await.body, "private");
    drop(app);
}

#[tokio::test]
async fn bad_doors_are_no_route() {
    let (world, good, _app) = world(Who::Everyone, &[]).await;
    let router = world.start();
    let mut bad_key = good.clone();
    bad_key.access.key = Some("AAAA".to_owned());
    let mut bad_hash = good.clone();
    bad_hash.access.who = Who::Names([("guest".to_owned(), "$2y$05$".to_owned())].into());
    for bad in [bad_key, bad_hash] {
        world.route(&bad);
        assert!(matches!(router.load(&bad), FromRouter::Failed { .. }));
        assert_eq!(ask(&router, "/", "").await.status, 200);
    }
    // A link to what is public leads on all the same, and what is wrong with one matters to nobody.
    let link = format!("/?wharf-grant={}", token("main", 60));
    assert_eq!(ask(&router, &link, "").await.status, 303);
    let reply = ask(&router, "/a?wharf-grant=x", "Cookie: wharf-grant=y\r\n").await;
    assert!(
        reply.status == 200 && !reply.body.contains("grant"),
        "{}",
        reply.body
    );
    assert!(matches!(
        router.tell(&ToRouter::Used {
            project: "shop".to_owned(),
            environment: "other".to_owned()
        }),
        FromRouter::Failed { .. }
    ));
}
