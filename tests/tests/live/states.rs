//! What an environment is: active, inactive, paused; and how many may be.

use std::fs;
use std::path::PathBuf;

use wharf_tests::{Tree, Watched, World};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Activity, Environment};

use crate::app::{SERVER, deployed};
use crate::restarts::{keepers, kill, router, wait_for_log};

/// Writes keys and tables into the project's file and has the daemon read it.
fn rule(world: &World, keys: &str, tables: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{keys}{old}{tables}")).unwrap();
    world.wharf(&["reload"]).ok();
}

/// Production, and what follows is of all the others.
const TREE: &str = "[environments.main]\ntype = \"production\"\n[environments.\"*\"]\n";

fn environment(world: &World, id: &str) -> Environment {
    let all = world.environments(Some("shop")).unwrap();
    all.into_iter().find(|one| one.id == id).unwrap()
}

fn newest(world: &World, id: &str) -> Activity {
    let all = world.activities(Some("shop"), 1000).unwrap();
    all.into_iter().find(|one| one.environment == id).unwrap()
}

fn page(world: &World, id: &str) -> wharf_tests::Page {
    world.get(&format!("{id}--shop.localhost"), "/")
}

/// A shop whose plan has no place left: main, a, b and c live.
fn full(world: &World) -> Tree<'_> {
    let shop = deployed(world, "shop");
    rule(world, "plan = \"starter\"\n", "");
    for branch in ["a", "b", "c"] {
        shop.push(&[&format!("main:{branch}")])
            .ok()
            .has("now serves r1.");
    }
    shop
}

#[test]
fn a_fifth_branch_on_a_plan_of_four_stays_inactive_and_says_so() {
    let world = World::new();
    let shop = full(&world);
    let why = "d is inactive: 4 of 4 environments are active on plan starter: main, a, b, c";
    shop.push(&["-o", "dry-run", "main:d"]).exits(1).has(why);
    for _ in 0..2 {
        shop.push(&["main:d"])
            .ok()
            .has(why)
            .has("success: the code is kept; d is inactive")
            .has("hint: make room with: wharf deactivate -e a")
            .has("hint: then: wharf activate -e d")
            .has("d serves nothing: it is inactive.")
            .lacks("build");
        shop.commit("Another");
    }
    let d = environment(&world, "d");
    assert_eq!(
        (d.status.as_str(), d.release, d.url),
        ("inactive", None, None)
    );
    let kept = newest(&world, "d");
    assert_eq!((kept.kind, kept.state), (Kind::Push, State::Succeeded));
    assert_eq!(kept.reason.unwrap().code, "inactive");
    assert_eq!(kept.live_after, None);
    world
        .wharf(&["status"])
        .ok()
        .has("5 environments (4 active, 1 inactive)");
    shop.wharf(&["environments"]).ok().has("inactive");
    shop.wharf(&["url", "-e", "d"]).exits(5);
    assert_eq!(page(&world, "d").status, 404);

    // Nothing makes it live but a place of its own.
    let said = "4 of 4 environments are active on plan starter";
    shop.wharf(&["activate", "-e", "d"]).exits(6).has(said);
    shop.push(&["-o", "environment.status=active", "main:d"])
        .ok()
        .has(said);
    for command in ["redeploy", "rollback", "pause", "resume", "deactivate"] {
        shop.wharf(&[command, "-e", "d"])
            .exits(6)
            .has("d is inactive");
    }
    // One that is paused keeps its place.
    shop.wharf(&["pause", "-e", "b"]).ok();
    shop.wharf(&["activate", "-e", "d"])
        .exits(6)
        .has("4 of 4 environments take a place on plan starter: main, a, b (paused), c");
    shop.wharf(&["deactivate", "-e", "a"])
        .ok()
        .has("a serves nothing any more (was r1).");
    assert_eq!(page(&world, "a").status, 404);
    shop.wharf(&["activate", "-e", "d"])
        .ok()
        .has("d now serves r1.");
    assert_eq!(page(&world, "d").ok(), "one\n");
    assert!(environment(&world, "d").at_tip);
    shop.wharf(&["activate", "-e", "d"])
        .exits(6)
        .has("d is active already");
    shop.wharf(&["activate", "-e", "a"])
        .exits(6)
        .has("b (paused), c, d");
    for command in ["pause", "deactivate"] {
        shop.wharf(&[command, "-e", "main"])
            .exits(6)
            .has("main is production");
    }
    assert_eq!(page(&world, "main").ok(), "one\n");
    // A deletion makes room, for one that a push then asks to live.
    shop.push(&[":c"]).ok();
    shop.push(&["-o", "environment.status=active", "main:a"])
        .ok()
        .has("a now serves r2.");
}

