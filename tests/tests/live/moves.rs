//! Code that moves on the server: branch, merge, promote, sync, delete, and the mirror.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use wharf_tests::{Tree, Watched, World};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use crate::app::{CONFIG, deployed};
use crate::turns::{gated, open};

/// What the project's file has beside its repository.
pub(crate) fn policy(world: &World, more: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n{more}")).unwrap();
    world.wharf(&["reload"]).ok();
}

/// The newest activity.
pub(crate) fn newest(world: &World) -> Activity {
    let mut all = world.activities(Some("shop"), 1).unwrap();
    all.pop().unwrap()
}

/// What git says of the bare repository.
fn bare(world: &World, words: &[&str]) -> String {
    let mut git = world.command("git");
    git.current_dir(world.repository("shop")).args(words);
    let said = wharf_tests::run(&mut git).ok().out;
    said.trim_end().to_owned()
}

pub(crate) fn tip(world: &World, branch: &str) -> Option<String> {
    world.tips("shop").remove(branch)
}

/// A commit on a branch that was begun on the server.
pub(crate) fn work_on(shop: &Tree<'_>, branch: &str, file: &str, text: &str) {
    shop.git(&["fetch", "--quiet", "wharf"]).ok();
    let from = format!("wharf/{branch}");
    shop.git(&["switch", "--quiet", "-C", branch, &from]).ok();
    shop.write(file, text);
    shop.commit(&format!("{file} of {branch}"));
    shop.push(&[branch]).ok();
}

#[test]
fn a_branch_is_begun_changed_and_merged_where_nobody_pushes() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let said = shop.wharf(&["branch", "feature", "--title", "New cart"]);
    said.ok()
        .has("feature begins at ")
        .lacks("it begins without data")
        .has("feature now serves r1.");
    assert_eq!(tip(&world, "feature"), tip(&world, "main"));
    let activity = newest(&world);
    assert_eq!(activity.kind, Kind::Branch);
    assert_eq!(activity.source.as_deref(), Some("main"));
    shop.wharf(&["info", "-e", "feature"]).ok().has("New cart");
    shop.wharf(&["branch", "feature"])
        .exits(6)
        .has("branch feature is there already");

    work_on(&shop, "feature", "version", "two\n");
    let said = shop.wharf(&["environment:merge"]);
    said.ok().has("main now serves r2 (was r1).");
    assert_eq!(tip(&world, "main"), tip(&world, "feature"), "fast-forward");
    shop.wharf(&["merge"])
        .exits(6)
        .has("main has all of feature already");

    // Both go on: a commit with both as parents, by whoever asked.
    work_on(&shop, "feature", "one", "1\n");
    work_on(&shop, "main", "version", "three\n");
    shop.wharf(&["merge", "-e", "feature"])
        .ok()
        .has("feature into main")
        .has("main now serves r4 (was r3).");
    let merged = tip(&world, "main").unwrap();
    let parents = bare(&world, &["log", "-1", "--format=%P|%s|%ae", &merged]);
    let subject = "Merge feature into main";
    assert!(parents.contains(&format!("|{subject}|")), "{parents}");
    assert!(parents.ends_with("@shop"), "{parents}");
    assert_eq!(parents.split('|').next().unwrap().split(' ').count(), 2);
    let activity = newest(&world);
    assert_eq!(
        (activity.kind, activity.state),
        (Kind::Merge, State::Succeeded)
    );
    assert_eq!(activity.commit.new, Some(merged));
    assert_eq!(activity.commit.subject, subject);

    // And down again.
    shop.wharf(&["sync", "code", "-e", "feature"])
        .ok()
        .has("main into feature")
        .has("feature now serves");
    assert_eq!(tip(&world, "main"), tip(&world, "feature"));
    shop.wharf(&["sync", "data", "-e", "main"])
        .exits(6)
        .has("data never goes up");
    shop.wharf(&["sync", "data", "-e", "feature"]).exits(6);
    shop.wharf(&["merge", "-e", "main"])
        .exits(6)
        .has("main has no parent");
    world.settle("shop").unwrap();
}

