//! Bodies that take their time, and requests that are not what they seem.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::Response;
use http_body_util::{BodyExt, channel::Channel};
use hyper::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use wharf_wire::route::{FromRouter, ToRouter, Upstream};

use crate::support::{Router, World, app, route, to};

fn left(router: &Router, upstream: &Upstream, milliseconds: u64) -> u32 {
    match router.tell(&ToRouter::Drain {
        upstream: upstream.clone(),
        milliseconds,
    }) {
        FromRouter::Drained { left } => left,
        other => panic!("{other:?}"),
    }
}

/// Reads until these bytes have come.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        seen.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn an_answer_arrives_in_pieces_and_is_in_flight_until_its_end() {
    let world = World::new();
    let (sender, body) = Channel::<Bytes, Infallible>::new(1);
    let body = Arc::new(Mutex::new(Some(body)));
    let app = app::tcp(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async { Response::new(body.boxed()) }
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start();
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
        .await
        .unwrap();
    let mut sender = sender;
    for piece in ["one", "two", "three"] {
        sender
            .send_data(Bytes::from_static(piece.as_bytes()))
            .await
            .unwrap();
        read_to(&mut stream, &format!("{piece}\r\n")).await;
        assert_eq!(left(&router, &app.upstream, 0), 1);
    }
    drop(sender);
    read_to(&mut stream, "0\r\n\r\n").await;
    assert_eq!(left(&router, &app.upstream, 10_000), 0);
}

#[tokio::test]
async fn a_request_arrives_in_pieces() {
    let world = World::new();
    let (pieces, mut arrived) = mpsc::channel(1);
    let app = app::tcp(move |request| {
        let pieces = pieces.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                pieces
                    .send(frame.unwrap().into_data().unwrap())
                    .await
                    .unwrap();
            }
            app::text("all of it")
        }
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start();
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: main.test\r\nContent-Length: 6\r\n\r\n";
    stream.write_all(head).await.unwrap();
    for piece in [b"one", b"two"] {
        stream.write_all(piece).await.unwrap();
        assert_eq!(&arrived.recv().await.unwrap()[..], piece);
    }
    read_to(&mut stream, "all of it").await;
    assert_eq!(left(&router, &app.upstream, 10_000), 0);
}

#[tokio::test]
async fn a_visitor_who_leaves_is_not_in_flight() {
    let world = World::new();
    let (asked, mut was_asked) = mpsc::channel(1);
    let app = app::tcp(move |_| {
        asked.try_send(()).unwrap();
        std::future::pending()
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start();
    let mut stream = TcpStream::connect(router.address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: main.test\r\n\r\n")
        .await
        .unwrap();
    was_asked.recv().await.unwrap();
    assert_eq!(left(&router, &app.upstream, 0), 1);
    drop(stream);
    assert_eq!(left(&router, &app.upstream, 10_000), 0);
}

#[tokio::test]
async fn a_silent_process_is_a_504() {
    let world = World::new();
    let app = app::tcp(|_| std::future::pending()).await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start_with(&["--answer-within", "1"]);
    let page = router.get("main.test", "/").await;
    assert_eq!(page.status, 504);
    assert!(page.body.contains("wharf log"), "{}", page.body);
}

#[tokio::test]
async fn a_request_has_one_length() {
    let world = World::new();
    let app = app::tcp(|request| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let length = parts.headers.get("content-length").cloned();
        app::text(format!("{} {length:?} {body:?}", parts.uri))
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start();
    let head = "POST / HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\n";
    // Both lengths: the chunks count, and the other one is not passed on (RFC 9112, 6.3).
    let both = format!(
        "{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: main.test\r\n\r\n"
    );
    assert_eq!(router.raw(both.as_bytes()).await.body, "/ None b\"\"");
    for wrong in [
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: +4\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: 1\n 2\r\n",
    ] {
        let reply = router
            .raw(format!("{head}{wrong}\r\nbody").as_bytes())
            .await;
        assert_eq!(reply.status, 400, "{wrong}");
    }
    let large = format!("{head}X: {}\r\n\r\n", "x".repeat(65 * 1024));
    assert_eq!(router.raw(large.as_bytes()).await.status, 431);
}
