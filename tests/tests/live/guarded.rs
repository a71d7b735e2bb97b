//! Owners and modes: each that lets somebody else have a say is named with the command that mends it,
//! and after that command nothing is left to say.

use std::fs;
use std::path::Path;

use rustix::process::geteuid;
use wharf_tests::{Said, World, run};

use crate::app::deployed;

/// A user whom nobody needs to know by name.
const SOMEBODY: u32 = 12_345;

fn sh(world: &World, line: &str) -> Said {
    let mut command = world.command("sh");
    run(command.args(["-c", line]).current_dir(world.path(""))).ok()
}

/// The hint that follows a line with these words.
fn hint(said: &Said, words: &str) -> String {
    let mut lines = said.out.lines().skip_while(|line| !line.contains(words));
    let found = lines.nth(1).unwrap_or_else(|| panic!("{words}?\n{said}"));
    found.split_once("hint  ").unwrap().1.to_owned()
}

/// Breaks something, and lets `wharf doctor` say how it is mended.
fn breaks(world: &World, how: &str, words: &str) {
    sh(world, how);
    let said = world.wharf(&["doctor"]).exits(1).has(words);
    let fix = hint(&said, words);
    sh(world, &fix);
    // It looks at its configuration by itself, and this waits for that.
    world.wharf(&["reload"]).ok();
    let mended = world.wharf(&["doctor"]);
    assert!(mended.code == 0, "after {how} and {fix}: {mended}");
    mended.has("owners and modes of ");
}

#[test]
fn each_mode_that_lets_others_in_is_named_with_its_fix() {
    let world = World::new();
    let _shop = deployed(&world, "shop");
    world.wharf(&["doctor"]).ok().has("owners and modes of ");
    for (path, mode, words) in [
        (
            "wharf/config/wharfd.toml",
            "666",
            "wharfd.toml may be changed by everybody: mode 0666",
        ),
        (
            "wharf/config/projects.d",
            "777",
            "projects.d may be changed by everybody",
        ),
        (
            "wharf/config/projects.d/shop.toml",
            "646",
            "shop.toml may be changed by everybody",
        ),
        ("wharf/config", "757", "config may be changed by everybody"),
        (
            "wharf/state",
            "755",
            "state may be read by everybody: mode 0755",
        ),
        (
            "wharf/state/wharf.db",
            "644",
            "wharf.db may be read by everybody",
        ),
        (
            "wharf/state/wharf.db-wal",
            "606",
            "may be changed by everybody and may be read by everybody",
        ),
        ("wharf/state/logs", "711", "logs may be read by everybody"),
        ("wharf/run", "755", "run may be read by everybody"),
        (
            "wharf/run/wharfd.sock",
            "666",
            "wharfd.sock may be changed by everybody",
        ),
        (
            "wharf/run/router.sock",
            "622",
            "router.sock may be changed by everybody",
        ),
        ("wharf/git", "777", "git may be changed by everybody"),
        (
            "wharf/git/shop.git",
            "777",
            "shop.git may be changed by everybody",
        ),
        (
            "wharf/git/shop.git/config",
            "666",
            "config may be changed by everybody",
        ),
        (
            "wharf/git/shop.git/hooks",
            "777",
            "hooks may be changed by everybody: mode 0777",
        ),
        (
            "wharf/git/shop.git/hooks/pre-receive",
            "757",
            "pre-receive may be changed by everybody",
        ),
    ] {
        breaks(&world, &format!("chmod {mode} {path}"), words);
    }
}

#[test]
fn what_runs_at_a_push_is_nobodys_but_the_owners() {
    let world = World::new();
    let _shop = deployed(&world, "shop");
    let open = world.path("work/open");
    fs::write(&open, "#!/bin/sh\n").unwrap();
    sh(&world, "chmod 777 work/open");
    let hooks = "wharf/git/shop.git/hooks";
    breaks(
        &world,
        &format!("ln -s {} {hooks}/update", open.display()),
        "hooks/update is a link out of the repository to",
    );
    let root = "cp -r wharf/git/shop.git/hooks work/hooks && rm -r wharf/git/shop.git/hooks && chmod 777 work/hooks";
    sh(&world, root);
    sh(
        &world,
        &format!("ln -s {} {hooks}", world.path("work/hooks").display()),
    );
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("shop.git/hooks is a link out of the repository to");
    sh(
        &world,
        &format!("rm {hooks} && cp -r work/hooks {hooks} && chmod 755 {hooks}"),
    );
    world.wharf(&["doctor"]).ok();

    let config = "git config --file wharf/git/shop.git/config";
    for (how, words) in [
        ("core.hooksPath /tmp", "core.hooksPath is /tmp"),
        ("core.worktree /tmp", "core.worktree is /tmp"),
        (
            "--unset receive.fsckObjects",
            "receive.fsckObjects is not set",
        ),
        (
            "receive.fsckObjects false",
            "receive.fsckObjects is not set",
        ),
    ] {
        breaks(&world, &format!("{config} {how}"), words);
    }
}

