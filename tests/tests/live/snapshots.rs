//! Snapshots of environments' data: taken, listed, restored, tried, taken away; and what happens where
//! something is in the way.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode};
use serde_json::Value;
use wharf_tests::{Tree, Watched, World, pause, run};
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::Activity;

use crate::stores;
use crate::web::WEB;

/// Two mounts, of which one is copied; what serves shows the copied one's content.
const CONFIG: &str = "web = \"exec python3 app.py\"\n\n[deploy]\nhealth = { path = \"/\", within = \"10s\" }\n\n\
    [mounts]\nuploads = \"data\"\n\"var/own\" = \"private\"\n";

/// A server that answers with what is in the data mount.
pub(crate) const SERVER: &str = r#"import os, web

def answer(path):
    if not os.path.exists("uploads/text"):
        return "nothing\n"
    return open("uploads/text").read()

web.serve(answer)
"#;

/// A shop whose data mount holds the word `old`, and a file of a megabyte.
pub(crate) fn shop(world: &World) -> Tree<'_> {
    let shop = world.site("shop", &[("wharf.toml", CONFIG), ("app.py", SERVER), WEB]);
    shop.init().ok();
    shop.push(&["main"]).ok().has("main now serves r1.");
    put(&shop, "old");
    let fill = "head -c 1000000 /dev/urandom >uploads/big; ln -s /etc/passwd uploads/link; echo own >var/own/text";
    shop.wharf(&["run", "--", "sh", "-c", fill]).ok();
    shop
}

/// Writes a word into the data mount.
pub(crate) fn put(shop: &Tree<'_>, word: &str) {
    put_into(shop, "main", word);
}

/// The same of another environment.
fn put_into(shop: &Tree<'_>, environment: &str, word: &str) {
    let line = format!("echo {word} >uploads/text");
    let words = ["run", "-e", environment, "--", "sh", "-c", &line];
    shop.wharf(&words).ok();
}

/// Every snapshot of the shop, newest first.
pub(crate) fn snapshots(shop: &Tree<'_>) -> Vec<Value> {
    let said = shop.wharf(&["snapshot", "list", "--json"]).ok();
    serde_json::from_str(&said.out).unwrap()
}

/// What the repository has, as whoever has restic sees it.
pub(crate) fn stored(world: &World, shop: &Tree<'_>) -> Vec<Value> {
    let restic = format!(
        "RESTIC_PASSWORD_FILE={0}/keys/snapshots.key restic -r {0}/snapshots/shop --no-cache snapshots --json",
        state(world).display()
    );
    serde_json::from_str(&shop.sh(&restic).ok().out).unwrap()
}

/// The newest one's id.
fn newest(shop: &Tree<'_>) -> String {
    snapshots(shop)[0]["id"].as_str().unwrap().to_owned()
}

/// Takes one; its id.
pub(crate) fn create(shop: &Tree<'_>) -> String {
    shop.wharf(&["snapshot", "create"])
        .ok()
        .has("the snapshot is taken");
    newest(shop)
}

/// The newest activity that somebody asked for.
pub(crate) fn last(world: &World) -> Activity {
    let all = world.activities(Some("shop"), 10).unwrap();
    let mut all = all.into_iter();
    all.find(|one| one.actor.name != "wharf").unwrap()
}

/// The state directory.
pub(crate) fn state(world: &World) -> PathBuf {
    world.home().join("state")
}

