//! Activities that are stopped: nothing of them is left, and what served serves.

use std::fs;
use std::time::{Duration, Instant};

use wharf_tests::{Tree, Watched, World};

use crate::app::{CONFIG, deployed, host};
use crate::watching::{activities, wait_for_log};

/// Whether a process runs that has this argument.
fn runs(argument: &str) -> bool {
    fs::read_dir("/proc").unwrap().any(|process| {
        let line = fs::read(process.unwrap().path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
    })
}

fn newest(shop: &Tree<'_>) -> String {
    activities(shop)[0]["id"].as_str().unwrap().to_owned()
}

/// An application of two processes that never listens. It says through the fifo `data/up` that both
/// run; each bears the marker as its own name before it says so.
fn never_healthy(marker: &str) -> String {
    let other = format!("setsid sh -c 'echo up >data/other; exec sleep {marker}' {marker}");
    let main = format!("sh -c 'cat data/other >data/up; exec sleep {marker}' {marker}");
    format!(
        "web = \"{other} & exec {main}\"\n\
         [mounts]\ndata = \"private\"\n[deploy]\nhealth = {{ path = \"/\", within = \"100s\" }}\n\
         run = \"mkfifo data/up data/other; echo the fifo is there\"\n"
    )
}

/// Waits until the application has started.
fn started(world: &World) {
    let mounts = world.home().join("state/mounts/shop/main");
    let mount = fs::read_dir(mounts).unwrap().next().unwrap().unwrap();
    let said = fs::read_to_string(mount.path().join("up")).unwrap();
    assert_eq!(said, "up\n");
}

fn keepers(world: &World) -> usize {
    let sockets = fs::read_dir(world.home().join("run/keepers"));
    sockets.unwrap().count()
}

#[test]
fn a_cancelled_wait_for_health_leaves_no_process() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let marker = "31536201";
    shop.write("wharf.toml", &never_healthy(marker));
    shop.commit("Never healthy");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| the fifo is there");
    started(&world);
    assert!(runs(marker));
    let began = Instant::now();
    shop.wharf(&["cancel", &newest(&shop)])
        .ok()
        .has("main still serves r1; deploy commands may have changed its data.");
    let took = began.elapsed();
    assert!(!runs(marker), "a process is left");
    // As for a build: the grace belongs to it, and a busy machine may add to that.
    assert!(took < Duration::from_secs(5), "took {took:?}");
    assert!(push.end().contains("warning: cancelled"));
    assert_eq!(shop.get("/").ok(), "one\n");
    assert_eq!(keepers(&world), 1);
}

#[test]
fn a_daemon_killed_while_it_waits_for_health_leaves_no_process_of_it() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let marker = "31536202";
    shop.write("wharf.toml", &never_healthy(marker));
    shop.commit("Never healthy");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| the fifo is there");
    started(&world);
    world.kill_daemon();
    assert!(push.end().contains("the deploy is recorded"));
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    world.start();
    // Its deploy commands ran and are not said to be repeatable.
    wait_for_log(&world, "main still serves r1");
    assert_eq!(activities(&shop)[0]["state"], "failed");
    assert!(!runs(marker), "a process is left");
    assert_eq!(shop.get("/").ok(), "one\n");
    assert_eq!(keepers(&world), 1);
}

#[test]
fn who_waits_for_a_place_is_told_and_production_goes_first() {
    let world =
        World::with_host_file("[router]\nlisten = \"127.0.0.1:0\"\n[build]\nparallel = 1\n");
    let shop = deployed(&world, "shop");
    let build = "echo at work; until test -e /cache/go; do sleep 0.05; done";
    shop.write("wharf.toml", &format!("build = \"{build}\"\n{}", CONFIG.1));
    shop.commit("Gated");
    let mut first = Watched::push(&shop, &["main:first"]);
    first.until("| at work");
    let mut second = Watched::push(&shop, &["main:second"]);
    second.until("waiting: ");
    let mut cancelled = Watched::push(&shop, &["main:third"]);
    cancelled.until("waiting: ");
    let id = newest(&shop);
    shop.wharf(&["cancel", &id]).ok();
    let cancelled = cancelled.end();
    assert!(cancelled.contains("before it began"), "{cancelled}");
    assert!(
        cancelled.contains("third serves nothing yet"),
        "{cancelled}"
    );
    shop.write("wharf.toml", CONFIG.1);
    shop.commit("Not gated");
    let mut main = Watched::push(&shop, &["main"]);
    main.until("waiting: ");
    let cache = world.home().join("state/caches/shop/open/shared/go");
    fs::write(cache, "").unwrap();
    assert!(first.end().contains("first now serves r1."));
    assert!(main.end().contains("main now serves r2 (was r1)."));
    assert!(second.end().contains("second now serves r1."));
    let order: Vec<_> = world
        .logs()
        .lines()
        .filter_map(|line| line.split_once("succeeded: "))
        .map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["main", "first", "main", "second"]);
}
