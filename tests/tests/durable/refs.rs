//! Refs that move without a hook: each move is taken up once, and what was there before is not.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use wharf_tests::{Said, Tree, World, run};

use crate::app::{CONFIG, SERVER, deployed, host};
use crate::watching::{activities, wait_for_log};

/// Runs git in the project's bare repository, past all hooks.
#[track_caller]
fn git(world: &World, words: &[&str]) -> Said {
    git_in(world, &world.repository("shop"), words)
}

#[track_caller]
fn git_in(world: &World, repository: &Path, words: &[&str]) -> Said {
    let mut git = world.command("git");
    run(git.current_dir(repository).args(words)).ok()
}

/// A new commit of the work tree whose objects are in the repository and in no branch there.
fn brought(world: &World, shop: &Tree<'_>, version: &str) -> String {
    shop.write("version", version);
    shop.commit(version.trim());
    git(
        world,
        &["fetch", "--quiet", shop.path().to_str().unwrap(), "main"],
    );
    shop.git(&["rev-parse", "HEAD"]).ok().out.trim().to_owned()
}

/// Every activity as `branch kind tip`, the oldest first; no two are the same.
fn done(shop: &Tree<'_>) -> Vec<String> {
    let mut all: Vec<String> = activities(shop)
        .iter()
        .map(|activity| {
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let tip = text(&activity["commit"]["new"]);
            assert_eq!(activity["state"], "succeeded", "{activity}");
            let words = [&activity["branch"], &activity["kind"]].map(text);
            format!("{} {tip}", words.join(" "))
        })
        .collect();
    all.reverse();
    all
}

#[test]
fn refs_that_move_while_the_daemon_runs_are_taken_up_once() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let first = shop.git(&["rev-parse", "HEAD"]).ok().out.trim().to_owned();
    let mut expected = vec![format!("main push {first}")];

    let two = brought(&world, &shop, "two\n");
    git(&world, &["update-ref", "refs/heads/made", &two]);
    wait_for_log(&world, "made now serves r1.");
    git(&world, &["update-ref", "refs/heads/main", &two]);
    wait_for_log(&world, "main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
    expected.push(format!("made push {two}"));
    expected.push(format!("main push {two}"));

    // Where refs are is nobody's business.
    git(&world, &["pack-refs", "--all", "--prune"]);
    git(&world, &["update-ref", "-d", "refs/heads/made"]);
    wait_for_log(&world, "made serves nothing any more (was r1).");
    expected.push("made delete -".into());

    // A mirror: whatever its source has.
    shop.git(&["branch", "mirrored"]).ok();
    shop.write("version", "three\n");
    shop.commit("Third");
    let three = shop.git(&["rev-parse", "HEAD"]).ok().out.trim().to_owned();
    let source = shop.path().to_str().unwrap();
    git(
        &world,
        &["fetch", "--quiet", source, "+refs/heads/*:refs/heads/*"],
    );
    wait_for_log(&world, "mirrored now serves r1.");
    wait_for_log(&world, "main now serves r3 (was r2).");
    expected.push(format!("main push {three}"));
    expected.push(format!("mirrored push {two}"));

    // Production never goes, and without it nothing does.
    git(&world, &["update-ref", "-d", "refs/heads/main"]);
    git(&world, &["update-ref", "-d", "refs/heads/mirrored"]);
    // Seen after all that.
    let four = brought(&world, &shop, "four\n");
    git(&world, &["update-ref", "refs/heads/deep/er/branch", &four]);
    wait_for_log(&world, "-branch");
    wait_for_log(&world, "succeeded: deep-er-branch");
    assert_eq!(world.get(&host("shop"), "/").ok(), "three\n");
    expected.push(format!("deep/er/branch push {four}"));
    git(&world, &["update-ref", "refs/heads/main", &three]);
    wait_for_log(&world, "mirrored serves nothing any more (was r1).");
    expected.push("mirrored delete -".into());
    // The bell comes first where somebody pushes, and nothing comes after it.
    shop.push(&["main"]).ok().has("main now serves r4");
    expected.push(format!("main push {four}"));
    let mut found = done(&shop);
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{}", world.logs());
    let sources = activities(&shop);
    let pushed = |activity: &&Value| activity["actor"]["source"] != "reconcile";
    assert_eq!(sources.iter().filter(pushed).count(), 2);
}

#[test]
fn refs_that_moved_while_no_daemon_was_there_are_taken_up_once() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.push(&["main:gone", "main:stays"]).ok();
    let two = brought(&world, &shop, "two\n");
    world.kill_daemon();
    git(&world, &["update-ref", "refs/heads/main", &two]);
    git(&world, &["update-ref", "refs/heads/made", &two]);
    git(&world, &["update-ref", "-d", "refs/heads/gone"]);
    git(&world, &["pack-refs", "--all", "--prune"]);
    world.start();
    wait_for_log(&world, "main now serves r2 (was r1).");
    wait_for_log(&world, "made now serves r1.");
    wait_for_log(&world, "gone serves nothing any more (was r1).");
    let before = done(&shop);
    assert_eq!(before.len(), 6, "{before:?}");
    world.kill_daemon();
    world.start();
    // What comes after a restart comes after all that it had to make up for.
    git(&world, &["update-ref", "refs/heads/last", &two]);
    wait_for_log(&world, "last now serves r1.");
    assert_eq!(done(&shop).len(), 7);
}

