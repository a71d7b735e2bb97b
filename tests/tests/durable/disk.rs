//! A host without room refuses before it accepts.

use wharf_tests::World;

use crate::app::{deployed, host};
use crate::watching::activities;

const KEYS: &str = "keep.min_free = \"900000G\"\n";

#[test]
fn a_full_host_refuses_pushes_and_serves_on() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:other"]).ok();
    let file = world.home().join("config/wharfd.d/10-room.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, KEYS).unwrap();
    world.wharf(&["reload"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"])
        .exits(1)
        .has("error: ")
        .has("ask the host's operator to make room");
    // Before it is built, where that comes first; and where it is only asked about.
    let short = |words: &[&str]| {
        let said = shop.push(words).exits(1).has("900.0 TB must stay free");
        said.has("main still serves r1; nothing was changed.");
    };
    short(&["-o", "dry-run", "main"]);
    std::fs::write(&file, format!("{KEYS}push.on_failure = \"reject\"\n")).unwrap();
    world.wharf(&["reload"]).ok();
    short(&["main"]);
    short(&["-o", "dry-run", "main"]);
    assert_eq!(activities(&shop).len(), 2, "nothing was begun");
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
    // A deletion makes room, and what serves can still be changed for what is there.
    shop.push(&["--delete", "other"]).ok();
    std::fs::remove_file(file).unwrap();
    world.wharf(&["reload"]).ok();
    shop.push(&["main"]).ok().has("main now serves r2");
}
