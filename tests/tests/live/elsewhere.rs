//! Snapshots that are kept in another directory or on another host.

use std::fs;

use wharf_tests::World;

use crate::snapshots::{create, put, shop, snapshots};

/// Has snapshots kept elsewhere from now on.
fn store(world: &World, keys: &str) {
    let directory = world.home().join("config/wharfd.d");
    fs::create_dir_all(&directory).unwrap();
    fs::write(
        directory.join("snapshots.toml"),
        format!("[snapshots]\n{keys}"),
    )
    .unwrap();
    world.wharf(&["reload"]).ok();
}

#[test]
fn another_directory_keeps_new_ones_and_the_older_stay_where_they_are() {
    let world = World::new();
    let shop = shop(&world);
    let here = create(&shop);
    let elsewhere = world.path("elsewhere");
    store(&world, &format!("store = \"{}\"\n", elsewhere.display()));
    put(&shop, "new");
    let there = create(&shop);
    assert!(elsewhere.join("shop/config").exists());
    shop.wharf(&["snapshot", "restore", &here]).ok();
    assert_eq!(shop.get("/").ok(), "old\n");
    shop.wharf(&["snapshot", "restore", &there]).ok();
    assert_eq!(shop.get("/").ok(), "new\n");
    // One that is not to be reached says nothing of its snapshots.
    fs::rename(&elsewhere, world.path("away")).unwrap();
    shop.wharf(&["snapshot", "restore", &there])
        .exits(3)
        .has("snapshots.store in wharfd.toml");
    assert_eq!(snapshots(&shop)[0]["state"], "good");
    fs::rename(world.path("away"), &elsewhere).unwrap();
    shop.wharf(&["snapshot", "restore", &there]).ok();
}

#[test]
fn snapshots_are_kept_on_another_host_by_sftp() {
    let world = World::new();
    let shop = shop(&world);
    let sshd = wharf_tests::Sshd::serving(&world, "store", world.path("store/keys"), "");
    let host = sshd.stranger("wharf").host;
    fs::copy(sshd.public_key("wharf"), world.path("store/keys")).unwrap();
    let directory = world.path("store/snapshots");
    fs::create_dir(&directory).unwrap();
    let keys = |known: &str| {
        format!(
            "store = \"sftp://{}/{}\"\nidentity_file = \"{}\"\nknown_hosts_file = \"{known}\"\n",
            host.trim_start_matches("ssh://"),
            directory.display(),
            world.path("store/wharf").display(),
        )
    };
    // A host that nobody knows is not believed.
    store(&world, &keys("/dev/null"));
    shop.wharf(&["snapshot", "create"])
        .exits(3)
        .has("snapshots.store in wharfd.toml");
    store(
        &world,
        &keys(&world.path("store/known_hosts").display().to_string()),
    );
    let first = create(&shop);
    assert!(directory.join("shop/config").exists());
    put(&shop, "new");
    create(&shop);
    shop.wharf(&["snapshot", "restore", &first]).ok();
    assert_eq!(shop.get("/").ok(), "old\n");
    shop.wharf(&["snapshot", "delete", &first]).ok();
    assert_eq!(
        snapshots(&shop)
            .iter()
            .filter(|one| one["state"] == "good")
            .count(),
        1
    );
}