#[test]
fn two_pushes_at_one_moment_share_the_last_place() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    rule(&world, "max_active = 3\n", "");
    for round in 0..3 {
        let side = format!("side-{round}");
        shop.push(&[&format!("main:{side}")])
            .ok()
            .has("now serves r1.");
        let names = ["x", "y", "z"].map(|name| format!("{name}-{round}"));
        let pushes = names
            .each_ref()
            .map(|name| Watched::push(&shop, &[&format!("main:{name}")]));
        for push in pushes {
            push.said().ok();
        }
        let of = |status: &str| {
            let all = names
                .iter()
                .filter(|name| environment(&world, name).status == status);
            all.collect::<Vec<_>>()
        };
        assert_eq!((of("active").len(), of("inactive").len()), (1, 2));
        for name in of("active") {
            assert_eq!(page(&world, name).ok(), "one\n");
        }
        for name in names.iter().chain([&side]) {
            shop.push(&[&format!(":{name}")]).ok();
        }
    }
}

#[test]
fn a_branch_may_begin_as_inactive() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["-o", "environment.status=inactive", "main:idea"])
        .ok()
        .has("idea is inactive, and nothing is deployed there")
        .has("hint: let it live: wharf activate -e idea")
        .lacks("make room");
    rule(&world, "on_new_branch = \"inactive\"\n", "");
    shop.push(&["main:other"])
        .ok()
        .has("the code is kept; other is inactive");
    // What lives is no new branch.
    shop.commit("Second");
    shop.push(&["main"]).ok().has("main now serves r2");
    shop.wharf(&["activate", "-e", "other"])
        .ok()
        .has("other now serves r1.");
    shop.push(&["main:other"]).ok().has("other now serves");
    assert_eq!(environment(&world, "idea").status, "inactive");
    shop.push(&[":idea"]).ok();
    assert!(
        world
            .environments(Some("shop"))
            .unwrap()
            .iter()
            .all(|one| one.id != "idea")
    );
}

/// Pages that come from data, which a deploy command writes.
const DATA: &str = "web = \"exec python3 app.py\"\n\n\
    [deploy]\nrun = \"cat version >> data/deployed\"\nhealth = { path = \"/\", within = \"10s\" }\n\n\
    [workers]\nidle = \"exec sleep 1000000\"\n\n[mounts]\ndata = \"private\"\n";

/// A shop with the environment `side`, which has data.
fn with_data(world: &World) -> Tree<'_> {
    let shop = world.site(
        "shop",
        &[("wharf.toml", DATA), SERVER, ("version", "one\n")],
    );
    shop.init();
    shop.push(&["main", "main:side"])
        .ok()
        .has("side now serves r1.");
    shop
}

/// What the deploy commands wrote into the data of `side`; none where there is no data.
fn data(world: &World) -> Option<String> {
    let mounts: PathBuf = world.home().join("state/mounts/shop/side");
    let mut mounts = fs::read_dir(mounts).ok()?;
    fs::read_to_string(mounts.next()?.unwrap().path().join("deployed")).ok()
}

#[test]
fn a_pause_keeps_data_and_release_over_deaths() {
    let world = World::new();
    let shop = with_data(&world);
    assert_eq!(keepers(&world).len(), 4);
    shop.wharf(&["pause", "-e", "side"])
        .ok()
        .has("success: side is paused")
        .has("side is paused; it serves r1 again once it is resumed.")
        .has("hint: start it again with: wharf resume -e side");
    let paused = || {
        assert_eq!(keepers(&world).len(), 2, "only main's");
        let page = page(&world, "side");
        assert_eq!(page.status, 503, "{page:?}");
        assert!(page.body.contains("paused"), "{page:?}");
        let side = environment(&world, "side");
        assert_eq!((side.status.as_str(), side.release), ("paused", Some(1)));
        assert_eq!(data(&world).as_deref(), Some("one\n"));
    };
    paused();
    shop.wharf(&["pause", "-e", "side"])
        .exits(6)
        .has("side is paused already");
    world.kill_daemon();
    paused_page(&world);
    world.start();
    paused();
    kill(router(&world));
    wait_for_log(&world, "the router serves again");
    paused();
    world
        .wharf(&["status"])
        .ok()
        .has("2 environments (1 active, 1 paused)");
    shop.wharf(&["environments"]).ok().has("paused");

    shop.wharf(&["resume", "-e", "side"])
        .ok()
        .has("side now serves r1.");
    assert_eq!(page(&world, "side").ok(), "one\n");
    assert_eq!(keepers(&world).len(), 4);
    assert_eq!(
        data(&world).as_deref(),
        Some("one\n"),
        "no deploy command runs"
    );
    assert_eq!(environment(&world, "side").status, "active");
    assert_eq!(newest(&world, "side").release, Some(1));
    shop.wharf(&["resume", "-e", "side"])
        .exits(6)
        .has("side is not paused");
}

/// The router says so by itself.
fn paused_page(world: &World) {
    assert_eq!(page(world, "side").status, 503);
}

