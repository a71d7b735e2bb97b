//! A daemon that is down, hangs and comes back: a push is refused, or accepted and deployed once.

use std::fs;

use rustix::process::{Signal, kill_process};
use wharf_tests::{Tree, World, run};

use crate::app::{deployed, host};
use crate::watching::{activities, wait_for_log};

const ACCEPTING: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[push]\nunreachable = \"accept\"\n";

fn hang(world: &World) {
    kill_process(world.daemon_pid(), Signal::STOP).unwrap();
}

fn next(shop: &Tree<'_>, version: &str) {
    shop.write("version", version);
    shop.commit(version.trim());
}

fn spooled(world: &World) -> usize {
    let spool = fs::read_dir(world.home().join("state/spool"));
    spool.unwrap().count()
}

#[test]
fn where_pushes_are_refused_nothing_moves_while_the_daemon_is_away() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    next(&shop, "two\n");
    let refused = |verb: &str| {
        let said = shop.push(&["main"]).exits(1);
        said.has(&format!("error: Wharf {verb} on this host"))
            .has("nothing was pushed")
            .has("hint: push again later");
        let tip = shop
            .git(&["ls-remote", "wharf", "refs/heads/main"])
            .ok()
            .out;
        let before = shop.git(&["rev-parse", "HEAD~"]).ok().out;
        assert!(tip.starts_with(before.trim()), "{tip}");
    };
    hang(&world);
    refused("does not answer");
    world.thaw();
    shop.push(&["main:other"]).ok();
    world.kill_daemon();
    refused("is not running");
    assert_eq!(spooled(&world), 0);
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    world.start();
    shop.push(&["main"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(activities(&shop).len(), 3);
}

#[test]
fn where_pushes_are_accepted_each_is_deployed_once_when_the_daemon_is_back() {
    let world = World::with_host_file(ACCEPTING);
    let shop = deployed(&world, "shop");
    let accepted = |branches: &[&str]| {
        shop.push(branches)
            .ok()
            .has("the push is taken without its checks")
            .has("the push is recorded")
            .has("hint: it is deployed when Wharf is back");
    };
    hang(&world);
    next(&shop, "two\n");
    accepted(&["main", "main:new"]);
    assert_eq!(spooled(&world), 1);
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    world.thaw();
    wait_for_log(&world, "main now serves r2 (was r1).");
    wait_for_log(&world, "new now serves r1.");
    wait_for_log(&world, "out of the spool");
    assert_eq!(spooled(&world), 0);
    assert_eq!(shop.get("/").ok(), "two\n");

    // Frozen between the two hooks: admitted, and then nobody answers the bell.
    next(&shop, "three\n");
    world.freeze_at("record activities: before");
    shop.push(&["main"]).ok().has("the push is recorded");
    world.wait_until_frozen();
    assert_eq!(spooled(&world), 1);
    world.thaw();
    wait_for_log(&world, "main now serves r3 (was r2).");

    world.kill_daemon();
    next(&shop, "four\n");
    let mut push = shop.command("git");
    push.env("WHARF_USER", "ada")
        .args(["push", "wharf", "-o", "rebuild", "main"]);
    run(&mut push).ok().has("the push is recorded");
    world.start();
    wait_for_log(&world, "main now serves r4 (was r3).");
    // What the spool told of it.
    let newest = &activities(&shop)[0];
    assert_eq!(newest["actor"]["name"], "ada", "{newest}");
    let id = newest["id"].as_str().unwrap();
    let log = shop.wharf(&["log", id]).ok();
    log.has("a rebuild was asked for");
    assert_eq!(shop.get("/").ok(), "four\n");
    world.kill_daemon();
    world.start();
    shop.push(&["--delete", "new"]).ok();
    assert_eq!(spooled(&world), 0);
    // main four times, new twice; each push once.
    let all = activities(&shop);
    assert_eq!(all.len(), 6, "{all:?}");
    assert!(all.iter().all(|a| a["state"] == "succeeded"), "{all:?}");
}

#[test]
fn a_second_daemon_refuses_by_every_path_also_while_the_first_hangs() {
    let world = World::new();
    let pid = fs::read_to_string(world.home().join("state/lock")).unwrap();
    assert_eq!(pid.trim(), world.daemon_pid().as_raw_nonzero().to_string());
    let link = world.path("link");
    std::os::unix::fs::symlink(world.home(), &link).unwrap();
    let refuses = |home: &std::path::Path| {
        let mut second = world.command("wharfd");
        wharf_tests::run(second.env("WHARF_HOME", home))
            .exits(1)
            .has(&format!("another wharfd (pid {})", pid.trim()))
            .has("hint: ");
    };
    refuses(&world.home());
    refuses(&link);
    hang(&world);
    refuses(&world.home());
    refuses(&link);
    world.thaw();
    let shop = deployed(&world, "shop");
    assert_eq!(shop.get("/").ok(), "one\n");
}
