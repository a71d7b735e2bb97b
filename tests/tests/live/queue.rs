//! The queue, as those see it who wait in it.

use wharf_tests::{Watched, World};

use crate::app::{CONFIG, deployed};
use crate::turns::{gated, open};

#[test]
fn a_burst_of_five_pushes_costs_two_builds() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let gate = "test -p /cache/gate || mkfifo /cache/gate; echo built >> /cache/count; \
                echo waits for gate; read line < /cache/gate";
    let config = format!("build = \"{gate}\"\n{}", CONFIG.1);
    shop.write("wharf.toml", &config);
    shop.commit("Push 1");
    let mut first = Watched::push(&shop, &["main"]);
    first.until("| waits for gate");
    let mut waiting = Vec::new();
    for n in 2..=5 {
        shop.write("version", &format!("{n}\n"));
        shop.commit(&format!("Push {n}"));
        let mut push = Watched::push(&shop, &["main"]);
        push.until("still at work in this environment; this is next");
        waiting.push(push);
    }
    // What waits is listed with its place and its reason.
    let activities = ["activities", "--json"];
    let listed = shop.wharf(&activities).ok().has("this is next").out;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["state"], "waiting");
    let why = listed[0]["reason"]["message"].as_str().unwrap();
    let first_id = first.id();
    assert_eq!(
        why,
        format!("{first_id} is still at work in this environment; this is next")
    );
    shop.wharf(&["activities"]).ok().has("waiting: ");

    open(&world, "protected", "gate");
    assert!(first.end().contains("main now serves r2 (was r1)."));
    let last = waiting.pop().unwrap();
    open(&world, "protected", "gate");
    assert!(last.end().contains("main now serves r3 (was r2)."));
    for push in waiting {
        let said = push.end();
        assert!(said.contains("warning: superseded by "), "{said}");
    }
    assert_eq!(shop.get("/").body, "5\n");
    let count = world
        .home()
        .join("state/caches/shop/protected/shared/count");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "built\nbuilt\n");
}

#[test]
fn a_push_behind_the_deletion_of_its_branch_goes_live() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:side"]).ok().has("side now serves r1.");
    shop.write("wharf.toml", &gated("gate"));
    shop.commit("Slow");
    let mut slow = Watched::push(&shop, &["main:side"]);
    slow.until("| waits for gate");
    shop.push(&["-o", "nowait", ":side"]).ok().has("queued");
    let mut again = Watched::push(&shop, &["main~1:refs/heads/side"]);
    again.until("still at work in this environment; 1 goes before this");

    open(&world, "open", "gate");
    assert!(slow.end().contains("side now serves r2 (was r1)."));
    let said = again.end();
    assert!(said.contains("side now serves r3."), "{said}");
    let releases = shop.wharf(&["releases", "-e", "side"]).ok().out;
    assert!(!releases.contains("r2"), "of what was deleted: {releases}");
    shop.push(&[":side"]).ok();
    shop.wharf(&["releases", "-e", "side"]).exits(5);
}

#[test]
fn a_redeploy_deploys_the_tip_of_when_it_begins() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", &gated("gate"));
    shop.commit("Slow");
    let mut slow = Watched::push(&shop, &["main"]);
    slow.until("| waits for gate");
    let mut redeploy = Watched::wharf(&shop, &["redeploy"]);
    redeploy.until("waiting: ");
    shop.write("wharf.toml", CONFIG.1);
    shop.commit("Newest");
    let mut newest = Watched::push(&shop, &["main"]);
    newest.until("waiting: ");

    open(&world, "protected", "gate");
    assert!(slow.end().contains("main now serves r2 (was r1)."));
    let said = redeploy.end();
    assert!(said.contains("main now serves r3 (was r2)."), "{said}");
    let said = newest.end();
    assert!(said.contains("main now serves r4 (was r3)."), "{said}");
    let listed = shop.wharf(&["activities", "--json"]).ok().out;
    let listed: Vec<serde_json::Value> = serde_json::from_str(&listed).unwrap();
    for (activity, kind) in listed.iter().zip(["push", "redeploy"]) {
        assert_eq!(activity["kind"], kind);
        assert_eq!(activity["commit"]["subject"], "Newest");
    }
}

#[test]
fn what_does_not_fit_into_the_queue_is_refused_before_it_is_accepted() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write(
        "wharf.toml",
        &crate::turns::gated("gate").replace("build = ", "# slow\nbuild = "),
    );
    shop.commit("Slow");
    let mut slow = Watched::push(&shop, &["main"]);
    slow.until("| waits for gate");
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut redeploy = Watched::wharf(&shop, &["redeploy"]);
        redeploy.until("waiting: ");
        waiting.push(redeploy);
    }
    let full = "the queue is full: 20 activities wait in shop/main (at most 20)";
    shop.wharf(&["redeploy"]).exits(6).has(full);
    let before = shop.git(&["ls-remote", "wharf", "main"]).ok().out;
    shop.commit("One too many");
    shop.push(&["main"]).exits(1).has(full);
    assert_eq!(shop.git(&["ls-remote", "wharf", "main"]).ok().out, before);
    // Another environment has room.
    shop.push(&["main:side", "-o", "nowait"]).ok().has("queued");
    for redeploy in &mut waiting {
        let id = redeploy.id();
        shop.wharf(&["cancel", &id]).ok();
    }
    shop.push(&["main", "-o", "nowait"]).ok().has("queued");
    shop.wharf(&["cancel", &slow.id()]).ok();
    drop(slow.end());
    for redeploy in waiting {
        assert!(redeploy.end().contains("cancelled by "));
    }
}
