//! Code that moves on the server into an environment whose deployments wait: it is built at once,
//! or is built already, and goes live when it may.

use std::fs;

use wharf_tests::{Tree, World};
use wharf_wire::outcome::{Kind, State};

use crate::app::{CONFIG, deployed};
use crate::later::far_away;
use crate::moves::{newest, policy, tip, work_on};

/// Three protected environments in a row, so that a slug can go all the way; `main` is declared
/// with more words.
fn row<'w>(world: &'w World, main: &str) -> Tree<'w> {
    let shop = deployed(world, "shop");
    let declared = format!(
        "timezone = \"UTC\"\n\
         [environments.main]\ntype = \"production\"\n{main}\
         [environments.staging]\ntype = \"staging\"\nparent = \"main\"\n"
    );
    policy(world, &declared);
    shop.wharf(&["branch", "staging"]).ok();
    let build = "build = \"echo built >> /cache/count\"\n";
    work_on(
        &shop,
        "staging",
        "wharf.toml",
        &format!("{build}{}", CONFIG.1),
    );
    shop
}

fn builds(world: &World) -> usize {
    let count = "state/caches/shop/protected/shared/count";
    let count = fs::read_to_string(world.home().join(count)).unwrap_or_default();
    count.lines().count()
}

/// Runs a command whose code is built and waits; returns the activity's id.
#[track_caller]
fn parked(shop: &Tree<'_>, words: &[&str], why: &str) -> String {
    let said = shop.wharf(words).ok();
    let said = said.has(&format!("success: built; {why}"));
    let last = said.err.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("main still serves r"), "{said}");
    let id = said.err.split_once("Log: wharf log ").unwrap().1;
    id.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_merge_and_a_promotion_wait_for_an_approval() {
    let world = World::new();
    let shop = row(&world, "approve = true\n");
    assert_eq!(builds(&world), 1);
    work_on(&shop, "staging", "version", "two\n");
    assert_eq!(builds(&world), 2);
    let merge = parked(&shop, &["merge", "-e", "staging"], "waits for approval");
    assert_eq!(tip(&world, "main"), tip(&world, "staging"), "it moved");
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "one\n");
    let listed = newest(&world);
    assert_eq!((listed.kind, listed.state), (Kind::Merge, State::Waiting));
    assert_eq!(listed.source.as_deref(), Some("staging"));
    let hint = format!("wharf approve {merge}");
    let listed = shop.wharf(&["activities"]).ok();
    listed.has("merge      waits for approval");
    shop.wharf(&["environments"]).ok().has("waits for approval");
    shop.wharf(&["activity", "show", &merge]).ok().has(&hint);

    // A later one supersedes it: what a child serves, which nobody builds again.
    shop.wharf(&["redeploy", "--rebuild", "-e", "staging"]).ok();
    work_on(&shop, "staging", "version", "three\n");
    shop.wharf(&["redeploy", "--rebuild", "-e", "staging"]).ok();
    let (built, slug) = (builds(&world), slug_of(&world, "staging"));
    let promote = parked(&shop, &["promote", "-e", "staging"], "waits for approval");
    let all = world.activities(Some("shop"), 100).unwrap();
    let merged = all.iter().find(|one| one.id == merge).unwrap();
    assert_eq!(merged.state, State::Superseded);
    shop.wharf(&["approve", &merge])
        .exits(6)
        .has("has ended: superseded");

    // Its child goes on, a daemon dies, and what was promoted is what goes live.
    shop.wharf(&["redeploy", "--rebuild", "-e", "staging"]).ok();
    work_on(&shop, "staging", "version", "four\n");
    let built = built + 2;
    assert_eq!(builds(&world), built);
    world.kill_daemon();
    world.start();
    shop.wharf(&["approve", &promote])
        .ok()
        .has("not built again")
        .has("main now serves r2 (was r1).");
    assert_eq!(builds(&world), built);
    assert_eq!(slug_of(&world, "main"), slug);
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "three\n");

    // One that nobody wants goes; the branch is where it is, and the tree says so.
    let promote = parked(&shop, &["promote", "-e", "staging"], "waits for approval");
    shop.wharf(&["cancel", &promote])
        .ok()
        .has("before it went live");
    shop.wharf(&["approve", &promote]).exits(6);
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "three\n");
    assert_eq!(tip(&world, "main"), tip(&world, "staging"));
    // A promotion of the same has nothing to bring; a redeploy brings the tip, with an approval.
    shop.wharf(&["promote", "-e", "staging"])
        .exits(6)
        .has("wharf redeploy -e main");
    let redeploy = parked(&shop, &["redeploy", "-e", "main"], "waits for approval");
    shop.wharf(&["approve", &redeploy])
        .ok()
        .has("main now serves r3 (was r2).");
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "four\n");
    assert_eq!(builds(&world), built, "staging built it");
    world.settle("shop").unwrap();
}

fn slug_of(world: &World, environment: &str) -> String {
    let releases = world.releases("shop", environment).unwrap();
    let newest = releases.into_iter().max_by_key(|one| one.number);
    newest.unwrap().slug
}

#[test]
fn what_is_promoted_outlives_its_child() {
    let world = World::new();
    let shop = row(&world, "approve = true\n");
    // A slug that only the child's release names.
    shop.wharf(&["redeploy", "--rebuild", "-e", "staging"]).ok();
    let (built, slug) = (builds(&world), slug_of(&world, "staging"));
    let promote = parked(&shop, &["promote", "-e", "staging"], "waits for approval");
    shop.wharf(&["delete", "-e", "staging"]).ok();
    shop.wharf(&["gc"]);
    shop.wharf(&["approve", &promote])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(builds(&world), built);
    assert_eq!(slug_of(&world, "main"), slug);
}

#[test]
fn a_merge_and_a_promotion_wait_for_their_window() {
    let world = World::new();
    let window = far_away(&world);
    let shop = row(&world, &format!("deploy_window = \"{window}\"\n"));
    let built = builds(&world);
    let promote = parked(&shop, &["promote", "-e", "staging"], "goes live ");
    assert_eq!(builds(&world), built, "nothing was built");
    let listed = newest(&world);
    assert_eq!(listed.reason.unwrap().code, "window");
    assert!(listed.due.is_some());
    shop.wharf(&["activities"]).ok().has("waiting: goes live ");
    shop.wharf(&["environments"]).ok().has("goes live ");
    shop.wharf(&["approve", &promote])
        .exits(6)
        .has(&format!("wharf approve {promote} --now"));
    // A merge takes its place, and goes live at once by somebody's word.
    work_on(&shop, "staging", "version", "two\n");
    let merge = parked(&shop, &["merge", "-e", "staging"], "goes live ");
    shop.wharf(&["approve", &promote, "--now"]).exits(6);
    shop.wharf(&["approve", &merge, "--now"])
        .ok()
        .has("main now serves r2 (was r1).");
    assert_eq!(world.get("main--shop.localhost", "/").ok(), "two\n");
    let all = world.activities(Some("shop"), 100).unwrap();
    let merged = all.iter().find(|one| one.id == merge).unwrap();
    assert_eq!((merged.kind, merged.state), (Kind::Merge, State::Succeeded));
    assert_eq!(newest(&world).kind, Kind::Approve);
    world.settle("shop").unwrap();
}
