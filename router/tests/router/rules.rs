//! Addresses that lead elsewhere, processes beside the web, and what holds below paths.

use wharf_wire::route::{
    FromRouter, Location, Paths, Process, Protocol, Route, Rule, To, ToRouter, Upstream, Who,
};

use crate::support::{World, app, ask, load, route, to};

fn below(label: Option<&str>, path: &str, to: To) -> Rule {
    Rule {
        label: label.map(str::to_owned),
        path: Paths::Below(path.to_owned()),
        to,
    }
}

fn with_api(world: &World, web: &Upstream, api: &Upstream) -> Route {
    world.write("public/api/file.txt", "file");
    let mut route = to(route("main", 1), web);
    route.public = Some(world.path("public"));
    route.processes.insert(
        "api".to_owned(),
        Process {
            upstream: api.clone(),
            protocol: Protocol::Http,
        },
    );
    route
}

#[tokio::test]
async fn a_process_beside_the_web_has_paths_and_hosts_of_its_own() {
    let world = World::new();
    let (web, api) = (app::saying("web").await, app::saying("api").await);
    let mut main = with_api(&world, &web.upstream, &api.upstream);
    let process = || To::Process("api".to_owned());
    main.rules = vec![
        below(None, "/v1/", process()),
        below(Some("api"), "/", process()),
        below(None, "/v1/docs/", To::Web),
    ];
    world.route(&main);
    let router = world.start();
    for (host, path, body) in [
        ("main.test", "/", "web"),
        ("main.test", "/v1", "api"),
        ("main.test", "/v1/x", "api"),
        ("main.test", "/%761//x", "api"),
        ("main.test", "/v1/docs/x", "web"),
        ("main.test", "/v10", "web"),
        ("main.test", "/api/file.txt", "file"),
        ("api.main.test", "/api/file.txt", "api"),
        ("api.main.test:81", "/v1/docs/x", "api"),
    ] {
        assert_eq!(router.get(host, path).await.body, body, "{host}{path}");
    }
    assert_eq!(router.get("www.main.test", "/").await.status, 404);
    // Each process is drained on its own, and forgotten with the route.
    let mut control = router.connect();
    for app in [&web, &api] {
        let drain = ToRouter::Drain {
            upstream: app.upstream.clone(),
            milliseconds: 0,
        };
        assert_eq!(ask(&mut control, &drain), FromRouter::Drained { left: 0 });
    }
    let next = to(route("main", 2), &web.upstream);
    world.route(&next);
    ask(&mut control, &load(&next));
    assert_eq!(router.get("api.main.test", "/").await.status, 404);
    assert_eq!(router.get("main.test", "/v1/x").await.body, "web");
}

#[tokio::test]
async fn redirects_come_after_the_doors() {
    let world = World::new();
    let web = app::saying("web").await;
    let mut main = to(route("main", 1), &web.upstream);
    let home = || To::Redirect {
        to: "https://{default}/".to_owned(),
        code: 308,
    };
    main.rules = vec![below(Some("www"), "/", home())];
    main.noindex = true;
    world.route(&main);
    let mut closed = to(route("closed", 1), &web.upstream);
    closed.rules = vec![below(None, "/old/", home())];
    closed.access.who = Who::Names([].into());
    world.route(&closed);
    let mut bad = to(route("bad", 1), &web.upstream);
    bad.rules = vec![below(None, "/", To::Process("none".to_owned()))];
    world.route(&bad);
    let router = world.start();
    assert!(
        router.log.contains("a rule names no process"),
        "{}",
        router.log
    );
    let reply = router.get("www.main.test:7080", "/a?b").await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("location")),
        (308, "http://main.test:7080/a?b")
    );
    assert_eq!(reply.header("x-robots-tag"), "noindex");
    assert_eq!(router.get("closed.test", "/old/x").await.status, 403);
}

#[tokio::test]
async fn what_holds_below_a_path() {
    let world = World::new();
    let web = app::saying("web").await;
    world.write("public/static/app.js", "js");
    world.write("public/private/key", "key");
    world.write("public/page.html", "page");
    world.write("public/404.html", "nothing here");
    let mut main = to(route("main", 1), &web.upstream);
    main.public = Some(world.path("public"));
    let location = |path: &str, expires, front, allow| Location {
        path: path.to_owned(),
        expires,
        front,
        allow,
    };
    main.locations = vec![
        location("/static/", Some(60), false, true),
        location("/private/", None, true, false),
    ];
    world.route(&main);
    let mut closed = main.clone();
    closed.environment = "closed".to_owned();
    closed.hosts = vec!["closed.test".to_owned()];
    closed.access.who = Who::Machine;
    world.route(&closed);
    let router = world.start();
    let file = router.get("main.test", "/static/app.js").await;
    assert_eq!(
        (&*file.body, file.header("cache-control")),
        ("js", "max-age=60")
    );
    let file = router.get("main.test", "/page.html").await;
    assert_eq!(
        (&*file.body, file.header("cache-control")),
        ("page", "no-cache")
    );
    let file = router.get("closed.test", "/static/app.js").await;
    assert_eq!(file.header("cache-control"), "private, max-age=60");
    let none = router.get("main.test", "/static/none.js").await;
    assert_eq!((none.status.as_u16(), &*none.body), (404, "nothing here"));
    assert_eq!(none.header("cache-control"), "");
    assert_eq!(router.get("main.test", "/other").await.body, "web");
    for path in [
        "/private/key",
        "/private",
        "//private/./key",
        "/%70rivate/x",
        "/x/../private/key",
    ] {
        assert_eq!(router.get("main.test", path).await.status, 403, "{path}");
    }
}
