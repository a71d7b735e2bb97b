//! All of Wharf in one file, and another host that goes on from it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use wharf_tests::{Said, Tree, World, run};

use crate::app::SERVER;
use crate::watching::wait_for_log;

const CONFIG: &str = "web = \"exec python3 app.py\"\n[deploy]\nhealth = { path = \"/\", within = \"10s\" }\n\
                      [mounts]\n\"data\" = \"private\"\n[env]\nKEY = { generate = \"secret\" }\n";

/// An application with two releases, data and a secret of its own.
fn shop(world: &World) -> Tree<'_> {
    let shop = world.site(
        "shop",
        &[("wharf.toml", CONFIG), SERVER, ("version", "one\n")],
    );
    shop.init();
    shop.push(&["main"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    let keep = "mkdir data/deep; echo kept > data/deep/file; ln -s /etc/hostname data/link; \
                chmod 750 data/deep; mkfifo data/pipe; printf x > \"data/$(printf 'a\\377')\"";
    shop.wharf(&["run", "--", "sh", "-c", keep]).ok();
    shop
}

/// What is in the environment's data, and its secret.
fn inside(world: &World) -> String {
    let look = "cd data; find . -printf '%p %m %l\\n' | sort; cat deep/file; echo $KEY";
    let words = ["-p", "shop", "-e", "main", "run", "--", "sh", "-c", look];
    world.wharf(&words).ok().out
}

/// A host on which nothing was ever done: no daemon, no configuration, no state.
fn empty() -> World {
    let world = World::new();
    stop(&world);
    fs::remove_dir_all(world.home()).unwrap();
    world
}

/// Ends daemon, router and applications.
fn stop(world: &World) {
    run(world.command("wharfd").arg("stop")).ok();
    world.kill_everything();
}

fn back_up(world: &World, more: &[&str]) -> PathBuf {
    let file = world.path("all.tar");
    let mut words = vec!["admin", "backup", file.to_str().unwrap()];
    words.extend(more);
    let said = world.wharf(&words).ok();
    said.has("not in it as it was: state/mounts/shop/main/")
        .has("secrets are in it");
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "secrets are in it");
    file
}

fn restore(world: &World, file: &Path, more: &[&str]) -> Said {
    let mut words = vec!["admin", "restore", file.to_str().unwrap()];
    words.extend(more);
    world.wharf(&words)
}

/// What everybody finds where Wharf serves it: the router chooses its port anew.
fn page(world: &World) -> String {
    world.get("main--shop.localhost", "/").ok()
}

#[test]
fn another_host_serves_the_same_with_all_that_it_had() {
    let old = World::new();
    let shop = shop(&old);
    let file = back_up(&old, &["--slugs"]);
    let before = inside(&old);
    stop(&old);

    let new = empty();
    let said = restore(&new, &file, &[]).ok();
    let repository = old.repository("shop");
    let install = format!("wharf hook install {}", repository.display());
    let said = said
        .has("restored from ")
        .has(&install)
        .lacks("built and deployed again");
    said.lacks("what was there");
    new.start();
    wait_for_log(&new, "r2 serves again after a restart");
    assert_eq!(page(&new), "two\n");
    // The pipe was nothing that a file could hold.
    assert_eq!(inside(&new), before.replace("./pipe 644 \n", ""));
    let releases = new.wharf(&["-p", "shop", "-e", "main", "releases"]).ok();
    releases.has("r1").has("r2");
    new.wharf(&["-p", "shop", "activities"]).ok().has("Second");
    new.wharf(&["-p", "shop", "-e", "main", "rollback"]).ok();
    assert_eq!(page(&new), "one\n");
    // The repository's hooks know the old host's socket until they are made anew.
    run(new.command("sh").args(["-c", &install])).ok();
    shop.write("version", "three\n");
    shop.commit("Third");
    shop.push(&["main"]).ok().has("main now serves r3");
    assert_eq!(page(&new), "three\n");
    stop(&new);
}

#[test]
fn without_slugs_what_served_is_built_again() {
    let old = World::new();
    let shop = shop(&old);
    let file = back_up(&old, &[]);
    let before = inside(&old);
    stop(&old);

    let new = empty();
    let said = restore(&new, &file, &[]).ok();
    said.has("shop@main is built and deployed again when the daemon starts");
    new.start();
    wait_for_log(&new, "main now serves r3");
    assert_eq!(page(&new), "two\n");
    assert_eq!(inside(&new), before.replace("./pipe 644 \n", ""));
    let releases = new.wharf(&["-p", "shop", "-e", "main", "releases"]).ok();
    releases.has("r2").has("pruned").has("r3");
    let install = ["hook", "install", old.repository("shop").to_str().unwrap()].map(str::to_owned);
    run(new.command("wharf").args(install)).ok();
    shop.write("version", "three\n");
    shop.commit("Third");
    shop.push(&["main"]).ok().has("main now serves r4 (was r3)");
    new.wharf(&["-p", "shop", "-e", "main", "rollback"]).ok();
    assert_eq!(page(&new), "two\n");
    stop(&new);
}

/// Every path of configuration and state with its time, less what a daemon's lock leaves.
fn everything(world: &World) -> String {
    let mut find = std::process::Command::new("find");
    let find = find
        .args(["config", "state"].map(|part| world.home().join(part)))
        .args(["!", "-name", "lock", "!", "-path", "*/state"]);
    run(find.args(["-printf", "%p %T@ %s\\n"])).ok().out
}

#[test]
fn what_is_not_whole_or_meets_another_wharf_touches_nothing() {
    let old = World::new();
    shop(&old);
    let file = back_up(&old, &[]);
    let good = fs::read(&file).unwrap();

    // A daemon runs, and something is there.
    restore(&old, &file, &[])
        .exits(1)
        .has("another wharfd")
        .has("wharfd stop");
    old.kill_daemon();
    let before = everything(&old);
    restore(&old, &file, &[])
        .exits(1)
        .has("there is a Wharf here already")
        .has("--replace");
    // Its applications go on.
    restore(&old, &file, &["--replace"])
        .exits(1)
        .has("applications of the Wharf");
    assert_eq!(page(&old), "two\n");

    let new = empty();
    let bad = new.path("bad.tar");
    let mut flipped = good.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    let mut longer = good.clone();
    longer.truncate(good.len() - 1024);
    longer.extend(&good);
    for (bytes, why) in [
        (flipped, "bad.tar: "),
        (good[..good.len() / 2].to_vec(), "bad.tar: "),
        (longer, "something follows its end"),
        (b"no archive".to_vec(), "bad.tar: "),
        (Vec::new(), "it is empty"),
    ] {
        fs::write(&bad, bytes).unwrap();
        restore(&new, &bad, &[])
            .exits(1)
            .has("nothing is restored: ")
            .has(why);
        assert!(!new.home().exists());
    }
    assert_eq!(everything(&old), before);

    // Said so, what is there is put aside, and both are whole.
    stop(&old);
    let said = restore(&old, &file, &["--replace"])
        .ok()
        .has("what was there is in ");
    said.has("state/replaced/").has("config/replaced-");
    old.start();
    wait_for_log(&old, "main now serves r3");
    assert_eq!(page(&old), "two\n");
    assert!(inside(&old).contains("kept\n"));
}
