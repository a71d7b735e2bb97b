//! Databases and caches of environments: real servers of the host's, each reached by its own environment alone.

use wharf_tests::{Tree, World, run};

use crate::mending::reboot;
use crate::restarts::{keepers, wait_for_log};
use crate::web::WEB;

const CONFIG: &str = r#"
web = "exec python3 server.py"
[services]
database = "mariadb:10"
warehouse = "postgresql"
cache = "redis"
[deploy]
run = "sh schema.sh"
[mounts]
"var" = "data"
"#;
/// Talks to each as the application does: by what stands in its variables alone.
const SCHEMA: &str = r#"set -e
export MYSQL_PWD="$DATABASE_PASSWORD" REDISCLI_AUTH="$CACHE_PASSWORD"
mariadb --no-defaults -S "$DATABASE_SOCKET" -u "$DATABASE_USER" "$DATABASE_NAME" <<SQL
CREATE TABLE IF NOT EXISTS orders (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT);
INSERT INTO orders (what) VALUES ('r$WHARF_RELEASE');
SELECT concat('orders: ', group_concat(what ORDER BY id)) FROM orders;
SQL
psql -qtA "$WAREHOUSE_URL" -v ON_ERROR_STOP=1 -c "CREATE TABLE IF NOT EXISTS stock (what text)" \
  -c "INSERT INTO stock VALUES ('r$WHARF_RELEASE')" \
  -c "SELECT 'stock: ' || string_agg(what, ',' ORDER BY what) FROM stock"
redis-cli -s "$CACHE_SOCKET" rpush seen "r$WHARF_RELEASE" >/dev/null
echo "seen: $(redis-cli -s "$CACHE_SOCKET" lrange seen 0 -1 | paste -sd,)"
"#;
const SERVER: &str = r#"import json, os, subprocess, web

def answer(path):
    names = sorted(json.loads(os.environ["WHARF_RELATIONSHIPS"]))
    count = subprocess.run(
        ["mariadb", "--no-defaults", "-NB", "-S", os.environ["DATABASE_SOCKET"], "-u", "app",
         "main", "-e", "SELECT count(*) FROM orders"],
        env={**os.environ, "MYSQL_PWD": os.environ["DATABASE_PASSWORD"]},
        capture_output=True, text=True)
    return ",".join(names) + " " + count.stdout.strip() + count.stderr, count.returncode == 0

web.serve(answer)
"#;

pub(crate) fn shop<'w>(world: &'w World, name: &str) -> Tree<'w> {
    let shop = world.site(
        name,
        &[
            ("wharf.toml", CONFIG),
            ("schema.sh", SCHEMA),
            ("server.py", SERVER),
            WEB,
        ],
    );
    shop.init();
    shop
}

#[test]
fn an_application_has_its_databases_over_releases_and_deaths() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.push(&["main"])
        .ok()
        .has("cache: redis 7")
        .has("database: mariadb 10.11")
        .has("warehouse: postgresql 15")
        .has("| orders: r1")
        .has("| stock: r1")
        .has("| seen: r1")
        .has("main now serves r1");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 1");

    // They go on under the next release.
    shop.commit("Two");
    shop.push(&["main"])
        .ok()
        .lacks("mariadb 10.11")
        .has("| orders: r1,r2")
        .has("| stock: r1,r2")
        .has("| seen: r1,r2");

    // A keeper that dies takes its server along; all come back, with what was stored.
    reboot(&world);
    wait_for_log(&world, "serves again after a restart");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 2");
}

