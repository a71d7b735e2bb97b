//! `wharf activity`: one activity, looked at and waited for.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use wharf_tests::{Watched, World};

use crate::laptop::{BUILT, on_one_git};
use crate::rejected::{GATED, open_gate};

#[test]
fn whoever_waits_exits_by_the_result() {
    let files = [BUILT, ("build.sh", GATED), ("page", "one\n")];
    on_one_git(&files, |world, shop| {
        let mut push = Watched::push(shop, &["main"]);
        push.until("| at the gate");
        let id = push.id();
        shop.write("page", "two\n");
        shop.commit("Next");
        let mut next = Watched::push(shop, &["main"]);
        next.until("waiting: ");
        let next_id = next.id();
        shop.wharf(&["activity", "wait", &id, "--timeout", "1s"])
            .exits(1)
            .has("goes on after 1s");
        shop.wharf(&["activity", "show", &id])
            .ok()
            .has("did not end");

        // From the laptop and on the host; one that runs, one that waits; over a restart.
        let wait = |command: &mut std::process::Command, id: &str| {
            let command = command.args(["activity", "wait", id]);
            let child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            child.unwrap()
        };
        let waiters = [
            wait(&mut shop.command("wharf"), &id),
            wait(&mut world.command("wharf"), &next_id),
        ];
        world.freeze_at("record end: before");
        open_gate(world);
        world.wait_until_frozen();
        world.kill_daemon();
        push.end();
        next.end();
        // One who comes while nobody answers, and is told so.
        let mut late = wait(&mut world.command("wharf"), &next_id);
        let mut told = String::new();
        let words = late.stderr.as_mut().unwrap();
        BufReader::new(words).read_line(&mut told).unwrap();
        assert!(told.contains("; waiting for it, at most 60 s"), "{told}");
        world.start();
        open_gate(world);
        let lines = [
            "main now serves r1.",
            "main now serves r2",
            "main now serves r2",
        ];
        for (waiter, line) in waiters.into_iter().chain([late]).zip(lines) {
            let output = waiter.wait_with_output().unwrap();
            let out = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(out.starts_with(line) && out.lines().count() == 1, "{out}");
        }

        // One that has ended already, well and badly.
        let said = shop.wharf(&["activity", "wait", &id]).ok();
        assert_eq!(said.out, "main now serves r1.\n");
        shop.write("build.sh", "exit 1\n");
        shop.commit("Broken");
        let mut push = Watched::push(shop, &["main"]);
        push.until("Log: wharf log");
        let id = push.id();
        let said = shop.wharf(&["activity", "wait", &id]).exits(3);
        assert_eq!(said.out, "main still serves r2; nothing was changed.\n");
        push.end();
        shop.wharf(&["activity", "wait", "--json", &id])
            .exits(3)
            .has("\"build-failed\"");
        shop.wharf(&["activity", "show", &id]).ok().has("build 1");
        shop.wharf(&["activity", "log", &id])
            .ok()
            .has("main still serves r2;");
        shop.wharf(&["activity", "cancel", &id]).exits(6);
        shop.wharf(&["activity", "list", "-n", "1"]).ok().has(&id);
        for words in [["activity", "wait"], ["activity", "show"]] {
            let words = [&words[..], &["nope"]].concat();
            shop.wharf(&words)
                .exits(5)
                .has("there is no activity `nope`");
        }
        alone(world);
    });
}

fn alone(world: &World) {
    world.kill_daemon();
    world
        .wharf(&["activity", "wait", "4f2a", "--timeout", "1s"])
        .exits(4)
        .has("hint: start it with: wharf start");
    world.start();
}
