//! A disk without room for what comes: the data that was there serves on, nothing of what came is left, whoever wanted
//! it reads what is lacking, and once there is room it is done again.

use std::path::Path;

use wharf_tests::{Kind, Said, Tree, World, apart, run};

use crate::downward::rule;
use crate::snapshots::{create, last, snapshots, stored};
use crate::stores::{keeps, nothing_is_left, put, shop};

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[keep]\nmin_free = \"1K\"\n";
/// MiB of the disk that has all of it.
const SIZE: u64 = 900;
const MB: u64 = 1 << 20;
/// Less than a server of PostgreSQL's begins with.
const FEW: u64 = 30 * MB;

/// Its data is on a small disk, with a child that has its own.
fn world() -> World {
    World::on_disk(Kind::Tmpfs, SIZE, HOST)
}

/// Does it with so much room, and says so; then with more.
fn short_of_room(world: &World, room: u64, does: impl FnOnce() -> Said, again: &str) {
    world.disk().leave(room);
    let said = does();
    world.disk().make_room();
    said.has("the host's disk is full")
        .has("the host's operator must make room")
        .has(&format!("then: wharf {again}"));
    assert_eq!(last(world).reason.unwrap().code, "disk-full", "{again}");
}

/// The size of what is in a directory.
fn size(world: &World, directory: &Path) -> u64 {
    let mut du = world.command("du");
    let said = run(du.arg("-sb").arg(directory)).ok().out;
    said.split('\t').next().unwrap().parse().unwrap()
}

fn fill(shop: &Tree<'_>, line: &str) {
    shop.wharf(&["run", "--", "sh", "-c", line]).ok();
}

#[test]
fn a_snapshot_for_which_there_is_no_room_leaves_none_of_it() {
    if !apart("room::a_snapshot_for_which_there_is_no_room_leaves_none_of_it") {
        return;
    }
    let world = world();
    let shop = shop(&world);
    create(&shop);
    let repository = world.home().join("state/snapshots/shop");
    let before = size(&world, &repository);
    // More than restic puts into one file.
    fill(&shop, "head -c 60000000 /dev/urandom >uploads/large");
    let words = ["snapshot", "create"];
    short_of_room(
        &world,
        40 * MB,
        || shop.wharf(&words).exits(3),
        "snapshot create -e main",
    );
    keeps(&world, "main", "old", "without room");
    nothing_is_left(&world, 1, "without room");
    let all = snapshots(&shop);
    assert_eq!(
        (&all[0]["state"], &all[1]["state"]),
        (&"bad".into(), &"good".into())
    );
    assert_eq!(stored(&world, &shop).len(), 3);
    let after = size(&world, &repository);
    assert!(after < before + MB, "{before} bytes, and then {after}");
    create(&shop);
    assert_eq!(stored(&world, &shop).len(), 6);
}

#[test]
fn data_for_which_there_is_no_room_does_not_come_back() {
    if !apart("room::data_for_which_there_is_no_room_does_not_come_back") {
        return;
    }
    let world = world();
    let shop = shop(&world);
    let table = "psql -q $MAIN_URL -c 'CREATE TABLE large AS SELECT random() FROM generate_series(1, 1000000)'";
    fill(&shop, table);
    let first = create(&shop);
    put(&world, "main", "new");
    // The server begins, and cannot hold what it reads.
    let words = ["snapshot", "restore", &first];
    let again = "snapshot restore ID -e main";
    short_of_room(&world, 80 * MB, || shop.wharf(&words).exits(3), again);
    keeps(&world, "main", "new", "without room");
    nothing_is_left(&world, 1, "without room");
    // It may be known before anything of it comes.
    let restores = || shop.wharf(&words).exits(3).has("full: the snapshot has");
    short_of_room(&world, 8 * MB, restores, again);
    assert_eq!(snapshots(&shop)[0]["state"], "good");
    shop.wharf(&words).ok();
    keeps(&world, "main", "old", "with room");

    // A dump's server is another; so is one whose dump does not even come.
    let value = "head -c 20000000 /dev/urandom | REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET -x set large";
    fill(&shop, value);
    shop.wharf(&["db", "dump", "cache", "-o", "cache.rdb"]).ok();
    put(&world, "main", "new");
    let words = ["db", "import", "cache", "cache.rdb"];
    let again = "db import FILE -e main";
    short_of_room(&world, 50 * MB, || shop.wharf(&words).exits(3), again);
    keeps(&world, "main", "new", "without room");
    nothing_is_left(&world, 1, "without room");
    world.disk().leave(10 * MB);
    shop.wharf(&words)
        .exits(1)
        .has("the host's disk is full: the dump has more than the 1")
        .has("then: wharf db import FILE -e main");
    world.disk().make_room();
    nothing_is_left(&world, 1, "without room for the dump");
    shop.wharf(&words).ok();
    assert_eq!(shop.get("/").ok(), "new new old\n");
}

#[test]
fn data_for_which_there_is_no_room_does_not_come_down() {
    if !apart("room::data_for_which_there_is_no_room_does_not_come_down") {
        return;
    }
    let world = world();
    let shop = shop(&world);
    shop.push(&["main:feature"]).ok();
    put(&world, "feature", "own");
    rule(&world, "[data]\nsanitize = false\n");
    let sync = ["sync", "data", "-e", "feature"];
    short_of_room(
        &world,
        FEW,
        || shop.wharf(&sync).exits(3),
        "sync data -e feature",
    );
    keeps(&world, "feature", "own", "without room");
    keeps(&world, "main", "old", "without room");
    nothing_is_left(&world, 2, "without room");
    shop.wharf(&sync).ok();
    keeps(&world, "feature", "old", "with room");
    // Nor does a new environment begin with half of it.
    let branch = ["branch", "other", "main"];
    let begins = || {
        let said = shop.wharf(&branch).exits(3);
        said.has("to begin without that data: wharf delete -e other")
            .has("other serves nothing yet")
    };
    short_of_room(&world, FEW, begins, "redeploy -e other");
    nothing_is_left(&world, 2, "without room");
    keeps(&world, "main", "old", "without room");
    shop.wharf(&["redeploy", "-e", "other"])
        .ok()
        .has("it begins with main's data");
    keeps(&world, "other", "old", "with room");
    nothing_is_left(&world, 3, "with room");
}