/// Nothing is left of what was arriving.
fn nothing_arrives(world: &World) {
    let mounts = state(world).join("mounts/shop/main");
    let names = fs::read_dir(mounts).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn data_comes_back_as_it_was_and_what_was_there_is_kept() {
    let world = World::new();
    let shop = shop(&world);
    shop.wharf(&["snapshot", "create", "--title", "before the sale"])
        .ok()
        .has("the snapshot is taken")
        .has("main still serves r1.");
    let first = newest(&shop);
    let said = snapshots(&shop).remove(0);
    assert_eq!(said["state"], "good");
    assert_eq!(said["why"], "manual");
    assert_eq!(said["title"], "before the sale");
    assert_eq!(said["release"], 1);
    assert!(said["bytes"].as_u64().unwrap() > 1_000_000, "{said}");
    assert!(said["added"].as_u64().unwrap() > 1_000_000, "{said}");

    // Nothing has changed, so nothing but the list of files is new.
    create(&shop);
    let again = snapshots(&shop).remove(0);
    assert!(again["added"].as_u64().unwrap() < 10_000, "{again}");
    assert_eq!(again["bytes"], said["bytes"]);

    put(&shop, "new");
    shop.wharf(&[
        "run",
        "--",
        "sh",
        "-c",
        "rm uploads/big; echo kept >var/own/text",
    ])
    .ok();
    assert_eq!(shop.get("/").ok(), "new\n");
    shop.wharf(&["snapshot", "restore", &first])
        .ok()
        .has("and verified")
        .has("what was there is kept on the host as ")
        .has("main serves r1 with it.");
    assert_eq!(shop.get("/").ok(), "old\n");
    let look = "stat -c %s uploads/big; readlink uploads/link; cat var/own/text";
    shop.wharf(&["run", "--", "sh", "-c", look])
        .ok()
        .has("1000000\n/etc/passwd\nkept\n");
    let restore = last_of(&world, Kind::Restore);
    let kept = state(&world).join("kept").join(&restore.id);
    let names: Vec<_> = fs::read_dir(&kept).unwrap().collect();
    assert_eq!(names.len(), 1, "the data mount alone");
    let old = names.into_iter().next().unwrap().unwrap().path();
    assert_eq!(fs::read_to_string(old.join("text")).unwrap(), "new\n");
    nothing_arrives(&world);
    assert!(snapshots(&shop)[1]["verified"].is_u64());

    // Whoever has tar, and restic, can look into it.
    let out = format!("wharf snapshot export {first} | tar xf - -C . --one-top-level=out");
    shop.sh(&out).ok().has("mounts");
    shop.sh("cat out/*/text && cmp out/*/big out/*/big")
        .ok()
        .has("old");
    shop.wharf(&["snapshot", "export", &first, "-o", "one.tar"])
        .ok();
    assert!(shop.path().join("one.tar").metadata().unwrap().len() > 1_000_000);
    let listed = stored(&world, &shop);
    assert_eq!(listed.len(), 2);
    assert!(
        listed[0]["tags"]
            .as_array()
            .unwrap()
            .contains(&first.as_str().into())
    );

    shop.wharf(&["snapshot", "delete", &first])
        .ok()
        .has("the snapshot is gone");
    assert_eq!(snapshots(&shop).len(), 1);
    for words in [["restore", &first], ["export", &first], ["delete", &first]] {
        let line = format!("wharf snapshot {} >refused", words.join(" "));
        shop.sh(&line).exits(5).has("there is no snapshot");
    }
    assert_eq!(stored(&world, &shop).len(), 1);
}

#[test]
fn the_release_comes_back_with_its_data_and_a_pause_stays() {
    let world = World::new();
    let shop = shop(&world);
    let first = create(&shop);
    shop.write("other", "two\n");
    shop.commit("Two");
    shop.push(&["main"]).ok().has("main now serves r2");
    put(&shop, "new");
    shop.wharf(&["snapshot", "restore", &first, "--with-release"])
        .ok()
        .has("main serves r1 with it.");
    assert_eq!(shop.get("/").ok(), "old\n");
    shop.push(&["main:feature"]).ok();
    // One that is paused stays paused.
    let feature = ["-e", "feature"];
    let wharf = |words: &[&str]| shop.wharf(&[words, &feature].concat());
    wharf(&["run", "--", "true"]).ok();
    put_into(&shop, "feature", "one");
    wharf(&["snapshot", "create"]).ok();
    let of_feature = newest(&shop);
    put_into(&shop, "feature", "two");
    wharf(&["pause"]).ok();
    wharf(&["snapshot", "restore", &of_feature])
        .ok()
        .has("it was paused before, and stays so");
    assert_eq!(world.get("feature--shop.localhost", "/").status, 503);
    wharf(&["resume"]).ok();
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "one\n");
}

#[test]
fn data_never_goes_upward() {
    let world = World::new();
    let shop = shop(&world);
    shop.push(&["main:feature"]).ok();
    shop.push(&["main:other"]).ok();
    put_into(&shop, "feature", "feature");
    shop.wharf(&["snapshot", "create", "-e", "feature"]).ok();
    let of_feature = newest(&shop);
    for into in ["main", "other"] {
        shop.wharf(&["snapshot", "restore", &of_feature, "-e", into])
            .exits(6)
            .has("may not go into")
            .has("data goes into the environment that it is of");
    }
    // Over the socket, too, where no client of ours says what is asked.
    let (refused, restores) = upward(&world, &of_feature);
    assert!(refused.contains("may not go into"), "{refused}");
    assert_eq!(restores, 0);
    assert_eq!(shop.get("/").ok(), "old\n");
    // Production's leaves it unscrubbed only where the operator says so.
    let of_main = create(&shop);
    shop.wharf(&["snapshot", "restore", &of_main, "-e", "feature"])
        .exits(6)
        .has("leaves it only scrubbed")
        .has("[data] sanitize = \"COMMAND\"");
    rule(&world, "[data]\nsanitize = false\n");
    shop.wharf(&["snapshot", "restore", &of_main, "-e", "feature"])
        .ok()
        .has("feature serves r1 with it.");
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "old\n");
    shop.wharf(&[
        "snapshot",
        "restore",
        &of_main,
        "-e",
        "feature",
        "--with-release",
    ])
    .exits(6)
    .has("is of main");
}

