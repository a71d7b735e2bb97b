//! A record that cannot be written for a while: what was accepted waits for it and is not lost.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};

use wharf_tests::{Tree, Watched, World, run};

use crate::app::{CONFIG, deployed, host};
use crate::watching::{activities, wait_for_log};

/// Holds the database's write lock until told otherwise.
struct Lock {
    holder: Child,
    release: ChildStdin,
}

impl Lock {
    fn take(world: &World) -> Lock {
        let script = "import sqlite3, sys\n\
            held = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n\
            held.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.readline()\n\
            held.execute('ROLLBACK')\n";
        let mut python = world.command("python3");
        python
            .args(["-c", script])
            .arg(world.home().join("state/wharf.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut holder = python.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(holder.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        let release = holder.stdin.take().unwrap();
        Lock { holder, release }
    }

    fn release(mut self) {
        self.release.write_all(b"\n").unwrap();
        assert!(self.holder.wait().unwrap().success());
    }
}

/// The newest activity's state, read beside the daemon: its answer may take as long as the lock.
fn newest_state(world: &World) -> String {
    let script = "import sqlite3, sys\n\
        ours = sqlite3.connect(sys.argv[1])\n\
        print(ours.execute('select state from activity order by number desc').fetchone()[0])\n";
    let mut python = world.command("python3");
    let database = world.home().join("state/wharf.db");
    run(python.args(["-c", script]).arg(database)).ok().out
}

fn second(shop: &Tree<'_>) {
    shop.write("version", "two\n");
    shop.commit("Second");
}

#[test]
fn an_end_is_recorded_before_anything_else_begins() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let build = "echo at work; until test -e /cache/go; do sleep 0.05; done";
    shop.write("wharf.toml", &format!("build = \"{build}\"\n{}", CONFIG.1));
    second(&shop);
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| at work");
    let lock = Lock::take(&world);
    let cache = world.home().join("state/caches/shop/protected/shared/go");
    std::fs::write(cache, "").unwrap();
    wait_for_log(&world, "the store did not take or tell it; trying again");
    assert_eq!(newest_state(&world), "running\n");
    lock.release();
    let said = push.end();
    assert!(said.contains("error: cannot record"), "{said}");
    assert!(said.contains("main still serves r1;"), "{said}");
    assert_eq!(activities(&shop)[0]["state"], "failed");
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    shop.wharf(&["redeploy"]).ok();
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");
}

#[test]
fn a_push_that_could_not_be_recorded_is_made_up_for() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    second(&shop);
    let lock = Lock::take(&world);
    let said = shop.push(&["main"]).ok().has("cannot record");
    assert!(!said.err.contains("now serves"), "{said}");
    wait_for_log(&world, "not made up for");
    lock.release();
    wait_for_log(&world, "main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
    assert_eq!(activities(&shop).len(), 2);
}
