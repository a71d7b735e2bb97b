//! A daemon that is root, and a repository that is somebody else's: all that is written there stays
//! that user's. Where the tests are not run by root the repository is their own, and the same must hold.

use std::process::Command;

use rustix::process::geteuid;
use wharf_tests::{Said, World, run};

use crate::app::deployed;
use crate::restarts::wait_for_log;

/// A user whom nobody needs to know by name.
const USER: &str = "12345";

/// A program that the repository's owner runs.
fn theirs(world: &World, words: &[&str]) -> Said {
    let mut command = match geteuid().is_root() {
        true => {
            let mut command = world.command("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
            command.arg(words[0]);
            command
        }
        false => world.command(words[0]),
    };
    command.env("HOME", world.path("theirs")).args(&words[1..]);
    command.current_dir(world.path("theirs"));
    run(&mut command).ok()
}

fn sh(world: &World, line: &str) -> String {
    let mut command: Command = world.command("sh");
    command.args(["-c", line]).current_dir(world.path(""));
    run(&mut command).ok().out
}

/// Gives the repository to them, and a place of their own.
fn give_away(world: &World) {
    std::fs::create_dir(world.path("theirs")).unwrap();
    if geteuid().is_root() {
        // What is above it must let them in, as it does on every git host.
        sh(world, "chmod 711 . wharf wharf/git");
        sh(
            world,
            &format!("chown -R {USER}:{USER} wharf/git/shop.git theirs"),
        );
    }
}

/// What below the repository is somebody else's.
fn foreign(world: &World) -> String {
    let owner = match geteuid().is_root() {
        true => USER.to_owned(),
        false => geteuid().as_raw().to_string(),
    };
    sh(world, &format!("find wharf/git/shop.git ! -uid {owner}"))
}

#[test]
fn what_is_written_into_a_repository_is_its_owners() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    give_away(&world);
    shop.wharf(&["branch", "side"]).ok();
    shop.wharf(&["branch", "gone"]).ok();
    assert_eq!(foreign(&world), "");

    // Both go on, so that the merge makes a commit of its own: pushed by the owner.
    let repository = world.repository("shop");
    let repository = repository.to_str().unwrap();
    theirs(&world, &["git", "clone", "--quiet", repository, "work"]);
    let push = |branch: &str, file: &str, release: u32| {
        let line = format!(
            "cd work && git fetch -q && git switch -q -C {branch} origin/{branch} \
             && echo new >{file} && git add {file} && git commit -qm {file} \
             && git push -q --receive-pack='git -c core.hooksPath=/dev/null receive-pack' \
                origin {branch}"
        );
        theirs(&world, &["sh", "-c", &line]);
        // No hook can reach a daemon that is root's alone: it sees the ref.
        wait_for_log(&world, &format!("{branch} now serves r{release} "));
    };
    push("main", "one", 2);
    push("side", "two", 2);
    shop.wharf(&["merge", "-e", "side"])
        .ok()
        .has("main now serves r3");
    shop.wharf(&["sync", "code", "-e", "side"])
        .ok()
        .has("side now serves");
    shop.wharf(&["delete", "-e", "gone"]).ok();
    assert_eq!(foreign(&world), "");

    // Theirs to go on with: a push after it, and a repack.
    push("main", "three", 4);
    theirs(&world, &["git", "-C", repository, "gc", "--quiet"]);
    // The hooks and their note too.
    let file = world.home().join("config/projects.d/shop.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[push]\non_failure = \"reject\"\n")).unwrap();
    shop.wharf(&["reload"]).ok();
    let hook = world.repository("shop").join("hooks/proc-receive");
    assert!(hook.exists(), "{}", world.logs());
    assert_eq!(foreign(&world), "");
}
