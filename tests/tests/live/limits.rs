//! What a stage may take: a step that passes a limit is ended with all that it started, by the
//! limit's name; what served serves.

use wharf_tests::World;

use crate::app::{CONFIG, deployed};
use crate::cancel::is_left;

/// A host that waits for nobody.
fn host(limits: &str) -> World {
    World::with_host_file(&format!("[router]\nlisten = \"127.0.0.1:0\"\n{limits}"))
}

#[test]
fn a_step_that_says_nothing_is_ended() {
    let world = host("[build.limits]\nsilence = \"3s\"\n");
    let shop = deployed(&world, "shop");
    // Longer than the limit, and never as long without a word.
    let busy = "for n in 1 2 3 4 5; do echo at $n; sleep 1; done";
    shop.write("wharf.toml", &format!("build = \"{busy}\"\n{}", CONFIG.1));
    shop.commit("Busy");
    shop.push(&["main"]).ok().has("main now serves r2");

    let mark = "31536131";
    let quiet = format!("echo hush; (sleep {mark} &); sleep {mark}");
    shop.write("wharf.toml", &format!("build = \"{quiet}\"\n{}", CONFIG.1));
    shop.commit("Quiet");
    shop.push(&["main"])
        .ok()
        .has("error: build failed in step 1 of 1")
        .has("stopped: it printed nothing for 3s")
        .has("build.limits.silence")
        .has("| hush")
        .has("main still serves r2; nothing was changed.");
    assert!(!is_left(mark), "a process is left");
}

#[test]
fn commands_share_the_time_of_their_stage() {
    let world = host("[deploy.limits]\ntime = \"4s\"\n");
    let shop = deployed(&world, "shop");
    let mark = "31536132";
    let commands = format!("run = [\"sleep 2\", \"echo on; (sleep {mark} &); sleep {mark}\"]\n");
    shop.write("wharf.toml", &format!("{}{commands}", CONFIG.1));
    shop.commit("Slow");
    let said = shop.push(&["main"]).ok();
    said.has("error: deploy failed in command 2 of 2")
        .has("stopped: the deploy took longer than 4s")
        .has("deploy.limits.time")
        .has("main still serves r1; deploy commands may have changed its data.");
    assert!(!is_left(mark), "a process is left");
    assert_eq!(shop.get("/").ok(), "one\n");

    shop.write("wharf.toml", CONFIG.1);
    shop.write("version", "two\n");
    shop.commit("Mended");
    shop.push(&["main"]).ok().has("(was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
}
