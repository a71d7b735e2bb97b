//! Who may look, from the project's file to the visitor.

use std::fs;

use wharf_tests::{Page, Tree, Visitor, World};

use crate::app::deployed;

const HOST: &str = r#"domain = "apps.test"

[router]
listen = "127.0.0.1:0"
proxies = ["127.0.0.1"]
"#;
/// `guest:s3cret`.
const PASSWORD: (&str, &str) = ("Authorization", "Basic Z3Vlc3Q6czNjcmV0");
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK";
const STRANGER: (&str, &str) = ("X-Forwarded-For", "203.0.113.9");
const OFFICE: (&str, &str) = ("X-Forwarded-For", "198.51.100.7");

const MAIN: &str = "shop.apps.test";
const FEATURE: &str = "feature.shop.apps.test";

fn visit(world: &World, host: &str, path: &str, headers: &[(&str, &str)]) -> Page {
    Visitor::new(world.port())
        .get_with(host, path, headers)
        .unwrap()
}

/// Writes the project's file anew and lets the daemon read it.
fn reload(world: &World, tree: &Tree<'_>, more: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    let repository = text.lines().next().unwrap();
    fs::write(&file, format!("{repository}\n{more}")).unwrap();
    tree.wharf(&["reload"]).ok();
}

/// The path and query of a link that opens `feature` for an hour.
fn link(tree: &Tree<'_>) -> String {
    let said = tree.wharf(&["-e", "feature", "url", "--grant", "1h"]).ok();
    let link = said.out.trim_end();
    assert!(link.starts_with(&format!("http://{FEATURE}:")), "{said}");
    assert!(
        said.err
            .starts_with("whoever has this link may look at feature until "),
        "{said}"
    );
    let (_, path) = link
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    format!("/{path}")
}

/// Follows a link as a browser does; the cookie that came of it.
fn follow(world: &World, link: &str) -> String {
    let way_on = visit(world, FEATURE, link, &[STRANGER]);
    assert_eq!(
        (way_on.status, way_on.header("location")),
        (303, "/"),
        "{}",
        way_on.body
    );
    let (cookie, _) = way_on.header("set-cookie").split_once(';').unwrap();
    cookie.to_owned()
}

#[test]
fn previews_are_for_those_whom_somebody_lets_in() {
    let world = World::with_host_file(HOST);
    let shop = deployed(&world, "shop");
    shop.push(&["main:feature"]).ok();
    assert_eq!(visit(&world, MAIN, "/", &[STRANGER]).ok(), "one\n");
    let page = visit(&world, FEATURE, "/", &[STRANGER]);
    assert_eq!(page.status, 403);
    assert!(page.body.contains("wharf url --grant 1h"), "{}", page.body);

    let first = link(&shop);
    let cookie = follow(&world, &first);
    let cookie = [("Cookie", &*cookie), STRANGER];
    assert_eq!(visit(&world, FEATURE, "/", &cookie).ok(), "one\n");
    let json = shop
        .wharf(&["-e", "feature", "url", "--grant", "2d", "--json"])
        .ok();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["environment"], &json["project"]),
        (&"feature".into(), &"shop".into())
    );
    shop.wharf(&["url", "--grant", "31d"])
        .exits(2)
        .has("from 1m to 30d");

    // Production's networks are its children's too, and no link opens them.
    let production = "[environments.production]\nbranch = \"main\"\n";
    let allow = "access = \"allow:198.51.100.0/24\"\n";
    reload(&world, &shop, &format!("{production}{allow}"));
    for host in [MAIN, FEATURE] {
        assert_eq!(visit(&world, host, "/", &[STRANGER]).status, 403);
        assert_eq!(visit(&world, host, "/", &[OFFICE]).ok(), "one\n");
    }
    assert_eq!(visit(&world, FEATURE, "/", &cookie).status, 403);
    shop.wharf(&["-e", "feature", "url", "--grant", "1h"])
        .exits(6)
        .has("hint: ");

    let basic = "[environments.\"*\"]\naccess = \"basic\"\n[previews]\n";
    reload(
        &world,
        &shop,
        &format!("{production}{basic}guest = \"{HASH}\"\n"),
    );
    assert_eq!(visit(&world, MAIN, "/", &[STRANGER]).ok(), "one\n");
    assert_eq!(visit(&world, FEATURE, "/", &[STRANGER]).status, 401);
    assert_eq!(
        visit(&world, FEATURE, "/", &[STRANGER, PASSWORD]).ok(),
        "one\n"
    );
    assert_eq!(visit(&world, FEATURE, "/", &cookie).ok(), "one\n");
    // A daemon that was away finds what has changed meanwhile by itself.
    world.kill_daemon();
    world.start();
    assert_eq!(visit(&world, FEATURE, "/", &cookie).ok(), "one\n");

    // Made anew it has other keys.
    shop.push(&["--delete", "feature"]).ok();
    shop.push(&["main:feature"]).ok();
    assert_eq!(visit(&world, FEATURE, "/", &cookie).status, 401);
    assert_eq!(visit(&world, FEATURE, &first, &[STRANGER]).status, 403);
    follow(&world, &link(&shop));
}

#[test]
fn without_a_domain_this_machine_looks_and_no_other() {
    let world = World::with_host_file("[router]\nlisten = \"127.0.0.1:0\"\n");
    let shop = deployed(&world, "shop");
    shop.push(&["main:feature"]).ok();
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "one\n");
    world.kill_daemon();
    let host = world.home().join("config/wharfd.toml");
    let text = fs::read_to_string(&host).unwrap();
    fs::write(&host, format!("{text}proxies = [\"127.0.0.0/8\"]\n")).unwrap();
    world.start();
    shop.wharf(&["reload"]).ok();
    let from = |who| visit(&world, "feature--shop.localhost", "/", &[who]).status;
    assert_eq!(from(STRANGER), 403);
    assert_eq!(from(("X-Forwarded-For", "127.0.0.1")), 200);
    assert_eq!(
        visit(&world, "main--shop.localhost", "/", &[STRANGER]).ok(),
        "one\n"
    );
}
