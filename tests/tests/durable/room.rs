//! `keep.min_free`, on file systems of the test's own: refused with the figures, but not before what
//! nobody needs has made room.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use wharf_tests::{World, apart, run};

use crate::app::{deployed, host};
use crate::retention::keep;

/// Bytes and files that must stay free.
const KEYS: &str = "min_free = { size = \"40M\", files = 500 }\n";

fn mount(world: &World, at: &Path, options: &str) {
    fs::create_dir_all(at).unwrap();
    let mut mount = world.command("mount");
    let mount = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
    run(mount.arg(at)).ok();
}

fn fill(path: &Path, mib: usize) {
    fs::write(path, vec![0_u8; mib << 20]).unwrap();
}

#[test]
fn a_push_is_refused_where_bytes_or_files_are_short() {
    if !apart("room::a_push_is_refused_where_bytes_or_files_are_short") {
        return;
    }
    let world = World::new();
    run(world.command("wharfd").arg("stop")).ok();
    world.kill_daemon();
    let (state, git) = (world.home().join("state"), world.home().join("git"));
    mount(&world, &state, "size=150m,nr_inodes=3000");
    mount(&world, &git, "size=120m");
    world.start();
    keep(&world, KEYS);
    let shop = deployed(&world, "shop");
    let next = |version: &str| {
        shop.write("version", &format!("{version}\n"));
        shop.commit(version);
    };
    next("two");
    shop.push(&["main", "main:other"]).ok();

    // Bytes where the state is: for a push, and for an ask that needs room.
    let state_named = format!(
        "free on {} (Wharf's state), 40.0 MB must stay free",
        state.display()
    );
    let ballast = state.join("ballast");
    fill(&ballast, 120);
    next("three");
    let refused =
        |said: wharf_tests::Said, text: &str| said.has(text).has("or to lower keep.min_free");
    refused(shop.push(&["main"]).exits(1), &state_named).has("main still serves r2");
    refused(shop.wharf(&["redeploy"]).exits(6), &state_named);
    world.wharf(&["doctor"]).exits(1).has(&state_named);
    // What needs none, or makes some, is let through.
    shop.wharf(&["rollback"]).ok().has("main now serves r1");
    shop.push(&["--delete", "other"]).ok();
    fill(&ballast, 80);
    world
        .wharf(&["doctor"])
        .has("below 40.0 MB or 500 files pushes are refused");
    shop.push(&["main"]).ok().has("main now serves r3");

    // Files.
    fs::create_dir(state.join("many")).unwrap();
    for number in 0..2500 {
        fs::write(state.join(format!("many/{number}")), "").unwrap();
    }
    next("four");
    let said = shop
        .push(&["main"])
        .exits(1)
        .has("more files (inodes) can be made on");
    said.has("it must be 500").lacks("must stay free");
    fs::remove_dir_all(state.join("many")).unwrap();

    // The repository's own file system.
    fill(&git.join("ballast"), 100);
    let git_named = format!("free on {} (the repository), 40.0 MB", git.display());
    refused(shop.push(&["main"]).exits(1), &git_named).lacks("Wharf's state");
    refused(shop.wharf(&["redeploy"]).exits(6), &git_named);
    fs::remove_file(git.join("ballast")).unwrap();

    // A cache that nobody uses goes before a push is refused for it.
    let cache = state.join("caches/shop/open/shared");
    fs::create_dir_all(&cache).unwrap();
    fill(&ballast, 70);
    fill(&cache.join("large"), 45);
    shop.push(&["main"]).ok().has("main now serves r4");
    assert!(!cache.exists());
    assert!(world.logs().contains("housekeeping for room: removed"));
    assert_eq!(world.get(&host("shop"), "/").ok(), "four\n");
    shop.wharf(&["rollback", "r1"]).ok();
}

#[test]
fn an_upload_that_the_disk_has_no_room_for_leaves_all_as_it_was() {
    if !apart("room::an_upload_that_the_disk_has_no_room_for_leaves_all_as_it_was") {
        return;
    }
    let world = World::new();
    run(world.command("wharfd").arg("stop")).ok();
    world.kill_daemon();
    let state = world.home().join("state");
    mount(&world, &state, "size=150m");
    world.start();
    keep(&world, "min_free = { size = \"20M\" }\n");
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", "public = \".\"\n[mounts]\nvar = \"data\"\n");
    shop.commit("A mount");
    shop.push(&["main"]).ok();
    shop.write("old/file", "old\n");
    shop.wharf(&["mount", "upload", "old", "var"]).ok();
    let mounts = state.join("mounts/shop/main");
    let whole = || {
        assert_eq!(fs::read_dir(&mounts).unwrap().count(), 1);
        shop.wharf(&["run", "cat", "var/file"]).ok().has("old\n");
    };
    // What must stay free is not given to whoever uploads.
    fs::create_dir(shop.path().join("new")).unwrap();
    fill(&shop.path().join("new/file"), 140);
    shop.wharf(&["mount", "upload", "new", "var"])
        .exits(6)
        .has("that may come");
    whole();
    // Somebody else takes the room meanwhile.
    fill(&shop.path().join("new/file"), 60);
    shop.sh("tar -C new -cf new.tar .").ok();
    let archive = fs::read(shop.path().join("new.tar")).unwrap();
    world.forget_trace();
    let mut upload = shop.command("wharf");
    upload.args(["mount", "upload", "-", "var"]);
    upload.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut upload = upload.spawn().unwrap();
    let mut input = upload.stdin.take().unwrap();
    input.write_all(&archive[..4096]).unwrap();
    world.wait_for_point("upload: begun");
    let ballast = state.join("taken");
    fill(&ballast, 90);
    // It may be told before it has sent all.
    drop(input.write_all(&archive[4096..]));
    drop(input);
    let ended = upload.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("the host's disk is full"), "{said}");
    fs::remove_file(&ballast).unwrap();
    whole();
    shop.wharf(&["mount", "upload", "new", "var"]).ok();
}
