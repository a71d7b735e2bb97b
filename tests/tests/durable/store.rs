//! A database that is damaged, gone or cannot be written: said, never begun anew in silence, and
//! mended with the commands that are said.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use wharf_tests::{Said, Tree, Watched, World, run};

use crate::app::{CONFIG, deployed, host};
use crate::watching::{activities, wait_for_log};

fn database(world: &World) -> PathBuf {
    world.home().join("state/wharf.db")
}

/// Overwrites all but the first page.
fn damage(world: &World) {
    let path = database(world);
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(path, bytes).unwrap();
}

fn next(shop: &Tree<'_>, version: &str) {
    shop.write("version", version);
    shop.commit(version.trim());
}

/// What a daemon that only a person can help says; its state is as it was.
#[track_caller]
fn refuses(world: &World, code: &str) -> Said {
    let before = fs::read(database(world)).ok();
    let said = run(&mut world.command("wharfd"))
        .exits(78)
        .has(&format!("({code})"))
        .has("hint: ");
    assert!(fs::read(database(world)).ok() == before, "it was changed");
    world.wharf(&["doctor", "--json"]).exits(1).has(code);
    said
}

#[test]
fn what_a_backup_holds_comes_back_and_the_rest_is_deployed_from_git() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    world.wharf(&["doctor"]).has("the database is sound");
    let backup = run(world.command("wharfd").arg("backup")).ok().out;
    let backup = backup.trim();
    // All this is not in it.
    next(&shop, "two\n");
    shop.push(&["main"]).ok().has("main now serves r2");
    shop.push(&["main:late"]).ok().has("late now serves r1.");
    world.kill_daemon();
    let wal = world.home().join("state/wharf.db-wal");
    fs::remove_file(wal).unwrap();
    damage(&world);

    let said = refuses(&world, "store-damaged");
    said.has(database(&world).to_str().unwrap()).has(backup);
    // What serves does not need it.
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");
    shop.push(&["main:other"])
        .exits(1)
        .has("nothing was pushed");

    // As docs/backup.md says.
    run(world.command("wharfd").arg("restore"))
        .ok()
        .has(backup)
        .has("hint: now: wharf start");
    world.start();
    wait_for_log(&world, "main now serves r3 (was r1).");
    wait_for_log(&world, "late now serves r2.");
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");
    assert_eq!(world.get("late--shop.localhost", "/").ok(), "two\n");
    next(&shop, "three\n");
    shop.push(&["main"])
        .ok()
        .has("main now serves r4 (was r3).");

    // Gone, with all that it is the record of still there.
    world.kill_daemon();
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(world.home().join(format!("state/wharf.db{end}"))).ok();
    }
    refuses(&world, "store-missing").has("restore --empty");
    run(world.command("wharfd").args(["restore", "--empty"])).ok();
    world.start();
    wait_for_log(&world, "main now serves r5.");
    wait_for_log(&world, "late now serves r3.");
    assert_eq!(shop.get("/").ok(), "three\n");
    let all = activities(&shop);
    assert_eq!(all.len(), 2, "{all:?}");
}

#[test]
fn a_release_that_the_restored_record_does_not_know_gives_way_and_its_number_is_not_given_again() {
    let world = World::new();
    let config = "public = \".\"\nbuild = \"echo made >made\"\n";
    let files = [("wharf.toml", config), ("index.html", "one\n")];
    let site = world.site("site", &files);
    site.init();
    site.push(&["main"]).ok();
    run(world.command("wharfd").arg("backup")).ok();
    // Of the same commit, so that no branch has moved for the restored record.
    for release in ["r2", "r3"] {
        let said = site.wharf(&["redeploy", "--rebuild"]).ok();
        said.has(&format!("main now serves {release}"));
    }
    // Beyond what the table names.
    site.wharf(&["rollback"]).ok().has("main now serves r2");
    world.kill_daemon();
    run(world.command("wharfd").arg("restore")).ok();
    world.start();
    wait_for_log(&world, "r1 serves again after a restart");
    assert_eq!(site.get("/").ok(), "one\n");
    site.wharf(&["redeploy"])
        .ok()
        .has("main now serves r4 (was r1).");
    // Only now they are of no use any more.
    world.wharf(&["cleanup"]).ok();
    let releases = fs::read_dir(world.home().join("state/releases/site/main")).unwrap();
    let mut names: Vec<_> = releases.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["r1", "r4"]);
}

