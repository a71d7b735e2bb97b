use std::fs;

use crate::world::World;

#[test]
fn check_says_what_is_wrong_and_where() {
    let world = World::new();
    fs::write(world.path("work/wharf.toml"), "publik = \"dist\"\n").unwrap();
    let said = world.wharf("check");
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("wharf.toml:1:1"), "{}", said.err);
    let said = world.wharf("check --json");
    let record: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(record["problems"][0]["line"], 1);
    assert_eq!(said.code, 1);
}

#[test]
fn check_says_what_was_detected() {
    let world = World::new();
    fs::write(world.path("work/index.html"), "<h1>hi</h1>").unwrap();
    let said = world.wharf("check");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("index.html"), "{}", said.out);
    assert_eq!(world.wharf("check nowhere").code, 5);
}

#[test]
fn init_needs_a_work_tree_and_a_name() {
    let world = World::new();
    let mut wharf = world.command(env!("CARGO_BIN_EXE_wharf"));
    let output = wharf
        .arg("init")
        .current_dir(world.path("home"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: make one with: git init"));
    assert_eq!(world.wharf("init Bad--Name").code, 2);
}

#[test]
fn completions_and_manual_pages_are_made() {
    let world = World::new();
    assert!(world.wharf("completions bash").out.contains("environments"));
    let said = world.wharf("man .");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(world.path("work/wharf.1").exists());
}
