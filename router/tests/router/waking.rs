//! Paused environments, and when one was last used.

use std::os::unix::net::UnixStream;

use wharf_wire::{
    frame,
    route::{FromRouter, Route, ToRouter, Unavailable, Upstream, Who},
};

use crate::support::{Router, World, app, ask, route, to};

const WAKES: Option<Unavailable> = Some(Unavailable::Paused { wake: true });

fn paused(environment: &str, unavailable: Option<Unavailable>) -> Route {
    Route {
        unavailable,
        ..route(environment, 1)
    }
}

/// A daemon that listens.
fn watch(router: &Router) -> UnixStream {
    let mut daemon = router.connect();
    frame::write(&mut daemon, &ToRouter::Watch).unwrap();
    daemon
}

/// The next environment that somebody wants.
async fn wanted(daemon: &UnixStream) -> String {
    let mut daemon = daemon.try_clone().unwrap();
    let read = tokio::task::spawn_blocking(move || frame::read(&mut daemon));
    match read.await.unwrap().unwrap() {
        Some(FromRouter::Wanted {
            project,
            environment,
        }) => format!("{project} {environment}"),
        other => panic!("{other:?}"),
    }
}

fn wake(world: &World, router: &Router, environment: &str, upstream: &Upstream) {
    let route = to(route(environment, 2), upstream);
    world.route(&route);
    router.load(&route);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_wait_for_their_environment_to_wake() {
    let world = World::new();
    let app = app::saying("awake").await;
    world.route(&paused("main", WAKES));
    let router = world.start();
    let daemon = watch(&router);
    let mind = async {
        assert_eq!(wanted(&daemon).await, "shop main");
        // On its way: still waited for, and wanted no more.
        let starting = paused("main", Some(Unavailable::Starting));
        world.route(&starting);
        router.load(&starting);
        wake(&world, &router, "main", &app.upstream);
    };
    let ((), first, second) = tokio::join!(
        mind,
        router.get("main.test", "/"),
        router.ask("POST", "main.test", "/", "Content-Length: 0\r\n"),
    );
    // Paused once more, it is wanted once more, on the same conversation.
    world.route(&paused("main", WAKES));
    router.load(&paused("main", WAKES));
    let again = async {
        assert_eq!(wanted(&daemon).await, "shop main");
        wake(&world, &router, "main", &app.upstream);
    };
    let ((), third) = tokio::join!(again, router.get("main.test", "/"));
    for reply in [first, second, third] {
        assert_eq!((reply.status.as_u16(), &*reply.body), (200, "awake"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_comes_later_hears_it_too_and_all_do_once() {
    let world = World::new();
    let app = app::saying("awake").await;
    for environment in ["a", "b"] {
        world.route(&paused(environment, WAKES));
    }
    let router = world.start();
    let early = watch(&router);
    let minds = async {
        assert_eq!(wanted(&early).await, "shop a");
        let late = watch(&router);
        assert_eq!(wanted(&late).await, "shop a");
        drop(late);
        // Had "a" been said twice it would come before this.
        let other = tokio::join!(router.get("b.test", "/"), async {
            assert_eq!(wanted(&early).await, "shop b");
            wake(&world, &router, "b", &app.upstream);
        });
        assert_eq!(other.0.body, "awake");
        wake(&world, &router, "a", &app.upstream);
    };
    let (first, second, ()) =
        tokio::join!(router.get("a.test", "/"), router.get("a.test", "/"), minds,);
    assert_eq!((&*first.body, &*second.body), ("awake", "awake"));
}

#[tokio::test]
async fn who_waits_too_long_or_for_nothing_is_told_so() {
    let world = World::new();
    world.route(&paused("main", WAKES));
    let asleep = paused("asleep", Some(Unavailable::Paused { wake: false }));
    world.route(&asleep);
    let router = world.start_with(&["--wake-within", "1"]);
    let page = router.get("main.test", "/").await;
    assert_eq!(
        (page.status.as_u16(), page.header("retry-after")),
        (503, "5")
    );
    let page = router.get("asleep.test", "/").await;
    assert_eq!(
        (page.status.as_u16(), page.header("retry-after")),
        (503, "60")
    );
    assert!(
        page.body.starts_with("This environment is paused"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn a_stranger_wakes_nobody_and_counts_for_nothing() {
    let world = World::new();
    let mut main = paused("main", WAKES);
    main.access.who = Who::Names([].into());
    world.route(&main);
    let mut other = paused("other", WAKES);
    other.access.who = Who::Everyone;
    world.route(&other);
    let router = world.start_with(&["--wake-within", "1"]);
    let daemon = watch(&router);
    assert_eq!(router.get("main.test", "/").await.status, 403);
    let challenge = "/.well-known/acme-challenge/x";
    assert_eq!(router.get("main.test", challenge).await.status, 503);
    assert_eq!(router.get("other.test", challenge).await.status, 503);
    assert_eq!(router.get("other.test", "/").await.status, 503);
    assert_eq!(wanted(&daemon).await, "shop other");
}

#[tokio::test]
async fn the_last_use_is_told_also_over_a_switch() {
    let world = World::new();
    let app = app::saying("hello").await;
    for environment in ["used", "unused", "closed"] {
        let mut route = to(route(environment, 1), &app.upstream);
        if environment == "closed" {
            route.access.who = Who::Names([].into());
        }
        world.route(&route);
    }
    let router = world.start();
    let mut daemon = router.connect();
    let mut used = |environment: &str| {
        let question = ToRouter::Used {
            project: "shop".to_owned(),
            environment: environment.to_owned(),
        };
        match ask(&mut daemon, &question) {
            FromRouter::Used { seconds } => seconds,
            other => panic!("{other:?}"),
        }
    };
    // A second of the router's own clock, told by what nobody uses.
    while used("unused") < 1 {
        std::thread::yield_now();
    }
    assert_eq!(router.get("used.test", "/").await.body, "hello");
    assert_eq!(router.get("closed.test", "/").await.status, 403);
    wake(&world, &router, "used", &app.upstream);
    let (used, unused, closed) = (used("used"), used("unused"), used("closed"));
    assert!(
        used < unused && closed + 1 >= unused,
        "{used} {unused} {closed}"
    );
}
