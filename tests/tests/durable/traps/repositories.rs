//! What is wrong with repositories, their hooks and their settings.

use std::{fs, os::unix::fs::symlink};

use rustix::process::geteuid;
use wharf_tests::{World, run};

use super::{bare, hints, mends, sh};

#[test]
fn each_project_s_hooks_and_settings_are_looked_at() {
    let world = World::new();
    let repository = bare(&world, "shop");
    bare(&world, "blog");
    world
        .wharf(&["doctor"])
        .ok()
        .has("the hooks of 2 repositories are in order");
    let config = repository.join("config");
    let config = config.display();
    let hook = repository.join("hooks/pre-receive");
    for (how, words) in [
        (
            format!("git config --file {config} --unset receive.advertisePushOptions"),
            "receive.advertisePushOptions is not set and should be true: git push -o fails",
        ),
        (
            format!("git config --file {config} receive.autogc yes"),
            "receive.autogc is true and should be false",
        ),
        (
            format!("git config --file {config} core.fsync none"),
            "core.fsync is none and should be all",
        ),
        (
            format!("chmod 644 {}", hook.display()),
            "hooks/pre-receive has the mode 644 instead of 755",
        ),
        (
            format!("sed -i 's,#!.*/,#!/nowhere/,' {}", hook.display()),
            "hooks/pre-receive starts /nowhere/wharf-pre-receive, which is gone",
        ),
        (
            format!("sed -i 's,^#! *,&/,' {}", hook.display()),
            "are not what this release of Wharf and its files would have: it brought hooks/pre-receive up to date",
        ),
        (
            format!("rm {}", hook.display()),
            "the installation is not complete",
        ),
        (
            format!("wharf hook uninstall {}", repository.display()),
            "shop.git has no hooks of Wharf",
        ),
    ] {
        sh(&world, &how);
        mends(&world, words);
        world
            .wharf(&["doctor"])
            .ok()
            .has("the hooks of 2 repositories are in order");
    }
    // Set for whoever asks, not in the repository.
    let file = world.path("gitconfig");
    fs::write(&file, "[core]\n\thooksPath = /nowhere\n").unwrap();
    let mut doctor = world.command("wharf");
    doctor.arg("doctor").env("GIT_CONFIG_GLOBAL", &file);
    run(&mut doctor)
        .exits(1)
        .has("core.hooksPath is /nowhere (file:");
}

#[test]
fn what_a_repository_says_of_itself_is_read_with_care() {
    let world = World::new();
    let repository = bare(&world, "shop");
    let borrow = repository.join("objects/info/alternates");
    fs::write(&borrow, "/nowhere/objects\n").unwrap();
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("borrows objects from /nowhere/objects: No such file");
    fs::remove_file(&borrow).unwrap();
    sh(&world, &format!("mkfifo {}", borrow.display()));
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("alternates: it is no regular file");
    fs::remove_file(&borrow).unwrap();

    // A file that keeps whoever opens the repository: it is said, and the rest looked at.
    let kept = repository.join("commondir");
    sh(&world, &format!("mkfifo {}", kept.display()));
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("git took longer than ")
        .has("commondir: it is no regular file")
        .has("owners and modes of ");
    fs::remove_file(&kept).unwrap();

    let head = repository.join("HEAD");
    fs::write(&head, "0000000000000000000000000000000000000001\n").unwrap();
    mends(&world, "its HEAD names no branch");

    // A pipe that nobody writes to, in the middle of the configuration.
    let pipe = world.path("pipe");
    sh(&world, &format!("mkfifo {}", pipe.display()));
    let config = repository.join("config");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        format!("{good}[include]\n\tpath = {}\n", pipe.display()),
    )
    .unwrap();
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("git took longer than ")
        .has(&format!("takes in {} (include.path)", pipe.display()));
    for bad in [format!("[core\n{good}"), "#\n".repeat(1 << 20)] {
        fs::write(&config, bad).unwrap();
        world.wharf(&["doctor"]).exits(1);
    }
    fs::remove_file(&config).unwrap();
    symlink("/dev/zero", &config).unwrap();
    world.wharf(&["doctor"]).exits(1).has("shop.git/config: ");
    fs::remove_file(&config).unwrap();
    fs::write(&config, good).unwrap();
    world.wharf(&["doctor"]).ok();

    let aside = world.path("aside");
    fs::rename(&repository, &aside).unwrap();
    let said = world
        .wharf(&["doctor"])
        .exits(1)
        .has("shop: ")
        .has("No such file or directory");
    assert!(said.out.contains("make it with git init --bare "), "{said}");
    fs::rename(&aside, &repository).unwrap();
    world.wharf(&["doctor"]).ok();
}

#[test]
fn a_repository_that_is_shut_is_opened_by_what_is_said() {
    if !geteuid().is_root() {
        return;
    }
    let world = World::unprivileged("[router]\nlisten = \"127.0.0.1:0\"\n");
    let repository = bare(&world, "shop");
    let shown = repository.display();
    world.wharf(&["doctor"]).ok();
    let as_root = |line: &str| {
        let mut sh = std::process::Command::new("sh");
        run(sh.args(["-c", line])).ok();
    };
    as_root(&format!("chown -R root:23456 {shown} && chmod 700 {shown}"));
    let said = world.wharf(&["doctor"]).exits(1);
    let said = said.has(&format!("shop: {shown}: Permission denied"));
    let fix = &hints(&said, "shop: ")[0];
    assert_eq!(*fix, format!("chmod -R g+rX {shown}"));
    as_root(fix);
    world.wharf(&["doctor"]).lacks("Permission denied");
    as_root(&format!("chown -R root:root {shown}; chmod 750 {shown}"));
    let said = world.wharf(&["doctor"]).exits(1);
    let fix = &hints(&said, "shop: ")[0];
    assert!(
        fix.starts_with("usermod --append --groups root 23456"),
        "{fix}"
    );
}
