//! Data that moves to another major version of PostgreSQL: brought along by the deployment that asks for it, whole or
//! not at all.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wharf_tests::{Kind, Said, Tree, Visitor, Watched, World, apart};
use wharf_wire::outcome::State;

use crate::app::host;
use crate::restarts::wait_for_log;
use crate::web::WEB;

const SERVER: &str = r#"import os, subprocess, uuid, web

def ask(statement):
    words = ["psql", "-qtA", os.environ["WAREHOUSE_URL"], "-v", "ON_ERROR_STOP=1", "-c", statement]
    done = subprocess.run(words, capture_output=True, text=True)
    return done.returncode, done.stdout

def answer(path):
    if path == "/add":
        word = uuid.uuid4().hex
        code, _ = ask(f"INSERT INTO stock VALUES ('{word}')")
        return word, code == 0
    code, said = ask("SELECT what FROM stock ORDER BY what")
    return said, code == 0

web.serve(answer)
"#;
const MIGRATE: &str = "psql -qtA $WAREHOUSE_URL -v ON_ERROR_STOP=1 \
                       -c 'CREATE TABLE IF NOT EXISTS stock (what text)'";

fn config(service: &str, migrate: &str) -> String {
    format!(
        "web = \"exec python3 server.py\"\n[services]\nwarehouse = \"{service}\"\n\
         [deploy]\nrun = \"{migrate}\"\nhealth = {{ path = \"/all\", within = \"20s\" }}\n"
    )
}

/// A shop on this branch, whose data is that of the earlier version.
fn shop<'w>(world: &'w World, branch: &str) -> Tree<'w> {
    let config = config("postgresql:14", MIGRATE);
    let shop = world.site(
        "shop",
        &[("wharf.toml", &config), ("server.py", SERVER), WEB],
    );
    shop.init().ok();
    if branch != "main" {
        shop.git(&["switch", "--quiet", "--create", branch]).ok();
    }
    shop.push(&[branch])
        .ok()
        .has("warehouse: postgresql 14")
        .has("now serves r1");
    shop.get("/add").ok();
    shop
}

fn push(shop: &Tree<'_>, service: &str, migrate: &str) -> Said {
    shop.write("wharf.toml", &config(service, migrate));
    shop.commit("Change");
    shop.push(&["HEAD"])
}

/// The version of the server that answers.
fn version(shop: &Tree<'_>) -> String {
    let line = "psql -qtA $WAREHOUSE_URL -c 'SHOW server_version_num'";
    let said = shop.wharf(&["run", "--", "sh", "-c", line]);
    said.ok().out[..2].to_owned()
}

fn services(world: &World, environment: &str) -> PathBuf {
    let environment = world.home().join("state/mounts/shop").join(environment);
    environment.join("services")
}

