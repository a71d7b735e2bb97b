//! `restore_on_failure`: what a failed deployment did to the data is undone, and nothing that anybody was told is
//! stored is lost by that.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use wharf_tests::{Tree, Visitor, Watched, World};
use wharf_wire::outcome::State;
use wharf_wire::view::Activity;

use crate::app::host;
use crate::web::WEB;

const CONFIG: &str = r#"
web = "exec python3 server.py"
[services]
database = "mariadb:10"
[deploy]
run = "sh migrate.sh"
health = { path = "/all", within = "20s" }
[mounts]
uploads = "data"
"#;
const MARIADB: &str =
    "MYSQL_PWD=$DATABASE_PASSWORD mariadb --no-defaults -NB -S $DATABASE_SOCKET -u app main";
const SERVER: &str = r#"import os, subprocess, uuid, web

def ask(statement):
    words = ["mariadb", "--no-defaults", "-NB", "-S", os.environ["DATABASE_SOCKET"], "-u", "app", "main",
             "-e", statement]
    done = subprocess.run(words, env={**os.environ, "MYSQL_PWD": os.environ["DATABASE_PASSWORD"]},
                          capture_output=True, text=True)
    return done.returncode, done.stdout

def answer(path):
    if path == "/add":
        word = uuid.uuid4().hex
        code, _ = ask(f"INSERT INTO orders (what) VALUES ('{word}')")
        return word, code == 0
    code, said = ask("SELECT what FROM orders ORDER BY id")
    return said + open("uploads/text").read(), code == 0

web.serve(answer)
"#;

fn migrate(statements: &str, then: &str) -> String {
    format!("{MARIADB} -e \"{statements}\" && {then}\n")
}

/// A migration that changes what is there, and then fails.
fn breaks() -> String {
    let statements = "UPDATE orders SET what = 'changed'; ALTER TABLE orders ADD COLUMN extra INT";
    migrate(statements, "echo changed >uploads/text; exit 3")
}

fn shop(world: &World) -> Tree<'_> {
    let first = "CREATE TABLE IF NOT EXISTS orders (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT); \
                 INSERT INTO orders (what) VALUES ('first')";
    let files = [
        ("wharf.toml", CONFIG),
        ("server.py", SERVER),
        WEB,
        ("migrate.sh", &migrate(first, "echo text >uploads/text")),
    ];
    let shop = world.site("shop", &files);
    shop.init().ok();
    restores(world);
    shop.push(&["main"]).ok().has("main now serves r1");
    assert_eq!(shop.get("/all").ok(), "first\ntext\n");
    shop
}

const REDIS: &str = "REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET";

/// The same with what is quick to start.
fn quick(world: &World) -> Tree<'_> {
    let config = "web = \"cd uploads; exec python3 -m http.server --bind 127.0.0.1 $PORT\"\n\
                  [services]\ncache = \"redis\"\n[deploy]\nrun = \"sh migrate.sh\"\n\
                  [mounts]\nuploads = \"data\"\n";
    let first = format!("{REDIS} set word first; echo text >uploads/index.html\n");
    let shop = world.site("shop", &[("wharf.toml", config), ("migrate.sh", &first)]);
    shop.init().ok();
    restores(world);
    shop.push(&["main"]).ok().has("main now serves r1");
    shop
}

/// The operator wants the data back where a deployment fails.
fn restores(world: &World) {
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    let rule = "[environments.main]\ntype = \"production\"\nsnapshots = false\nrestore_on_failure = true\n";
    fs::write(&file, format!("{old}\n{rule}")).unwrap();
    world.wharf(&["reload"]).ok();
}

fn push(shop: &Tree<'_>, migration: &str) -> wharf_tests::Said {
    shop.write("migrate.sh", migration);
    shop.commit("Migrate");
    shop.push(&["main"])
}

fn last(world: &World) -> Activity {
    world.activities(Some("shop"), 1).unwrap().remove(0)
}

