//! Connections that become WebSockets.

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};
use wharf_wire::route::{FromRouter, ToRouter, Upstream};

use crate::support::{PATIENCE, World, app, ask, route, to};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_echoes_and_drain_waits_for_it() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::Tcp(listener.local_addr().unwrap());
    let app = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    world.route(&to(route("main", 1), &upstream));
    let router = world.start();
    let stream = TcpStream::connect(router.address).await.unwrap();
    let (mut socket, _) = client_async("ws://main.test/chat", stream).await.unwrap();
    for words in ["hello", "again"] {
        socket.send(Message::text(words)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(words));
    }
    let drain = |milliseconds| ToRouter::Drain {
        upstream: upstream.clone(),
        milliseconds,
    };
    assert_eq!(router.tell(&drain(0)), FromRouter::Drained { left: 1 });

    let milliseconds = u64::try_from(PATIENCE.as_millis()).unwrap();
    let (mut control, message) = (router.connect(), drain(milliseconds));
    let drained = tokio::task::spawn_blocking(move || ask(&mut control, &message));
    // Still one in flight, and still answered, while somebody waits for its end.
    socket.send(Message::text("more")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("more"));
    assert!(!drained.is_finished());
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    assert_eq!(drained.await.unwrap(), FromRouter::Drained { left: 0 });
    app.await.unwrap();
}

#[tokio::test]
async fn other_protocols_are_not_offered() {
    let world = World::new();
    let app = app::tcp(|request| async move {
        let headers = request.headers();
        app::text(format!(
            "{:?} {:?}",
            headers.get("upgrade"),
            headers.get("connection")
        ))
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    let router = world.start();
    let head = "GET / HTTP/1.1\r\nHost: main.test\r\nConnection: close, upgrade, http2-settings\r\n\
                HTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(router.raw(head.as_bytes()).await.body, "None None");
    // A process that does not want it answers as usual.
    let reply = router
        .ask(
            "GET",
            "main.test",
            "/",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
        )
        .await;
    assert_eq!(reply.body, r#"Some("websocket") Some("upgrade")"#);
}