/// A daemon that dies in the middle of an upgrade leaves the version that was there.
fn killed_upgrade(world: &World) {
    world.freeze_at("record schema 2: before");
    let mut wharfd = world.command("wharfd");
    let wharfd = wharfd.env("WHARF_FAIL_POINTS", world.points());
    let mut wharfd = wharfd.stderr(Stdio::null()).spawn().unwrap();
    let stopped = waitid(
        WaitId::Pid(Pid::from_child(&wharfd)),
        WaitIdOptions::STOPPED,
    );
    assert!(stopped.unwrap().is_some());
    wharfd.kill().unwrap();
    wharfd.wait().unwrap();
    let script = "import sqlite3, sys\n\
        ours = sqlite3.connect(sys.argv[1])\n\
        print(ours.execute('pragma user_version').fetchone())\n";
    let mut python = world.command("python3");
    let python = python.args(["-c", script]).arg(database(world));
    assert_eq!(run(python).ok().out, "(1,)\n");
}

#[test]
fn a_database_that_cannot_be_written_or_is_another_file_is_refused_and_an_older_one_upgraded() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    world.kill_daemon();
    let state = world.home().join("state");
    let wal = state.join("wharf.db-wal");
    for target in [&state, &database(&world), &wal] {
        // Root may write everywhere but into what is mounted read-only.
        let mut wharfd = world.command("bwrap");
        wharfd
            .args(["--dev-bind", "/", "/", "--ro-bind"])
            .args([target, target])
            .arg("wharfd");
        run(&mut wharfd)
            .exits(78)
            .has("(store-read-only)")
            .has("ls -ld");
    }
    // Beside the second file of the real one.
    let good = fs::read(database(&world)).unwrap();
    fs::write(database(&world), "my notes\n").unwrap();
    refuses(&world, "store-damaged");
    let [wal, shm] = ["-wal", "-shm"].map(|end| state.join(format!("wharf.db{end}")));
    let newest = fs::read(&wal).unwrap();
    for file in [&database(&world), &wal, &shm] {
        fs::remove_file(file).unwrap();
    }
    let script = "import sqlite3, sys\n\
        other = sqlite3.connect(sys.argv[1])\nother.execute('create table mine (a)')\n";
    let mut python = world.command("python3");
    run(python.args(["-c", script]).arg(database(&world))).ok();
    refuses(&world, "store-foreign");
    fs::write(database(&world), good).unwrap();
    fs::write(wal, newest).unwrap();
    // As version 1 left it, with a branch that it never knew.
    let script = "import sqlite3, sys\n\
        ours = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
        for table in 'history', 'project', 'baseline', 'variable', 'salt', 'notification', 'destination', \
        'service', 'service_port', 'snapshot', 'snapshot_use', 'seeded': ours.execute('drop table ' + table)\n\
        ours.execute('drop index activity_cron')\n\
        for column in 'title', 'chosen_parent', 'maintenance', 'beginning':\n\
            \x20 ours.execute('alter table environment drop column ' + column)\n\
        for column in 'source', 'due', 'approved_by', 'now':\n\
            \x20 ours.execute('alter table activity drop column ' + column)\n\
        ours.execute('alter table release drop column variables')\n\
        ours.execute('pragma user_version = 1')\n";
    let mut python = world.command("python3");
    run(python.args(["-c", script]).arg(database(&world))).ok();
    let mut git = world.command("git");
    let branch = ["update-ref", "refs/heads/old", "refs/heads/main"];
    run(git.current_dir(world.repository("shop")).args(branch)).ok();
    killed_upgrade(&world);
    world.start();
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    let backups: Vec<_> = fs::read_dir(state.join("backups"))
        .unwrap()
        .map(|backup| backup.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("upgrade-v1-"))
        .collect();
    assert_eq!(backups.len(), 1, "{backups:?}");
    next(&shop, "two\n");
    shop.push(&["main"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(activities(&shop).len(), 2);
    // And back to before the upgrade, with the program of today.
    world.kill_daemon();
    let backup = state.join("backups").join(&backups[0]);
    run(world.command("wharfd").arg("restore").arg(backup)).ok();
    world.start();
    wait_for_log(&world, "main now serves r3 (was r1).");
}

#[test]
fn damage_that_appears_while_the_daemon_runs_is_said_and_pushes_are_refused() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let build = "echo at work; until test -e /cache/go; do sleep 0.05; done";
    shop.write("wharf.toml", &format!("build = \"{build}\"\n{}", CONFIG.1));
    next(&shop, "gated\n");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| at work");
    let wait = Watched::wharf(&shop, &["activity", "wait", &push.id()]);
    let mut log = Watched::wharf(&shop, &["log", "-f", "--json"]);
    log.until("{");
    // The daemon holds pages in memory until somebody else writes.
    let script = "import sqlite3, sys\n\
        other = sqlite3.connect(sys.argv[1], timeout=30)\n\
        other.execute(\"update environment set status = 'active'\")\nother.commit()\n\
        other.execute('pragma wal_checkpoint(restart)')\n\
        size = open(sys.argv[1], 'rb').seek(0, 2)\n\
        raw = open(sys.argv[1], 'r+b')\nraw.seek(4096)\nraw.write(b'Z' * (size - 4096))\n\
        raw.close()\n\
        other.execute(\"pragma user_version = 2\")\nother.commit()\n\
        import os\nos._exit(0)\n";
    let mut python = world.command("python3");
    run(python.args(["-c", script]).arg(database(&world))).ok();
    let cache = world.home().join("state/caches/shop/protected/shared/go");
    fs::write(cache, "").unwrap();
    // Whoever waits is not left waiting for what cannot be recorded.
    let said = push.end();
    assert!(
        said.contains("warning: Wharf's record on this host is damaged"),
        "{said}"
    );
    for told in [wait.end(), log.end()] {
        assert!(
            told.contains("Wharf's record on this host is damaged"),
            "{told}"
        );
    }
    next(&shop, "two\n");
    shop.push(&["main"])
        .exits(1)
        .has("error: Wharf's record on this host is damaged");
    shop.push(&["main"]).exits(1);
    world
        .wharf(&["doctor", "--json"])
        .exits(1)
        .has("store-damaged");
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    let logs = world.logs();
    let said = logs.matches("\"WHARF_ERROR\":\"store-damaged\"").count();
    assert_eq!(said, 1, "{logs}");
    assert!(!logs.contains("trying again"), "{logs}");

    // What a hook left stays for the daemon that can record it.
    let spool = world.home().join("state/spool");
    let repository = fs::canonicalize(world.repository("shop")).unwrap();
    let zero = "0".repeat(40);
    let head = shop.git(&["rev-parse", "HEAD"]).ok().out;
    let push = serde_json::json!({
        "repository": repository, "options": [], "claims": [],
        "updates": [{ "name": "refs/heads/main", "lossy": false, "old": zero, "new": head.trim() }],
    });
    fs::write(spool.join("new"), push.to_string()).unwrap();
    fs::rename(spool.join("new"), spool.join("1.json")).unwrap();
    // Of two looks the first is over once the second has begun.
    for name in ["2.json", "3.json"] {
        fs::write(spool.join(name), "nonsense").unwrap();
        wait_for_log(&world, name);
    }
    assert!(spool.join("1.json").exists(), "{}", world.logs());
}
