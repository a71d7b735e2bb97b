//! Databases in servers that the operator runs: real ones, started here beside Wharf.

use std::time::{Duration, SystemTime};

use wharf_tests::{Tree, World, run};

use crate::operators::{LOCK, Operators, PASSWORD, USERS, by_port, by_socket, declare, free_port};
use crate::restarts::keepers;

const CONFIG: &str = r#"
public = "."
[services]
database = { type = "mariadb:10", provider = "external" }
warehouse = { type = "postgresql", provider = "external:stock" }
[deploy]
run = "sh schema.sh"
"#;
/// Talks to each as the application does, and leaves in MariaDB what belongs to the one who made it.
const SCHEMA: &str = r#"set -e
export MYSQL_PWD="$DATABASE_PASSWORD"
mariadb --no-defaults -S "$DATABASE_SOCKET" -u "$DATABASE_USER" "$DATABASE_NAME" <<SQL
CREATE TABLE IF NOT EXISTS orders (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT);
CREATE TABLE IF NOT EXISTS seen (what TEXT);
CREATE OR REPLACE VIEW latest AS SELECT max(id) AS id FROM orders;
CREATE OR REPLACE TRIGGER look AFTER INSERT ON orders FOR EACH ROW INSERT INTO seen VALUES (NEW.what);
CREATE OR REPLACE PROCEDURE many() SELECT concat('many: ', count(*)) FROM seen;
CREATE OR REPLACE EVENT yearly ON SCHEDULE EVERY 1 YEAR DO DELETE FROM seen WHERE what IS NULL;
INSERT INTO orders (what) VALUES ('r$WHARF_RELEASE');
SELECT concat('orders: ', group_concat(what ORDER BY orders.id), ' ', latest.id) FROM orders, latest;
CALL many();
SQL
psql -qtA "$WAREHOUSE_URL" -v ON_ERROR_STOP=1 -c "CREATE TABLE IF NOT EXISTS stock (what text)" \
  -c "INSERT INTO stock VALUES ('r$WHARF_RELEASE')" \
  -c "SELECT 'stock: ' || string_agg(what, ',' ORDER BY what) FROM stock"
"#;

fn shop(world: &World) -> Tree<'_> {
    let shop = world.site("shop", &[("wharf.toml", CONFIG), ("schema.sh", SCHEMA)]);
    shop.init();
    shop
}

/// What a shell in an environment prints.
fn in_environment(shop: &Tree<'_>, name: &str, text: &str) -> wharf_tests::Said {
    shop.wharf(&["run", "-e", name, "--", "sh", "-c", text])
}

fn variable(shop: &Tree<'_>, environment: &str, name: &str) -> String {
    let said = in_environment(shop, environment, &format!("printenv {name}"));
    said.ok().out.trim().to_owned()
}

