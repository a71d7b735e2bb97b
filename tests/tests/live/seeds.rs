//! Sample data: once for a new environment of a type that gets it, and again whenever somebody asks.

use wharf_tests::{Tree, World};
use wharf_wire::outcome::{Kind, State};

const CONFIG: &str = "public = \"out\"\nbuild = \"mkdir out; cp page out/index.html\"\n\
    [deploy]\nrun = \"echo deployed >>var/done\"\n\
    [mounts]\nvar = \"data\"\n\
    [seed]\nrun = [\"sh sample.sh\", \"echo more >>var/done\"]\n";

fn shop(world: &World) -> Tree<'_> {
    let files = [
        ("wharf.toml", CONFIG),
        ("page", "one\n"),
        ("sample.sh", "echo sample >>var/done\n"),
    ];
    let shop = world.site("shop", &files);
    shop.init();
    shop.push(&["main"])
        .ok()
        .lacks("sample")
        .has("main now serves r1.");
    shop
}

#[track_caller]
fn has_done(shop: &Tree<'_>, environment: &str, done: &str) {
    let said = shop
        .wharf(&["run", "-e", environment, "cat", "var/done"])
        .ok();
    assert_eq!(said.out.replace('\n', " ").trim_end(), done);
}

#[test]
fn a_new_environment_is_seeded_once_and_production_never() {
    let world = World::new();
    let shop = shop(&world);
    has_done(&shop, "main", "deployed");
    shop.push(&["main:side"])
        .ok()
        .has("seed ")
        .has("side now serves r1.");
    has_done(&shop, "side", "deployed sample more");
    shop.write("page", "two\n");
    shop.commit("Two");
    shop.push(&["main:side"]).ok();
    shop.wharf(&["redeploy", "-e", "side"]).ok();
    has_done(&shop, "side", "deployed sample more deployed deployed");
    // Once more on request, where it is said.
    shop.wharf(&["seed", "-e", "side"])
        .ok()
        .has("the sample data is there")
        .has("side still serves r3.");
    has_done(
        &shop,
        "side",
        "deployed sample more deployed deployed sample more",
    );
    let newest = world.activities(Some("shop"), 2).unwrap();
    assert_eq!(
        (newest[1].kind, newest[1].state),
        (Kind::Seed, State::Succeeded)
    );
    shop.wharf(&["seed", "-e", "main"])
        .exits(3)
        .has("r1 has no sample data for production environments");
    has_done(&shop, "main", "deployed");
    // One whose data is gone is new again.
    shop.wharf(&["deactivate", "-e", "side"]).ok();
    shop.wharf(&["seed", "-e", "side"]).exits(6);
    shop.wharf(&["activate", "-e", "side"]).ok();
    has_done(&shop, "side", "deployed sample more");
    // Who had people before there was sample data keeps them alone.
    shop.write("wharf.toml", &format!("{CONFIG}only = [\"production\"]\n"));
    shop.commit("Production");
    shop.push(&["main"]).ok();
    has_done(&shop, "main", "deployed deployed");
}

#[test]
fn what_fails_or_dies_is_not_done_again_unasked() {
    let world = World::new();
    let shop = shop(&world);
    shop.write("sample.sh", "echo sample >>var/done\nexit 7\n");
    shop.commit("Bad");
    shop.push(&["main:bad"])
        .ok()
        .has("the sample data failed in command 1 of 2")
        .has("bad serves nothing yet");
    shop.write("sample.sh", "echo sample >>var/done\n");
    shop.commit("Good");
    // It was not done, so the next deployment does it.
    shop.push(&["main:bad"]).ok().has("bad now serves r2.");
    has_done(&shop, "bad", "deployed sample deployed sample more");
    // A daemon that dies before it is recorded, and one that does right after.
    for (point, branch, done) in [
        (
            "record sample data: before",
            "before",
            "deployed sample more deployed sample more",
        ),
        (
            "record sample data: after",
            "after",
            "deployed sample more deployed",
        ),
    ] {
        println!("{point}");
        world.freeze_at(point);
        let refspec = format!("main:{branch}");
        let mut push = shop.command("git");
        push.args(["push", "--quiet", "wharf", &refspec]);
        let mut push = push.stderr(std::process::Stdio::null()).spawn().unwrap();
        world.wait_until_frozen();
        world.kill_daemon();
        push.wait().unwrap();
        world.start();
        shop.wharf(&["log", "-f", "-e", branch]);
        shop.wharf(&["redeploy", "-e", branch]).ok();
        has_done(&shop, branch, done);
    }
}
