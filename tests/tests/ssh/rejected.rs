//! `push.on_failure = "reject"`: a failed build refuses its push.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use rustix::process::Signal;
use wharf_tests::{Tree, Watched, World, lines_obey_the_rules, obeys_the_rules, run};

use crate::laptop::{BUILT, on_every_git_where, on_one_git_where, reads_as};
use crate::watching::{Midway, SCRIPT};

pub(crate) const REJECT: &str = "[push]\non_failure = \"reject\"\n";
/// A build that works.
const GOOD: (&str, &str) = ("build.sh", "mkdir out; cp page out/index.html\n");
const PAGE: (&str, &str) = ("page", "one\n");
/// A build that waits for somebody to write to a fifo in its cache.
pub(crate) const GATED: &str =
    "test -p /cache/gate || mkfifo /cache/gate; echo at the gate; read go </cache/gate
mkdir out; cp page out/index.html\n";

/// Lets such a build go on.
pub(crate) fn open_gate(world: &World) {
    let gate = world.home().join("state/caches/shop/protected/shared/gate");
    // Opening it waits until the build reads it.
    let mut gate = File::options().write(true).open(gate).unwrap();
    gate.write_all(b"go\n").unwrap();
}

/// What the host's repository has.
fn tip(shop: &Tree<'_>, branch: &str) -> String {
    let said = shop.git(&["ls-remote", "wharf", &format!("refs/heads/{branch}")]);
    said.ok().out.chars().take(40).collect()
}

fn head(shop: &Tree<'_>) -> String {
    shop.git(&["rev-parse", "HEAD"]).ok().out.trim().to_owned()
}

/// A transcript of a push whose checks have passed: theirs, then the deployment's.
#[track_caller]
fn obeys_both(transcript: &str) {
    let goes_on = "its branch may move.\n\n";
    let (check, deploy) = transcript
        .split_once(goes_on)
        .unwrap_or_else(|| panic!("{transcript}"));
    lines_obey_the_rules(&format!("{check}\n"));
    obeys_the_rules(deploy);
}

#[test]
fn a_failed_build_refuses_its_push() {
    on_every_git_where(REJECT, &[BUILT, GOOD, PAGE], |_, shop| {
        let said = shop.push(&["main"]).ok().transcript();
        obeys_both(&said);
        assert!(said.contains("reused slug"), "{said}");
        reads_as("checked push", &said);
        assert_eq!(shop.get("/").ok(), "one\n");
        let first = head(shop);

        shop.write("build.sh", "echo no harbour; exit 7\n");
        shop.commit("Broken");
        let said = shop.push(&["main"]).exits(1);
        let reason = "(build failed in step 1 of 1 (sh build.sh), exit code 7)";
        assert!(
            said.err
                .contains(&format!("[remote rejected] main -> main {reason}")),
            "{said}"
        );
        lines_obey_the_rules(&said.transcript());
        reads_as("rejected push", &said.transcript());
        assert_eq!(tip(shop, "main"), first);
        assert_eq!(shop.get("/").ok(), "one\n");
        let activities = shop.wharf(&["activities", "--json"]).ok().out;
        assert_eq!(
            activities.matches("\"kind\": \"push\"").count(),
            1,
            "{activities}"
        );

        // The same without the mistake, over the refused commit.
        shop.write("build.sh", GOOD.1);
        shop.write("page", "two\n");
        shop.commit("Mended");
        obeys_both(&shop.push(&["main"]).ok().transcript());
        assert_eq!(tip(shop, "main"), head(shop));
        assert_eq!(shop.get("/").ok(), "two\n");
    });
}

