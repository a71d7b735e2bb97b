//! The queue as people meet it: how long it is, who goes first, and leaving it.

use wharf_tests::{Tree, Watched, World};

use crate::app::{CONFIG, deployed};
use crate::turns::open;

/// Begins a push of a new branch whose build waits until somebody writes to its fifo.
fn gated(shop: &Tree<'_>, branch: &str) -> Watched {
    shop.git(&["switch", "--quiet", "--create", branch, "main"])
        .ok();
    let build = format!("mkfifo /cache/{branch}; echo waits; read line < /cache/{branch}");
    shop.write("wharf.toml", &format!("build = \"{build}\"\n{}", CONFIG.1));
    shop.commit(branch);
    Watched::push(shop, &[branch])
}

#[test]
fn as_many_as_may_work_and_production_goes_first() {
    let host = "[router]\nlisten = \"127.0.0.1:0\"\n[build]\nparallel = 2\n";
    let world = World::with_host_file(host);
    let shop = deployed(&world, "shop");
    let mut working = ["one", "two"].map(|branch| gated(&shop, branch));
    for push in &mut working {
        push.until("| waits");
    }
    let mut third = gated(&shop, "three");
    third.until("waiting: 2 others run, as many as may at a time; this is next");
    let mut fourth = gated(&shop, "four");
    fourth.until("waiting: 2 others run, as many as may at a time; 1 goes before this");
    shop.git(&["switch", "--quiet", "main"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    let mut main = Watched::push(&shop, &["main"]);
    main.until("waiting: 2 others run, as many as may at a time; this is next");
    shop.wharf(&["status"]).ok().has("2 running, 3 waiting");
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "one\n");

    // Who leaves the queue does not hold it up.
    let id = fourth.id();
    shop.wharf(&["cancel", &id])
        .ok()
        .has("before it began")
        .has("four serves nothing yet; nothing was changed.");
    assert!(fourth.end().contains("warning: cancelled by "));

    open(&world, "open", "one");
    assert!(main.end().contains("main now serves r2 (was r1)."));
    third.until("| waits");
    open(&world, "open", "three");
    open(&world, "open", "two");
    let [one, two] = working;
    for (push, branch) in [(one, "one"), (two, "two"), (third, "three")] {
        let said = push.end();
        assert!(said.contains(&format!("{branch} now serves r1.")), "{said}");
    }
    shop.wharf(&["status"]).ok().has("0 running, 0 waiting");
}

#[test]
fn a_cancelled_deployment_ends_even_what_will_not() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let marker = "31536124";
    let run = format!("trap '' TERM HUP INT; echo at work; while :; do sleep {marker}; done");
    for (config, serves) in [
        (
            format!("build = \"setsid sh -c \\\"{run}\\\"\"\n{}", CONFIG.1),
            "main still serves r1; nothing was changed.",
        ),
        (
            format!("{}run = \"{run}\"\n", CONFIG.1),
            "main still serves r1; deploy commands may have changed its data.",
        ),
    ] {
        shop.write("wharf.toml", &config);
        shop.commit("Stubborn");
        let mut push = Watched::push(&shop, &["main"]);
        push.until("| at work");
        let id = push.id();
        shop.wharf(&["cancel", &id]).ok().has(serves);
        for process in std::fs::read_dir("/proc").unwrap() {
            let line = std::fs::read_to_string(process.unwrap().path().join("cmdline"));
            let line = line.unwrap_or_default();
            let left = line.starts_with(&format!("sleep\0{marker}"));
            assert!(!left, "a process is left");
        }
        let said = push.end();
        assert!(said.contains("warning: cancelled"), "{said}");
        assert!(
            said.trim_end().lines().any(|line| line.contains(serves)),
            "{said}"
        );
        let builds = std::fs::read_dir(world.home().join("state/builds")).unwrap();
        assert_eq!(builds.count(), 0);
        assert_eq!(shop.get("/").ok(), "one\n");
    }
}
