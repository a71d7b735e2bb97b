//! `keep.warm`: the web process of an earlier release goes on, and a rollback is a switch to it.

use rustix::process::{Pid, Signal, kill_process};
use wharf_tests::{Tree, World};

use crate::app::SERVER;
use crate::restarts::{kill, mount, wait_for_log};

/// One earlier release stays warm.
const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nwarm = 1\n";
/// A server that does not start while there is a file `trouble` in its data, and whose deploy command
/// leaves something there.
const CONFIG: &str = "web = \"test ! -e data/trouble && exec python3 app.py\"\n\n\
    [deploy]\nrun = \"cat version >> data/deployed\"\nhealth = { path = \"/\", within = \"60s\" }\n\n\
    [mounts]\ndata = \"private\"\n";

/// A work tree of the application; nothing is pushed yet.
fn shop(world: &World) -> Tree<'_> {
    let app = SERVER.1.replace(
        "class Handler",
        "boot = os.urandom(8).hex().encode()\n\nclass Handler",
    );
    let app = app.replace(
        "body = open(\"version\", \"rb\").read()",
        "body = open(\"version\", \"rb\").read().strip() + b\" of \" + boot",
    );
    let files = [("wharf.toml", CONFIG), ("app.py", &app), ("version", "")];
    let shop = world.site("shop", &files);
    shop.init();
    shop
}

/// Pushes a version and returns its process's answer, which no other process gives.
fn push(shop: &Tree<'_>, version: &str) -> String {
    shop.write("version", &format!("{version}\n"));
    shop.commit(version);
    shop.push(&["main"]).ok().has("success: ");
    serves(shop, version)
}

/// What the process that serves answers.
#[track_caller]
fn serves(shop: &Tree<'_>, version: &str) -> String {
    let answer = shop.get("/").ok();
    assert!(answer.starts_with(&format!("{version} of ")), "{answer}");
    answer
}

/// The releases whose web process runs.
fn running(world: &World) -> Vec<String> {
    let keepers = world.processes().into_iter();
    let keepers = keepers.filter_map(|process| process.keeps());
    let releases = keepers.filter_map(|one| Some(one.split('.').nth(1)?.to_owned()));
    let mut releases: Vec<String> = releases.collect();
    releases.sort();
    releases
}

/// The web process of a release, below its keeper and its sandbox.
fn web(world: &World, release: &str) -> Pid {
    let all = world.processes();
    let keeper = all.iter().find(|process| {
        let keeps = process.keeps().unwrap_or_default();
        keeps.starts_with(&format!("main.{release}.web."))
    });
    let mut pid = keeper.expect("its keeper runs").pid;
    while let Some(child) = all
        .iter()
        .find(|one| one.parent == pid.as_raw_nonzero().get())
    {
        pid = child.pid;
    }
    pid
}

fn deployed(world: &World) -> String {
    std::fs::read_to_string(mount(world).join("deployed")).unwrap()
}

#[test]
fn a_rollback_is_a_switch_to_the_process_that_was_kept() {
    let world = World::with_host_file(HOST);
    let shop = shop(&world);
    let one = push(&shop, "one");
    let two = push(&shop, "two");
    assert_eq!(running(&world), ["r1", "r2"]);
    let said = shop.wharf(&["rollback"]).ok();
    said.has("main now serves r1 (was r2).")
        .has("its web process was kept warm");
    assert_eq!(serves(&shop, "one"), one);
    assert_eq!(deployed(&world), "one\ntwo\n", "nothing happens to data");

    // What was rolled back is warm in turn, over a restart of the daemon, too.
    world.kill_daemon();
    world.start();
    shop.wharf(&["rollback", "r2"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(serves(&shop, "two"), two);
    assert_eq!(running(&world), ["r1", "r2"]);
    assert_eq!(deployed(&world), "one\ntwo\n");
}

#[test]
fn the_oldest_warm_process_ends_where_there_are_too_many() {
    let world = World::with_host_file(HOST);
    let shop = shop(&world);
    push(&shop, "one");
    push(&shop, "two");
    assert_eq!(running(&world), ["r1", "r2"]);
    push(&shop, "three");
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(running(&world), ["r2", "r3"]);
    // It is an earlier release all the same.
    shop.wharf(&["rollback", "r1"])
        .ok()
        .has("main now serves r1 (was r3).")
        .lacks("warm");
    serves(&shop, "one");
    wait_for_log(&world, "the processes of r2 have ended");
    assert_eq!(running(&world), ["r1", "r3"]);
}

#[test]
fn a_warm_process_that_died_is_started_anew_and_is_nobodys_trouble_before() {
    let world = World::with_host_file(HOST);
    let shop = shop(&world);
    let one = push(&shop, "one");
    let two = push(&shop, "two");
    let trouble = mount(&world).join("trouble");
    std::fs::write(&trouble, "").unwrap();
    kill(web(&world, "r1"));
    wait_for_log(&world, "process web ended: exit code 1,");
    shop.wharf(&["environments"]).ok().has("active, healthy");
    assert_eq!(serves(&shop, "two"), two);

    std::fs::remove_file(&trouble).unwrap();
    shop.wharf(&["rollback"])
        .ok()
        .has("main now serves r1 (was r2).");
    assert_ne!(serves(&shop, "one"), one);
    shop.wharf(&["environments"]).ok().has("active, healthy");
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(running(&world), ["r1", "r2"], "one of each");
}

#[test]
fn a_warm_process_that_does_not_answer_is_started_anew() {
    let world = World::with_host_file(HOST);
    let shop = shop(&world);
    let one = push(&shop, "one");
    push(&shop, "two");
    kill_process(web(&world, "r1"), Signal::STOP).unwrap();
    shop.wharf(&["rollback"])
        .ok()
        .has("main now serves r1 (was r2).");
    assert_ne!(serves(&shop, "one"), one);
}