#[test]
fn every_kind_of_push() {
    on_one_git_where(REJECT, &[BUILT, GOOD, PAGE], |world, shop| {
        // A new branch, with a tag that needs no build.
        shop.git(&["tag", "v1"]).ok();
        shop.push(&["main", "v1"]).ok().has("main now serves r1.");
        assert!(
            shop.git(&["ls-remote", "wharf", "v1"])
                .ok()
                .out
                .contains("refs/tags/v1")
        );

        // Several at once: each has its own answer.
        let good = head(shop);
        shop.write("build.sh", "exit 1\n");
        shop.commit("Broken");
        let several = ["main~1:refs/heads/staging", "main:other", "v1:refs/tags/v2"];
        let said = shop.push(&several).exits(1);
        assert!(
            said.err
                .contains("[remote rejected] main -> other (build failed"),
            "{said}"
        );
        lines_obey_the_rules(&said.transcript());
        assert_eq!(
            (tip(shop, "staging"), tip(shop, "other").as_str()),
            (good.clone(), "")
        );
        assert_eq!(world.get("staging--shop.localhost", "/").ok(), "one\n");

        // All of them or none.
        let atomic = ["--atomic", "main~1:refs/heads/third", "main:other"];
        let said = shop.push(&atomic).exits(1);
        assert!(said.err.contains("main~1 -> third (another ref"), "{said}");
        assert_eq!(tip(shop, "third"), "");

        // A forced push, with the options of a push.
        shop.git(&["reset", "--quiet", "--hard", "HEAD~1"]).ok();
        shop.write("page", "forced\n");
        shop.git(&[
            "commit",
            "--quiet",
            "--all",
            "--amend",
            "--message",
            "Forced",
        ])
        .ok();
        let said = shop
            .push(&["--force", "-o", "rebuild", "main"])
            .ok()
            .transcript();
        assert_eq!(
            said.matches("reused slug").count(),
            1,
            "built once:\n{said}"
        );
        assert_eq!(shop.get("/").ok(), "forced\n");
        shop.commit("Again");
        let said = shop.push(&["-o", "nowait", "main"]).ok().transcript();
        lines_obey_the_rules(&said);
        reads_as("nowait where builds are checked", &said);
        let id = said.split_once("with: wharf log ").unwrap().1;
        let id = id.split_whitespace().next().unwrap();
        shop.wharf(&["activity", "wait", id])
            .ok()
            .has("main now serves r3");

        // What goes needs no build.
        let said = shop.push(&["--delete", "staging"]).ok();
        obeys_the_rules(&said.transcript());
        assert_eq!(world.get("staging--shop.localhost", "/").status, 404);
    });
}

#[test]
fn of_those_that_wait_the_newest_is_checked() {
    let files = [BUILT, ("build.sh", GATED), PAGE];
    on_one_git_where(REJECT, &files, |world, shop| {
        let mut first = Watched::push(shop, &["main"]);
        first.until("| at the gate");
        let accepted = head(shop);
        let mut waiting = Vec::new();
        for name in ["Second", "Third"] {
            shop.commit(name);
            let mut next = Watched::push(shop, &["main"]);
            next.until("waiting: ");
            waiting.push(next);
        }
        let third = waiting.pop().unwrap();
        let second = waiting.pop().unwrap().end();
        assert!(
            second.contains("[remote rejected] main -> main (superseded by"),
            "{second}"
        );

        // The first one is accepted: what was pushed beside it began where the branch is no longer.
        open_gate(world);
        let first = first.end();
        assert!(first.contains("main now serves r1."), "{first}");
        let third = third.end();
        // By the deployment, by its own check, or by git.
        assert!(
            third.contains("[remote rejected] main -> main ("),
            "{third}"
        );
        assert_eq!(tip(shop, "main"), accepted);
        shop.write("build.sh", GOOD.1);
        shop.commit("Fourth");
        shop.push(&["main"]).ok().has("main now serves r2");
    });
}

#[test]
fn a_check_that_is_cancelled_or_comes_too_late_refuses_its_push() {
    let files = [BUILT, ("build.sh", GATED), PAGE];
    on_one_git_where(REJECT, &files, |world, shop| {
        let mut push = Watched::push(shop, &["main"]);
        push.until("| at the gate");
        shop.wharf(&["cancel", &push.id()]).ok();
        let said = push.end();
        let reason = "[remote rejected] main -> main (cancelled";
        assert!(said.contains(reason), "{said}");
        assert_eq!(tip(shop, "main"), "");

        // Somebody moves the branch, by no push, to what is in the repository since then.
        let other = head(shop);
        shop.commit("Next");
        shop.write("page", "two\n");
        shop.commit("Next but one");
        let mut push = Watched::push(shop, &["main"]);
        push.until("| at the gate");
        let mut update = world.command("git");
        update.arg("--git-dir").arg(world.repository("shop"));
        run(update.args(["update-ref", "refs/heads/main", &other])).ok();
        open_gate(world);
        let said = push.end();
        let reason = "[remote rejected] main -> main (branch main has moved meanwhile)";
        assert!(said.contains(reason), "{said}");
        assert_eq!(tip(shop, "main"), other);
    });
}

