//! The daemon dies anywhere while data is copied or brought back: what is there afterwards is the old or the new, in
//! all stores alike, and nothing is left beside it.

use serde_json::Value;
use wharf_tests::{Tree, Watched, World};
use wharf_wire::outcome::State;
use wharf_wire::view::Activity;

use crate::downward::rule;
use crate::snapshots::{create, last, snapshots, stored};
use crate::stores::{keeps, nothing_is_left, put, shop};

/// Every point that a command passes, once each, of those that begin or end so. Where nothing but the record is written
/// between two, one is enough, unless `WHARF_CRASH_ALL` asks for all.
fn points(world: &World, shop: &Tree<'_>, words: &[&str], own: &[&str]) -> Vec<String> {
    world.forget_trace();
    shop.wharf(words).ok();
    let mut seen = Vec::new();
    for point in world.trace() {
        // What others pass meanwhile, and what came before it was accepted, tells nothing here.
        let is_own = own
            .iter()
            .any(|one| point.starts_with(one) || point.ends_with(one));
        let same = [": starting", ": ended", ": before"];
        let is_same = same.iter().any(|same| point.ends_with(same));
        if is_own && (is_thorough() || !is_same) && !seen.contains(&point) {
            seen.push(point);
        }
    }
    seen
}

/// Whether much more is tried than each time.
fn is_thorough() -> bool {
    std::env::var_os("WHARF_CRASH_ALL").is_some()
}

/// Who dies.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The daemon alone: what serves and what it started lives on.
    Daemon,
    /// All that runs.
    Everybody,
}

/// Those who die at a point: the daemon, and with `WHARF_CRASH_ALL` everybody, too. Where another environment's services
/// are asked for something these start again at the same time, so it is tried there each time.
fn victims(point: &str) -> &'static [Victim] {
    match is_thorough() || point == "sync: scrubbing" {
        true => &[Victim::Daemon, Victim::Everybody],
        false => &[Victim::Daemon],
    }
}

/// Begins a command, kills the daemon at a point, starts it again and waits for what comes of it.
pub(crate) fn killed_at(world: &World, shop: &Tree<'_>, words: &[&str], point: &str) -> Activity {
    died_at(world, shop, words, (Victim::Daemon, point))
}

fn died_at(
    world: &World,
    shop: &Tree<'_>,
    words: &[&str],
    (victim, point): (Victim, &str),
) -> Activity {
    world.freeze_at(point);
    let watched = Watched::wharf(shop, words);
    world.wait_until_frozen();
    match victim {
        Victim::Daemon => world.kill_daemon(),
        Victim::Everybody => world.kill_everything(),
    }
    world.forget_trace();
    world.start();
    let id = last(world).id;
    shop.wharf(&["activity", "wait", &id]);
    drop(watched);
    last(world)
}

#[test]
fn a_snapshot_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    create(&shop);
    let words = ["snapshot", "create"];
    let own = [
        "step ",
        "dump of ",
        "snapshot: ",
        "snapshot: before",
        "snapshot: after",
    ];
    let passed = points(&world, &shop, &words, &own);
    for wanted in [
        "step deploy snapshot: started",
        "dump of main: begun",
        "snapshot: copied mounts",
        "snapshot: copied service:cache",
        "record parts of snapshot: after",
        "record good snapshot: after",
    ] {
        assert!(passed.iter().any(|one| one == wanted), "{passed:?}");
    }
    for point in &passed {
        for victim in victims(point) {
            let ended = died_at(&world, &shop, &words, (*victim, point));
            let when = format!("{victim:?} at {point}");
            assert_eq!(ended.state, State::Succeeded, "{when}");
            let all = snapshots(&shop);
            assert_eq!(all[0]["id"], ended.id, "{when}");
            assert!(
                all.iter().all(|one| one["state"] == "good"),
                "{when}: {all:?}"
            );
            keeps(&world, "main", "old", &when);
            nothing_is_left(&world, 1, &when);
        }
    }
    // Each is there once with its three parts, and each can be restored.
    let all = snapshots(&shop);
    assert_eq!(stored(&world, &shop).len(), 3 * all.len());
    put(&world, "main", "new");
    let oldest = all.last().unwrap()["id"].as_str().unwrap();
    shop.wharf(&["snapshot", "restore", oldest]).ok();
    keeps(&world, "main", "old", "at the end");
}