#[test]
fn each_environment_has_a_database_in_the_operator_s_servers_and_reaches_no_other() {
    let world = World::new();
    let (mariadb, port) = (
        Operators::mariadb(&world, &format!("{USERS}{LOCK}")),
        free_port(),
    );
    let _postgresql = Operators::postgresql(&world, port, "scram-sha-256");
    declare(
        &world,
        &[by_socket("main", &mariadb), by_port("stock", port)],
    );
    let shop = shop(&world);
    shop.push(&["main"])
        .ok()
        .has("database: mariadb 10.11")
        .has("of instance main answers")
        .has("of instance stock answers")
        .has("| orders: r1 1")
        .has("| many: 1")
        .has("| stock: r1");
    shop.commit("Two");
    shop.push(&["main"])
        .ok()
        .lacks("answers")
        .has("| orders: r1,r2 2")
        .has("| stock: r1,r2");
    shop.git(&["switch", "--quiet", "--create", "one"]).ok();
    shop.push(&["one"])
        .ok()
        .has("| orders: r1 1")
        .has("| stock: r1");
    let [theirs, own] = ["main", "one"].map(|name| variable(&shop, name, "DATABASE_NAME"));
    assert!(theirs.starts_with("w_shop_main_database_"), "{theirs}");
    assert_eq!(variable(&shop, "one", "DATABASE_USER"), own);
    let relationships = variable(&shop, "one", "WHARF_RELATIONSHIPS");
    let relationships: serde_json::Value = serde_json::from_str(&relationships).unwrap();
    assert_eq!(relationships["database"]["path"], own.as_str());
    assert_eq!(
        relationships["database"]["socket"],
        "/run/services/database/mariadb.sock"
    );

    // From inside of one: nothing of main's, nor of the operator's, whoever it says it is.
    let ask = |user: &str, what: &str| {
        let text = format!(
            "MYSQL_PWD=$DATABASE_PASSWORD mariadb --no-defaults -S $DATABASE_SOCKET -NB -u {user} -e '{what}'"
        );
        in_environment(&shop, "one", &text)
    };
    ask(&own, "SHOW DATABASES")
        .ok()
        .has(&own)
        .lacks(&theirs)
        .lacks("operators");
    ask(&own, &format!("SELECT * FROM {theirs}.orders"))
        .exits(1)
        .has("denied");
    ask(&own, "CREATE DATABASE w_mine").exits(1).has("denied");
    ask(&theirs, "SELECT 1").exits(1).has("denied");
    ask("wharf", "SELECT 1").exits(1).has("denied");
    // A pattern in the place of a name would fit this one as well.
    let like = own.replace('_', "-");
    ask(&own, &format!("CREATE DATABASE `{like}`"))
        .exits(1)
        .has("denied");
    let theirs = variable(&shop, "main", "WAREHOUSE_NAME");
    let other = format!(
        "PGPASSWORD=$WAREHOUSE_PASSWORD psql -h $WAREHOUSE_HOST -U $WAREHOUSE_USER {theirs} -c 'SELECT 1'"
    );
    in_environment(&shop, "one", &other)
        .exits(2)
        .has("permission denied for database");

    // Nobody's password but its own is in what it sees, and Wharf's is nowhere.
    let all = in_environment(
        &shop,
        "one",
        "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'",
    )
    .ok();
    assert!(!all.out.contains(PASSWORD));

    // They are looked into and written out by the same commands.
    shop.sh("echo 'SELECT user()' | wharf db shell database -e one")
        .ok()
        .has(&own);
    shop.wharf(&["db", "dump", "warehouse", "-e", "one"])
        .ok()
        .has("COPY public.stock");
    shop.wharf(&["db", "dump", "database", "-e", "one"])
        .ok()
        .has("CREATE TABLE `orders`")
        .has("PROCEDURE `many`");

    // Pause and deletion end the doors; the database of what is deleted is kept as other data is.
    let count = keepers(&world).len();
    shop.wharf(&["pause", "-e", "one"]).ok();
    assert_eq!(keepers(&world).len(), count - 2);
    shop.wharf(&["resume", "-e", "one"]).ok();
    ask(&own, &format!("SELECT what FROM {own}.orders"))
        .ok()
        .has("r1");
    shop.wharf(&["delete", "-e", "one"])
        .ok()
        .has("its data is kept on the host");
    assert_eq!(keepers(&world).len(), count - 2);
    shop.git(&["switch", "--quiet", "main"]).ok();

    // What is kept goes when its time is over, with its database; nothing else does.
    let made = || {
        let names = std::fs::read_dir(world.home().join("state/external")).unwrap();
        names.map(|name| name.unwrap().path()).collect::<Vec<_>>()
    };
    let long_ago = SystemTime::now() - Duration::from_secs(60 * 24 * 60 * 60);
    for path in made() {
        std::fs::File::open(path)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let databases = || {
        let mut client = world.command("mariadb");
        client
            .env("MYSQL_PWD", PASSWORD)
            .args(["--no-defaults", "-NB", "-u", "wharf"]);
        client.arg(format!("--socket={}", mariadb.path("db.sock")));
        run(client.arg("--execute=SHOW DATABASES; SELECT user FROM mysql.user")).ok()
    };
    shop.wharf(&["cleanup"]).ok();
    databases().has(&own);
    assert_eq!(made().len(), 4);
    let kept = world.home().join("state/kept");
    for one in std::fs::read_dir(kept).unwrap() {
        std::fs::remove_dir_all(one.unwrap().path()).unwrap();
    }
    shop.wharf(&["cleanup"]).ok();
    databases().lacks(&own).has("operators").has("w_shop_main");
    assert_eq!(made().len(), 2);
    shop.commit("Three");
    shop.push(&["main"])
        .ok()
        .has("| orders: r1,r2,r3 3")
        .has("| stock: r1,r2,r3");
}

#[test]
fn what_an_external_service_holds_is_in_a_snapshot_and_comes_back_beside() {
    let world = World::new();
    let (mariadb, port) = (
        Operators::mariadb(&world, &format!("{USERS}{LOCK}")),
        free_port(),
    );
    let _postgresql = Operators::postgresql(&world, port, "scram-sha-256");
    declare(
        &world,
        &[by_socket("main", &mariadb), by_port("stock", port)],
    );
    let shop = shop(&world);
    shop.push(&["main"]).ok();
    shop.wharf(&["snapshot", "create"]).ok();
    let list = shop.wharf(&["snapshot", "list", "--json"]).ok().out;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    shop.commit("Two");
    shop.push(&["main"])
        .ok()
        .has("| orders: r1,r2 2")
        .has("| many: 2");
    let before = variable(&shop, "main", "DATABASE_NAME");
    shop.wharf(&["snapshot", "restore", &id])
        .ok()
        .has("database: the dump is read in")
        .has("warehouse: the dump is read in")
        .has("main serves r2 with it.");
    // What was there is in its own database still, and nobody's any more.
    assert_ne!(variable(&shop, "main", "DATABASE_NAME"), before);
    assert_eq!(keepers(&world).len(), 2);
    // Views, triggers and procedures are the new user's.
    shop.commit("Three");
    shop.push(&["main"])
        .ok()
        .has("| orders: r1,r3 2")
        .has("| many: 2")
        .has("| stock: r1,r3");
}

/// Hides what is in one table, and takes away another.
const SCRUB: &str = r#"set -e
export MYSQL_PWD="$DATABASE_PASSWORD"
mariadb --no-defaults -S "$DATABASE_SOCKET" -u "$DATABASE_USER" "$DATABASE_NAME" \
  -e "UPDATE orders SET what = 'hidden'"
[ -z "$WAREHOUSE_URL" ] || psql -qtA "$WAREHOUSE_URL" -v ON_ERROR_STOP=1 -c "DELETE FROM stock"
"#;

#[test]
fn data_goes_from_one_external_database_to_another_and_to_a_server_of_its_own() {
    let world = World::new();
    let (mariadb, port) = (
        Operators::mariadb(&world, &format!("{USERS}{LOCK}")),
        free_port(),
    );
    let _postgresql = Operators::postgresql(&world, port, "scram-sha-256");
    declare(
        &world,
        &[by_socket("main", &mariadb), by_port("stock", port)],
    );
    let shop = shop(&world);
    shop.write("scrub.sh", SCRUB);
    shop.commit("Scrub");
    shop.push(&["main"]).ok();
    let file = world.home().join("config/projects.d/shop.toml");
    let old = std::fs::read_to_string(&file).unwrap();
    let rule = format!("{old}\n[data]\nsanitize = \"sh scrub.sh\"\n");
    std::fs::write(&file, rule).unwrap();
    world.wharf(&["reload"]).ok();
    shop.wharf(&["branch", "feature", "main"])
        .ok()
        .has("it begins with main's data")
        .has("| orders: hidden,r1 2")
        .has("| stock: r1")
        .has("feature now serves r1");
    shop.wharf(&["sync", "data", "-e", "feature"])
        .ok()
        .has("| orders: hidden,r2 2");
    let before = variable(&shop, "feature", "DATABASE_NAME");
    shop.wharf(&["data", "reset", "-e", "feature"])
        .ok()
        .has("| orders: r3 1")
        .has("| many: 1");
    assert_ne!(variable(&shop, "feature", "DATABASE_NAME"), before);
    assert_eq!(keepers(&world).len(), 4);

    // Whose the views and procedures of a dump are, is whoever reads it.
    let own = "public = \".\"\n[services]\ndatabase = \"mariadb\"\n";
    shop.git(&["switch", "--quiet", "--create", "own"]).ok();
    shop.write("wharf.toml", own);
    shop.commit("Own");
    shop.push(&["own"])
        .ok()
        .has("it begins with main's data")
        .has("own now serves r1");
    let look = "echo 'CALL many(); SELECT * FROM latest' | wharf db shell database -e";
    for (from, to) in [("main", "own"), ("own", "feature")] {
        let dump = format!("wharf db dump database -e {from} | sed 1d >moved.sql");
        shop.sh(&dump).ok();
        shop.wharf(&["db", "import", "database", "moved.sql", "-e", to])
            .ok();
        shop.sh(&format!("{look} {to}")).ok().has("many: 1");
    }
}

#[test]
fn what_an_instance_cannot_be_is_said() {
    let world = World::new();
    let wanted = |service: &str| format!("public = \".\"\n[services]\ndatabase = {service}\n");
    let shop = world.site(
        "shop",
        &[(
            "wharf.toml",
            &wanted("{ type = \"mariadb\", provider = \"external\" }"),
        )],
    );
    shop.init();
    shop.push(&["main"])
        .exits(1)
        .has("the host's operator names no instance of mariadb")
        .has("wharf.toml:3:");
    let (mariadb, port) = (
        Operators::mariadb(&world, &format!("{USERS}{LOCK}")),
        free_port(),
    );
    let _open = Operators::postgresql(&world, port, "trust");
    declare(
        &world,
        &[by_socket("main", &mariadb), by_port("open", port)],
    );
    shop.push(&["main"]).ok().has("of instance main answers");
    let push = |service: &str| {
        shop.write("wharf.toml", &wanted(service));
        shop.commit("Another");
        shop.push(&["main"])
    };
    push("{ type = \"mariadb:11\", provider = \"external\" }")
        .has("service database: instance main is mariadb 10.11")
        .has("not mariadb:11")
        .has("main still serves r1");
    push("{ type = \"mariadb\", provider = \"external:other\" }")
        .exits(1)
        .has("no instance of mariadb that is called other")
        .has("one of main");
    push("\"mariadb\"").has("its data is in the operator's instance main");
    push("{ type = \"mariadb\", provider = \"external\" }\nother = { type = \"postgresql\", provider = \"external\" }")
        .has("instance open lets somebody in without a password")
        .has("main still serves r1");

    // Who writes another's database into its own place comes to nothing.
    let theirs = variable(&shop, "main", "DATABASE_NAME");
    let hostile = format!(
        "{{ type = \"custom\", start = \"echo '{{\\\"instance\\\":\\\"main\\\",\\\"database\\\":\\\"{theirs}\\\"}}' >$DATA/external.json; exit 3\", ready = \"test -e never\" }}"
    );
    shop.git(&["switch", "--quiet", "--create", "two"]).ok();
    shop.write("wharf.toml", &wanted(&hostile));
    shop.commit("Hostile");
    shop.push(&["two"]).has("ended at its start");
    shop.write(
        "wharf.toml",
        &wanted("{ type = \"mariadb\", provider = \"external\" }"),
    );
    shop.commit("And now");
    shop.push(&["two"])
        .has(&format!("{theirs} was not made for it"));
    shop.git(&["switch", "--quiet", "main"]).ok();

    // A password that everybody may read is no password; a server that is away is said to be.
    let password = world.home().join("config/instances.password");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&password, mode).unwrap();
    push("{ type = \"mariadb\", provider = \"external\" }").has("everybody may read it");
    declare(&world, &[by_socket("main", &mariadb)]);
    drop(mariadb);
    shop.wharf(&["redeploy"])
        .has("instance main of mariadb: it does not do what Wharf needs")
        .has("main still serves r1");
}

const QUICK: &str = r#"
public = "."
[services]
warehouse = { type = "postgresql", provider = "external" }
[deploy]
repeatable = true
run = "psql -qtA $WAREHOUSE_URL -c 'CREATE TABLE IF NOT EXISTS seen (what text)' -c 'SELECT count(*) FROM seen'"
"#;

#[test]
fn an_external_service_survives_every_death_of_the_daemon_at_its_start() {
    let (world, port) = (World::new(), free_port());
    let _postgresql = Operators::postgresql(&world, port, "scram-sha-256");
    declare(&world, &[by_port("stock", port)]);
    let shop = world.site("shop", &[("wharf.toml", QUICK)]);
    shop.init();
    shop.push(&["main"]).ok().has("| 0");
    let mut points: Vec<String> = world.trace();
    points.retain(|point| point.contains("service"));
    points.dedup();
    for wanted in ["service: named", "service: made", "record service: before"] {
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
        assert_eq!(keepers(&world).len(), number + 2, "{point}");
    }
}