#[test]
fn what_a_database_holds_comes_out_whole_or_not_at_all() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.push(&["main"]).ok();
    let dump = |service: &str, file: &str| {
        shop.wharf(&["db", "dump", service, "-o", file])
            .ok()
            .has("written: ");
        shop.path().join(file)
    };
    let unpacked = |file: std::path::PathBuf| {
        let mut gzip = world.command("gzip");
        run(gzip.arg("-dc").arg(file)).ok().out
    };
    let orders = unpacked(dump("database", "orders.sql.gz"));
    assert!(orders.contains("CREATE TABLE `orders`"), "{orders}");
    assert!(orders.contains("'r1'"), "{orders}");
    let stock = std::fs::read_to_string(dump("warehouse", "stock.sql")).unwrap();
    assert!(stock.contains("COPY public.stock"), "{stock}");
    let cache = std::fs::read(dump("cache", "cache.rdb")).unwrap();
    assert!(cache.starts_with(b"REDIS"));
    // The same twice: what changed is told from what did not.
    assert_eq!(unpacked(dump("database", "again.sql.gz")), orders);

    // To a pipe; and which is meant where there are two.
    shop.wharf(&["db", "dump", "warehouse"])
        .ok()
        .has("COPY public.stock");
    shop.wharf(&["db", "dump"])
        .exits(5)
        .has("several services")
        .has("cache, database, warehouse");
    shop.wharf(&["db", "dump", "other", "-o", "none.sql"])
        .exits(5)
        .has("its services are");
    assert!(!shop.path().join("none.sql").exists());

    // A shell reads what it is to do, as the application's user.
    shop.sh("echo 'SELECT user(), count(*) FROM orders' | wharf db shell database")
        .ok()
        .has("app@localhost\t1");
    shop.wharf(&["activities"])
        .ok()
        .has("db dump database")
        .has("db shell database");

    // A server that goes in the middle leaves no file that looks like a dump.
    let breaks = "DROP TABLE orders; CREATE VIEW one AS SELECT 1 AS one; \
                  CREATE VIEW two AS SELECT * FROM one; DROP VIEW one";
    shop.sh(&format!("echo '{breaks}' | wharf db shell database"))
        .ok();
    shop.wharf(&["db", "dump", "database", "-o", "broken.sql"])
        .exits(1)
        .has("broke off")
        .has("nothing of it is kept");
    assert!(!shop.path().join("broken.sql").exists());
}

#[test]
fn a_snapshot_holds_what_services_hold() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.push(&["main"]).ok();
    shop.wharf(&["snapshot", "create"]).ok();
    let list = shop.wharf(&["snapshot", "list", "--json"]).ok().out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    shop.commit("Two");
    shop.push(&["main"]).ok().has("| orders: r1,r2");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 2");

    shop.wharf(&["snapshot", "restore", &id])
        .ok()
        .has("cache: the dump is read in")
        .has("database: the dump is read in")
        .has("warehouse: the dump is read in")
        .has("main serves r2 with it.");
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 1");
    // Nothing of the servers that read it is left.
    assert_eq!(keepers(&world).len(), 4);
    let sockets = std::fs::read_dir(world.home().join("run/services")).unwrap();
    assert_eq!(sockets.count(), 1);
    let data = world.home().join("state/mounts/shop/main");
    let left = std::fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert!(
        !left
            .into_iter()
            .any(|name| name.to_string_lossy().starts_with('.'))
    );

    shop.commit("Three");
    shop.push(&["main"])
        .ok()
        .has("| orders: r1,r3")
        .has("| stock: r1,r3")
        .has("| seen: r1,r3");
}

/// Takes away what is in one table, in all of the cache, and hides what is in another table.
const SCRUB: &str = r#"set -e
export MYSQL_PWD="$DATABASE_PASSWORD" REDISCLI_AUTH="$CACHE_PASSWORD"
mariadb --no-defaults -S "$DATABASE_SOCKET" -u "$DATABASE_USER" "$DATABASE_NAME" \
  -e "UPDATE orders SET what = 'hidden'"
psql -qtA "$WAREHOUSE_URL" -v ON_ERROR_STOP=1 -c "DELETE FROM stock"
redis-cli -s "$CACHE_SOCKET" flushall >/dev/null
"#;

