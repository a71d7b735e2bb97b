//! A branch that a push calls otherwise: its environment stays, with all that it holds.

use std::fs;

use wharf_tests::{Tree, Watched, World};
use wharf_wire::outcome::Kind;
use wharf_wire::view::Environment;

use crate::app::{CONFIG, deployed};
use crate::moves::tip;

const MOUNT: &str = "\n[mounts]\ndata = \"private\"\n";
const REJECT: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[push]\non_failure = \"reject\"\n";

fn environments(world: &World) -> Vec<Environment> {
    world.environments(Some("shop")).unwrap()
}

fn of_branch(world: &World, branch: &str) -> Environment {
    let all = environments(world);
    let found = all.iter().find(|one| one.branch == branch).cloned();
    found.unwrap_or_else(|| panic!("no environment of {branch}: {all:?}"))
}

/// The file in which an environment keeps its data.
fn data(world: &World, id: &str) -> std::path::PathBuf {
    let mounts = world.home().join("state/mounts/shop").join(id);
    let mut mounts = fs::read_dir(mounts).unwrap();
    mounts.next().unwrap().unwrap().path().join("orders")
}

/// A shop with a branch `feature/a`, its data, and a child.
fn shop(world: &World) -> (Tree<'_>, Environment) {
    let shop = deployed(world, "shop");
    shop.write("wharf.toml", &format!("{}{MOUNT}", CONFIG.1));
    shop.commit("Data");
    shop.git(&["switch", "--quiet", "--create", "feature/a"])
        .ok();
    shop.push(&["-o", "title=New cart", "feature/a"])
        .ok()
        .has("now serves r1.");
    let old = of_branch(world, "feature/a");
    fs::write(data(world, &old.id), "many\n").unwrap();
    shop.wharf(&["branch", "child", &old.id]).ok();
    shop.git(&["branch", "--move", "feature/b"]).ok();
    (shop, old)
}

/// Whether all that the environment had is the new branch's.
#[track_caller]
fn stays(world: &World, old: &Environment, branch: &str, release: u32) {
    let now = of_branch(world, branch);
    assert_eq!(
        (&now.id, &now.title, &now.parent, now.release),
        (&old.id, &old.title, &old.parent, Some(release))
    );
    assert_eq!(now.url, old.url);
    let host = format!("{}--shop.localhost", now.id);
    assert_eq!(world.get(&host, "/").ok(), "one\n");
    assert_eq!(fs::read_to_string(data(world, &now.id)).unwrap(), "many\n");
    assert_eq!(of_branch(world, "child").parent, Some(now.id));
    let all = environments(world);
    assert!(all.iter().all(|one| one.branch != old.branch), "{all:?}");
}

#[test]
fn an_environment_stays_when_a_push_renames_its_branch() {
    let world = World::new();
    let (shop, old) = shop(&world);
    let id = old.id.clone();
    let said = format!("feature/a is now feature/b; its environment {id} keeps");
    let words = [":feature/a", "feature/b"];
    shop.push(&["-o", "dry-run", words[0], words[1]])
        .exits(1)
        .has(&said)
        .lacks("deleted");
    stays_as(&world, &old);
    shop.push(&words)
        .ok()
        .has(&said)
        .has(&format!("{id} now serves r2 (was r1)."))
        .lacks("serves nothing");
    world.settle("shop").unwrap();
    stays(&world, &old, "feature/b", 2);
    let all = world.activities(Some("shop"), 100).unwrap();
    assert!(all.iter().all(|one| one.kind != Kind::Delete), "{all:?}");
    assert_eq!(
        (all[0].kind, all[0].branch.as_str()),
        (Kind::Push, "feature/b")
    );

    // It is found by both names, and goes on.
    shop.write("version", "one\n");
    shop.commit("More");
    shop.push(&["feature/b"])
        .ok()
        .has("now serves r3 (was r2).");
    shop.wharf(&["info", "-e", "feature/b"])
        .ok()
        .has("New cart");
    shop.wharf(&["info", "-e", &id]).ok().has("New cart");
    stays(&world, &old, "feature/b", 3);
    // The old name is free; its environment is another.
    shop.push(&["feature/b:feature/a"])
        .ok()
        .has("now serves r1.");
    let other = of_branch(&world, "feature/a");
    assert_ne!(other.id, id);
    shop.push(&[":feature/b"])
        .exits(1)
        .has(&format!("{id} has children: child"));
    // What leaves a doubt is no rename.
    shop.push(&[
        "-o",
        "dry-run",
        ":feature/a",
        "feature/b:one",
        "feature/b:two",
    ])
    .exits(1)
    .has("would be deleted");
}

fn stays_as(world: &World, old: &Environment) {
    assert_eq!(of_branch(world, &old.branch).release, old.release);
}

#[test]
fn where_builds_are_checked_a_branch_is_renamed_too() {
    let world = World::with_host_file(REJECT);
    let (shop, old) = shop(&world);
    shop.push(&[":feature/a", "feature/b"])
        .ok()
        .has(&format!("{} now serves r2 (was r1).", old.id));
    world.settle("shop").unwrap();
    stays(&world, &old, "feature/b", 2);
}

#[test]
fn a_dead_daemon_forgets_no_rename() {
    for point in ["record activities: before", "record activities: after"] {
        let world = World::new();
        let (shop, old) = shop(&world);
        world.freeze_at(point);
        let push = Watched::push(&shop, &[":feature/a", "feature/b"]);
        world.wait_until_frozen();
        world.kill_daemon();
        push.end();
        world.start();
        world.settle("shop").unwrap();
        assert_eq!(tip(&world, "feature/a"), None);
        stays(&world, &old, "feature/b", 2);
        let all = world.activities(Some("shop"), 100).unwrap();
        let once = all.iter().filter(|one| one.branch == "feature/b");
        assert_eq!(once.count(), 1, "{point}");
    }
}
