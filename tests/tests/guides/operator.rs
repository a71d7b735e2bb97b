//! The operator's guide, on a host with an application that runs and a branch that waits.

use std::fs;

use wharf_tests::{World, guide::typed};

use crate::reader::{Reader, commands};

#[test]
fn the_operator_s_guide_works_from_the_first_line_to_the_last() {
    let world = World::new();
    let config = world.home().join("config");
    fs::create_dir_all(config.join("wharfd.d")).unwrap();
    // Mail is handed on, and goes nowhere.
    let host = "[router]\nlisten = \"127.0.0.1:0\"\n[mail]\nsendmail = \"/bin/true\"\n";
    fs::write(config.join("wharfd.toml"), host).unwrap();
    let shop = world.example("counter", "shop");
    shop.init();
    let project = config.join("projects.d/shop.toml");
    let rule = fs::read_to_string(&project).unwrap()
        + "[environments.main]\ntype = \"production\"\n[environments.cart]\napprove = true\n";
    fs::write(&project, rule).unwrap();
    world.wharf(&["reload"]).ok();
    shop.push(&["main"]).ok().has("main now serves r1");
    shop.commit("Again");
    shop.push(&["main"]).ok().has("main now serves r2");
    shop.push(&["main:cart"]).ok().has("waits for approval");
    let first = world.activities(Some("shop"), 1).unwrap();
    shop.wharf(&["approve", &first[0].id]).ok();
    world.get("main--shop.localhost", "/").ok();

    let archive = world.path("wharf.tar").display().to_string();
    let mut reader = Reader::new(&world, world.path("work"))
        .reads("wharfd --system", "wharfd")
        .reads("/etc/wharf", config.display().to_string())
        .reads("/run/wharf", world.home().join("run").display().to_string())
        .reads("/var/backups/wharf.tar", archive);
    let troubleshooting = typed("troubleshooting.md");
    assert!(troubleshooting.len() > 3, "it has commands");
    for typed in commands("operator.md").into_iter().chain(troubleshooting) {
        let waits = ["wharf approve ", "wharf cancel "];
        if waits.iter().any(|begin| typed.text.starts_with(begin)) {
            shop.commit("One more");
            shop.push(&["main:cart"]).ok().has("waits for approval");
        }
        let said = reader.types(&typed);
        expects(&typed.text, said);
    }
}

/// What a command is read for.
fn expects(typed: &str, said: wharf_tests::Said) {
    for (command, text) in [
        ("wharf -p shop -e main log --app", "listens on port"),
        ("wharf notify test", "team"),
        ("curl ", "wharf_router_up 1"),
        ("wharf -p shop -e main rollback", "main now serves r1"),
        ("wharf approve ", "cart now serves r2"),
        ("wharf cancel ", "cancelled"),
        ("tar ", "wharf.db"),
    ] {
        if typed.starts_with(command) {
            return drop(said.has(text));
        }
    }
}