#[test]
fn a_parents_databases_come_down_scrubbed_and_counted() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.write("scrub.sh", SCRUB);
    shop.commit("Scrub");
    shop.push(&["main"]).ok();
    let file = world.home().join("config/projects.d/shop.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        format!("{old}\n[data]\nsanitize = \"sh scrub.sh\"\n"),
    )
    .unwrap();
    world.wharf(&["reload"]).ok();
    // A new environment begins with it, and its own commands run on that.
    shop.wharf(&["branch", "feature", "main"])
        .ok()
        .has("cache: 1 key before, 0 keys after: keys 1 -> 0")
        .has("database: 1 table, 1 row before, 1 table, 1 row after: as many in each as before")
        .has("warehouse: 1 table, 1 row before, 1 table, 0 rows after: public.stock 1 -> 0")
        .has("it begins with main's data")
        .has("| orders: hidden,r1")
        .has("| stock: r1")
        .has("| seen: r1")
        .has("feature now serves r1");
    // Its passwords are its own.
    let password = |environment: &str| {
        let words = [
            "run",
            "-e",
            environment,
            "--",
            "printenv",
            "DATABASE_PASSWORD",
        ];
        shop.wharf(&words).ok().out
    };
    assert_ne!(password("main"), password("feature"));
    shop.wharf(&["redeploy", "-e", "feature"])
        .ok()
        .has("| orders: hidden,r1,r2");
    shop.wharf(&["sync", "data", "-e", "feature"])
        .ok()
        .has("main's data is in its place")
        .has("| orders: hidden,r3")
        .has("| stock: r3")
        .has("feature serves r3 with it.");
    // Nothing of the servers that were scrubbed is left.
    assert_eq!(keepers(&world).len(), 8);
    let sockets = std::fs::read_dir(world.home().join("run/services")).unwrap();
    assert_eq!(sockets.count(), 2);
    // A parent whose servers do not run has nothing to give; what was there stays.
    shop.wharf(&["branch", "below", "feature"]).ok();
    shop.wharf(&["pause", "-e", "feature"]).ok();
    shop.wharf(&["sync", "data", "-e", "below"])
        .exits(3)
        .has("of feature does not run")
        .has("below still serves r1; nothing was changed.");
}

const QUICK: &str = r#"
public = "."
[services]
warehouse = "postgresql"
[deploy]
repeatable = true
run = "psql -qtA $WAREHOUSE_URL -c 'CREATE TABLE IF NOT EXISTS seen (what text)' -c 'SELECT count(*) FROM seen'"
"#;

#[test]
fn a_service_survives_every_death_of_the_daemon_at_its_start() {
    let world = World::new();
    let shop = world.site("shop", &[("wharf.toml", QUICK)]);
    shop.init();
    shop.push(&["main"]).ok().has("| 0");
    let mut points: Vec<String> = world.trace();
    points.retain(|point| point.contains("service"));
    points.dedup();
    for wanted in [
        "record service: before",
        "service: made",
        "step deploy service warehouse: done",
    ] {
        assert!(points.iter().any(|point| point == wanted), "{points:?}");
    }
    for (number, point) in points.iter().enumerate() {
        let branch = format!("at{number}");
        world.freeze_at(point);
        shop.push(&["-o", "nowait", &format!("main:{branch}")]).ok();
        world.wait_until_frozen();
        world.kill_daemon();
        world.start();
        let all = world.activities(Some("shop"), 1).unwrap();
        shop.wharf(&["activity", "wait", &all[0].id]).ok();
        shop.wharf(&["db", "dump", "-e", &branch])
            .ok()
            .has("CREATE TABLE public.seen");
        // One server each, and nothing half made.
        assert_eq!(keepers(&world).len(), number + 2, "{point}");
        let data = world
            .home()
            .join(format!("state/mounts/shop/{branch}/services"));
        let names = std::fs::read_dir(data)
            .unwrap()
            .map(|one| one.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["warehouse"], "{point}");
    }
}

#[test]
fn a_service_that_does_not_start_otherwise_goes_on_as_it_was() {
    let world = World::new();
    let config = |start: &str| {
        format!(
            "public = \".\"\n[services.own]\ntype = \"custom\"\nstart = \"{start}\"\n\
             ready = \"test -e $SOCKET\"\n"
        )
    };
    let good = config("echo begun; touch $SOCKET; exec sleep 600");
    let shop = world.site("shop", &[("wharf.toml", &good)]);
    shop.init();
    shop.push(&["main"]).ok().has("own: custom answers");
    let first = keepers(&world);
    shop.write("wharf.toml", &config("echo never; exit 3"));
    shop.commit("Broken");
    shop.push(&["main"])
        .has("service own (custom) ended at its start")
        .has("| never")
        .has("main still serves r1");
    let again = keepers(&world);
    assert_eq!(again.len(), 1);
    assert_ne!(again, first);
    shop.wharf(&["log", "--app"])
        .ok()
        .has("--- own of r1 ---\nbegun");
}