#[test]
fn an_existing_repository_deploys_what_is_pushed_and_nothing_else() {
    let world = World::new();
    let shop = world.site("shop", &[CONFIG, SERVER, ("version", "one\n")]);
    let repository = world.path("old.git");
    let path = repository.to_str().unwrap();
    let git = |words: &[&str]| git_in(&world, &repository, words);
    run(world
        .command("git")
        .args(["init", "--quiet", "--bare", path]))
    .ok();
    git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    shop.git(&["remote", "add", "wharf", path]).ok();
    let branches: Vec<String> = (0..20).map(|n| format!("main:b{n}")).collect();
    let mut words: Vec<&str> = branches.iter().map(String::as_str).collect();
    words.push("main");
    shop.push(&words).ok();
    git(&["pack-refs", "--all"]);
    world.wharf(&["project", "add", "shop", path]).ok();
    assert_eq!(activities(&shop).len(), 0);

    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main:b7"]).ok().has("b7 now serves r1.");
    let two = shop.git(&["rev-parse", "HEAD"]).ok().out;
    git(&["update-ref", "refs/heads/b8", two.trim()]);
    wait_for_log(&world, "b8 now serves r1.");
    git(&["update-ref", "-d", "refs/heads/b9"]);
    git(&["pack-refs", "--all", "--prune"]);
    world.kill_daemon();
    world.start();
    // Made again where it was, it is somebody's doing.
    let one = shop.git(&["rev-parse", "HEAD~"]).ok().out;
    git(&["update-ref", "refs/heads/b9", one.trim()]);
    wait_for_log(&world, "b9 now serves r1.");
    let mut found = done(&shop);
    found.sort();
    let expected = [("b7", &two), ("b8", &two), ("b9", &one)];
    let expected = expected.map(|(branch, tip)| format!("{branch} push {}", tip.trim()));
    assert_eq!(found, expected);
}

#[test]
fn a_repository_with_a_reftable_is_served_like_any_other() {
    let world = World::new();
    let shop = world.site("shop", &[CONFIG, SERVER, ("version", "one\n")]);
    let repository = world.path("new.git");
    let path = repository.to_str().unwrap();
    let init = [
        "init",
        "--quiet",
        "--bare",
        "--initial-branch=main",
        "--ref-format=reftable",
    ];
    let mut made = world.command("git");
    if run(made.args(init).arg(path)).code != 0 {
        println!("this git knows no reftable: not tested");
        return;
    }
    shop.git(&["remote", "add", "wharf", path]).ok();
    shop.push(&["main:old"]).ok();
    world.wharf(&["project", "add", "shop", path]).ok();
    shop.push(&["main", "main:gone"])
        .ok()
        .has("main now serves r1.");
    let git = |words: &[&str]| git_in(&world, &repository, words);
    git(&["update-ref", "refs/heads/made", "refs/heads/main"]);
    wait_for_log(&world, "made now serves r1.");
    git(&["update-ref", "-d", "refs/heads/gone"]);
    wait_for_log(&world, "gone serves nothing any more (was r1).");
    world.kill_daemon();
    world.start();
    shop.push(&["main:last"]).ok().has("last now serves r1.");
    assert_eq!(done(&shop).len(), 5);
}

#[test]
fn where_the_system_allows_no_watch_it_is_said_and_starts_make_up() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    world.kill_daemon();
    // A user namespace has limits of its own.
    let mut unshare = world.command("unshare");
    let limit = "echo 0 >/proc/sys/user/max_inotify_instances && exec wharfd";
    let unshare = unshare.args(["--user", "--map-root-user", "sh", "-c", limit]);
    let mut wharfd = unshare
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(wharfd.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    world
        .wharf(&["doctor"])
        .has("refs and spool: cannot be watched")
        .has("raise fs.inotify.max_user_instances");
    let two = brought(&world, &shop, "two\n");
    shop.push(&["main:pushed"])
        .ok()
        .has("pushed now serves r1.");
    git(&world, &["update-ref", "refs/heads/main", &two]);
    wharfd.kill().unwrap();
    wharfd.wait().unwrap();
    world.start();
    wait_for_log(&world, "main now serves r2 (was r1).");
    assert_eq!(done(&shop).len(), 3);
    let said = world.wharf(&["doctor"]);
    said.lacks("cannot be watched");
}

#[test]
fn a_push_that_was_left_in_the_spool_is_taken_up_while_the_daemon_runs() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let spool = world.home().join("state/spool");
    let repository = fs::canonicalize(world.repository("shop")).unwrap();
    let zero = "0".repeat(40);
    let first = shop.git(&["rev-parse", "HEAD"]).ok().out;
    let push = serde_json::json!({
        "repository": repository, "options": [], "claims": [],
        "updates": [{ "name": "refs/heads/main", "lossy": false, "old": zero, "new": first.trim() }],
    });
    // It is recorded already: only the file goes.
    fs::write(spool.join("new"), push.to_string()).unwrap();
    fs::rename(spool.join("new"), spool.join("1.json")).unwrap();
    let two = brought(&world, &shop, "two\n");
    git(&world, &["update-ref", "refs/heads/other", &two]);
    wait_for_log(&world, "other now serves r1.");
    wait_for_log(&world, "out of the spool");
    assert_eq!(fs::read_dir(spool).unwrap().count(), 0);
    assert_eq!(activities(&shop).len(), 2);
}