#[test]
fn a_restore_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    let first = create(&shop);
    put(&world, "main", "new");
    let words = ["snapshot", "restore", &first];
    let own = match is_thorough() {
        true => &["step ", "snapshot: ", "load of ", "swap: "][..],
        // What the release passes then it passes in a rollback, too.
        false => &[
            "step deploy fetch",
            "snapshot: ",
            "load of ",
            "swap: ",
            "step deploy s",
        ][..],
    };
    let passed = points(&world, &shop, &words, own);
    for wanted in [
        "step deploy fetch: started",
        "snapshot: fetched service:main",
        "load of main: begun",
        "load of cache: done",
        "swap: quiet",
        "swap: kept main",
        "swap: replaced cache",
        "step deploy service main: started",
    ] {
        assert!(passed.iter().any(|one| one == wanted), "{passed:?}");
    }
    for point in &passed {
        for victim in victims(point) {
            put(&world, "main", "new");
            let ended = died_at(&world, &shop, &words, (*victim, point));
            let when = format!("{victim:?} at {point}");
            assert_eq!(ended.state, State::Succeeded, "{when}");
            keeps(&world, "main", "old", &when);
            nothing_is_left(&world, 1, &when);
            is_kept(&world, &ended, &when);
        }
    }
    let all: Vec<Value> = snapshots(&shop);
    assert!(all.iter().all(|one| one["state"] == "good"), "{all:?}");
}

/// That what was there is kept whole: the mount's word, and both servers' files.
fn is_kept(world: &World, restore: &Activity, when: &str) {
    let kept = world.home().join("state/kept").join(&restore.id);
    let mounts = std::fs::read_dir(&kept).unwrap();
    let text = mounts
        .into_iter()
        .find_map(|one| std::fs::read_to_string(one.unwrap().path().join("text")).ok());
    assert_eq!(text.as_deref(), Some("new"), "{when}");
    for file in ["main/PG_VERSION", "cache/appendonlydir"] {
        assert!(kept.join("services").join(file).exists(), "{when}: {file}");
    }
}

/// Returns once the parent serves that somebody killed: only what the activity touches serves when it has ended.
fn is_up(world: &World, victim: Victim) {
    if matches!(victim, Victim::Everybody) {
        world.wait_for_point("mended main");
    }
}

/// Has the data of all stores scrubbed on its way down.
const SCRUB: &str = r#"[data]
sanitize = """printf scrubbed >uploads/text
psql -q $MAIN_URL -c "UPDATE words SET word = 'scrubbed'"
REDISCLI_AUTH=$CACHE_PASSWORD redis-cli -s $CACHE_SOCKET set word scrubbed"""
"#;

#[test]
fn a_sync_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    rule(&world, SCRUB);
    shop.push(&["main:feature"]).ok();
    let words = ["sync", "data", "-e", "feature"];
    let own = match is_thorough() {
        true => &["step ", "sync: ", "dump of ", "load of ", "swap: "][..],
        // Services that start after a swap start after a restore's, too.
        false => &["step deploy fetch", "sync: ", "swap: "][..],
    };
    let passed = points(&world, &shop, &words, own);
    for wanted in [
        "step deploy fetch: started",
        "sync: scrubbing",
        "swap: quiet",
        "swap: kept main",
        "swap: replaced cache",
    ] {
        assert!(passed.iter().any(|one| one == wanted), "{passed:?}");
    }
    for point in &passed {
        for victim in victims(point) {
            put(&world, "feature", "own");
            let ended = died_at(&world, &shop, &words, (*victim, point));
            let when = format!("{victim:?} at {point}");
            assert_eq!(ended.state, State::Succeeded, "{when}");
            is_up(&world, *victim);
            keeps(&world, "feature", "scrubbed", &when);
            keeps(&world, "main", "old", &when);
            nothing_is_left(&world, 2, &when);
        }
    }
}

#[test]
fn a_beginning_survives_every_death() {
    let world = World::new();
    let shop = shop(&world);
    rule(&world, SCRUB);
    let own = match is_thorough() {
        // What is built once is not built again.
        true => &["step deploy ", "sync: ", "clone: ", "dump of ", "load of "][..],
        false => &["sync: ", "clone: "][..],
    };
    let passed = points(&world, &shop, &["branch", "first", "main"], own);
    for wanted in ["sync: scrubbing", "clone: whole", "clone: placed"] {
        assert!(passed.iter().any(|one| one == wanted), "{passed:?}");
    }
    shop.wharf(&["delete", "-e", "first"]).ok();
    for (number, point) in passed.iter().enumerate() {
        for victim in victims(point) {
            let name = format!("at{number}-{victim:?}").to_lowercase();
            let words = ["branch", &name, "main"];
            let ended = died_at(&world, &shop, &words, (*victim, point));
            let when = format!("{victim:?} at {point}");
            assert_eq!(ended.state, State::Succeeded, "{when}");
            is_up(&world, *victim);
            keeps(&world, &name, "scrubbed", &when);
            keeps(&world, "main", "old", &when);
            nothing_is_left(&world, 2, &when);
            shop.wharf(&["delete", "-e", &name]).ok();
        }
    }
}
