//! What serves and is lost comes back, one thing at a time.

use std::io::Write as _;

use wharf_tests::{Tree, Watched, World, run};

use crate::app::{CONFIG, SERVER, deployed, host};
use crate::restarts::{keepers, kill, mount, router, slow_starter, wait_for_log};

/// As if the host had lost its power, and has come back.
pub(crate) fn reboot(world: &World) {
    world.kill_daemon();
    kill(router(world));
    for keeper in keepers(world) {
        kill(keeper);
    }
    world.start();
}

#[test]
fn a_keeper_that_is_killed_is_replaced() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    kill(keepers(&world)[0]);
    wait_for_log(&world, "processes of r1 are gone; starting them again");
    wait_for_log(&world, "r1 serves again after a restart");
    assert_eq!(shop.get("/").ok(), "one\n");
    shop.wharf(&["environments"]).ok().has("active, healthy");
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok();
    assert_eq!(shop.get("/").ok(), "two\n");
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(keepers(&world).len(), 1, "the old one is gone");
}

#[test]
fn only_what_is_missing_is_started_again() {
    let world = World::new();
    let procfile = "web: exec python3 app.py\nworker: exec sleep 1000\n";
    let shop = world.site(
        "shop",
        &[("Procfile", procfile), SERVER, ("version", "one\n")],
    );
    shop.init();
    shop.push(&["main"]).ok();
    let named = |name: &str| {
        let sockets = std::fs::read_dir(world.home().join("run/keepers")).unwrap();
        let mut names = sockets.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.find(|file| file.contains(name)).unwrap()
    };
    let (web, worker) = (named(".web."), named(".worker."));
    let keeper = |socket: &str| {
        let socket = world.home().join("run/keepers").join(socket);
        let stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        rustix::net::sockopt::socket_peercred(&stream).unwrap().pid
    };
    kill(keeper(&worker));
    wait_for_log(&world, "r1 serves again after a restart");
    assert_eq!(named(".web."), web, "it was not touched");
    let second = named(".worker.");
    assert_ne!(second, worker);
    kill(keeper(&second));
    world.kill_daemon();
    world.start();
    shop.wharf(&["redeploy"]).ok();
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(keepers(&world).len(), 2);
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
}

#[test]
fn what_does_not_start_after_a_reboot_is_tried_again() {
    let world = World::new();
    let config = "web = \"test ! -e data/trouble && exec python3 app.py\"\n\
        [mounts]\ndata = \"private\"\n";
    let shop = world.site(
        "shop",
        &[("wharf.toml", config), SERVER, ("version", "one\n")],
    );
    shop.init();
    shop.push(&["main"]).ok();
    let trouble = mount(&world).join("trouble");
    std::fs::write(&trouble, "").unwrap();
    reboot(&world);
    wait_for_log(&world, "what served is not started again");
    assert_eq!(world.get(&host("shop"), "/").status, 503);
    std::fs::remove_file(&trouble).unwrap();
    wait_for_log(&world, "r1 serves again after a restart");
    assert_eq!(world.get(&host("shop"), "/").ok(), "one\n");
}

#[test]
fn a_push_after_a_reboot_waits_for_what_serves() {
    let world = World::new();
    let shop: Tree<'_> = slow_starter(&world);
    let gate = mount(&world).join("gate");
    run(world.command("mkfifo").arg(&gate)).ok();
    reboot(&world);
    shop.write("wharf.toml", CONFIG.1);
    shop.write("version", "two\n");
    shop.commit("Second");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("waiting: what serves is being started again; this is next");
    // Opening it for writing waits until the application reads it.
    let mut gate = std::fs::File::options().write(true).open(gate).unwrap();
    gate.write_all(b"go\n").unwrap();
    drop(gate);
    let said = push.end();
    assert!(said.contains("main now serves r2 (was r1)."), "{said}");
    assert_eq!(shop.get("/").ok(), "two\n");
    wait_for_log(&world, "the processes of r1 have ended");
    assert_eq!(keepers(&world).len(), 1);
}
