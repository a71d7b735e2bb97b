//! Dumps that come back: read in by a server of their own, in the place of what is there only once that ended
//! well; and which may not come.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use wharf_tests::{Tree, Watched, World};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use crate::restarts::keepers;
use crate::services::shop;

/// What stands in each of the three services, as the application sees it.
const LOOK: &str = r#"export MYSQL_PWD="$DATABASE_PASSWORD" REDISCLI_AUTH="$CACHE_PASSWORD"
mariadb --no-defaults -NB -S "$DATABASE_SOCKET" -u app main -e 'SELECT group_concat(what ORDER BY id) FROM orders'
psql -qtA "$WAREHOUSE_URL" -c "SELECT string_agg(what, ',' ORDER BY what) FROM stock"
redis-cli -s "$CACHE_SOCKET" lrange seen 0 -1 | paste -sd,"#;

fn last_import(world: &World) -> Activity {
    let all = world.activities(Some("shop"), 100).unwrap();
    let mut all = all.into_iter();
    all.find(|one| one.kind == Kind::DatabaseImport).unwrap()
}

/// Nothing is left of what came or was arriving.
fn nothing_is_left(world: &World, environment: &str) {
    let mounts = world.home().join("state/mounts/shop").join(environment);
    let names = fs::read_dir(mounts).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_a_dump_says_takes_the_place_of_what_is_there() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.push(&["main"]).ok().has("| orders: r1");
    let look = |said: &str| {
        shop.wharf(&["run", "--", "sh", "-c", LOOK]).ok().has(said);
    };
    shop.wharf(&["db", "dump", "database", "-o", "orders.sql.gz"])
        .ok();
    shop.wharf(&["db", "dump", "warehouse", "-o", "stock.sql"])
        .ok();
    shop.wharf(&["db", "dump", "cache", "-o", "cache.rdb"]).ok();
    shop.commit("Two");
    shop.push(&["main"]).ok();
    look("r1,r2\nr1,r2\nr1,r2\n");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 2");

    shop.wharf(&["db", "import", "database", "orders.sql.gz"])
        .ok()
        .has("database of main reads it next")
        .has("what was there is kept on the host as ")
        .has("the dump is read in")
        .has("main serves r2 with it.");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 1");
    look("r1\nr1,r2\nr1,r2\n");
    let kept = world
        .home()
        .join("state/kept")
        .join(last_import(&world).id)
        .join("services");
    let kept = fs::read_dir(kept).unwrap();
    let kept: Vec<_> = kept.map(|one| one.unwrap().file_name()).collect();
    assert_eq!(kept, ["database"], "that service alone");
    shop.wharf(&["db", "import", "warehouse", "stock.sql"]).ok();
    look("r1\nr1\nr1,r2\n");
    shop.sh("wharf db import cache - <cache.rdb").ok();
    look("r1\nr1\nr1\n");
    nothing_is_left(&world, "main");
    assert_eq!(keepers(&world).len(), 4, "no server that read one is left");

    // What other tools write comes as well.
    shop.write(
        "own.sql",
        "CREATE TABLE orders (id INT, what TEXT);\nINSERT INTO orders VALUES (1, 'own');\n",
    );
    shop.sh("gzip -c own.sql | wharf db import database -").ok();
    look("own\nr1\nr1\n");
    shop.wharf(&["activities"]).ok().has("database-import");
}