/// Nothing is left of what was made or came, and no server of it runs.
fn nothing_is_left(world: &World, environment: &str, servers: usize) {
    let names = |directory: PathBuf| {
        let names = fs::read_dir(directory).unwrap();
        let names = names.map(|one| one.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<String>>()
    };
    let mut left = names(services(world, environment));
    left.retain(|name| name.starts_with('.'));
    assert_eq!(left, Vec::<String>::new());
    let mut keepers = names(world.home().join("run/keepers"));
    keepers.retain(|name| name.contains(".s."));
    assert_eq!(keepers.len(), servers, "{keepers:?}");
    let mut sockets = names(world.home().join("run/services"));
    sockets.retain(|name| name.contains(".s."));
    assert_eq!(sockets, Vec::<String>::new());
}

#[test]
fn data_moves_to_the_version_that_is_asked_for_and_no_order_is_lost() {
    let world = World::new();
    let shop = shop(&world, "main");
    shop.wharf(&["snapshot", "create"]).ok();
    let list = shop.wharf(&["snapshot", "list", "--json"]).ok().out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let snapshot = list[0]["id"].as_str().unwrap().to_owned();
    let earlier = shop.get("/all").ok();

    // The host has a newer one; who says nothing stays.
    push(&shop, "postgresql", MIGRATE)
        .ok()
        .has("warehouse: postgresql 14");
    // So does a branch that begins with its data.
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{old}\n[data]\nsanitize = false\n")).unwrap();
    world.wharf(&["reload"]).ok();
    shop.wharf(&["branch", "feature", "main"])
        .ok()
        .has("it begins with main's data")
        .has("warehouse: postgresql 14");
    shop.wharf(&["delete", "-e", "feature"]).ok();

    let (port, done) = (world.port(), AtomicBool::new(false));
    let told = Mutex::new(BTreeSet::new());
    let pushed = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let visitor = Visitor::new(port);
                while !done.load(Ordering::Relaxed) {
                    if let Ok(page) = visitor.get(&host("shop"), "/add")
                        && page.status == 200
                    {
                        told.lock().unwrap().insert(page.body);
                    }
                }
            });
        }
        let pushed = push(&shop, "postgresql:15", MIGRATE);
        done.store(true, Ordering::Relaxed);
        pushed
    });
    pushed
        .ok()
        .has("warehouse: from postgresql 14")
        .has("nobody reaches it until its data is there")
        .has("warehouse: its data is postgresql 15")
        .has(": 1 table, ")
        .has("as before")
        .has("what was there is kept on the host as ")
        .has("warehouse: postgresql 15")
        .has("a rollback needs the data of then, too: wharf snapshot restore ID --with-release -e main")
        .lacks("undo with:")
        .has("main now serves r3");
    let page = shop.get("/all").ok();
    let stored: BTreeSet<&str> = page.lines().collect();
    let told = told.into_inner().unwrap();
    assert!(!told.is_empty());
    for order in told.iter().map(String::as_str).chain(earlier.lines()) {
        assert!(stored.contains(order), "{order} is lost");
    }
    assert_eq!(version(&shop), "15");
    shop.wharf(&["run", "--", "printenv", "WHARF_RELATIONSHIPS"])
        .ok()
        .has("\"type\":\"postgresql:15\"");
    nothing_is_left(&world, "main", 1);
    let last = world.activities(Some("shop"), 20).unwrap();
    let kept = last
        .iter()
        .map(|one| {
            world
                .home()
                .join("state/kept")
                .join(&one.id)
                .join("services")
        })
        .find(|kept| kept.exists());
    let kept = fs::read_dir(kept.unwrap()).unwrap();
    let kept: Vec<_> = kept.map(|one| one.unwrap().file_name()).collect();
    assert!(kept.len() == 1 && kept[0].to_string_lossy().starts_with("warehouse.14."));

    // Nothing goes back but a snapshot of that time, with its release or to the version of today.
    shop.wharf(&["rollback", "r1"])
        .exits(3)
        .has("service warehouse: its data is postgresql 15's, and postgresql:14 is asked for")
        .has("wharf snapshot restore ID --with-release")
        .has("main still serves r3; nothing was changed.");
    shop.wharf(&["snapshot", "restore", &snapshot]).ok();
    assert_eq!(shop.get("/all").ok(), earlier);
    assert_eq!(version(&shop), "15");
    shop.wharf(&["snapshot", "restore", &snapshot, "--with-release"])
        .ok()
        .has("main serves r1 with it.");
    assert_eq!(shop.get("/all").ok(), earlier);
    assert_eq!(version(&shop), "14");
}

