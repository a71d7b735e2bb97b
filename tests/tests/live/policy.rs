//! What the operator writes counts as soon as it is written, and nothing that is no good does.

use wharf_tests::World;

use crate::app::{deployed, host};
use crate::restarts::wait_for_log;

#[test]
fn a_changed_file_counts_by_itself_and_a_bad_one_never() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let file = world.home().join("config/projects.d/shop.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let declared = format!(
        "{good}[environments.main]\ntype = \"production\"\n\
         [environments.next]\ntype = \"staging\"\nparent = \"main\"\n"
    );
    shop.push(&["main:next"]).ok();
    let kind = |branch: &str| {
        let all = world.environments(Some("shop")).unwrap();
        let one = all.into_iter().find(|one| one.branch == branch).unwrap();
        one.kind
    };
    assert_eq!(kind("next"), "development");

    std::fs::write(&file, &declared).unwrap();
    wait_for_log(&world, "next is a staging environment now");
    assert_eq!(kind("next"), "staging");

    std::fs::write(&file, format!("{declared}kind = 1\nlane = 2\n")).unwrap();
    wait_for_log(&world, "is refused, what it said before counts");
    world
        .wharf(&["doctor"])
        .has("shop.toml is refused, what it said before counts")
        .has("unknown key")
        .has("; and 1 more");
    assert_eq!(kind("next"), "staging");
    // Also for a daemon that begins with it.
    world.kill_daemon();
    world.start();
    assert_eq!(kind("next"), "staging");
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");

    std::fs::write(&file, &good).unwrap();
    wait_for_log(&world, "next is a development environment now");
    wait_for_log(&world, "shop.toml is good again");
    world.wharf(&["doctor"]).lacks("refused");
}

#[test]
fn a_bad_file_of_the_host_leaves_the_old_configuration() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let file = world.home().join("config/wharfd.d/more.toml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    // The directory is new: it is watched before this is written, or read with it.
    std::fs::write(&file, "[build]\nparalel = 3\n").unwrap();
    wait_for_log(&world, "the configuration is refused, the old one counts");
    world
        .wharf(&["doctor"])
        .has("the configuration on the disk does not count: unknown key");
    shop.push(&["main:other"]).ok().has("other now serves r1");
    std::fs::write(&file, "[build]\nparallel = 3\n").unwrap();
    wait_for_log(&world, "the host's configuration is good again");
    world.wharf(&["doctor"]).lacks("does not count");

    // What a push gets while no daemon is there stands in the hooks.
    std::fs::write(&file, "[push]\nunreachable = \"accept\"\n").unwrap();
    wait_for_log(&world, "hooks: ");
    world.kill_daemon();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("deployed when Wharf is back");
}

#[test]
fn the_default_branch_is_production_and_may_become_another() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:trunk"]).ok().has("trunk now serves r1");
    let kinds = || {
        let all = world.environments(Some("shop")).unwrap();
        let kind = |one: wharf_wire::view::Environment| (one.id, one.kind);
        all.into_iter().map(kind).collect::<Vec<_>>()
    };
    let pair = |id: &str, kind: &str| (id.to_owned(), kind.to_owned());
    assert_eq!(
        kinds(),
        [pair("main", "production"), pair("trunk", "development")]
    );
    let repository = world.repository("shop");
    shop.sh(&format!(
        "git -C {} symbolic-ref HEAD refs/heads/trunk",
        repository.display()
    ))
    .ok();
    wait_for_log(&world, "trunk is a production environment now");
    assert_eq!(
        kinds(),
        [pair("trunk", "production"), pair("main", "development")]
    );
    // What was production may go now, and what is so may not.
    shop.push(&["--delete", "trunk"]).exits(1);
    shop.push(&["--delete", "main"]).ok();
}