#[test]
fn what_is_no_dump_or_not_whole_changes_nothing() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.push(&["main"]).ok();
    shop.wharf(&["db", "dump", "database", "-o", "orders.sql.gz"])
        .ok();
    shop.wharf(&["db", "dump", "database", "-o", "orders.sql"])
        .ok();
    shop.wharf(&["db", "dump", "cache", "-o", "cache.rdb"]).ok();
    let before = keepers(&world);
    let activities = || world.activities(Some("shop"), 100).unwrap().len();
    let recorded = activities();
    let orders = fs::read(shop.path().join("orders.sql.gz")).unwrap();
    fs::write(shop.path().join("cut.sql.gz"), &orders[..orders.len() / 2]).unwrap();
    shop.write("cut.sql", "");
    shop.sh("head -n 20 orders.sql >cut.sql; : >empty; gzip -d <orders.sql.gz | bzip2 >orders.bz2")
        .ok();
    shop.sh("printf 'a\\0b' >binary").ok();
    for (service, file, said) in [
        (
            "database",
            "cut.sql.gz",
            "the dump is not whole: it was cut off",
        ),
        ("database", "cut.sql", "it ends before its end"),
        ("database", "empty", "it is empty"),
        ("database", "orders.bz2", "packed by bzip2"),
        ("database", "binary", "no text"),
        ("database", "cache.rdb", "an RDB file of Redis"),
        ("cache", "orders.sql", "reads an RDB file"),
    ] {
        shop.wharf(&["db", "import", service, file])
            .exits(6)
            .has(said);
        nothing_is_left(&world, "main");
    }
    for (service, said) in [("other", "its services are"), ("", "several services")] {
        let words = ["db", "import", service, "orders.sql"];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        shop.wharf(&words).exits(5).has(said);
    }
    shop.wharf(&["db", "import", "database", "none.sql"])
        .exits(1)
        .has("cannot read");
    assert_eq!(activities(), recorded, "nothing was begun");

    // What its server refuses says so in the server's words.
    shop.write(
        "bad.sql",
        "CREATE TABLE orders (id INT);\nINSERT INTO nowhere VALUES (1);\n",
    );
    shop.wharf(&["db", "import", "database", "bad.sql"])
        .exits(3)
        .has("service database cannot read the dump")
        .has("Table 'main.nowhere' doesn't exist")
        .has("main still serves r1; nothing was changed.");
    shop.sh("head -c 60 cache.rdb >short.rdb").ok();
    shop.wharf(&["db", "import", "cache", "short.rdb"])
        .exits(3)
        .has("service cache cannot read the dump");
    nothing_is_left(&world, "main");
    assert_eq!(keepers(&world), before, "what serves was not started again");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 1");
}

/// Redis alone, which is quick to start.
const QUICK: &str = "public = \".\"\n[services]\ncache = \"redis\"\n";

fn quick(world: &World) -> Tree<'_> {
    let shop = world.site("shop", &[("wharf.toml", QUICK), ("index.html", "shop")]);
    shop.init();
    shop.push(&["main"]).ok();
    shop
}

fn redis(shop: &Tree<'_>, environment: &str, words: &str) -> String {
    let line = format!("REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET {words}");
    shop.wharf(&["run", "-e", environment, "--", "sh", "-c", &line])
        .ok()
        .out
}

#[test]
fn a_dump_of_another_environment_never_goes_upward() {
    let world = World::new();
    let shop = quick(&world);
    for branch in ["feature", "other"] {
        shop.push(&[&format!("main:{branch}")]).ok();
    }
    for (environment, file) in [("main", "main.rdb"), ("feature", "feature.rdb.gz")] {
        redis(&shop, environment, &format!("set word {environment}"));
        shop.wharf(&["db", "dump", "-e", environment, "-o", file])
            .ok();
    }
    for into in ["main", "other"] {
        shop.wharf(&["db", "import", "feature.rdb.gz", "-e", into])
            .exits(6)
            .has("this dump of shop/feature may not come into")
            .has("data goes into the environment that it is of");
    }
    shop.wharf(&["db", "import", "main.rdb", "-e", "feature"])
        .exits(6)
        .has("leaves it only scrubbed")
        .has("sanitize = false");
    nothing_is_left(&world, "main");
    let all = world.activities(Some("shop"), 100).unwrap();
    assert!(all.iter().all(|one| one.kind != Kind::DatabaseImport));
    // It says so itself, whatever it is called and however it comes.
    shop.sh("gzip -dc feature.rdb.gz | wharf db import -e main -")
        .exits(6)
        .has("may not come into main");
    // So does what a snapshot has of it.
    shop.wharf(&["snapshot", "create", "-e", "feature"]).ok();
    let list = shop.wharf(&["snapshot", "list", "--json"]).ok().out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let (id, part) = (list[0]["id"].as_str().unwrap(), "service:cache");
    shop.wharf(&["snapshot", "export", id, "--part", part, "-o", "part.rdb"])
        .ok();
    shop.wharf(&["db", "import", "part.rdb", "-e", "main"])
        .exits(6)
        .has("this dump of shop/feature may not come into main");
    // Back into its own it goes.
    redis(&shop, "feature", "set word other");
    shop.wharf(&["db", "import", "feature.rdb.gz", "-e", "feature"])
        .ok();
    assert_eq!(redis(&shop, "feature", "get word"), "feature\n");
    redis(&shop, "main", "set word other");
    shop.wharf(&["db", "import", "main.rdb", "-e", "main"]).ok();
    assert_eq!(redis(&shop, "main", "get word"), "main\n");
}

