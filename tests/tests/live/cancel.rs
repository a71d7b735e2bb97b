//! Cancel at every stage: all processes of the activity are gone within a second, what served
//! serves, the next push begins at once.

use std::time::{Duration, Instant};

pub(crate) use wharf_tests::is_left;
use wharf_tests::{Tree, Watched, World};

use crate::app::{CONFIG, deployed};

/// A shell's text that leaves every kind of process behind that will not go by itself.
fn stubborn(mark: &str) -> String {
    let ignore = "trap '' TERM HUP INT QUIT";
    let sleep = format!("while :; do sleep {mark}; done");
    format!(
        "{ignore}; (setsid sh -c \\\"{ignore}; {sleep}\\\" &); (sleep {mark} & kill -STOP $!); \
         echo at work; {sleep}"
    )
}

/// Cancels what `push` watches and sees that all of it is gone in time.
fn cancel(shop: &Tree<'_>, push: Watched, mark: &str, verdict: &str, serves: &str) {
    let id = push.id();
    let began = Instant::now();
    shop.wharf(&["cancel", &id]).ok().has(serves);
    let took = began.elapsed();
    assert!(!is_left(mark), "a process is left");
    // The promise is a second; starting `wharf` and a loaded machine take their part.
    assert!(took < Duration::from_secs(3), "cancelled after {took:?}");
    let said = push.end();
    assert!(said.contains(verdict), "{said}");
    assert!(said.contains(serves), "{said}");
    shop.wharf(&["status"]).ok().has("0 running, 0 waiting");
}

#[test]
fn whatever_a_stage_started_is_gone() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let (mark, cancelled) = ("31536125", "warning: cancelled");
    let build = format!("build = \"{}\"\n{}", stubborn(mark), CONFIG.1);
    let deploy = format!("{}run = \"{}\"\n", CONFIG.1, stubborn(mark));
    let unchanged = "main still serves r1; nothing was changed.";
    let touched = "main still serves r1; deploy commands may have changed its data.";
    for (config, serves) in [(build, unchanged), (deploy, touched)] {
        shop.write("wharf.toml", &config);
        shop.commit("Stubborn");
        let mut push = Watched::push(&shop, &["main"]);
        push.until("| at work");
        cancel(&shop, push, mark, cancelled, serves);
        assert_eq!(shop.get("/").ok(), "one\n");
    }
}

#[test]
fn a_release_that_is_being_started_is_gone() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let mark = "31536126";
    // It never listens, and it does not end by itself.
    let config = format!(
        "web = \"trap '' TERM; echo at work >&2; while :; do sleep {mark}; done\"\n\
         [workers]\nmail = \"trap '' TERM; sleep {mark}\"\n\
         [deploy]\nrun = \"echo migrated\"\n"
    );
    shop.write("wharf.toml", &config);
    shop.commit("Never healthy");
    world.forget_trace();
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| migrated");
    world.wait_for_point("step deploy health: started");
    let touched = "main still serves r1; deploy commands may have changed its data.";
    cancel(&shop, push, mark, "warning: cancelled", touched);
    assert_eq!(shop.get("/").ok(), "one\n");
    assert!(world.home().join("run/keepers").read_dir().unwrap().count() == 1);
}

#[test]
fn what_is_live_stays_live_and_its_late_commands_are_gone() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("version", "two\n");
    let mark = "31536127";
    let after = format!(
        "after = [\"{}\", \"echo never >> /cache/never\"]\n",
        stubborn(mark)
    );
    shop.write("wharf.toml", &format!("{}{after}", CONFIG.1));
    shop.commit("Late");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| at work");
    let verdict = "success: r2 is live";
    cancel(&shop, push, mark, verdict, "main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
}

#[test]
fn a_cancelled_activity_stays_so_when_the_daemon_dies_before_its_end() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", &crate::turns::gated("gate"));
    shop.commit("Gated");
    let mut push = Watched::push(&shop, &["main"]);
    push.until("| waits for gate");
    let id = push.id();
    world.freeze_at("record stopping: after");
    let mut cancel = world
        .command("wharf")
        .args(["cancel", &id])
        .spawn()
        .unwrap();
    world.wait_until_frozen();
    world.kill_daemon();
    cancel.wait().unwrap();
    drop(push.end());
    world.start();
    shop.wharf(&["log", &id, "-f"]).exits(3).has("cancelled");
    assert_eq!(shop.get("/").ok(), "one\n");
    shop.wharf(&["status"]).ok().has("0 running, 0 waiting");
}
