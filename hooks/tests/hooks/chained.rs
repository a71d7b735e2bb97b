//! Hooks that were there before.

use std::fs;

use wharf_hooks::stub::Stub;

use crate::{
    fake,
    world::{POST, PRE, World, gits, remote, stderr},
};

const KEPT: &str = "kept";

fn chained(world: &World) -> Stub {
    Stub {
        chain: Some(KEPT.to_owned()),
        ..world.stub()
    }
}

#[test]
fn a_chained_hook_decides_first_with_the_same_input_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.install("pre-receive", PRE, &chained(&world));
        let seen = world.path("seen");
        let text = format!(
            "#!/bin/sh\ncat >{0}\nenv >{0}.env\necho the old hook\nexit $(cat {0}.exit)\n",
            seen.display()
        );
        world.hook(KEPT, &text);

        fs::write(world.path("seen.exit"), "3").unwrap();
        let output = world.push(&["main"]);
        assert!(!output.status.success());
        // No daemon listens, and none is asked.
        assert_eq!(remote(&output), ["the old hook"]);

        fs::write(world.path("seen.exit"), "0").unwrap();
        let daemon = fake::daemon(&world.path("sock"), |door| fake::admit(&door));
        let output = world.push(&["-o", "x", "main"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let update = &daemon.join().unwrap().updates[0];
        let line = format!("{} {} {}\n", update.old, update.new, update.name);
        assert_eq!(fs::read_to_string(&seen).unwrap(), line);
        let environment = fs::read_to_string(world.path("seen.env")).unwrap();
        for variable in ["GIT_DIR=.", "GIT_QUARANTINE_PATH=", "GIT_PUSH_OPTION_0=x"] {
            assert!(environment.contains(variable), "{variable}\n{environment}");
        }
    }
}

#[test]
fn the_bell_rings_before_the_chained_hook_and_lines_follow_it_on_every_git() {
    for git in gits() {
        let world = World::with(git);
        world.install("post-receive", POST, &chained(&world));
        world.hook(
            KEPT,
            "#!/bin/sh\nread old new name\necho old hook: $name\nexit 1\n",
        );
        let daemon = fake::daemon(&world.path("sock"), |door| {
            let mut caller = door.greet();
            caller.push();
            caller.queued(&["4f2a"]);
            caller.line("a line");
            caller.end();
        });
        let output = world.push(&["main"]);
        assert!(output.status.success());
        assert_eq!(remote(&output), ["old hook: refs/heads/main", "a line"]);
        daemon.join().unwrap();
    }
}

#[test]
fn a_chained_hook_that_cannot_run_refuses() {
    let world = World::new();
    world.install("pre-receive", PRE, &chained(&world));
    let output = world.push(&["main"]);
    assert!(!output.status.success());
    let said = remote(&output);
    assert!(said[0].starts_with("error: the hook ") && said[0].ends_with("cannot be run"));
    assert!(said[1].starts_with("  No such file"), "{said:?}");
}

#[test]
fn a_chained_hook_without_a_first_line_is_run_by_the_shell_as_git_does() {
    let world = World::new();
    world.install("pre-receive", PRE, &chained(&world));
    world.hook(KEPT, "echo no first line; exit 1\n");
    let output = world.push(&["main"]);
    assert_eq!(remote(&output), ["no first line"]);
}

#[test]
fn a_chained_hook_that_ignores_its_input_is_no_trouble() {
    let world = World::new();
    world.install("pre-receive", PRE, &chained(&world));
    world.hook(KEPT, "#!/bin/sh\nexec <&-\nexit 0\n");
    let daemon = fake::daemon(&world.path("sock"), |door| fake::admit(&door));
    let branches = (0..900).map(|i| format!("HEAD:refs/heads/{i}-{}", "l".repeat(100)));
    let output = world
        .git("work")
        .args(["push", "-q", "origin"])
        .args(branches)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(daemon.join().unwrap().updates.len(), 900);
}

#[test]
fn a_chained_hook_inherits_nothing_of_the_hook() {
    let world = World::new();
    let list = format!(
        "#!/bin/sh\nls -l /proc/$$/fd >{}\n",
        world.path("fds").display()
    );
    world.install("post-receive", POST, &chained(&world));
    world.hook(KEPT, &list);
    let daemon = fake::daemon(&world.path("sock"), |door| {
        let mut caller = door.greet();
        caller.push();
        caller.queued(&[]);
        caller.end();
    });
    assert!(world.push(&["main"]).status.success());
    daemon.join().unwrap();
    let open = fs::read_to_string(world.path("fds")).unwrap();
    assert!(!open.contains("socket:"), "{open}");
    assert!(!open.contains("post-receive\n"), "the stub: {open}");
}
