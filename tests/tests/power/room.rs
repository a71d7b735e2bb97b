//! A disk that fills up in the middle of any step: the activity fails with that reason or waits for
//! room, what served serves, nothing is lost, and all goes on once there is room.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use wharf_tests::{Kind, LIMIT, Sample, Watched, World, apart, pause, run};
use wharf_wire::outcome::State;
use wharf_wire::view::Activity;

use crate::host::{self, Operation, SHOP};

/// MiB.
const SIZE: u64 = 80;

#[test]
fn a_disk_that_fills_at_any_step_of_a_push() {
    if !apart("room::a_disk_that_fills_at_any_step_of_a_push") {
        return;
    }
    let world = host::on_disk(Kind::Tmpfs, SIZE);
    let mut shop = host::warm(&world);
    let points = host::points(&world, &mut shop);
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for point in &points[&Operation::Push] {
        let outcome = fill_at(&world, &mut shop, point, || world.disk().fill());
        println!("{point}: {outcome}");
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
}

#[test]
fn a_disk_that_runs_out_of_files() {
    if !apart("room::a_disk_that_runs_out_of_files") {
        return;
    }
    let world = host::on_disk(Kind::Tmpfs, SIZE);
    let mut shop = host::warm(&world);
    let points = host::points(&world, &mut shop);
    for point in points[&Operation::Push].iter().step_by(7) {
        let fill = || world.disk().fill_with_files();
        println!("{point}: {}", fill_at(&world, &mut shop, point, fill));
    }
}

#[test]
fn a_build_that_fills_the_disk_fails_for_that_reason_and_leaves_room() {
    if !apart("room::a_build_that_fills_the_disk_fails_for_that_reason_and_leaves_room") {
        return;
    }
    let world = host::on_disk(Kind::Ext4, SIZE);
    let mut shop = host::warm(&world);
    let version = shop.commit_repeatable();
    let before = serves(&world);
    shop.tree.write(
        "wharf.toml",
        "build = \"cat /dev/zero >zeros\"\nweb = \"exec python3 -ISu app.py\"\n",
    );
    shop.tree.commit("Zeros");
    let said = shop.tree.push(&["main"]).ok();
    let said = said.has("error: the host's disk is full: build failed");
    said.has("main still serves r9; nothing was changed.");
    assert_eq!(serves(&world), before);
    assert!(
        world.home().join("state/ballast").exists(),
        "there is room again"
    );
    shop.tree
        .git(&["reset", "--quiet", "--hard", "HEAD~1"])
        .ok();
    shop.tree.push(&["--force", "main"]).ok();
    assert_eq!(serves(&world), format!("{version}\n"));
}

/// Whose data takes more room twice than is left.
const DATABASE: &str = "public = \".\"\n[services]\nstock = \"postgresql:14\"\n";

#[test]
fn a_database_that_has_no_room_for_its_upgrade_is_not_touched() {
    if !apart("room::a_database_that_has_no_room_for_its_upgrade_is_not_touched") {
        return;
    }
    let world = host::on_disk(Kind::Tmpfs, 3 * SIZE);
    let shop = world.site("shop", &[("wharf.toml", DATABASE)]);
    shop.init().ok();
    shop.push(&["main"]).ok().has("stock: postgresql 14");
    let ask = |statement: &str| {
        let line = format!("echo '{statement}' | wharf db shell");
        shop.sh(&line).ok()
    };
    ask("CREATE TABLE told AS SELECT pg_postmaster_start_time() AS at");
    let fill = "fallocate -l $(($(stat -f -c %a*%S .) - 20000000)) full";
    let mut sh = world.command("sh");
    run(sh.args(["-c", fill]).current_dir(world.home())).ok();
    shop.write("wharf.toml", &DATABASE.replace("14", "15"));
    shop.commit("Fifteen");
    shop.push(&["main"])
        .has("error: service stock: there is no room to upgrade its data: it has ")
        .has("main still serves r1; nothing was changed.");
    // It was not even stopped.
    ask("SELECT count(*) FROM told WHERE at = pg_postmaster_start_time()").has("     1");
    fs::remove_file(world.home().join("full")).unwrap();
    shop.wharf(&["redeploy"])
        .ok()
        .has("stock: its data is postgresql 15");
    ask("SELECT count(*) FROM told").has("     1");
}

/// What production answers.
fn serves(world: &World) -> String {
    world.get(&format!("main--{SHOP}.localhost"), "/").ok()
}

/// Fills the disk while a push is at this point; makes room once it ended or waits for that. Says
/// what came of it.
fn fill_at(world: &World, shop: &mut Sample<'_>, point: &str, fill: impl Fn()) -> String {
    let before = serves(world);
    world.freeze_at(point);
    let waiting = count_of_attempts(world);
    let (mut push, version) = Operation::Push.begin(shop);
    let version = version.unwrap();
    let mut over = None;
    let frozen = world.freezes_before(|| {
        if over.is_none() && push.is_over() {
            over = Some(Instant::now());
        }
        over.is_some_and(|over: Instant| over.elapsed() > Duration::from_secs(2))
    });
    if !frozen {
        push.end();
        return "not passed".into();
    }
    fill();
    world.thaw();
    let waits = wait_for_the_wall(world, &mut push, waiting);
    let now = serves(world);
    assert!(
        now == before || now == format!("{version}\n"),
        "{point}: {now}"
    );
    world.disk().make_room();
    let said = push.end();
    let verdict = host::judge(world);
    let activity = verdict.of(&version);
    let activity = activity.unwrap_or_else(|| panic!("{point}: {version} is lost\n{said}"));
    let outcome = outcome(activity);
    if activity.state != State::Succeeded {
        assert_eq!(serves(world), before, "{point}");
        assert!(said.contains("disk is full"), "{point}:\n{said}");
        shop.tree.wharf(&["redeploy"]).ok();
    }
    assert_eq!(serves(world), format!("{version}\n"), "{point}\n{said}");
    if waits {
        format!("waits, {outcome}")
    } else {
        outcome
    }
}

/// Waits until the push ended, or something waits for room; says whether it does.
fn wait_for_the_wall(world: &World, push: &mut Watched, waiting: usize) -> bool {
    let until = Instant::now() + LIMIT;
    loop {
        if push.is_over() {
            return false;
        }
        if count_of_attempts(world) > waiting {
            return true;
        }
        assert!(
            Instant::now() < until,
            "neither over nor waiting\n{}",
            world.logs()
        );
        pause();
    }
}

fn count_of_attempts(world: &World) -> usize {
    let logs = world.logs();
    logs.matches("trying again").count() + logs.matches("cannot reconcile").count()
}

fn outcome(activity: &Activity) -> String {
    match &activity.reason {
        Some(reason) => {
            assert_eq!(reason.code, "disk-full", "{reason:?}");
            format!("{}: {}", activity.state.word(), reason.message)
        }
        None => activity.state.word().into(),
    }
}
