//! Several processes of one application, redirects, and hosts that routes may name.

use std::{fs, os::unix::net::UnixStream};

use wharf_tests::{Visitor, World};

use crate::app::{SERVER, host};
use crate::load;
use crate::mending::reboot;
use crate::restarts::{kill, wait_for_log};

/// Both processes are the same server; the second says something of its own.
const CONFIG: (&str, &str) = (
    "wharf.toml",
    r#"web = "exec python3 app.py"

[processes]
api = "exec python3 api.py"

[routes]
"https://{default}/v1/" = { to = "api" }
"https://api.{default}/" = { to = "api" }
"https://www.{default}/" = { redirect = "https://{default}/", code = 308 }
"https://{default}/blog/([0-9]+)" = { redirect = "/posts/$1", regexp = true }
"#,
);

fn files() -> Vec<(&'static str, String)> {
    let api = SERVER.1.replace(
        r#"open("version", "rb").read()"#,
        r#"b"api " + open("version", "rb").read()"#,
    );
    vec![
        ("app.py", SERVER.1.to_owned()),
        ("api.py", api),
        ("version", "1\n".to_owned()),
        (CONFIG.0, CONFIG.1.to_owned()),
    ]
}

#[test]
fn addresses_lead_to_processes_and_elsewhere_through_switches_and_deaths() {
    let world = World::new();
    let files = files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let shop = world.site("shop", &files);
    shop.init();
    shop.push(&["main"])
        .ok()
        .has("main now serves r1.")
        .has("api: it listens");
    let (visitor, main) = (Visitor::new(world.port()), host("shop"));
    let get = |host: &str, path: &str| visitor.get(host, path).unwrap();
    let check = |version: &str| {
        assert_eq!(get(&main, "/").ok(), version);
        assert_eq!(get(&main, "/v1/x").ok(), format!("api {version}"));
        assert_eq!(
            get(&format!("api.{main}"), "/").ok(),
            format!("api {version}")
        );
    };
    check("1\n");
    let away = get(&format!("www.{main}:{}", world.port()), "/a?b");
    let address = format!("http://{main}:{}/a?b", world.port());
    assert_eq!((away.status, away.header("location")), (308, &*address));
    let post = get(&main, "/blog/17");
    assert_eq!((post.status, post.header("location")), (302, "/posts/17"));

    // The process beside the web is switched and drained as the web is.
    let api = format!("api.{main}");
    let asked = load::visited(world.port(), &api, || load::push_until(&shop, 4));
    let asked: Vec<_> = asked
        .into_iter()
        .map(|(status, body)| (status, body.trim_start_matches("api ").to_owned()))
        .collect();
    load::none_failed(&asked, 4);
    check("4\n");

    // One that is lost comes back by itself, and all do after a reboot.
    let sockets = world.home().join("run/keepers");
    let names = fs::read_dir(&sockets).unwrap();
    let mut names = names.map(|entry| entry.unwrap().path());
    let socket = names
        .find(|path| path.to_string_lossy().contains(".r4.api."))
        .unwrap();
    let socket = UnixStream::connect(socket).unwrap();
    kill(rustix::net::sockopt::socket_peercred(&socket).unwrap().pid);
    wait_for_log(&world, "r4 serves again after a restart");
    check("4\n");
    reboot(&world);
    let visitor = Visitor::new(world.port());
    while visitor.get(&main, "/").unwrap().status != 200 {
        std::thread::yield_now();
    }
    assert_eq!(visitor.get(&main, "/v1/x").unwrap().ok(), "api 4\n");
}

#[test]
fn a_route_names_no_host_of_another() {
    let world = World::new();
    let files = files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let shop = world.site("shop", &files);
    shop.init();
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}domain = \"shop.test\"\n")).unwrap();
    shop.wharf(&["reload"]).ok();
    shop.push(&["main"])
        .has("wharf.toml:8:1: a route names api.shop.test, but environments are named below")
        .has("wharf.toml:9:1: a route names www.shop.test");
}

#[test]
fn each_process_that_answers_must_listen_before_the_release_serves() {
    let world = World::new();
    let files = files();
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    let shop = world.site("shop", &files);
    shop.init();
    shop.push(&["main"]).ok().has("main now serves r1.");
    // The web process is asked for a path, the others need only listen.
    let deploy = "[deploy]\nhealth = { path = \"/\", within = \"2s\" }\n";
    let config = format!("{}\n{deploy}", CONFIG.1);
    let silent = config.replace("exec python3 api.py", "echo deaf; exec sleep 1000");
    shop.write("wharf.toml", &silent);
    shop.write("version", "2\n");
    shop.commit("Silent");
    let said = shop.push(&["main"]).ok().has("GET / 200 in");
    said.has("process api of the new release was not healthy within 2.0s: nothing listens on port")
        .has("--> wharf.toml:4:7")
        .has("main still serves r1; nothing was changed.");
    assert_eq!(shop.get("/v1/").ok(), "api 1\n");
    shop.write("wharf.toml", &config);
    shop.commit("Speaks");
    shop.push(&["main"])
        .ok()
        .has("api: it listens")
        .has("main now serves r3 (was r1).");
    // Without a web process it is no static site either.
    let alone = config.replace("web = \"exec python3 app.py\"", "public = \".\"");
    shop.write("wharf.toml", &alone);
    shop.commit("Alone");
    shop.push(&["main"])
        .ok()
        .has("main now serves r4 (was r3).");
    let environments = world.environments(Some("shop")).unwrap();
    assert_eq!(environments[0].health, "healthy");
}