#[test]
fn a_conflict_is_listed_by_file_and_changes_nothing() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["branch", "feature"]).ok();
    let hostile = "error: \x1b[31mred";
    work_on(&shop, "feature", "version", "theirs\n");
    work_on(&shop, "feature", hostile, "theirs\n");
    work_on(&shop, "main", "version", "ours\n");
    work_on(&shop, "main", hostile, "ours\n");
    let before = (world.tips("shop"), newest(&world).id);
    let objects = bare(&world, &["count-objects", "-v"]);
    let said = shop.wharf(&["merge", "-e", "feature"]);
    let said = said
        .exits(6)
        .has("  conflict   version")
        .has("  conflict   error: \\x1b[31mred")
        .has("feature and main conflict in 2 files; nothing was changed");
    assert_eq!((world.tips("shop"), newest(&world).id), before);
    assert_eq!(bare(&world, &["count-objects", "-v"]), objects);

    // The commands that it says solve it.
    let text = format!("{}{}", said.out, said.err);
    let commands: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("    git "))
        .collect();
    assert_eq!(commands.len(), 2, "{text}");
    shop.sh(&format!("git {}", commands[0])).ok();
    shop.sh(&format!("git {}", commands[1])).exits(1);
    shop.write("version", "both\n");
    shop.write(hostile, "both\n");
    shop.commit("Solve it");
    shop.push(&["feature"]).ok();
    shop.wharf(&["merge", "-e", "feature"]).ok();
    shop.git(&["switch", "--quiet", "main"]).ok();
    assert_eq!(shop.get("/").body, "both\n");
}

#[test]
fn nothing_of_the_repository_runs_in_a_merge() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["branch", "feature"]).ok();
    let attributes = "* merge=evil\n";
    work_on(&shop, "feature", ".gitattributes", attributes);
    work_on(&shop, "feature", "version", "theirs\n");
    work_on(&shop, "main", ".gitattributes", attributes);
    work_on(&shop, "main", "one", "1\n");
    let ran = world.path("ran");
    let touch = format!("touch {}", ran.display());
    for key in [
        "merge.evil.driver",
        "filter.evil.smudge",
        "filter.evil.clean",
        "core.fsmonitor",
    ] {
        bare(&world, &["config", key, &touch]);
    }
    let hooks = world.repository("shop").join("hooks");
    for hook in ["reference-transaction", "post-merge", "commit-msg"] {
        let hook = hooks.join(hook);
        fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(
        world.repository("shop").join("info/attributes"),
        "* merge=evil\n",
    )
    .unwrap();
    shop.wharf(&["merge", "-e", "feature"]).ok();
    assert!(!ran.exists(), "something of the repository ran");
    assert!(bare(&world, &["log", "-1", "--format=%s", "main"]).starts_with("Merge"));
}

#[test]
fn a_merge_is_admitted_as_a_push_is() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["branch", "feature"]).ok();
    work_on(&shop, "feature", "one", "1\n");
    work_on(&shop, "main", "two", "2\n");
    // No hook saw this one.
    shop.git(&["switch", "--quiet", "feature"]).ok();
    shop.write("wharf.toml", "wrong");
    shop.commit("Wrong");
    shop.git(&["push", "--quiet", "wharf", "feature:refs/wrong/feature"])
        .ok();
    bare(
        &world,
        &["update-ref", "refs/heads/feature", "refs/wrong/feature"],
    );
    let before = tip(&world, "main");
    shop.wharf(&["merge", "-e", "feature"])
        .exits(6)
        .has("wharf.toml:1")
        .has("main still serves r2; nothing was changed.");
    assert_eq!(tip(&world, "main"), before);
}

