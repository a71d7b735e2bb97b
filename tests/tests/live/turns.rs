//! Turns: one activity an environment, newer ones first, cancelled ones gone, old ones removed.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use wharf_tests::{Watched, World};
use wharf_wire::view::Release;

use crate::app::{CONFIG, deployed};
use crate::restarts::{wait_for_line, wait_for_log};

/// A build that waits until somebody writes to a fifo in its cache.
pub(crate) fn gated(gate: &str) -> String {
    let wait = format!(
        "test -p /cache/{gate} || mkfifo /cache/{gate}; echo waits for {gate}; read line < /cache/{gate}"
    );
    format!("build = \"{wait}\"\n{}", CONFIG.1)
}

/// Lets such a build go on.
pub(crate) fn open(world: &World, trust_domain: &str, gate: &str) {
    let cache = world
        .home()
        .join("state/caches/shop")
        .join(trust_domain)
        .join("shared");
    // Opening it waits until the build reads it.
    let mut gate = std::fs::File::options()
        .write(true)
        .open(cache.join(gate))
        .unwrap();
    gate.write_all(b"go\n").unwrap();
}

#[test]
fn environments_work_side_by_side_and_each_does_one_thing_at_a_time() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", &gated("one"));
    shop.commit("One");
    let mut first = Watched::push(&shop, &["main"]);
    first.until("| waits for one");
    shop.git(&["switch", "--quiet", "--create", "feature"]).ok();
    let mut feature = Watched::push(&shop, &["feature"]);
    feature.until("| waits for one");

    // The second and the third wait behind the first; the third takes the second's place.
    shop.git(&["switch", "--quiet", "main"]).ok();
    shop.commit("Two");
    let mut second = Watched::push(&shop, &["main"]);
    second.until("still at work in this environment; this is next");
    shop.commit("Three");
    let mut third = Watched::push(&shop, &["main"]);
    third.until("waiting: ");
    let second = second.end();
    assert!(second.contains("warning: superseded by "), "{second}");
    assert!(
        second.contains("main still serves r1; nothing was changed."),
        "{second}"
    );

    open(&world, "protected", "one");
    assert!(first.end().contains("main now serves r2 (was r1)."));
    assert!(third.end().contains("main now serves r3 (was r2)."));
    open(&world, "open", "one");
    assert!(feature.end().contains("feature now serves r1."));
}

#[test]
fn branches_of_one_commit_build_once() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let config = format!("build = \"echo built >> /cache/count\"\n{}", CONFIG.1);
    shop.write("wharf.toml", &config);
    shop.commit("Built");
    shop.push(&["main:a", "main:b", "main:c"])
        .ok()
        .has("reused slug");
    let count = world.home().join("state/caches/shop/open/shared/count");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "built\n");
}

#[test]
fn a_cancelled_build_is_gone_within_a_second() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let marker = "31536123";
    shop.write(
        "wharf.toml",
        &format!(
            "build = \"echo at work; sleep {marker} & sleep {marker}\"\n{}",
            CONFIG.1
        ),
    );
    shop.commit("Slow");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| at work");
    let id = shop.wharf(&["activities", "--json"]).ok().out;
    let id = id
        .split("\"id\": \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let began = Instant::now();
    shop.wharf(&["cancel", &id])
        .ok()
        .has("main still serves r1");
    let took = began.elapsed();
    for process in std::fs::read_dir("/proc").unwrap() {
        let line = std::fs::read_to_string(process.unwrap().path().join("cmdline"));
        let line = line.unwrap_or_default();
        assert!(
            !line.starts_with(&format!("sleep\0{marker}")),
            "a process is left"
        );
    }
    // 500 ms of grace belong to it; a machine that is busy with other tests may add to that.
    assert!(took < Duration::from_secs(5), "took {took:?}");
    assert!(push.end().contains("warning: cancelled"));
    shop.wharf(&["cancel", &id])
        .exits(6)
        .has("has ended already");
    assert_eq!(shop.get("/").ok(), "one\n");
}

#[test]
fn old_releases_go_and_what_serves_stays() {
    let host = "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nreleases = 2\n";
    let world = World::with_host_file(host);
    let shop = deployed(&world, "shop");
    shop.push(&["main:other"]).ok().has("other now serves r1.");
    for number in 2..=9 {
        shop.write("version", &format!("{number}\n"));
        shop.commit("Next");
        shop.push(&["main"])
            .ok()
            .has(&format!("main now serves r{number}"));
    }
    // Old releases stay until their processes have ended, and a slug goes only with the last of
    // them: two of main, one of other, five to spare.
    wait_for_log(&world, ", 1 slug, ");
    for number in 1..=8 {
        wait_for_log(&world, &format!("the processes of r{number} have ended"));
    }
    shop.wharf(&["cleanup"]).ok();
    let slugs = std::fs::read_dir(world.home().join("state/slugs"))
        .unwrap()
        .count();
    assert_eq!(slugs, 8);
    shop.wharf(&["rollback", "r2"]).exits(6).has("hint: ");
    shop.wharf(&["rollback"])
        .ok()
        .has("main now serves r8 (was r9).");
    assert_eq!(shop.get("/").ok(), "8\n");
    assert_eq!(world.get("other--shop.localhost", "/").ok(), "one\n");
    shop.wharf(&["rollback"]).exits(6).has("no earlier release");
}