#[test]
fn whoever_stops_sending_leaves_nothing() {
    let world = World::new();
    let shop = quick(&world);
    redis(&shop, "main", "set word old");
    shop.wharf(&["db", "dump", "-o", "all.rdb"]).ok();
    let all = fs::read(shop.path().join("all.rdb")).unwrap();
    for signal in [Signal::INT, Signal::KILL] {
        world.forget_trace();
        let mut wharf = shop.command("wharf");
        wharf.args(["db", "import", "-"]);
        let child = wharf.stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        // All of it has come, but for its end.
        let mut input = child.stdin.take().unwrap();
        input.write_all(&all).unwrap();
        world.wait_for_point("dump: coming");
        kill_process(Pid::from_child(&child), signal).unwrap();
        child.wait().unwrap();
        world.wait_for_point("dump: thrown away");
        nothing_is_left(&world, "main");
    }
    nothing_is_left(&world, "main");
    let all = world.activities(Some("shop"), 100).unwrap();
    assert!(all.iter().all(|one| one.kind != Kind::DatabaseImport));
    assert_eq!(redis(&shop, "main", "get word"), "old\n");
}

#[test]
fn an_import_survives_every_death() {
    let world = World::new();
    let shop = quick(&world);
    redis(&shop, "main", "set word dump");
    shop.wharf(&["db", "dump", "-o", "all.rdb.gz"]).ok();
    let words = ["db", "import", "all.rdb.gz"];
    world.forget_trace();
    shop.wharf(&words).ok();
    let mut points = Vec::new();
    for point in world.trace() {
        let own = ["step ", "swap: ", "dump: ", "record activities: "];
        if own.iter().any(|one| point.starts_with(one)) && !points.contains(&point) {
            points.push(point);
        }
    }
    for wanted in [
        "dump: there",
        "step deploy fetch: started",
        "swap: kept cache",
    ] {
        assert!(points.iter().any(|one| one == wanted), "{points:?}");
    }
    for point in points {
        redis(&shop, "main", "set word new");
        world.freeze_at(&point);
        let watched = Watched::wharf(&shop, &words);
        world.wait_until_frozen();
        world.kill_daemon();
        world.start();
        drop(watched);
        let word = match point.as_str() {
            // Nobody had recorded it yet.
            "record activities: before" => "new\n",
            point if point.starts_with("dump: ") => "new\n",
            _ => {
                let id = last_import(&world).id;
                shop.wharf(&["activity", "wait", &id]);
                assert_eq!(last_import(&world).state, State::Succeeded, "{point}");
                "dump\n"
            }
        };
        assert_eq!(redis(&shop, "main", "get word"), word, "{point}");
        nothing_is_left(&world, "main");
        assert_eq!(shop.get("/").ok(), "shop", "{point}");
    }
}
