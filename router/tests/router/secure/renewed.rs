//! Certificates and settings that change while visitors are there.

use std::{
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use rustix::process::Signal;
use tokio::{net::TcpStream, time::timeout};
use wharf_wire::secure::{Pair, Tls};

use super::spoken::client;
use crate::support::{
    PATIENCE, Router, World, app, route,
    secure::{curl, put, said, serial},
    to,
};

/// A router with one pair, whose certificate has the number 1.
fn world() -> (World, crate::support::secure::Authority) {
    let world = World::new();
    let authority = world.authority();
    authority.issue(&world, "first", &["main.test"], 1);
    world.secure(Some(world.settings(&["first"])));
    (world, authority)
}

/// Waits until the router shows a certificate of that number: it looks at files by itself.
async fn until_shown(router: &Router, number: u64) {
    let at = router.secure_address();
    let shown = async { while serial(at, Some("main.test")).await != number {} };
    timeout(PATIENCE, shown).await.expect("it is shown in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_connection_goes_on_and_the_next_sees_the_new_certificate() {
    let (world, authority) = world();
    let app = app::saying("here").await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start_secure();
    let at = router.secure_address();
    for protocol in ["http/1.1", "h2"] {
        let before = serial(at, Some("main.test")).await;
        let mut open = client(&world, at, protocol).await;
        assert_eq!(open.get("/").await, "here");
        authority.issue(&world, "first", &["main.test"], before + 1);
        assert_eq!(router.secured(true).problems, Vec::<String>::new());
        assert_eq!(serial(at, Some("main.test")).await, before + 1);
        assert_eq!(open.get("/").await, "here");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_certificates_change() {
    let (world, authority) = world();
    let app = app::saying("here").await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start_secure();
    let at = router.secure_address();
    let (stop, asked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let world = Arc::new(world);
    let visitors: Vec<_> = (0..6)
        .map(|number| {
            let (stop, asked, world) = (Arc::clone(&stop), Arc::clone(&asked), Arc::clone(&world));
            let protocol = ["http/1.1", "h2"][number % 2];
            tokio::spawn(async move {
                let mut kept = client(&world, at, protocol).await;
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(kept.get("/kept").await, "here");
                    let mut new = client(&world, at, protocol).await;
                    assert_eq!(new.get("/new").await, "here");
                    asked.fetch_add(2, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // However busy the machine is.
    let mut number = 1;
    while number < 60 || asked.load(Ordering::Relaxed) < 200 {
        number += 1;
        authority.issue(&world, "first", &["main.test"], number);
        let renewed = tokio::task::block_in_place(|| router.secured(true));
        assert_eq!(renewed.problems, Vec::<String>::new());
    }
    stop.store(true, Ordering::Relaxed);
    for visitor in visitors {
        visitor.await.expect("no request of it failed");
    }
}

#[tokio::test]
async fn a_bad_pair_leaves_the_one_before_and_says_so() {
    let (world, authority) = world();
    authority.issue(&world, "other", &["other.test"], 9);
    world.secure(Some(world.settings(&["first", "other"])));
    let router = world.start_secure();
    let at = router.secure_address();
    let (stranger, _) = authority.made(&["main.test"], 7);
    let good = authority.made(&["main.test"], 8);
    let key = good.1.as_str();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (chain, key, expected) in [
        (
            stranger.as_str(),
            key,
            "is not that of the first certificate in",
        ),
        ("", key, "fullchain.pem holds no certificate in PEM"),
        (&good.0, "", "privkey.pem holds no private key in PEM"),
        (
            &good.0,
            encrypted,
            "privkey.pem holds no private key in PEM",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            key,
            "that is no certificate",
        ),
        (
            &"x".repeat(1024 * 1024 + 1),
            key,
            "is no file of at most 1 MiB",
        ),
    ] {
        put(&world, "tls/first/fullchain.pem", chain);
        put(&world, "tls/first/privkey.pem", key);
        let said = router.secured(true);
        assert_eq!((said.problems.len(), said.certificates), (1, 2), "{said:?}");
        assert!(said.problems[0].contains(expected), "{expected}: {said:?}");
        assert!(
            said.problems[0].ends_with("the certificate read before stays in use"),
            "{said:?}"
        );
        assert_eq!(router.secured(false), said);
        assert_eq!(serial(at, Some("main.test")).await, 1);
        assert_eq!(serial(at, Some("other.test")).await, 9);
    }
    for broken in ["missing", "directory", "pipe"] {
        let key = world.path("tls/first/privkey.pem");
        std::fs::remove_file(&key)
            .or_else(|_| std::fs::remove_dir(&key))
            .ok();
        match broken {
            "missing" => {}
            "directory" => std::fs::create_dir(&key).unwrap(),
            _ => rustix::fs::mknodat(
                rustix::fs::CWD,
                &key,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RWXU,
                0,
            )
            .unwrap(),
        }
        put(&world, "tls/first/fullchain.pem", &good.0);
        let said = router.secured(true);
        assert!(
            said.problems[0].contains("privkey.pem"),
            "{broken}: {said:?}"
        );
        assert_eq!(serial(at, Some("main.test")).await, 1, "{broken}");
    }
    std::fs::remove_file(world.path("tls/first/privkey.pem")).unwrap();
    put(&world, "tls/first/privkey.pem", key);
    assert_eq!(router.secured(true).problems, Vec::<String>::new());
    assert_eq!(serial(at, Some("main.test")).await, 8);
    let (_, log) = router.stop();
    assert!(log.contains("TLS is not as it was asked for"), "{log}");
}

#[tokio::test]
async fn files_that_change_are_read_by_themselves() {
    let (world, authority) = world();
    let router = world.start_secure();
    until_shown(&router, 1).await;
    authority.issue(&world, "first", &["main.test"], 2);
    until_shown(&router, 2).await;

    // As certbot has them: links, of which each renewal makes new ones.
    let at = |path: &str| world.path(path);
    let link = |number: u64| {
        authority.issue(&world, &format!("archive/{number}"), &["main.test"], number);
        for name in ["fullchain.pem", "privkey.pem"] {
            std::fs::create_dir_all(at("tls/live")).unwrap();
            symlink(format!("../archive/{number}/{name}"), at("tls/live/.new")).unwrap();
            std::fs::rename(at("tls/live/.new"), at(&format!("tls/live/{name}"))).unwrap();
        }
    };
    link(3);
    world.secure(Some(world.settings(&["live"])));
    router.secured(true);
    link(4);
    until_shown(&router, 4).await;
    link(5);
    until_shown(&router, 5).await;
    // What a link leads to.
    authority.issue(&world, "archive/5", &["main.test"], 6);
    until_shown(&router, 6).await;
}

#[tokio::test]
async fn a_hangup_reads_again() {
    let (world, _) = world();
    world.secure(None);
    let router = world.start_secure();
    assert_eq!(router.secured(false).listen, None);
    world.secure(Some(world.settings(&["first"])));
    router.send(Signal::HUP);
    let open = async { while router.secured(false).listen.is_none() {} };
    timeout(PATIENCE, open).await.unwrap();
    assert_eq!(serial(router.secure_address(), None).await, 1);
}

#[tokio::test]
async fn settings_come_and_go_and_bad_ones_change_nothing() {
    let (world, authority) = world();
    let app = app::saying("here").await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start_secure();
    let at = router.secure_address();
    world.write("router.json", "{\"version\":1,\"tls\":{}}");
    let said_of = router.secured(true);
    assert!(
        said_of.problems[0].contains("router.json holds no settings"),
        "{said_of:?}"
    );
    assert_eq!(said_of.listen, Some(at));
    // An address that somebody else has.
    let taken = Tls {
        listen: router.address,
        ..world.settings(&["first"])
    };
    world.secure(Some(taken));
    let said_of = router.secured(true);
    assert!(
        said_of.problems[0].contains("cannot serve by TLS on 127.0.0.1"),
        "{said_of:?}"
    );
    assert_eq!(said(&curl(&world, &[], "main.test", at, "/").await), "here");
    // A key that nobody has read yet: TLS is there for the others.
    let mut settings = world.settings(&["first"]);
    let (chain, key) = (
        world.path("none/fullchain.pem"),
        world.path("none/privkey.pem"),
    );
    settings.certificates.insert(0, Pair { chain, key });
    world.secure(Some(settings));
    let said_of = router.secured(true);
    assert!(
        said_of.problems[0].contains("none/fullchain.pem cannot be read: No such file"),
        "{said_of:?}"
    );
    assert_eq!(said_of.certificates, 1);
    assert_eq!(serial(said_of.listen.unwrap(), None).await, 1);
    authority.issue(&world, "none", &["none.test"], 5);
    // Away altogether: nobody is let in, who is in goes on.
    let mut open = client(&world, said_of.listen.unwrap(), "http/1.1").await;
    world.secure(None);
    assert_eq!(router.secured(true).listen, None);
    assert_eq!(open.get("/").await, "here");
    let refused = async {
        while let Ok(stream) = TcpStream::connect(said_of.listen.unwrap()).await {
            drop(stream);
        }
    };
    timeout(PATIENCE, refused).await.unwrap();
    assert_eq!(router.get("main.test", "/").await.body, "here");
}