/// What a sandbox sees of services, and whether it can reach what lies outside of it.
const LOOK: &str = "ls /run/services; ls /proc/net/unix >/dev/null; \
                    for place in ../../*/*/services /var/lib/wharf \"$@\"; do \
                    ls \"$place\" 2>/dev/null && echo \"sees $place\"; done; echo looked";

#[test]
fn each_environment_has_its_own_and_reaches_no_other() {
    let world = World::new();
    let shop = shop(&world, "shop");
    shop.push(&["main"]).ok().has("| orders: r1");
    for name in ["one", "two"] {
        shop.git(&["switch", "--quiet", "--create", name]).ok();
        shop.push(&[name])
            .ok()
            .has("| orders: r1")
            .has("| seen: r1");
        assert_eq!(shop.get("/").ok(), "cache,database,warehouse 1");
    }
    // Each has passwords of its own, and sees its own sockets only.
    let passwords = ["main", "one", "two"].map(|name| {
        shop.wharf(&["run", "-e", name, "--", "printenv", "DATABASE_PASSWORD"])
            .ok()
            .out
    });
    assert!(passwords[0] != passwords[1] && passwords[1] != passwords[2]);
    let others = world.home().join("run/services/shop.main");
    assert!(others.join("database/mariadb.sock").exists());
    shop.wharf(&[
        "run",
        "-e",
        "two",
        "--",
        "sh",
        "-c",
        LOOK,
        "look",
        others.to_str().unwrap(),
    ])
    .ok()
    .has("cache\ndatabase\nwarehouse\nlooked");
    // Nothing of them listens in the network that all share.
    let listens = "! grep -rqE ' (00000000|0100007F):(0CEA|1538|18EB) ' /proc/net/tcp";
    shop.wharf(&["run", "-e", "two", "--", "sh", "-c", listens])
        .ok();
    // What is stored in one is in none of the others.
    let count = keepers(&world).len();
    shop.wharf(&["pause", "-e", "one"]).ok();
    assert_eq!(keepers(&world).len(), count - 4, "services run in a pause");
    shop.wharf(&["resume", "-e", "one"]).ok();
    assert_eq!(keepers(&world).len(), count);
    shop.git(&["switch", "--quiet", "one"]).ok();
    assert_eq!(shop.get("/").ok(), "cache,database,warehouse 1");
    shop.wharf(&["delete", "-e", "one"]).ok();
    assert_eq!(keepers(&world).len(), count - 4);
    assert!(!world.home().join("state/mounts/shop/one").exists());
}

#[test]
fn what_the_host_does_not_have_is_refused_and_what_goes_keeps_its_data() {
    let world = World::new();
    let shop = world.site(
        "shop",
        &[(
            "wharf.toml",
            "public = \".\"\n[services]\ndatabase = \"mariadb:11\"\nlog = \"postgresql:9\"\n",
        )],
    );
    shop.init();
    shop.push(&["main"])
        .exits(1)
        .has("this host has mariadb 10.11")
        .has("wharf.toml:3:12")
        .has("ask for \"mariadb:10.11\"")
        .has("this host has postgresql 15");
    let cache = "public = \".\"\n[services]\ncache = \"redis\"\n[deploy]\nrun = \"sh seen.sh\"\n";
    shop.write("wharf.toml", cache);
    shop.write(
        "seen.sh",
        "export REDISCLI_AUTH=$CACHE_PASSWORD\nredis-cli -s $CACHE_SOCKET incr seen\n",
    );
    shop.commit("Redis");
    shop.push(&["main"]).ok().has("| 1");
    let without = "public = \".\"\n";
    shop.write("wharf.toml", without);
    shop.commit("Without");
    shop.push(&["main"]).ok();
    wait_for_log(&world, "service cache is not used any more");
    assert!(keepers(&world).is_empty());
    shop.write("wharf.toml", cache);
    shop.commit("Again");
    shop.push(&["main"]).ok().has("| 2");
    // Another kind under its name would not understand what is there.
    shop.write("wharf.toml", &cache.replace("redis\"", "postgresql\""));
    shop.commit("Another");
    shop.push(&["main"])
        .has("its data is redis's, and postgresql cannot read it")
        .has("main still serves r3");
}