#[test]
fn after_failures_rollback_offers_only_what_succeeded() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok();
    for number in 1..=2 {
        let broken = format!("build = \"exit {number}\"\n{}", CONFIG.1);
        shop.write("wharf.toml", &broken);
        shop.commit("Does not build");
        shop.push(&["main"]).ok().has("main still serves r2");
    }
    shop.write("wharf.toml", CONFIG.1);
    for number in 1..=2 {
        shop.write("app.py", &format!("raise SystemExit({number})\n"));
        shop.commit("Does not start");
        shop.push(&["main"]).ok().has("main still serves r2");
    }
    let table = shop.wharf(&["releases"]).ok().out;
    let rows = table.lines().skip(1);
    let rows: Vec<(&str, &str, bool)> = rows
        .map(|row| {
            let mut words = row.split_whitespace();
            let (release, state) = (words.next().unwrap(), words.next().unwrap());
            (release, state, words.next() == Some("yes"))
        })
        .collect();
    let expected = [
        ("r4", "failed", false),
        ("r3", "failed", false),
        ("r2", "serves", false),
        ("r1", "ready", true),
    ];
    assert_eq!(rows, expected, "{table}");
    let offered = |release: &Release| release.offered.then_some(release.number);
    let json = shop.wharf(&["releases", "--json"]).ok().out;
    let releases: Vec<Release> = serde_json::from_str(&json).unwrap();
    let releases: Vec<u32> = releases.iter().filter_map(offered).collect();
    assert_eq!(releases, [1], "{json}");

    let refused = shop.wharf(&["rollback", "r3"]).exits(6).has("hint: ");
    refused.lacks("now serves");
    shop.wharf(&["rollback"])
        .ok()
        .has("main now serves r1 (was r2).");
    assert_eq!(shop.get("/").ok(), "one\n");
    // What was rolled back from had succeeded.
    shop.wharf(&["rollback", "r2"])
        .ok()
        .has("main now serves r2 (was r1).");
    shop.wharf(&["rollback", "r4"]).exits(6);
}

#[test]
fn a_deleted_branch_takes_its_environment_along() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write(
        "wharf.toml",
        &format!("{}[mounts]\ndata = \"private\"\n", CONFIG.1),
    );
    shop.git(&["switch", "--quiet", "--create", "feature"]).ok();
    shop.commit("Feature");
    shop.push(&["feature"]).ok().has("1 mount");
    shop.push(&["--delete", "feature"])
        .ok()
        .has("feature serves nothing any more (was r1).");
    assert_eq!(world.get("feature--shop.localhost", "/").status, 404);
    shop.wharf(&["environments"]).ok().lacks("feature");
    assert_eq!(
        std::fs::read_dir(world.home().join("state/kept"))
            .unwrap()
            .count(),
        1
    );
    assert_eq!(
        std::fs::read_dir(world.home().join("run/keepers"))
            .unwrap()
            .count(),
        1
    );
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "one\n");
}

#[test]
fn callers_that_talk_nonsense_disturb_nobody() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let mut idle = Vec::new();
    for socket in ["run/wharfd.sock", "run/router.sock"] {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            &[0xff; 64],
            &[0, 0, 0, 4, b'"'],
            b"",
            &[0; 4],
        ] {
            let mut stream = UnixStream::connect(world.home().join(socket)).unwrap();
            stream.write_all(bytes).unwrap();
            idle.push(stream);
        }
    }
    for _ in 0..200 {
        idle.push(UnixStream::connect(world.home().join("run/wharfd.sock")).unwrap());
    }
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(shop.get("/").ok(), "two\n");
}

#[test]
fn workers_and_late_commands() {
    let world = World::new();
    let procfile = "web: exec python3 app.py\nworker: echo working; exec sleep 1000\n";
    let shop = world.site(
        "shop",
        &[
            ("Procfile", procfile),
            crate::app::SERVER,
            ("version", "one\n"),
        ],
    );
    shop.init();
    shop.push(&["main"]).ok();
    let count = || {
        std::fs::read_dir(world.home().join("run/keepers"))
            .unwrap()
            .count()
    };
    assert_eq!(count(), 2);
    // Nobody waits for a worker: it may not have come to it yet.
    wait_for_line(&world, "wharf/state/outputs/*.worker.*.log", "working");
    shop.wharf(&["log", "--app"])
        .ok()
        .has("worker of r1")
        .has("working");
    shop.write("wharf.toml", "[deploy]\nafter = \"echo late; exit 5\"\n");
    shop.commit("Late");
    let said = shop
        .push(&["main"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert!(
        said.transcript()
            .contains("warning: late command 1 of 1 failed"),
        "{said}"
    );
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(count(), 2, "the old ones are replaced");
}

#[test]
fn a_generated_secret_is_stable_its_environments_own_and_never_shown() {
    let world = World::new();
    let config = "public = \".\"\n[env]\nKEY = { generate = \"secret\" }\n[deploy]\n\
        run = \"echo the key is $KEY; printf %s $KEY > data/key\"\n[mounts]\ndata = \"private\"\n";
    let site = world.site("shop", &[("wharf.toml", config), ("index.html", "hello")]);
    site.init();
    let said = site.push(&["main"]).ok().has("| the key is ****");
    let key = |environment: &str| {
        let mounts = world.home().join("state/mounts/shop").join(environment);
        let mount = std::fs::read_dir(mounts)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        std::fs::read_to_string(mount.join("key")).unwrap()
    };
    let first = key("main");
    assert!(first.len() > 30);
    said.lacks(&first);
    site.wharf(&["log", "--raw"])
        .ok()
        .has("the key is ****")
        .lacks(&first);
    site.commit("Again");
    site.push(&["main"]).ok();
    assert_eq!(key("main"), first);
    site.push(&["main:other"]).ok();
    assert_ne!(key("other"), first);
}
