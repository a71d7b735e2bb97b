//! The weekly trial of the newest snapshot.

use std::fs;

use wharf_tests::World;
use wharf_wire::outcome::{Kind, State};

use crate::snapshots::{create, damage, last_of, shop, snapshots, state};

/// Changes the record as if time had passed, and starts a daemon that finds it so.
fn later_on(world: &World, sql: &str) {
    world.kill_daemon();
    world.forget_trace();
    let script = "import sqlite3, sys\n\
        held = sqlite3.connect(sys.argv[1], timeout=30)\nheld.execute(sys.argv[2])\nheld.commit()\n";
    let mut python = world.command("python3");
    let database = state(world).join("wharf.db");
    wharf_tests::run(python.args(["-c", script]).arg(database).arg(sql)).ok();
    world.start();
}

#[test]
fn the_newest_one_is_tried_each_week_and_what_cannot_be_restored_is_bad() {
    let world = World::new();
    let shop = shop(&world);
    create(&shop);
    create(&shop);
    assert!(snapshots(&shop).iter().all(|one| one["verified"].is_null()));
    let later = "UPDATE snapshot SET verified = NULL, created = created - 8 * 86400000";
    later_on(&world, later);
    world.wait_for_point("record end: after");
    let tried = last_of(&world, Kind::SnapshotTest);
    assert_eq!(
        (tried.state, tried.actor.name.as_str()),
        (State::Succeeded, "wharf")
    );
    let all = snapshots(&shop);
    assert!(all[0]["verified"].is_u64() && all[1]["verified"].is_null());
    assert_eq!(
        fs::read_dir(state(&world).join("builds")).unwrap().count(),
        0
    );
    // One after the other is tried where the newest cannot be restored.
    damage(&world);
    later_on(
        &world,
        "UPDATE snapshot SET verified = verified - 8 * 86400000",
    );
    world.wait_for_point("record bad snapshot: after");
    world.wait_for_point("record end: after");
    let all = world.activities(Some("shop"), 100).unwrap();
    let failed = all
        .into_iter()
        .find(|one| one.state == State::Failed)
        .unwrap();
    assert_eq!(failed.kind, Kind::SnapshotTest);
    assert_eq!(failed.reason.unwrap().code, "snapshot-bad");
    assert_eq!(snapshots(&shop)[0]["state"], "bad");
    assert_eq!(shop.get("/").ok(), "old\n");
}