#[test]
fn whatever_deploys_ends_a_pause_and_what_fails_does_not() {
    let world = World::new();
    let shop = with_data(&world);
    let pause = || shop.wharf(&["pause", "-e", "side"]).ok();
    pause();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main:side"])
        .ok()
        .has("side now serves r2 (was r1).");
    assert_eq!(page(&world, "side").ok(), "two\n");
    pause();
    shop.wharf(&["rollback", "-e", "side"])
        .ok()
        .has("side now serves r1 (was r2).");
    assert_eq!(page(&world, "side").ok(), "one\n");
    pause();
    shop.wharf(&["redeploy", "-e", "side"])
        .ok()
        .has("side now serves r3 (was r1).");
    assert_eq!(environment(&world, "side").status, "active");

    pause();
    shop.write("wharf.toml", &DATA.replace("exec python3 app.py", "exit 7"));
    shop.commit("Broken");
    shop.push(&["main:side"])
        .ok()
        .has("side is still paused, and serves r3 again once resumed");
    assert_eq!(environment(&world, "side").status, "paused");
    paused_page(&world);
    shop.wharf(&["resume", "-e", "side"])
        .ok()
        .has("side now serves r3.");
    assert_eq!(page(&world, "side").ok(), "two\n");
}

#[test]
fn a_deactivated_environment_keeps_its_branch_and_its_data_is_put_aside() {
    let world = World::new();
    let shop = with_data(&world);
    shop.wharf(&["deactivate", "-e", "side"])
        .ok()
        .has("success: side is inactive")
        .has("its data is kept on the host as")
        .has("hint: let it live again with: wharf activate -e side");
    let id = newest(&world, "side").id;
    assert!(world.home().join("state/kept").join(&id).is_dir());
    assert_eq!(data(&world), None);
    assert_eq!(page(&world, "side").status, 404);
    assert_eq!(world.releases("shop", "side").unwrap().len(), 0);
    world.kill_daemon();
    world.start();
    assert_eq!(environment(&world, "side").status, "inactive");
    assert_eq!(keepers(&world).len(), 2);
    shop.wharf(&["activate", "-e", "side"])
        .ok()
        .has("side now serves r2.");
    assert_eq!(data(&world).as_deref(), Some("one\n"), "new data");
}

#[test]
fn what_nobody_uses_is_paused_by_itself_and_production_never() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:side"]).ok();
    rule(&world, "", &format!("{TREE}pause_after = \"1s\"\n"));
    wait_for_log(&world, "succeeded: side is paused");
    let pause = newest(&world, "side");
    assert_eq!(pause.kind, Kind::Pause);
    assert_eq!(
        (pause.actor.name.as_str(), pause.actor.source.as_str()),
        ("wharf", "policy")
    );
    paused_page(&world);
    assert_eq!(page(&world, "main").ok(), "one\n");
    // A resume counts as a use, and a restart does not.
    world.kill_daemon();
    world.start();
    assert_eq!(environment(&world, "side").status, "paused");
    shop.wharf(&["resume", "-e", "side"]).ok();
    wait_for_log(&world, "succeeded: side is paused");
}

#[test]
fn the_branch_that_head_names_is_never_paused_by_itself() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:side"]).ok();
    // Nobody declared a production.
    rule(&world, "", "[environments.\"*\"]\npause_after = \"1s\"\n");
    wait_for_log(&world, "succeeded: side is paused");
    assert_eq!(page(&world, "main").ok(), "one\n");
    let repository = world.repository("shop");
    let repository = repository.to_str().unwrap();
    let head = [
        "--git-dir",
        repository,
        "symbolic-ref",
        "HEAD",
        "refs/heads/side",
    ];
    shop.git(&head).ok();
    wait_for_log(&world, "succeeded: main is paused");
    shop.wharf(&["resume", "-e", "side"]).ok();
    shop.push(&["main:late"]).ok();
    // By then `side` has been unused for longer.
    wait_for_log(&world, "succeeded: late is paused");
    assert_eq!(page(&world, "side").ok(), "one\n");
    let kind = environment(&world, "side").kind;
    assert_eq!(kind, "production");
}

#[test]
fn a_visitor_wakes_what_may_be_woken_by_a_request() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:side"]).ok();
    rule(&world, "", &format!("{TREE}wake = \"request\"\n"));
    for _ in 0..2 {
        shop.wharf(&["pause", "-e", "side"]).ok();
        assert_eq!(page(&world, "side").ok(), "one\n");
        let resume = newest(&world, "side");
        assert_eq!(resume.kind, Kind::Resume);
        let (name, source) = (resume.actor.name.as_str(), resume.actor.source.as_str());
        assert_eq!((name, source), ("a visitor", "request"));
        // Over a death of either side.
        kill(router(&world));
        wait_for_log(&world, "the router serves again");
        world.kill_daemon();
        world.start();
        world.settle("shop").unwrap();
    }
    let all = world.activities(Some("shop"), 1000).unwrap();
    let resumes = all.iter().filter(|one| one.kind == Kind::Resume);
    assert_eq!(resumes.count(), 2, "one for all that wait");
}
