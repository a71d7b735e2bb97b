//! Those whom the router does not answer: nothing is taken from visitors before it follows.

use wharf_tests::{Watched, World};

use rustix::process::{Signal, kill_process};

use crate::app::{deployed, host};
use crate::watching::wait_for_log;

#[test]
fn old_processes_live_until_the_router_follows_the_switch() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("version", "two\n");
    shop.commit("Second");
    let router = world.router_pid().unwrap();
    kill_process(router, Signal::STOP).unwrap();
    let push = Watched::push(&shop, &["main"]);
    wait_for_log(&world, "the router does not follow");
    let keepers = std::fs::read_dir(world.home().join("run/keepers"));
    assert_eq!(keepers.unwrap().count(), 2, "old and new");
    kill_process(router, Signal::CONT).unwrap();
    let said = push.end();
    assert!(said.contains("main now serves r2 (was r1)."), "{said}");
    assert_eq!(world.get(&host("shop"), "/").ok(), "two\n");
    wait_for_log(&world, "the processes of r1 have ended");
    let keepers = std::fs::read_dir(world.home().join("run/keepers"));
    assert_eq!(keepers.unwrap().count(), 1, "the old one is stopped");
}