#[test]
fn an_upgrade_that_fails_leaves_a_database_to_what_serves() {
    let world = World::new();
    let shop = shop(&world, "side");
    let orders = shop.get("/all").ok();
    // A function that the newer version has not.
    shop.sh("echo 'CREATE VIEW lost AS SELECT pg_is_in_backup()' | wharf db shell")
        .ok();
    push(&shop, "postgresql:15", MIGRATE)
        .has("service warehouse cannot read the dump")
        .has("function pg_is_in_backup() does not exist")
        .has("side still serves r1; nothing was changed.");
    assert_eq!(shop.get("/all").ok(), orders);
    assert_eq!(version(&shop), "14");
    nothing_is_left(&world, "side", 1);

    // Data of a version that the host has not.
    let made_by = services(&world, "side").join("warehouse/PG_VERSION");
    fs::write(&made_by, "13\n").unwrap();
    push(&shop, "postgresql:15", MIGRATE)
        .has("its data is postgresql 13's, which 15")
        .has("this host has no postgresql 13 any more")
        .has("installs postgresql-13 beside the newer one")
        .has("side still serves r1; nothing was changed.");
    fs::write(&made_by, "14\n").unwrap();

    // Once the data has moved it stays where it is, also for the release that knew it before.
    shop.sh("echo 'DROP VIEW lost' | wharf db shell").ok();
    push(&shop, "postgresql:15", "exit 3")
        .has("warehouse: its data is postgresql 15")
        .has("deploy failed in command 1 of 1")
        .has("warehouse: its data is postgresql 15.")
        .has(", and stays so")
        .has("side still serves r1");
    assert_eq!(shop.get("/all").ok(), orders);
    assert_eq!(version(&shop), "15");
    shop.wharf(&["db", "dump"]).ok().has("COPY public.stock");
    // So it does where the data itself is put back.
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    let rule = "[environments.main]\ntype = \"production\"\n\
                [environments.side]\nrestore_on_failure = true\n";
    fs::write(&file, format!("{old}\n{rule}")).unwrap();
    world.wharf(&["reload"]).ok();
    let breaks = "psql -q $WAREHOUSE_URL -c 'DELETE FROM stock' && exit 3";
    push(&shop, "postgresql:15", breaks)
        .has(", and stays so")
        .has("r1 serves again");
    assert_eq!(shop.get("/all").ok(), orders);
    assert_eq!(version(&shop), "15");
    world.kill_everything();
    world.start();
    wait_for_log(&world, "serves again after a restart");
    assert_eq!(shop.get("/all").ok(), orders);
    shop.wharf(&["pause"]).ok();
    shop.wharf(&["resume"]).ok();
    assert_eq!(shop.get("/all").ok(), orders);
    push(&shop, "postgresql:15", MIGRATE)
        .ok()
        .lacks("from postgresql 14");
}

const SLOW: &str = r"CREATE FUNCTION slow(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN $1 ELSE pg_sleep(86400)::text END
$$;
CREATE INDEX slow ON stock (slow(what));
";

#[test]
fn an_upgrade_that_is_stopped_leaves_a_database_to_what_serves() {
    let world = World::new();
    let shop = shop(&world, "side");
    let orders = shop.get("/all").ok();
    // Whoever reads it in makes the index again, and is at that for ever.
    shop.write("slow.sql", SLOW);
    shop.sh("wharf db shell <slow.sql && rm slow.sql").ok();
    world.forget_trace();
    shop.write("wharf.toml", &config("postgresql:15", MIGRATE));
    shop.commit("Fifteen");
    let mut watched = Watched::push(&shop, &["side"]);
    watched.until("warehouse: from postgresql 14");
    let id = watched.id();
    world.wait_for_point("load of warehouse: begun");
    shop.wharf(&["cancel", &id]).ok();
    watched
        .said()
        .has("warning: cancelled")
        .has("side still serves r1; nothing was changed.");
    assert_eq!(shop.get("/all").ok(), orders);
    assert_eq!(version(&shop), "14");
    nothing_is_left(&world, "side", 1);
    shop.sh("echo 'DROP INDEX slow; DROP FUNCTION slow' | wharf db shell")
        .ok();
    push(&shop, "postgresql:15", MIGRATE).ok();
    assert_eq!(shop.get("/all").ok(), orders);
    assert_eq!(version(&shop), "15");
}

