//! A host without room refuses before it accepts.

use wharf_tests::World;

use crate::app::{deployed, host};

#[test]
fn a_full_host_refuses_pushes_and_serves_on() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:other"]).ok();
    let file = world.home().join("config/wharfd.d/10-room.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "keep.min_free = \"900000G\"\n").unwrap();
    world.wharf(&["reload"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"])
        .exits(1)
        .has("error: ")
        .has("ask the host's operator to make room");
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    // A deletion makes room, and what serves can still be changed for what is there.
    shop.push(&["--delete", "other"]).ok();
    std::fs::remove_file(file).unwrap();
    world.wharf(&["reload"]).ok();
    shop.push(&["main"]).ok().has("main now serves r2");
}