/// Asks for a restore into production; the refusal, and how many activities came of it.
fn upward(world: &World, snapshot: &str) -> (String, usize) {
    use wharf_wire::ask::{Ask, Data, Scope};
    let ask = Ask::RestoreSnapshot {
        scope: Scope {
            project: Some("shop".into()),
            environment: Some("main".into()),
            ..Scope::default()
        },
        snapshot: snapshot.to_owned(),
        what: Data::Alone,
    };
    let refusal = world.ask(ask).unwrap_err();
    let all = world.activities(Some("shop"), 100).unwrap();
    let restores = all.iter().filter(|one| one.kind == Kind::Restore);
    (refusal, restores.count())
}

/// Turns a byte over in the middle of each file of data.
pub(crate) fn damage(world: &World) {
    let data = state(world).join("snapshots/shop/data");
    let directories = fs::read_dir(data).unwrap().map(|one| one.unwrap().path());
    for file in directories.flat_map(|one| fs::read_dir(one).unwrap()) {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        // They are read-only.
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_damaged_snapshot_is_found_before_anything_is_touched() {
    let world = World::new();
    let shop = stores::shop(&world);
    let first = create(&shop);
    stores::put(&world, "main", "new");
    damage(&world);
    let kept = || {
        let all = world.processes();
        all.iter().filter_map(|one| one.keeps()).collect::<Vec<_>>()
    };
    let before = kept();
    shop.wharf(&["snapshot", "restore", &first])
        .exits(3)
        .has("cannot be restored")
        .has("main still serves r1; nothing was changed.");
    stores::keeps(&world, "main", "new", "what serves is as it was");
    assert_eq!(kept(), before, "what serves was not started again");
    stores::nothing_is_left(&world, 1, "what came is gone");
    assert_eq!(last(&world).reason.unwrap().code, "snapshot-bad");
    let said = snapshots(&shop).remove(0);
    assert_eq!(said["state"], "bad");
    assert!(
        said["error"]
            .as_str()
            .unwrap()
            .contains("cannot be restored")
    );
    // And it is not tried again.
    shop.wharf(&["snapshot", "restore", &first])
        .exits(6)
        .has("is bad");
    // What is not what was written is seen when the next one is taken, too.
    shop.wharf(&["snapshot", "create"]).exits(3);
    assert_eq!(snapshots(&shop)[0]["state"], "bad");
}

/// Writes what follows the project's first line into its file, and has the daemon read it.
fn rule(world: &World, tables: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{old}\n{tables}")).unwrap();
    world.wharf(&["reload"]).ok();
}

#[test]
fn deploy_commands_run_only_where_the_data_was_copied_before() {
    let world = World::new();
    let shop = shop(&world);
    rule(
        &world,
        "[environments.main]\ntype = \"production\"\nsnapshots = false\nsnapshot_before_deploy = true\n",
    );
    // None runs, so nothing is copied.
    shop.write("other", "two\n");
    shop.commit("Two");
    shop.push(&["main"]).ok().lacks("snapshot");
    let migrate = CONFIG.replace(
        "[deploy]\n",
        "[deploy]\nrun = \"echo migrated >uploads/text\"\n",
    );
    shop.write("wharf.toml", &migrate);
    shop.commit("Three");
    shop.push(&["main"]).ok().has("snapshot").has("of which");
    assert_eq!(shop.get("/").ok(), "migrated\n");
    let before = snapshots(&shop).remove(0);
    assert_eq!(before["why"], "before-deploy");
    assert_eq!(before["release"], 2);
    assert_eq!(before["id"], last(&world).id);
    shop.wharf(&["snapshot", "restore", before["id"].as_str().unwrap()])
        .ok();
    assert_eq!(shop.get("/").ok(), "old\n");
    // Without a copy no command runs.
    fs::rename(state(&world).join("snapshots/shop"), world.path("gone")).unwrap();
    fs::write(state(&world).join("snapshots/shop"), "in the way").unwrap();
    put(&shop, "new");
    shop.write("other", "four\n");
    shop.commit("Four");
    shop.push(&["main"]).has("main still serves r3");
    assert_eq!(last(&world).state, State::Failed);
    assert_eq!(shop.get("/").ok(), "new\n");
}

#[test]
fn snapshots_are_taken_in_their_rhythm_and_the_older_go() {
    let world = World::new();
    let shop = shop(&world);
    world.forget_trace();
    rule(
        &world,
        "[environments.main]\ntype = \"production\"\n\
         snapshots = { every = \"1s\", keep = \"1 per year for 1 year\" }\n",
    );
    let pause = "step deploy verify: ended";
    world.wait_for_point(pause);
    world.wait_for_point("record no snapshot: after");
    rule_off(&world);
    let taken = last_of(&world, Kind::Snapshot);
    assert_eq!(taken.actor.name, "wharf");
    let all = snapshots(&shop);
    assert!(all.len() <= 3, "{all:?}");
    assert!(all.iter().all(|one| one["why"] == "scheduled"), "{all:?}");
}

#[test]
fn one_that_takes_long_keeps_no_other_environment_waiting() {
    let world = World::new();
    let config = "public = \".\"\n[services.slow]\ntype = \"custom\"\n\
        start = \"touch $SOCKET; exec sleep 600\"\nready = \"test -e $SOCKET\"\n\
        dump = \"if test -p gate; then cat gate; else echo all; fi\"\nrestore = \"cat >all\"\n";
    let shop = world.site("shop", &[("wharf.toml", config)]);
    shop.init();
    shop.push(&["main"]).ok();
    shop.push(&["main:side"]).ok();
    let gate = state(&world).join("mounts/shop/main/services/slow/gate");
    rustix::fs::mknodat(CWD, &gate, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let slow = Watched::wharf(&shop, &["snapshot", "create"]);
    let mut gate = fs::File::options().write(true).open(gate).unwrap();
    let locks = state(&world).join("snapshots/shop/locks");
    let began = std::time::Instant::now();
    while fs::read_dir(&locks).map_or(0, Iterator::count) == 0 {
        assert!(began.elapsed() < wharf_tests::LIMIT, "nothing is locked");
        pause();
    }
    shop.wharf(&["snapshot", "create", "-e", "side"])
        .ok()
        .has("the snapshot is taken");
    gate.write_all(b"the rest").unwrap();
    drop(gate);
    slow.said().ok().has("8 B, of which");
}

fn rule_off(world: &World) {
    let file = world.home().join("config/projects.d/shop.toml");
    let old = fs::read_to_string(&file).unwrap();
    let (before, after) = old.split_once("snapshots = {").unwrap();
    let after = after.split_once('\n').unwrap().1;
    fs::write(&file, format!("{before}snapshots = false\n{after}")).unwrap();
    world.wharf(&["reload"]).ok();
}

/// The newest activity of a kind.
pub(crate) fn last_of(world: &World, kind: Kind) -> Activity {
    let all = world.activities(Some("shop"), 100).unwrap();
    all.into_iter().find(|one| one.kind == kind).unwrap()
}

#[test]
fn a_restore_that_is_stopped_before_the_swap_leaves_everything() {
    let world = World::new();
    let shop = shop(&world);
    let first = create(&shop);
    put(&shop, "new");
    let pack = largest_pack(&world);
    let aside = world.path("pack");
    fs::rename(&pack, &aside).unwrap();
    run(world.command("mkfifo").arg(&pack)).ok();
    let watched = Watched::wharf(&shop, &["snapshot", "restore", &first]);
    // It opens once somebody reads: restic, which then waits for what never comes.
    let pipe = OpenOptions::new().write(true).open(&pack).unwrap();
    shop.wharf(&["cancel", &last(&world).id]).ok();
    drop((watched, pipe));
    fs::rename(&aside, &pack).unwrap();
    assert_eq!(last(&world).state, State::Cancelled);
    assert_eq!(shop.get("/").ok(), "new\n");
    nothing_arrives(&world);
    assert_eq!(snapshots(&shop)[0]["state"], "good");
    // Nothing of restic's is left to run.
    let restic = world
        .command("pgrep")
        .args(["-f", &state(&world).display().to_string()])
        .output();
    let running = String::from_utf8(restic.unwrap().stdout).unwrap();
    let names = running
        .lines()
        .map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default());
    assert!(names.into_iter().all(|name| name.trim() != "restic"));
}

/// Where most of what was copied is.
fn largest_pack(world: &World) -> PathBuf {
    let entries = |dir: PathBuf| {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let packs = entries(state(world).join("snapshots/shop/data")).flat_map(entries);
    let largest = packs.max_by_key(|pack| pack.metadata().unwrap().len());
    largest.unwrap()
}
