//! Files of a release.

use std::{
    fs::File,
    os::unix::fs::symlink,
    time::{Duration, SystemTime},
};

use crate::support::{Router, World, app, route, to};
use wharf_wire::route::Route;

/// A site with a bit of everything.
fn site(world: &World) -> Route {
    for (path, text) in [
        ("slug/secret.txt", "secret"),
        ("slug/public/index.html", "<h1>home</h1>"),
        ("slug/public/style.css", "body { color: navy }"),
        ("slug/public/style.css.gz", "gzipped"),
        ("slug/public/style.css.br", "brotli"),
        ("slug/public/docs/index.html", "docs"),
        ("slug/public/empty/readme.txt", "no index here"),
        ("slug/public/.env", "TOKEN=1"),
        ("slug/public/.git/config", "[core]"),
        ("slug/public/.well-known/acme/token", "proof"),
        ("slug/public/wharf.toml", "x"),
        ("slug/public/Procfile", "x"),
        ("slug/public/docs/Procfile", "about Procfiles"),
        ("slug/public/sp ace é.txt", "unicode"),
    ] {
        world.write(path, text);
    }
    symlink("../secret.txt", world.path("slug/public/leak")).unwrap();
    symlink("/etc", world.path("slug/public/etc")).unwrap();
    symlink("style.css", world.path("slug/public/alias.css")).unwrap();
    let mut route = route("main", 1);
    route.public = Some(world.path("slug/public"));
    route
}

fn start() -> (World, Router) {
    let world = World::new();
    world.route(&site(&world));
    let router = world.start();
    (world, router)
}

#[tokio::test]
async fn files_have_types_lengths_tags_and_ranges() {
    let (_world, router) = start();
    let home = router.get("main.test", "/").await;
    assert_eq!(
        (home.header("content-type"), home.body.as_str()),
        ("text/html", "<h1>home</h1>")
    );
    let style = router.get("main.test", "/style.css?v=2").await;
    assert_eq!(
        (style.header("content-type"), style.header("content-length")),
        ("text/css", "20")
    );
    assert_eq!(
        (style.header("cache-control"), style.header("vary")),
        ("no-cache", "accept-encoding")
    );
    assert_eq!(router.get("main.test", "/alias.css").await.body, style.body);
    assert_eq!(
        router.get("main.test", "/sp%20ace%20%C3%A9.txt").await.body,
        "unicode"
    );

    let head = router.ask("HEAD", "main.test", "/style.css", "").await;
    assert_eq!(
        (
            head.status.as_u16(),
            head.header("content-length"),
            head.body.as_str()
        ),
        (200, "20", "")
    );
    assert_eq!(head.header("etag"), style.header("etag"));

    let same = format!("If-None-Match: {}\r\n", style.header("etag"));
    assert_eq!(
        router
            .ask("GET", "main.test", "/style.css", &same)
            .await
            .status,
        304
    );
    let since = format!("If-Modified-Since: {}\r\n", style.header("last-modified"));
    assert_eq!(
        router
            .ask("GET", "main.test", "/style.css", &since)
            .await
            .status,
        304
    );

    let part = router
        .ask("GET", "main.test", "/style.css", "Range: bytes=0-3\r\n")
        .await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "body"));
    assert_eq!(part.header("content-range"), "bytes 0-3/20");
    let range = format!("Range: bytes=0-3\r\nIf-Range: {}\r\n", style.header("etag"));
    assert_eq!(
        router
            .ask("GET", "main.test", "/style.css", &range)
            .await
            .status,
        206
    );
    let range = "Range: bytes=0-3\r\nIf-Range: \"other\"\r\n";
    assert_eq!(
        router
            .ask("GET", "main.test", "/style.css", range)
            .await
            .body,
        style.body
    );
    let none = router
        .ask("GET", "main.test", "/style.css", "Range: bytes=90-\r\n")
        .await;
    assert_eq!(none.status, 416);
}

#[tokio::test]
async fn what_is_compressed_already_is_sent_so() {
    let (_world, router) = start();
    for (accepted, encoding, body) in [
        ("gzip, br", "br", "brotli"),
        ("gzip", "gzip", "gzipped"),
        ("zstd", "", "body { color: navy }"),
    ] {
        let header = format!("Accept-Encoding: {accepted}\r\n");
        let reply = router.ask("GET", "main.test", "/style.css", &header).await;
        assert_eq!(
            (reply.header("content-encoding"), reply.body.as_str()),
            (encoding, body)
        );
        assert_eq!(reply.header("content-type"), "text/css");
    }
}

#[tokio::test]
async fn a_directory_has_a_slash() {
    let (_world, router) = start();
    let redirect = router.get("main.test", "/docs?a=1").await;
    assert_eq!(
        (redirect.status.as_u16(), redirect.header("location")),
        (307, "/docs/?a=1")
    );
    assert_eq!(router.get("main.test", "/docs/").await.body, "docs");
    assert_eq!(router.get("main.test", "/empty/").await.status, 404);
    // Not a redirect to a host named docs.
    assert_eq!(router.get("main.test", "//docs").await.status, 404);
}

