//! Bells that ring late, twice, into the spool or never: each accepted push is deployed once.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use wharf_tests::{Tree, Watched, World, run};

use crate::app::{deployed, host};
use crate::watching::{activities, wait_for_log};

/// Accepts pushes while the daemon is away.
const ACCEPTING: &str = "[router]\nlisten = \"127.0.0.1:0\"\n[push]\nunreachable = \"accept\"\n";

fn files(directory: &std::path::Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn pushes_without_a_daemon_are_deployed_once_when_it_is_back() {
    let world = World::with_host_file(ACCEPTING);
    let shop = deployed(&world, "shop");
    shop.push(&["main:gone"]).ok();
    let spool = world.home().join("state/spool");
    world.kill_daemon();

    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main"]).ok().has("the push is recorded");
    shop.write("version", "three\n");
    shop.commit("Third");
    shop.push(&["main", "main:new"]).ok();
    shop.push(&["--delete", "gone"]).ok();
    assert_eq!(shop_page(&world), "one\n");
    assert_eq!(files(&spool), 3);

    world.start();
    wait_for_log(&world, "main now serves r2 (was r1).");
    wait_for_log(&world, "new now serves r1.");
    wait_for_log(&world, "gone serves nothing any more (was r1).");
    assert_eq!(shop_page(&world), "three\n");
    assert_eq!(world.get("new--shop.localhost", "/").ok(), "three\n");
    assert_eq!(world.get("gone--shop.localhost", "/").status, 404);
    // Two before; one for each environment after: main went to its tip at once.
    assert_eq!(activities(&shop).len(), 5);

    world.kill_daemon();
    world.start();
    assert_eq!(files(&spool), 0);
    // What the next push finds in the record is all that there ever was.
    shop.push(&["main:last"]).ok();
    assert_eq!(activities(&shop).len(), 6);
}

fn shop_page(world: &World) -> String {
    world.get(&host("shop"), "/").ok()
}

#[test]
fn a_spool_full_of_nonsense_hinders_nobody() {
    let world = World::with_host_file(ACCEPTING);
    let shop = deployed(&world, "shop");
    world.kill_daemon();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["main:other"]).ok();
    let spool = world.home().join("state/spool");
    fs::write(spool.join("0.json"), "{").unwrap();
    fs::write(spool.join("00-half.json"), [0xff; 100]).unwrap();
    fs::create_dir(spool.join("1.json")).unwrap();
    world.start();
    wait_for_log(&world, "other now serves r1.");
}

/// A hook of the host's own that stops at a gate, in the repository before Wharf is.
fn gated<'world>(world: &'world World, hook: &str) -> Tree<'world> {
    let shop = deployed(world, "shop");
    let repository = world.repository("shop");
    let path = repository.to_str().unwrap();
    run(world.command("mkfifo").arg(world.path("gate"))).ok();
    world.wharf(&["hook", "uninstall", path]).ok();
    let file = repository.join("hooks").join(hook);
    let script = format!(
        "#!/bin/sh\ncat >/dev/null\necho at the gate >&2\nread line <'{}'\n",
        world.path("gate").display()
    );
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    world.wharf(&["hook", "install", path]).ok();
    shop
}

fn open_gate(world: &World) {
    let gate = fs::File::options().write(true).open(world.path("gate"));
    gate.unwrap().write_all(b"go\n").unwrap();
}

