//! What piles up goes by count, size and age; what serves and what a rollback was promised stays.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wharf_tests::{Tree, Watched, World};

use crate::app::{CONFIG, SERVER, deployed, host};
use crate::watching::{activities, wait_for_log};

/// Replaces the section `[keep]` and makes the daemon read it.
pub(crate) fn keep(world: &World, keys: &str) {
    let file = world.home().join("config/wharfd.d/10-keep.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, format!("[keep]\n{keys}")).unwrap();
    world.wharf(&["reload"]).ok();
}

/// What `wharf cleanup` says, as `kind of name why`.
fn cleanup(world: &World, words: &[&str]) -> Vec<String> {
    let said = world.wharf(&[&["cleanup", "--json"], words].concat()).ok();
    let removals: Vec<Value> = serde_json::from_str(&said.out).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |r: &Value| {
        ["kind", "of", "name", "why"]
            .map(|key| text(&r[key]))
            .join(" ")
    };
    removals.iter().map(line).collect()
}

/// Sets the time of a file or directory back.
fn days_ago(world: &World, days: u32, path: &Path) {
    let date = format!("{days} days ago");
    wharf_tests::run(world.command("touch").args(["-d", &date]).arg(path)).ok();
}

/// Changes the record as if time had passed.
fn change_record(world: &World, sql: &str) {
    let script = "import sqlite3, sys\n\
        held = sqlite3.connect(sys.argv[1], timeout=30)\nheld.execute(sys.argv[2])\nheld.commit()\n";
    let mut python = world.command("python3");
    let database = world.home().join("state/wharf.db");
    wharf_tests::run(python.args(["-c", script]).arg(database).arg(sql)).ok();
}

fn state(world: &World, path: &str) -> PathBuf {
    world.home().join("state").join(path)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A project of files alone: what its releases need is known at once.
fn site(world: &World) -> Tree<'_> {
    let files = [("wharf.toml", "public = \".\"\n"), ("index.html", "one\n")];
    let site = world.site("shop", &files);
    site.init();
    site.push(&["main"]).ok();
    site
}

/// A version whose tree, and so its slug, has this many KiB.
fn push_version(shop: &Tree<'_>, version: &str, kib: usize) {
    shop.write("index.html", &format!("{version}\n"));
    shop.write("ballast", &version.repeat(kib * 1024 / version.len()));
    shop.commit(version);
    shop.push(&["main"]).ok();
}

fn ready(shop: &Tree<'_>) -> Vec<u64> {
    let out = shop.wharf(&["releases", "--json"]).ok().out;
    let releases: Vec<Value> = serde_json::from_str(&out).unwrap();
    let ready = releases
        .iter()
        .filter(|release| release["state"] == "ready");
    ready.map(|r| r["number"].as_u64().unwrap()).collect()
}

#[test]
fn releases_and_slugs_go_by_count_and_size_and_every_kept_one_can_serve() {
    let world = World::new();
    keep(
        &world,
        "releases = 3\nslugs = { count = 2, size = \"300K\" }\n",
    );
    let shop = site(&world);
    for version in ["two", "three", "four", "five", "six"] {
        push_version(&shop, version, 10);
    }
    assert_eq!(ready(&shop), [6, 5, 4]);
    assert_eq!(
        names(&state(&world, "releases/shop/main")),
        ["r4", "r5", "r6"]
    );
    assert_eq!(names(&state(&world, "slugs")).len(), 3 + 2);

    // By size: of the two spare ones of 200 KiB only one fits.
    for version in ["seven", "eight", "nine", "ten", "eleven"] {
        push_version(&shop, version, 200);
    }
    assert_eq!(names(&state(&world, "slugs")).len(), 3 + 1);

    // An earlier one that serves again is held beside the newest, until it does not.
    shop.wharf(&["rollback", "r9"]).ok();
    push_version(&shop, "twelve", 1);
    assert_eq!(ready(&shop), [12, 11, 10]);
    for (release, version) in [("r10", "ten"), ("r11", "eleven"), ("r12", "twelve")] {
        shop.wharf(&["rollback", release]);
        assert_eq!(world.get(&host("shop"), "/").ok(), format!("{version}\n"));
        assert_eq!(cleanup(&world, &[]), Vec::<String>::new());
    }

    // Nothing but what serves and what is promised is left, and that is all there.
    keep(&world, "releases = 1\nslugs = 0\n");
    shop.wharf(&["rollback", "r10"]).ok();
    cleanup(&world, &[]);
    assert_eq!(ready(&shop), [12, 10]);
    assert_eq!(names(&state(&world, "slugs")).len(), 2);
    assert_eq!(world.get(&host("shop"), "/").ok(), "ten\n");

    // A death between forgetting and removing leaves nothing half.
    shop.wharf(&["rollback", "r12"]).ok();
    world.freeze_at("record no slug: after");
    let mut asking = world.command("wharf");
    let mut asking = asking.arg("cleanup").spawn().unwrap();
    world.wait_until_frozen();
    world.kill_daemon();
    asking.wait().unwrap();
    assert_eq!(
        names(&state(&world, "slugs")).len(),
        2,
        "forgotten, still there"
    );
    let gone = state(&world, "caches/shop/.gone-0");
    fs::create_dir_all(&gone).unwrap();
    fs::write(state(&world, "jobs/left.json"), "{}").unwrap();
    fs::write(state(&world, "outputs/left.log.1"), "x").unwrap();
    world.start();
    assert_eq!(names(&state(&world, "slugs")).len(), 1);
    assert_eq!(names(&state(&world, "releases/shop/main")), ["r12"]);
    assert!(!gone.exists());
    for directory in ["jobs", "outputs"] {
        let left = names(&state(&world, directory));
        assert!(
            left.iter().all(|name| !name.starts_with("left")),
            "{left:?}"
        );
    }
    assert_eq!(world.get(&host("shop"), "/").ok(), "twelve\n");
}

#[test]
fn logs_records_caches_and_data_go_by_age_and_size() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let mounts = "[mounts]\nuploads = \"private\"\n";
    shop.write(
        "wharf.toml",
        &format!(
            "build = \"head -c 300000 /dev/urandom >/cache/x\"\n{}{mounts}",
            CONFIG.1
        ),
    );
    shop.commit("With a cache and a mount");
    shop.push(&["main", "main:side"]).ok();
    let said = shop.push(&["--delete", "side"]).ok();
    let [deletion, ..] = &activities(&shop)[..] else {
        panic!("no activity");
    };
    let deletion = deletion["id"].as_str().unwrap().to_owned();
    said.has(&format!(
        "its data is kept on the host as {deletion}, for 30 days"
    ));
    world
        .wharf(&["doctor"])
        .has("data of shop@side")
        .has("it goes in 30 days");
    assert_eq!(cleanup(&world, &[]), Vec::<String>::new(), "nothing is old");

    // Each for itself; a look changes nothing.
    let first = activities(&shop).last().unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let log = state(&world, &format!("logs/{first}.jsonl"));
    let kept = state(&world, &format!("kept/{deletion}"));
    let (open, protected) = (
        state(&world, "caches/shop/open"),
        state(&world, "caches/shop/protected"),
    );
    days_ago(&world, 91, &log);
    days_ago(&world, 91, &open);
    // The directory alone does not say since when: the record does as well.
    days_ago(&world, 31, &kept);
    let due = [
        "cache shop open age".to_owned(),
        format!("log - {first} age"),
    ];
    assert_eq!(cleanup(&world, &["--dry-run"]), due);
    assert!(log.exists() && open.exists());
    let day = 24 * 60 * 60 * 1000_u64;
    change_record(
        &world,
        &format!(
            "UPDATE activity SET ended = ended - {} WHERE id = '{deletion}'",
            31 * day
        ),
    );
    let due = [&due[..], &[format!("data - {deletion} age")]].concat();
    assert_eq!(cleanup(&world, &["-n"]), due);
    world
        .wharf(&["cleanup", "--dry-run"])
        .ok()
        .has("3 would go")
        .has("nothing was removed");
    assert_eq!(cleanup(&world, &[]), due);
    assert!(!log.exists() && !open.exists() && !kept.exists() && protected.exists());
    world
        .wharf(&["cleanup"])
        .ok()
        .has("nothing is past retention");
    let log = shop.wharf(&["log", &first]).ok();
    log.has("keep.logs").has("main now serves r1.");
    assert!(
        world
            .logs()
            .contains("housekeeping in order: removed 1 cache, 1 data, 1 log")
    );

    // Records: not those of releases that can serve, nor an environment's newest.
    change_record(
        &world,
        &format!("UPDATE activity SET ended = ended - {}", 800 * day),
    );
    let gone = cleanup(&world, &[]);
    let records: Vec<&String> = gone
        .iter()
        .filter(|line| line.starts_with("record"))
        .collect();
    assert_eq!(
        records.len(),
        2,
        "the side's push and its deletion: {gone:?}"
    );
    assert_eq!(activities(&shop).len(), 2);
    assert_eq!(ready(&shop), [2, 1]);

    // The cache of a running build stays, however old and large; then it goes.
    shop.write("wharf.toml", &waiting_build());
    shop.commit("Waits");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| at work");
    days_ago(&world, 91, &protected);
    keep(&world, "cache = { size = \"100K\", age = \"30d\" }\n");
    assert_eq!(cleanup(&world, &[]), Vec::<String>::new());
    fs::write(protected.join("shared/go"), "").unwrap();
    assert!(push.end().contains("main now serves r3 (was r2)."));
    assert_eq!(cleanup(&world, &[]), ["cache shop protected age"]);
    shop.wharf(&["rollback", "r1"]).ok();
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");

    // By count, the newest log stays.
    keep(&world, "logs = { count = 1 }\n");
    cleanup(&world, &[]);
    let newest = activities(&shop)[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(names(&state(&world, "logs")), [format!("{newest}.jsonl")]);
}

/// A build that waits for a file in its cache.
fn waiting_build() -> String {
    let build = "echo at work; until test -e /cache/go; do sleep 0.05; done";
    format!("build = \"{build}\"\n{}", CONFIG.1)
}

#[test]
fn a_slug_that_somebody_is_about_to_use_stays() {
    let world = World::new();
    keep(&world, "releases = 1\n");
    let shop = site(&world);
    let waits =
        "public = \".\"\nbuild = \"echo at work; until test -e /cache/go; do sleep 0.05; done\"\n";
    shop.write("wharf.toml", waits);
    shop.commit("Waits");
    // Built once, and made spare by the next.
    let cache = state(&world, "caches/shop/protected/shared");
    fs::create_dir_all(&cache).unwrap();
    fs::write(cache.join("go"), "").unwrap();
    shop.push(&["main"]).ok();
    shop.git(&["tag", "waits"]).ok();
    shop.write("wharf.toml", "public = \".\"\n");
    push_version(&shop, "two", 1);
    assert_eq!(ready(&shop), [3]);
    let slugs = || names(&state(&world, "slugs")).len();
    assert_eq!(slugs(), 3);

    // Somebody has its turn with these ingredients: theirs stays, the other spare one goes.
    fs::remove_file(cache.join("go")).unwrap();
    let words = ["-o", "rebuild", "--force", "waits^{commit}:refs/heads/main"];
    let mut push = Watched::push(&shop, &words);
    push.until("| at work");
    keep(&world, "releases = 1\nslugs = 0\n");
    assert_eq!(cleanup(&world, &["-n"]).len(), 2);
    assert_eq!(cleanup(&world, &[]).len(), 1);
    assert_eq!(slugs(), 2);
    fs::write(cache.join("go"), "").unwrap();
    assert!(push.end().contains("main now serves r4"));
    assert_eq!(slugs(), 1);
}

#[test]
fn what_an_old_process_runs_stays_until_it_has_ended() {
    let world = World::new();
    keep(&world, "releases = 1\nslugs = 0\n");
    let app = deployed(&world, "app");
    // It ends when it is let, within the grace that it has.
    let late = "import time\ndef late():\n    while not os.path.exists('data/end'): time.sleep(0.05)\n    \
                server.shutdown()\n\nserver.serve_forever()";
    let slow = SERVER.1.replace("target=server.shutdown", "target=late");
    app.write("app.py", &slow.replace("server.serve_forever()", late));
    let mounts = "[mounts]\ndata = \"private\"\n";
    app.write("wharf.toml", &format!("{}{mounts}", CONFIG.1));
    app.commit("Slow");
    app.push(&["main"]).ok();
    wait_for_log(
        &world,
        "housekeeping in app@main: removed 1 release, 1 slug",
    );
    app.write("version", "two\n");
    app.commit("Second");
    app.push(&["main"]).ok().has("main now serves r3");
    cleanup(&world, &[]);
    assert_eq!(ready(&app), [3, 2]);
    assert_eq!(names(&state(&world, "slugs")).len(), 2);
    assert_eq!(app.get("/").ok(), "two\n");
    let mounts = state(&world, "mounts/app/main");
    fs::write(mounts.join(&names(&mounts)[0]).join("end"), "").unwrap();
}