#[test]
fn a_migration_that_fails_is_undone_and_no_order_is_lost() {
    let world = World::new();
    let shop = shop(&world);
    let (port, done, told) = (
        world.port(),
        AtomicBool::new(false),
        Mutex::new(BTreeSet::new()),
    );
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let visitor = Visitor::new(port);
                while !done.load(Ordering::Relaxed) {
                    // Whoever is told otherwise, or nothing, tries again.
                    if let Ok(page) = visitor.get(&host("shop"), "/add")
                        && page.status == 200
                    {
                        told.lock().unwrap().insert(page.body);
                    }
                }
            });
        }
        let pushed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            push(&shop, &breaks())
                .has("nobody works with the data but this deployment")
                .has("deploy failed in command 1 of 1")
                .has("as before the deploy commands; r1 serves again")
                .has("main still serves r1; its data is as it was before the deploy commands.");
        }));
        done.store(true, Ordering::Relaxed);
        pushed.unwrap();
    });
    let page = shop.get("/all").ok();
    let stored: BTreeSet<&str> = page.lines().collect();
    assert!(
        stored.contains("first") && page.ends_with("text\n"),
        "{page}"
    );
    assert!(!page.contains("changed"), "{page}");
    let told = told.into_inner().unwrap();
    assert!(!told.is_empty());
    for order in &told {
        assert!(stored.contains(order.as_str()), "{order} is lost");
    }
    let failed = last(&world);
    assert_eq!(failed.state, State::Failed);
    assert!(failed.steps.iter().any(|step| step.name == "put back"));
    assert!(
        world
            .home()
            .join("state/kept")
            .join(&failed.id)
            .join("services/database")
            .exists()
    );
    // It is told the same later.
    shop.wharf(&["log", &failed.id])
        .ok()
        .has("its data is as it was before the deploy commands.");
    // One that fails before any command changes nothing, and one that goes well is live.
    let good = migrate(
        "ALTER TABLE orders ADD COLUMN more INT",
        "echo more >uploads/text",
    );
    push(&shop, &good).ok().has("main now serves r3");
    assert!(shop.get("/all").ok().ends_with("more\n"));
    // A release that does not start, or whose visitors could write meanwhile, is no other case.
    shop.write("server.py", "raise SystemExit(1)\n");
    push(
        &shop,
        &migrate("UPDATE orders SET what = 'changed'", "true"),
    )
    .has("main still serves r3; its data is as it was before the deploy commands.");
    assert!(!shop.get("/all").ok().contains("changed"));
    // Where nothing was changed yet nothing is put back.
    fs::rename(
        world.home().join("state/snapshots/shop"),
        world.path("away"),
    )
    .unwrap();
    fs::write(world.home().join("state/snapshots/shop"), "in the way").unwrap();
    push(&shop, &breaks()).has("main still serves r3; nothing was changed.");
    assert!(shop.get("/all").ok().ends_with("more\n"));
}

#[test]
fn data_is_put_back_after_every_death() {
    let world = World::new();
    let shop = quick(&world);
    let breaks = format!("{REDIS} set word changed; echo changed >uploads/index.html; exit 3\n");
    world.forget_trace();
    push(&shop, &breaks).has("main still serves r1; its data is as it was");
    let mut points = Vec::new();
    for point in world.trace() {
        let own = [
            "step deploy close",
            "step deploy snapshot",
            "step deploy verify",
            "step deploy deploy",
            "step deploy put back",
            "put back: ",
            "swap: ",
        ];
        if own.iter().any(|one| point.starts_with(one)) && !points.contains(&point) {
            points.push(point);
        }
    }
    for wanted in [
        "step deploy close: done",
        "step deploy deploy 1: started",
        "put back: fetched",
        "swap: kept cache",
        "step deploy put back: done",
    ] {
        assert!(points.iter().any(|one| one == wanted), "{points:?}");
    }
    for (number, point) in points.iter().enumerate() {
        shop.write("number", &number.to_string());
        shop.commit("Again");
        world.freeze_at(point);
        let watched = Watched::push(&shop, &["main"]);
        world.wait_until_frozen();
        world.kill_daemon();
        world.start();
        drop(watched);
        let ended = last(&world);
        shop.wharf(&["activity", "wait", &ended.id]);
        let ended = last(&world);
        assert_eq!(ended.state, State::Failed, "{point}");
        assert_eq!(shop.get("/").ok(), "text\n", "{point}");
        let word = format!("{REDIS} get word");
        let word = shop.wharf(&["run", "--", "sh", "-c", &word]).ok().out;
        assert_eq!(word, "first\n", "{point}");
        let mounts = fs::read_dir(world.home().join("state/mounts/shop/main")).unwrap();
        let names = mounts.map(|one| one.unwrap().file_name());
        let left: Vec<_> = names
            .filter(|name| name.to_string_lossy().starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{point}: {left:?}");
    }
}
