//! Releases that take each other's place under load.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
    task::JoinSet,
};
use wharf_wire::route::{FromRouter, ToRouter, Upstream};

use crate::support::{PATIENCE, Router, World, app, route, to};

const SWITCHES: u64 = 60;

/// An application that answers which generation it is, on a socket or a port in turn.
async fn generation(world: &World, number: u64) -> app::App {
    let answer = move |request: Request<hyper::body::Incoming>| async move {
        request.into_body().collect().await.unwrap();
        app::text(number.to_string())
    };
    match number % 2 {
        0 => app::tcp(answer).await,
        _ => app::unix(&world.path(&format!("app-{number}.sock")), answer).await,
    }
}

async fn tell(router: &Arc<Router>, message: ToRouter) -> FromRouter {
    let router = Arc::clone(router);
    tokio::task::spawn_blocking(move || router.tell(&message))
        .await
        .unwrap()
}

fn drain(upstream: &Upstream) -> ToRouter {
    let milliseconds = u64::try_from(PATIENCE.as_millis()).unwrap();
    ToRouter::Drain {
        upstream: upstream.clone(),
        milliseconds,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_in_sixty_switches() {
    let world = World::new();
    let mut old = generation(&world, 0).await;
    world.route(&to(route("main", 0), &old.upstream));
    let router = Arc::new(world.start());

    let loaded = Arc::new(AtomicU64::new(0));
    let (done, is_done) = watch::channel(false);
    let (seen, mut latest) = watch::channel(0);
    let mut visitors = JoinSet::new();
    for visitor in 0..4 {
        let (loaded, seen, is_done) = (Arc::clone(&loaded), seen.clone(), is_done.clone());
        let stream = TcpStream::connect(router.address).await.unwrap();
        visitors.spawn(async move {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut requests = 0_u64;
            while !*is_done.borrow() {
                let method = if visitor % 2 == 0 { "GET" } else { "POST" };
                let body = Full::new(Bytes::from_static(if visitor % 2 == 0 {
                    b""
                } else {
                    b"x"
                }));
                let request = Request::builder()
                    .method(method)
                    .header("host", "main.test");
                let expected = loaded.load(Ordering::SeqCst);
                sender.ready().await.unwrap();
                let answer = sender
                    .send_request(request.body(body).unwrap())
                    .await
                    .unwrap();
                assert_eq!(answer.status(), 200);
                let text = answer.into_body().collect().await.unwrap().to_bytes();
                let generation: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
                assert!(
                    generation >= expected,
                    "{generation} after {expected} was loaded"
                );
                seen.send_if_modified(|latest| {
                    let is_newer = generation > *latest;
                    *latest = generation.max(*latest);
                    is_newer
                });
                requests += 1;
            }
            drop(sender);
            connection.await.unwrap().unwrap();
            requests
        });
    }
    for number in 1..=SWITCHES {
        let new = generation(&world, number).await;
        let next = to(route("main", number), &new.upstream);
        world.route(&next);
        let answer = tell(&router, crate::support::load(&next)).await;
        assert_eq!(
            answer,
            FromRouter::Loaded {
                generation: Some(number)
            }
        );
        loaded.store(number, Ordering::SeqCst);
        assert_eq!(
            tell(&router, drain(&old.upstream)).await,
            FromRouter::Drained { left: 0 }
        );
        // Not a moment longer than the router has asked for.
        std::mem::replace(&mut old, new).stop().await;
        latest.wait_for(|latest| *latest >= number).await.unwrap();
    }
    done.send(true).unwrap();
    for requests in visitors.join_all().await {
        assert!(requests >= SWITCHES / 2, "only {requests} requests");
    }
}

/// The old process breaks off in the middle of a request.
#[tokio::test]
async fn what_may_be_asked_twice_is_asked_of_the_new_release() {
    let world = World::new();
    for (method, status) in [("GET", 200), ("POST", 502)] {
        let asked = Arc::new(Notify::new());
        let old = app::tcp({
            let asked = Arc::clone(&asked);
            move |_| {
                asked.notify_one();
                std::future::pending()
            }
        })
        .await;
        let new = app::saying("new").await;
        world.route(&to(route("main", 1), &old.upstream));
        let router = Arc::new(world.start());
        let reply = tokio::spawn({
            let router = Arc::clone(&router);
            async move {
                router
                    .ask(method, "main.test", "/", "Content-Length: 0\r\n")
                    .await
            }
        });
        asked.notified().await;
        let next = to(route("main", 2), &new.upstream);
        world.route(&next);
        tell(&router, crate::support::load(&next)).await;
        let left = ToRouter::Drain {
            upstream: old.upstream.clone(),
            milliseconds: 0,
        };
        assert_eq!(tell(&router, left).await, FromRouter::Drained { left: 1 });
        old.stop().await;
        assert_eq!(reply.await.unwrap().status, status, "{method}");
        Arc::into_inner(router).unwrap().stop();
    }
}

#[tokio::test]
async fn a_stopping_router_finishes_what_is_in_flight() {
    let world = World::new();
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = app::tcp({
        let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
        move |_| {
            let (asked, go) = (Arc::clone(&asked), Arc::clone(&go));
            async move {
                asked.notify_one();
                go.notified().await;
                app::text("finished")
            }
        }
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = Arc::new(world.start());
    let reply = tokio::spawn({
        let router = Arc::clone(&router);
        async move { router.get("main.test", "/").await }
    });
    asked.notified().await;
    router.signal();
    // The control socket goes at once: a new router could take its place now.
    let ended = tokio::task::spawn_blocking({
        let router = Arc::clone(&router);
        move || router.until_control_is_gone()
    });
    ended.await.unwrap();
    go.notify_one();
    assert_eq!(reply.await.unwrap().body, "finished");
    let (status, log) = Arc::into_inner(router).unwrap().wait();
    assert!(status.success(), "{log}");
}
