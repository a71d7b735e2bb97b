//! What is spoken inside of TLS.

use std::{net::SocketAddr, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Bytes, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
    },
};
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};
use wharf_wire::route::Upstream;

use crate::support::{
    World, app, route,
    secure::{curl, said},
    to,
};

/// A visitor on one connection that stays open.
pub(super) enum Client {
    One(conn::http1::SendRequest<Empty<Bytes>>),
    Two(conn::http2::SendRequest<Empty<Bytes>>),
}

/// TLS as `main.test`, for one protocol.
pub(super) async fn connect(world: &World, at: SocketAddr, protocol: &str) -> TlsStream<TcpStream> {
    let mut trusted = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(world.path("authority.pem")).unwrap();
    trusted.add(authority).unwrap();
    let mut config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(at).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect("main.test".try_into().unwrap(), stream)
        .await
        .unwrap()
}

pub(super) async fn client(world: &World, at: SocketAddr, protocol: &str) -> Client {
    let stream = TokioIo::new(connect(world, at, protocol).await);
    if protocol == "h2" {
        let (send, connection) = conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        return Client::Two(send);
    }
    let (send, connection) = conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    Client::One(send)
}

impl Client {
    pub(super) async fn get(&mut self, path: &str) -> String {
        let request = Request::builder();
        let (answer, version) = match self {
            Self::One(send) => {
                send.ready().await.unwrap();
                let request = request.uri(path).header("host", "main.test");
                (
                    send.send_request(request.body(Empty::new()).unwrap()).await,
                    Version::HTTP_11,
                )
            }
            Self::Two(send) => {
                send.ready().await.unwrap();
                let request = request.uri(format!("https://main.test{path}"));
                (
                    send.send_request(request.body(Empty::new()).unwrap()).await,
                    Version::HTTP_2,
                )
            }
        };
        let answer = answer.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(body.into()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_echoes_by_tls() {
    let world = World::new();
    world.authority().issue(&world, "first", &["main.test"], 1);
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
    world.secure(Some(world.settings(&["first"])));
    let router = world.start_secure();
    let stream = connect(&world, router.secure_address(), "http/1.1").await;
    let (mut socket, _) = client_async("wss://main.test/chat", stream).await.unwrap();
    let long = "x".repeat(300_000);
    for words in ["hello", "again", &long] {
        socket.send(Message::text(words)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(words));
    }
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    app.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_requests_at_a_time_and_bodies_in_both_directions() {
    let world = World::new();
    world.authority().issue(&world, "first", &["main.test"], 1);
    let app = app::tcp(|request| async move {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let sum: u64 = body.iter().map(|byte| u64::from(*byte)).sum();
        app::text(format!("{path} {} {sum}\n", body.len()))
    })
    .await;
    world.route(&to(route("main", 1), &app.upstream));
    world.write("big", "ab".repeat(2_000_000));
    world.secure(Some(world.settings(&["first"])));
    let router = world.start_secure();
    let at = router.secure_address();
    let parallel = ["--http2", "--parallel", "--parallel-max", "100"];
    let heard = said(&curl(&world, &parallel, "main.test", at, "/[1-300]").await);
    let mut heard: Vec<&str> = heard.lines().collect();
    heard.sort_unstable();
    let mut expected: Vec<String> = (1..=300).map(|number| format!("/{number} 0 0")).collect();
    expected.sort_unstable();
    assert_eq!(heard, expected);
    let big = format!("@{}", world.path("big").display());
    for version in ["--http1.1", "--http2"] {
        let chunked = [
            version,
            "--data-binary",
            &big,
            "--header",
            "Content-Type: text/plain",
        ];
        let heard = said(&curl(&world, &chunked, "main.test", at, "/up").await);
        assert_eq!(heard, "/up 4000000 390000000\n", "{version}");
        let shown = [
            "--write-out",
            "%{http_version}",
            "--output",
            "/dev/null",
            version,
        ];
        let shown = said(&curl(&world, &shown, "main.test", at, "/").await);
        assert_eq!(shown, version.trim_start_matches("--http"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_is_answered_when_the_router_stops() {
    for protocol in ["http/1.1", "h2"] {
        let world = World::new();
        world.authority().issue(&world, "first", &["main.test"], 1);
        let (asked, mut is_asked) = tokio::sync::mpsc::channel(1);
        let go = Arc::new(tokio::sync::Notify::new());
        let going = Arc::clone(&go);
        let app = app::tcp(move |_| {
            let (asked, going) = (asked.clone(), Arc::clone(&going));
            async move {
                asked.send(()).await.unwrap();
                going.notified().await;
                app::text("late")
            }
        })
        .await;
        world.route(&to(route("main", 1), &app.upstream));
        world.secure(Some(world.settings(&["first"])));
        let router = world.start_secure();
        let mut client = client(&world, router.secure_address(), protocol).await;
        let answer = tokio::spawn(async move { client.get("/").await });
        is_asked.recv().await.unwrap();
        router.signal();
        tokio::task::block_in_place(|| router.until_control_is_gone());
        go.notify_one();
        assert_eq!(answer.await.unwrap(), "late", "{protocol}");
        let (status, log) = tokio::task::block_in_place(|| router.wait());
        assert!(status.success(), "{log}");
    }
}