#[test]
fn what_a_child_serves_is_promoted_without_a_build() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let declared = "[environments.production]\nbranch = \"main\"\ntype = \"production\"\n\
                    accept = \"merge\"\nmirror_to = \"master\"\n\
                    [environments.staging]\nbranch = \"staging\"\ntype = \"staging\"\n\
                    [environments.\"*\"]\nparent = \"staging\"\n";
    policy(&world, declared);
    shop.wharf(&["branch", "staging"]).ok();
    shop.wharf(&["branch", "feature", "staging"])
        .ok()
        .has("built again: open branches use no slug of protected ones");
    let built = format!("build = \"echo built >> /cache/count\"\n{}", CONFIG.1);
    work_on(&shop, "feature", "wharf.toml", &built);

    // From open to protected the same tree is built again, and the output says why.
    shop.wharf(&["promote", "-e", "feature"])
        .ok()
        .has("built again: protected branches use no slug of open ones")
        .has("staging now serves r2 (was r1).");
    shop.wharf(&["promote", "-e", "staging"])
        .ok()
        .has("of staging r2, not built again")
        .has("master is at")
        .has("main now serves r2 (was r1).");
    let count = world
        .home()
        .join("state/caches/shop/protected/shared/count");
    assert_eq!(fs::read_to_string(count).unwrap(), "built\n");
    assert_eq!(tip(&world, "main"), tip(&world, "staging"));
    assert_eq!(tip(&world, "master"), tip(&world, "main"));
    shop.wharf(&["promote", "-e", "staging"])
        .exits(6)
        .has("already");

    // A rollback moves the mirror back, and it is no environment.
    shop.wharf(&["rollback", "-e", "main"])
        .ok()
        .has("master is at");
    assert_ne!(tip(&world, "master"), tip(&world, "main"));
    let environments = shop.wharf(&["environments"]).ok().out;
    assert!(!environments.contains("master"), "{environments}");
    shop.wharf(&["branch", "x", "master"]).exits(6);
    shop.wharf(&["delete", "-e", "main"])
        .exits(6)
        .has("is production");

    // Who is behind is told how to come along.
    work_on(&shop, "staging", "one", "1\n");
    shop.wharf(&["promote", "-e", "feature"])
        .exits(6)
        .has("already");
    work_on(&shop, "feature", "two", "2\n");
    shop.wharf(&["promote", "-e", "feature"])
        .exits(6)
        .has("wharf sync code -e feature");
    shop.wharf(&["sync", "code", "-e", "feature"]).ok();
    shop.wharf(&["promote", "-e", "feature"]).ok();
}

#[test]
fn environments_go_with_their_children() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["branch", "a"]).ok();
    shop.wharf(&["branch", "b", "a"]).ok();
    shop.wharf(&["branch", "c", "b"]).ok();
    shop.wharf(&["info", "-e", "a", "--parent", "c"])
        .exits(6)
        .has("descends from it");
    shop.wharf(&["info", "-e", "c", "--parent", "a", "--title", "Third"])
        .ok()
        .has("parent: a");
    let all = world.environments(Some("shop")).unwrap();
    let third = all.iter().find(|one| one.id == "c").unwrap();
    assert_eq!(third.parent.as_deref(), Some("a"), "the tree shows it");
    assert_eq!(newest(&world).kind, Kind::Info);
    shop.wharf(&["delete", "-e", "a"])
        .exits(6)
        .has("a has children: b, c");
    shop.wharf(&["environment:delete", "-e", "c"])
        .ok()
        .has("c is deleted");
    shop.wharf(&["delete", "-e", "a", "--with-children"])
        .ok()
        .has("a serves nothing any more (was r1).");
    assert_eq!(world.tips("shop").keys().collect::<Vec<_>>(), ["main"]);
    world.settle("shop").unwrap();
}

#[test]
fn a_push_that_comes_in_between_is_not_lost() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["branch", "feature"]).ok();
    work_on(&shop, "feature", "two", "2\n");
    work_on(&shop, "main", "version", "three\n");
    shop.write("version", "four\n");
    shop.commit("In between");
    shop.git(&["push", "--quiet", "wharf", "main:refs/quiet/main"])
        .ok();
    world.freeze_at("move: judged");
    let merge = Watched::wharf(&shop, &["merge", "-e", "feature"]);
    world.wait_until_frozen();
    // No hook sees it, as little as a push's that git takes at this moment.
    bare(
        &world,
        &["update-ref", "refs/heads/main", "refs/quiet/main"],
    );
    world.thaw();
    assert!(merge.end().contains("success: "));
    world.settle("shop").unwrap();
    let merged = tip(&world, "main").unwrap();
    let subjects = bare(&world, &["log", "--format=%s", &merged]);
    assert!(subjects.contains("In between"), "{subjects}");
    assert!(subjects.contains("two of feature"), "{subjects}");
}

#[test]
fn a_dead_daemon_between_move_and_record_loses_nothing() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.wharf(&["branch", "feature"]).ok();
    for (round, point) in ["move: announced", "move: done", "record activities: after"]
        .into_iter()
        .enumerate()
    {
        work_on(&shop, "feature", "version", &format!("{round}\n"));
        let before = newest(&world).id;
        world.freeze_at(point);
        let merge = Watched::wharf(&shop, &["merge", "-e", "feature"]);
        world.wait_until_frozen();
        world.kill_daemon();
        drop(merge.end());
        world.start();
        world.settle("shop").unwrap();
        if point == "move: announced" {
            assert_eq!(newest(&world).id, before, "nothing had moved");
            shop.wharf(&["merge", "-e", "feature"]).ok();
        }
        let activity = newest(&world);
        assert_eq!(
            (activity.kind, activity.state),
            (Kind::Merge, State::Succeeded),
            "{point}"
        );
        assert_ne!(activity.actor.name, "unknown", "{point}");
        assert_eq!(activity.source.as_deref(), Some("feature"), "{point}");
        assert_eq!(tip(&world, "main"), tip(&world, "feature"));
        let all = world.activities(Some("shop"), 50).unwrap();
        let same = all
            .iter()
            .filter(|one| one.environment == "main" && one.commit.new == activity.commit.new);
        assert_eq!(same.count(), 1, "{point}: once");
    }
}

