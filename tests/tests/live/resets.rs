//! `wharf data reset`: an environment begins with nothing again, installed and seeded as a new one, and what was
//! there is kept.

use std::fs;

use wharf_tests::{Tree, Watched, World};
use wharf_wire::ask::{Ask, Scope};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

const CONFIG: &str = r#"public = "."
[services]
cache = "redis"
[mounts]
uploads = "data"
"var/own" = "private"
[deploy]
run = "echo updated >>uploads/log"
[deploy.install]
unless = "test -e var/own/installed"
run = ["sh install.sh", "echo installed >>uploads/log"]
[seed]
run = "echo seeded >>uploads/log"
"#;
const INSTALL: &str = "touch var/own/installed\n\
    REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET incr installed\n";

fn shop(world: &World) -> Tree<'_> {
    let files = [
        ("wharf.toml", CONFIG),
        ("install.sh", INSTALL),
        ("index.html", "shop"),
    ];
    let shop = world.site("shop", &files);
    shop.init();
    shop.push(&["main"]).ok();
    shop.push(&["main:feature"]).ok().has("seeded");
    shop
}

const LOOK: &str = "REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET mget installed word; \
                    ls uploads var/own; cat uploads/log";
/// As it is in a new environment.
const NEW: &str = "1\n\nuploads:\nlog\n\nvar/own:\ninstalled\ninstalled\nseeded\n";

fn look(shop: &Tree<'_>) -> String {
    run(shop, LOOK)
}

fn run(shop: &Tree<'_>, line: &str) -> String {
    let words = ["run", "-e", "feature", "--", "sh", "-c", line];
    shop.wharf(&words).ok().out
}

/// People work there.
fn use_it(shop: &Tree<'_>) {
    let line = "REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET set word used; echo used >uploads/text";
    run(shop, line);
}

fn last(world: &World) -> Activity {
    let all = world.activities(Some("shop"), 100).unwrap();
    all.into_iter().find(|one| one.kind == Kind::Reset).unwrap()
}

#[test]
fn an_environment_begins_with_nothing_again() {
    let world = World::new();
    let shop = shop(&world);
    assert_eq!(look(&shop), NEW);
    use_it(&shop);
    assert_ne!(look(&shop), NEW);
    shop.wharf(&["data", "reset", "-e", "feature"])
        .ok()
        .has("what was there is kept on the host as ")
        .has("the data is as in a new environment")
        .has("feature serves r2 with it.");
    assert_eq!(look(&shop), NEW);
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "shop");
    let kept = world.home().join("state/kept").join(last(&world).id);
    let uploads = fs::read_dir(&kept).unwrap().map(|one| one.unwrap().path());
    let text = uploads
        .into_iter()
        .find_map(|path| fs::read_to_string(path.join("text")).ok());
    assert_eq!(text.as_deref(), Some("used\n"));
    assert!(kept.join("services/cache").exists());
    // An update afterwards is one.
    shop.commit("Two");
    shop.push(&["main:feature"]).ok();
    assert!(look(&shop).ends_with("installed\nseeded\nupdated\n"));

    // Production keeps its data, whoever asks.
    shop.wharf(&["data", "reset", "-e", "main"])
        .exits(6)
        .has("main is production, which is never reset");
    let scope = Scope {
        project: Some("shop".into()),
        environment: Some("main".into()),
        ..Scope::default()
    };
    let refused = world.ask(Ask::ResetData(scope)).unwrap_err();
    assert!(refused.contains("never reset"), "{refused}");
    shop.wharf(&["pause", "-e", "feature"]).ok();
    shop.wharf(&["data", "reset", "-e", "feature"])
        .exits(6)
        .has("is paused");
}

#[test]
fn what_fails_on_fresh_data_leaves_it_paused_and_begins_anew_the_next_time() {
    let world = World::new();
    let shop = shop(&world);
    use_it(&shop);
    // What stands beside is part of what is installed.
    let breaks = "touch uploads/broken; test -e uploads/never";
    shop.write("install.sh", &format!("{INSTALL}{breaks}\n"));
    shop.commit("Broken");
    shop.push(&["main:feature"]).ok();
    shop.wharf(&["data", "reset", "-e", "feature"])
        .exits(3)
        .has("install failed in command 1 of 2")
        .has("begin again: wharf data reset -e feature")
        .has("its data is a new environment's, and it serves again once resumed.");
    assert_eq!(world.get("feature--shop.localhost", "/").status, 503);
    shop.write("install.sh", INSTALL);
    shop.commit("Mended");
    shop.push(&["main:feature"]).ok();
    shop.wharf(&["data", "reset", "-e", "feature"]).ok();
    assert_eq!(look(&shop), NEW);
}

#[test]
fn a_reset_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    let words = ["data", "reset", "-e", "feature"];
    world.forget_trace();
    use_it(&shop);
    shop.wharf(&words).ok();
    let mut points = Vec::new();
    for point in world.trace() {
        let own = point.starts_with("step ") || point.starts_with("swap: ");
        if own && !points.contains(&point) {
            points.push(point);
        }
    }
    for wanted in [
        "swap: kept cache",
        "step deploy install 1: done",
        "step deploy seed 1: started",
        "step deploy route: started",
    ] {
        assert!(points.iter().any(|one| one == wanted), "{points:?}");
    }
    for point in points {
        use_it(&shop);
        world.freeze_at(&point);
        let watched = Watched::wharf(&shop, &words);
        world.wait_until_frozen();
        world.kill_daemon();
        world.start();
        drop(watched);
        let id = last(&world).id;
        shop.wharf(&["activity", "wait", &id]);
        assert_eq!(last(&world).state, State::Succeeded, "{point}");
        assert_eq!(look(&shop), NEW, "{point}");
        let kept = world.home().join("state/kept").join(&id);
        let uploads = fs::read_dir(&kept).unwrap().map(|one| one.unwrap().path());
        let text = uploads
            .into_iter()
            .find_map(|path| fs::read_to_string(path.join("text")).ok());
        assert_eq!(text.as_deref(), Some("used\n"), "{point}");
    }
}