#[test]
fn a_daemon_that_dies_in_the_middle_refuses_the_push() {
    let files = [BUILT, ("build.sh", GATED), PAGE];
    on_every_git_where(REJECT, &files, |world, shop| {
        let mut push = Watched::push(shop, &["main"]);
        push.until("| at the gate");
        let id = push.id();
        world.kill_daemon();
        let said = push.end();
        let reason = "[remote rejected] main -> main (Wharf does not answer on this host)";
        assert!(said.contains(reason), "{said}");
        assert_eq!(tip(shop, "main"), "");

        world.start();
        let activity = shop
            .wharf(&["activity", "wait", "--json", &id])
            .exits(3)
            .out;
        assert!(activity.contains("\"abandoned\""), "{activity}");
        shop.wharf(&["activity", "wait", &id])
            .exits(3)
            .has("main serves nothing yet; nothing was changed.");
        shop.write("build.sh", GOOD.1);
        shop.commit("Next");
        shop.push(&["main"]).ok().has("main now serves r1.");
    });
}

#[test]
fn where_pushes_are_accepted_without_the_daemon_a_dead_one_stops_none() {
    let files = [BUILT, ("build.sh", GATED), PAGE];
    let host = format!("{REJECT}unreachable = \"accept\"\n");
    on_one_git_where(&host, &files, |world, shop| {
        let mut push = Watched::push(shop, &["main"]);
        push.until("| at the gate");
        world.kill_daemon();
        let said = push.end();
        assert!(
            said.contains("the push is taken without its checks"),
            "{said}"
        );
        assert_eq!(tip(shop, "main"), head(shop));
        // Its bell was kept, and is heard by the next daemon.
        world.start();
        open_gate(world);
        let said = shop.wharf(&["log", "--follow"]).ok();
        assert!(said.out.contains("main now serves r1."), "{said}");
    });
}

#[test]
fn who_presses_ctrl_c_gives_the_push_up() {
    let noisy = "while :; do echo waiting for the signal; sleep 0.2; done\n";
    let files = [BUILT, ("build.sh", noisy), PAGE];
    on_every_git_where(REJECT, &files, |world, shop| {
        // How long nobody may read is the hook's to know; the test has less time.
        let stub = world.repository("shop").join("hooks/proc-receive");
        let text = fs::read_to_string(&stub).unwrap();
        let hasty = text.replace("write-ms = 10000", "write-ms = 500");
        assert_ne!(hasty, text);
        fs::write(&stub, hasty).unwrap();
        let id = Midway::of(shop).leave(Signal::INT);
        shop.wharf(&["activity", "wait", &id, "--timeout", "100s"])
            .exits(3)
            .has("main serves nothing yet; nothing was changed.");
        assert_eq!(tip(shop, "main"), "");
        shop.write("build.sh", GOOD.1);
        shop.commit("Next");
        shop.push(&["main"]).ok().has("main now serves r1.");
    });
}

#[test]
fn who_presses_ctrl_z_is_waited_for() {
    on_one_git_where(REJECT, &[BUILT, ("build.sh", SCRIPT), PAGE], |_, shop| {
        let midway = Midway::of(shop);
        midway.signal(Signal::STOP);
        let wait = shop.wharf(&["activity", "wait", &midway.id]).ok();
        assert_eq!(wait.out, "main serves nothing yet; its branch may move.\n");
        midway.come_back();
        assert_eq!(tip(shop, "main"), head(shop));
        assert_eq!(shop.get("/").ok(), "one\n");
    });
}

#[test]
fn the_operator_may_change_the_mind() {
    on_one_git_where(REJECT, &[BUILT, GOOD, PAGE], |world, shop| {
        shop.push(&["main"]).ok().has("check");
        let repository = world.repository("shop");
        let hook = repository.join("hooks/proc-receive");
        let status = |code: i32| {
            world
                .wharf(&["hook", "status", path(&repository)])
                .exits(code)
        };
        status(0);
        let host = world.home().join("config/wharfd.toml");
        let text = fs::read_to_string(&host).unwrap();
        fs::write(&host, text.replace("\"reject\"", "\"keep\"")).unwrap();
        // The daemon may have seen it by itself already.
        world.wharf(&["reload"]).ok();
        status(0);
        assert!(!hook.exists());
        shop.write("build.sh", "exit 1\n");
        shop.commit("Broken");
        obeys_the_rules(&shop.push(&["main"]).ok().transcript());
        assert_eq!(tip(shop, "main"), head(shop));

        // One project alone may want it, too.
        let file = world.home().join("config/projects.d/shop.toml");
        let mut project = fs::read_to_string(&file).unwrap();
        project.push_str(REJECT);
        fs::write(&file, project).unwrap();
        world.wharf(&["reload"]).ok();
        assert!(hook.exists());
        shop.commit("Broken still");
        shop.push(&["main"]).exits(1).has("[remote rejected]");
    });
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