/// Holds one row, and some hundred megabytes under the newer version.
const GROWS: &str = "CREATE MATERIALIZED VIEW grows AS SELECT random() FROM generate_series(1,
    CASE WHEN current_setting('server_version_num')::int < 150000 THEN 1 ELSE 5000000 END);
";

#[test]
fn an_upgrade_for_which_there_is_no_room_leaves_a_database_to_what_serves() {
    if !apart("versions::an_upgrade_for_which_there_is_no_room_leaves_a_database_to_what_serves") {
        return;
    }
    let host = "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nmin_free = \"1K\"\n";
    let world = World::on_disk(Kind::Tmpfs, 900, host);
    let shop = shop(&world, "side");
    let orders = shop.get("/all").ok();
    shop.write("grows.sql", GROWS);
    shop.sh("wharf db shell <grows.sql && rm grows.sql").ok();
    // It is known before anything is touched; and where it is not enough after all, it fails.
    for (room, said) in [
        (
            20 << 20,
            "service warehouse: there is no room to upgrade its data",
        ),
        (
            110 << 20,
            "the host's disk is full: service warehouse cannot read the dump",
        ),
    ] {
        world.disk().leave(room);
        let pushed = push(&shop, "postgresql:15", MIGRATE);
        world.disk().make_room();
        pushed
            .has(said)
            .has("side still serves r1; nothing was changed.");
        let last = world.activities(Some("shop"), 1).unwrap().remove(0);
        assert_eq!(last.reason.unwrap().code, "disk-full");
        assert_eq!(shop.get("/all").ok(), orders);
        assert_eq!(version(&shop), "14");
        nothing_is_left(&world, "side", 1);
    }
    shop.wharf(&["redeploy"]).ok();
    assert_eq!(shop.get("/all").ok(), orders);
    assert_eq!(version(&shop), "15");
}

const NAMES: [&str; 3] = ["a", "b", "c"];

#[test]
fn an_upgrade_survives_every_death() {
    let world = World::new();
    let config = |version: &str| {
        let service = |name: &&str| format!("{name} = \"postgresql:{version}\"\n");
        let services: String = NAMES.iter().map(service).collect();
        format!("public = \".\"\n[services]\n{services}")
    };
    let shop = world.site("shop", &[("wharf.toml", &config("14"))]);
    shop.init().ok();
    shop.push(&["main"]).ok();
    let ask = |name: &str, statement: &str| {
        let url = format!("${}_URL", name.to_uppercase());
        let line = format!("psql -qtA {url} -v ON_ERROR_STOP=1 -c \"{statement}\"");
        shop.wharf(&["run", "--", "sh", "-c", &line]).ok().out
    };
    for name in NAMES {
        ask(
            name,
            &format!("CREATE TABLE stock AS SELECT '{name}' AS what"),
        );
    }
    let points = [
        "upgrade: stopped",
        "upgrade: once more",
        "upgrade: loaded",
        "upgrade: made",
        "upgrade: put aside",
        "upgrade: replaced",
        "step deploy service c: done",
    ];
    shop.write("wharf.toml", &config("15"));
    shop.commit("Fifteen");
    world.freeze_at(points[0]);
    let watched = Watched::push(&shop, &["main"]);
    for next in points.iter().skip(1).map(Some).chain([None]) {
        world.wait_until_frozen();
        world.kill_daemon();
        if let Some(point) = next {
            world.freeze_at(point);
        }
        world.start();
    }
    let upgrade = world.activities(Some("shop"), 1).unwrap().remove(0);
    shop.wharf(&["activity", "wait", &upgrade.id]).ok();
    drop(watched);
    let upgrade = world.activities(Some("shop"), 1).unwrap().remove(0);
    assert_eq!(upgrade.state, State::Succeeded);
    for name in NAMES {
        assert_eq!(ask(name, "SELECT what FROM stock"), format!("{name}\n"));
        assert_eq!(&ask(name, "SHOW server_version_num")[..2], "15", "{name}");
    }
    nothing_is_left(&world, "main", NAMES.len());
}