/// Only root gives files away; who is not root has nobody else's.
#[test]
fn what_belongs_to_somebody_else_is_named() {
    if !geteuid().is_root() {
        return;
    }
    let world = World::new();
    let _shop = deployed(&world, "shop");
    for path in [
        "wharf/config/wharfd.toml",
        "wharf/config/projects.d",
        "wharf/state",
        "wharf/run/wharfd.sock",
        "wharf/git/shop.git/hooks/post-receive",
        "wharf/git/shop.git/hooks",
        "wharf/git",
    ] {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        let words = format!("{name} belongs to {SOMEBODY}");
        breaks(&world, &format!("chown {SOMEBODY} {path}"), &words);
    }
    // A repository may be anybody's, with hooks of theirs or of root's, also as links, as gitolite
    // has them, and in directories, as Gitea and GitLab do.
    let hooks = "wharf/git/shop.git/hooks";
    let common = world.path("wharf/git/common");
    let shown = common.display();
    sh(
        &world,
        &format!(
            "echo x > {shown} && ln -s {shown} {hooks}/update && mkdir {hooks}/update.d && echo x > {hooks}/update.d/own"
        ),
    );
    sh(
        &world,
        &format!("chown -R {SOMEBODY} wharf/git/shop.git {shown}"),
    );
    world.wharf(&["doctor"]).ok();
    sh(&world, &format!("chown 54321 {hooks}/update.d/own"));
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("own belongs to 54321");
    sh(
        &world,
        &format!("chown {SOMEBODY} {hooks}/update.d/own && chown 54321 {shown}"),
    );
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("hooks/update is a link out of the repository");
    sh(&world, &format!("chown {SOMEBODY} {shown}"));
    sh(&world, "chown 54321 wharf/git/shop.git/hooks/pre-receive");
    let said = world.wharf(&["doctor"]).exits(1);
    let fix = hint(&said, "pre-receive belongs to 54321");
    assert!(fix.starts_with(&format!("chown {SOMEBODY} /")), "{fix}");
}

/// Who shares a group may say what runs, and where a repository is shared on purpose that is a warning.
#[test]
fn a_group_is_named_by_who_is_in_it() {
    if !geteuid().is_root() {
        return;
    }
    let world = World::new();
    let _shop = deployed(&world, "shop");
    let share = |path: &str| format!("chgrp daemon {path} && chmod g+w {path}");
    let words = "hooks may be changed by the group daemon (daemon)";
    breaks(&world, &share("wharf/git/shop.git/hooks"), words);
    sh(&world, &share("wharf/git/shop.git"));
    let said = world.wharf(&["doctor"]).ok();
    let fix = hint(&said, "shop.git may be changed by the group daemon");
    assert!(fix.starts_with("chmod g-w /"), "{fix}");
}

#[test]
fn it_is_looked_at_without_a_daemon_too() {
    let world = World::new();
    let _shop = deployed(&world, "shop");
    world.end_daemon();
    sh(
        &world,
        "chmod 755 wharf/state && chmod 777 wharf/git/shop.git/hooks",
    );
    world
        .wharf(&["doctor"])
        .exits(1)
        .has("state may be read by everybody")
        .has("hooks may be changed by everybody");
    world.start();
}

#[test]
fn a_git_that_trusts_every_directory_is_named() {
    let world = World::new();
    let file = world.path("gitconfig");
    fs::write(&file, "[safe]\n\tdirectory = *\n").unwrap();
    let mut doctor = world.command("wharf");
    doctor.arg("doctor").env("GIT_CONFIG_GLOBAL", &file);
    let said = run(&mut doctor).has("safe.directory is *");
    sh(&world, &hint(&said, "safe.directory is *"));
    run(&mut doctor).lacks("safe.directory");
}

#[test]
fn configuration_that_everybody_may_change_does_not_count() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    for path in ["config/wharfd.toml", "config/projects.d", "config"] {
        let path = world.home().join(path);
        let shown = path.display();
        sh(&world, &format!("chmod o+w {shown}"));
        let words = "everybody on this host may change it";
        world.wharf(&["reload"]).exits(1).has(words);
        world.end_daemon();
        run(&mut world.command("wharfd")).exits(78).has(words);
        sh(&world, &format!("chmod o-w {shown}"));
        world.start();
    }
    // One project's file disables its own change only.
    let file = world.home().join("config/projects.d/shop.toml");
    sh(&world, &format!("chmod 666 {}", file.display()));
    world
        .wharf(&["reload"])
        .exits(1)
        .has("everybody on this host may change it");
    shop.write("version", "two\n");
    shop.commit("Two");
    shop.push(&["main"]).ok().has("main now serves r2");
}