#[test]
fn a_client_that_goes_away_during_pre_receive_is_served_all_the_same_or_not_at_all() {
    let world = World::new();
    let shop = gated(&world, "pre-receive");
    shop.write("version", "two\n");
    shop.commit("Second");
    let commit = shop.git(&["rev-parse", "HEAD"]).ok().out;
    let mut push = Watched::push(&shop, &["main"]);
    push.until("at the gate");
    push.vanish();
    open_gate(&world);
    // git goes on without its client: admitted, moved, and deployed whether or not a bell rings.
    wait_for_log(&world, "main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "two\n");
    let mut tip = world.command("git");
    tip.current_dir(world.repository("shop"))
        .args(["rev-parse", "refs/heads/main"]);
    assert_eq!(run(&mut tip).ok().out, commit);
    assert_eq!(activities(&shop).len(), 2);
}

/// Runs a hook as git does, with one update of `main` on its standard input.
fn ring(world: &World, hook: &str, old: &str, new: &str) {
    let repository = world.repository("shop");
    let mut command = world.command(repository.join("hooks").join(hook).to_str().unwrap());
    let mut child = command
        .current_dir(&repository)
        .env("GIT_DIR", ".")
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{old} {new} refs/heads/main").unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn refs_that_moved_without_a_bell_are_deployed_once_also_when_it_rings_late() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let old = shop.git(&["rev-parse", "HEAD"]).ok().out;
    shop.write("version", "two\n");
    shop.commit("Second");
    let new = shop.git(&["rev-parse", "HEAD"]).ok().out;
    let (old, new) = (old.trim(), new.trim());
    // The objects without the ref: what a push has brought when its hooks run.
    let git = |words: &[&str]| {
        let mut git = world.command("git");
        run(git.current_dir(world.repository("shop")).args(words)).ok()
    };
    git(&["fetch", "--quiet", shop.path().to_str().unwrap(), "main"]);
    ring(&world, "pre-receive", old, new);
    git(&["update-ref", "refs/heads/main", new, old]);
    wait_for_log(&world, "made up for 1 move whose bell did not ring");
    wait_for_log(&world, "main now serves r2 (was r1).");
    ring(&world, "post-receive", old, new);
    let all = activities(&shop);
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(shop.get("/").ok(), "two\n");
}

#[test]
fn bells_in_the_wrong_order_leave_the_last_push() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let head = || shop.git(&["rev-parse", "HEAD"]).ok().out.trim().to_owned();
    let one = head();
    shop.write("version", "two\n");
    shop.commit("Second");
    let two = head();
    shop.write("version", "three\n");
    shop.commit("Third");
    let three = head();
    let git = |words: &[&str]| {
        let mut git = world.command("git");
        run(git.current_dir(world.repository("shop")).args(words)).ok()
    };
    git(&["fetch", "--quiet", shop.path().to_str().unwrap(), "main"]);
    // Two pushers at the same time: the second is quicker after the refs have moved.
    ring(&world, "pre-receive", &one, &two);
    git(&["update-ref", "refs/heads/main", &two, &one]);
    ring(&world, "pre-receive", &two, &three);
    git(&["update-ref", "refs/heads/main", &three, &two]);
    ring(&world, "post-receive", &two, &three);
    ring(&world, "post-receive", &one, &two);
    wait_for_log(&world, "main now serves r2 (was r1).");
    assert_eq!(shop.get("/").ok(), "three\n");
    // Compared once more, after all the bells.
    git(&["update-ref", "refs/heads/last", &three]);
    wait_for_log(&world, "last now serves r1.");
    assert_eq!(shop.get("/").ok(), "three\n");
    let mut ends: Vec<_> = activities(&shop)
        .iter()
        .map(|a| {
            [&a["branch"], &a["state"], &a["commit"]["new"]].map(|v| v.as_str().unwrap().to_owned())
        })
        .collect();
    ends.sort();
    let mut expected = [
        ["last", "succeeded", three.as_str()],
        ["main", "succeeded", one.as_str()],
        ["main", "succeeded", three.as_str()],
        ["main", "superseded", two.as_str()],
    ];
    expected.sort();
    assert_eq!(ends, expected);
}

#[test]
fn who_does_not_wait_is_told_how_to_follow() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("version", "two\n");
    shop.commit("Second");
    let said = shop.push(&["-o", "nowait", "main"]).ok();
    let text = said.transcript();
    let (_, hint) = text.split_once("follow it with: ").expect(&text);
    let hint = hint.lines().next().unwrap();
    shop.sh(hint).ok().has("main now serves r2 (was r1).");
    let said = shop.push(&["-o", "nowait", "main:one", "main:two"]).ok();
    said.has("[one] queued; follow it with: wharf log ")
        .has("[two] queued");
    let said = shop.push(&["-o", "hurry", "main:other"]).ok();
    said.has("unknown push option `hurry`; known: dry-run, nowait");
}