#[tokio::test]
async fn nothing_leaves_the_public_directory() {
    let (_world, router) = start();
    for path in [
        "/leak",
        "/etc/passwd",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/docs/../../secret.txt",
        "/docs/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%5csecret.txt",
        "/%2fetc/passwd",
        "//etc/passwd",
        "/.env",
        "/%2eenv",
        "/docs/../.env",
        "/.git/config",
        "/wharf.toml",
        "/./wharf.toml",
        "/%77harf.toml",
        "/Procfile",
        "/style.css%00.html",
        "/%ff",
        "/style.css/",
    ] {
        let reply = router.get("main.test", path).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
        assert_eq!(
            router.ask("HEAD", "main.test", path, "").await.status,
            404,
            "{path}"
        );
    }
    assert_eq!(
        router
            .get("main.test", "/.well-known/acme/token")
            .await
            .body,
        "proof"
    );
    assert_eq!(
        router.get("main.test", "/docs/Procfile").await.body,
        "about Procfiles"
    );
}

#[tokio::test]
async fn what_is_not_there_is_the_sites_own_page_or_ours() {
    let (world, router) = start();
    let ours = router.get("main.test", "/none").await;
    assert_eq!(
        ours.body,
        "Page not found\n\nThis site answers, but it has no such page.\n"
    );
    let post = router
        .ask("POST", "main.test", "/", "Content-Length: 0\r\n")
        .await;
    assert_eq!(
        (post.status.as_u16(), post.header("allow")),
        (405, "GET, HEAD")
    );
    world.write("slug/public/404.html", "lost at sea");
    let own = router.get("main.test", "/none").await;
    assert_eq!(
        (own.status.as_u16(), own.body.as_str(), own.header("etag")),
        (404, "lost at sea", "")
    );
    assert_eq!(own.header("content-type"), "text/html");
}

#[tokio::test]
async fn what_is_no_file_is_the_processes() {
    let world = World::new();
    let app = app::tcp(|request| async move {
        app::text(format!("app: {} {}", request.method(), request.uri()))
    })
    .await;
    world.route(&to(site(&world), &app.upstream));
    let router = world.start();
    assert_eq!(
        router.get("main.test", "/style.css").await.body,
        "body { color: navy }"
    );
    assert_eq!(
        router.get("main.test", "/api?x").await.body,
        "app: GET /api?x"
    );
    assert_eq!(
        router.get("main.test", "/.env").await.body,
        "app: GET /.env"
    );
    let post = router
        .ask("POST", "main.test", "/style.css", "Content-Length: 0\r\n")
        .await;
    assert_eq!(post.body, "app: POST /style.css");
}

/// Frozen files all have the same time, and may have the same size.
#[tokio::test]
async fn another_release_is_another_file() {
    let world = World::new();
    let frozen = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for slug in ["a", "b"] {
        world.write(&format!("{slug}/page.txt"), format!("release {slug}"));
        let file = File::options()
            .write(true)
            .open(world.path(&format!("{slug}/page.txt")))
            .unwrap();
        file.set_modified(frozen).unwrap();
    }
    let switch = |router: Option<&Router>, slug: &str, written: u64| {
        let mut route = route("main", 1);
        route.public = Some(world.path(slug));
        world.route(&route);
        let file = File::options()
            .write(true)
            .open(world.path("routes/shop.main.json"))
            .unwrap();
        file.set_modified(frozen + Duration::from_secs(written))
            .unwrap();
        if let Some(router) = router {
            router.load(&route);
        }
    };
    switch(None, "a", 100);
    let router = world.start();
    let old = router.get("main.test", "/page.txt").await;
    switch(Some(&router), "b", 200);
    let tag = format!("If-None-Match: {}\r\n", old.header("etag"));
    assert_eq!(
        router.ask("GET", "main.test", "/page.txt", &tag).await.body,
        "release b"
    );
    let since = format!("If-Modified-Since: {}\r\n", old.header("last-modified"));
    let new = router.ask("GET", "main.test", "/page.txt", &since).await;
    assert_eq!(new.body, "release b");
    let since = format!("If-Modified-Since: {}\r\n", new.header("last-modified"));
    assert_eq!(
        router
            .ask("GET", "main.test", "/page.txt", &since)
            .await
            .status,
        304
    );
    // Back to the first: the same file has the same tag again.
    switch(Some(&router), "a", 300);
    assert_eq!(
        router
            .ask("GET", "main.test", "/page.txt", &since)
            .await
            .body,
        "release a"
    );
    assert_eq!(
        router
            .ask("GET", "main.test", "/page.txt", &tag)
            .await
            .status,
        304
    );
}
