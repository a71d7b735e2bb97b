//! The power is cut in a machine that is booted, where jobs are units: the states of daemon and helper and
//! the repositories are on an ext4 each, and of the accounts that were made nothing is left.
//!
//! Needs root: `make test-booted`. Budget: 4 minutes.

use wharf_tests::{Kind, Sample, Strace, Watched, World, users_of_environments};
use wharf_wire::outcome::State;

use crate::cuts::{cut_often, start_of_the_host};
use crate::host::{self, SHOP};
use crate::within::within;

/// What makes a user an environment's own, and a job's places.
const CALLS: &str = "mkdir,write,fsync,rename";

#[test]
fn power_cuts() {
    if within("units::power_cuts") {
        cut_often(Kind::Ext4);
    }
}

#[test]
fn power_cuts_while_an_environment_gets_its_user() {
    if !within("units::power_cuts_while_an_environment_gets_its_user") {
        return;
    }
    let world = host::on_disk(Kind::Ext4, 300);
    let mut shop = host::warm(&world);
    let strace = Strace::of(world.helper_pid(), CALLS);
    shop.tree.push(&["main:seen"]).ok();
    let calls = strace.calls();
    let renamed = calls.iter().position(|call| call.starts_with("rename("));
    let renamed = renamed.unwrap_or_else(|| panic!("no user was made: {calls:#?}"));
    // From the first of the calls that give it one to the second after it is there.
    let of_user = renamed.saturating_sub(4)..renamed + 3;
    for number in of_user {
        println!("before {}", calls[number]);
        cut_before(&world, &mut shop, &calls, number);
    }
}

/// Cuts the power as the helper was to make the n-th of these calls in the first push of a branch.
fn cut_before(world: &World, shop: &mut Sample<'_>, calls: &[String], n: usize) {
    let version = shop.commit_repeatable();
    let before = users_of_environments();
    let strace = Strace::kills_before(world.helper_pid(), calls, n);
    let branch = format!("main:new-{n}");
    let push = Watched::push(&shop.tree, &["--force", &branch]);
    strace.dies();
    world.cut_power();
    push.end();
    start_of_the_host(world);
    world.start();
    let verdict = host::judge(world);
    host::users_stay(&before);
    let state = verdict.of(&version).map(|activity| activity.state);
    assert_eq!(state, Some(State::Succeeded), "{}", world.logs());
    let users = users_of_environments();
    assert!(users.contains_key(&format!("{SHOP}.new-{n}")), "{users:?}");
}