#[test]
fn a_merge_is_superseded_and_followed_like_a_push() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", &gated("gate"));
    shop.commit("Slow");
    let mut slow = Watched::push(&shop, &["main"]);
    slow.until("| waits for gate");
    shop.git(&["switch", "--quiet", "--create", "feature"]).ok();
    shop.write("wharf.toml", CONFIG.1);
    shop.commit("Quick");
    shop.push(&["feature"]).ok();
    let mut merge = Watched::wharf(&shop, &["merge"]);
    merge.until("still at work in this environment");
    shop.commit("Newest");
    shop.push(&["-o", "nowait", "feature:main"]).ok();
    let said = merge.end();
    assert!(said.contains("warning: superseded by "), "{said}");
    open(&world, "protected", "gate");
    assert!(slow.end().contains("main now serves r2 (was r1)."));
    world.settle("shop").unwrap();
}

/// As a forge's pipeline does it: the commit is pushed somewhere, then one environment gets it.
#[test]
fn a_pipeline_names_the_commit_that_goes_live() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.git(&["switch", "--quiet", "-c", "next"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["next"]).ok();
    let commit = tip(&world, "next").unwrap();
    let deploy = ["environment:deploy", "-e", "main", "--commit", &commit];
    shop.wharf(&deploy).ok().has("main now serves r2 (was r1).");
    assert_eq!(tip(&world, "main"), Some(commit.clone()));
    assert_eq!(newest(&world).kind, Kind::Push);
    // Asked again, for it may have been cut off: nothing is done twice.
    shop.wharf(&deploy).ok().has("main serves r2, which is");
    assert_eq!(world.releases("shop", "main").unwrap().len(), 2);
    let first = bare(&world, &["rev-parse", "main^"]);
    let back = ["deploy", "-e", "main", "--commit", &first];
    shop.wharf(&back).exits(6).has("has all of");
    let nowhere = "0".repeat(39) + "1";
    let unknown = ["deploy", "-e", "main", "--commit", &nowhere];
    shop.wharf(&unknown).exits(6).has("has no commit");
    shop.wharf(&["deploy", "-e", "main", "--commit", "main"])
        .exits(6)
        .has("40 digits");
}

#[test]
fn a_pipeline_follows_the_push_that_it_made_and_starts_no_second() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", &gated("gate"));
    shop.commit("Slow");
    shop.push(&["-o", "nowait", "main"]).ok();
    let push = newest(&world);
    let commit = tip(&world, "main").unwrap();
    let mut deploy = Watched::wharf(&shop, &["deploy", "--commit", &commit]);
    deploy.until("| waits for gate");
    open(&world, "protected", "gate");
    let said = deploy.end();
    assert!(said.contains("main now serves r2 (was r1)."), "{said}");
    assert!(said.contains(&format!("wharf log {}", push.id)), "{said}");
    world.settle("shop").unwrap();
    assert_eq!(newest(&world).id, push.id);
}

#[test]
fn where_code_comes_from_children_a_pipeline_brings_only_what_one_of_them_has() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    policy(
        &world,
        "[environments.main]\ntype = \"production\"\naccept = \"merge\"\n\
         [environments.staging]\ntype = \"staging\"\n\
         [environments.\"*\"]\nparent = \"staging\"\n",
    );
    shop.push(&["main:staging"]).ok();
    shop.git(&["switch", "--quiet", "-c", "feature"]).ok();
    shop.write("version", "two\n");
    shop.commit("Second");
    shop.push(&["feature"]).ok();
    let commit = tip(&world, "feature").unwrap();
    let deploy = ["deploy", "-e", "main", "--commit", &commit];
    shop.wharf(&deploy)
        .exits(6)
        .has("main takes code of its children only, and none of them has ")
        .has("merge into staging");
    shop.wharf(&["merge", "-e", "feature"]).ok();
    shop.wharf(&deploy).ok().has("main now serves r2 (was r1).");
}
