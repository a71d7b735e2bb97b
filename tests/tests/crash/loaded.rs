//! Whoever visits an application does not notice that the daemon ends, however it ends.

use wharf_tests::{Sample, Watched, World};

use crate::visitor::Visits;

/// Where a deployment is when the daemon dies in it: before, at and after the switch.
const POINTS: [&str; 5] = [
    "step build build 1: done",
    "step deploy health: done",
    "record generation: after",
    "record state of release: before",
    "retire: starting",
];

#[test]
fn no_request_fails_while_the_daemon_is_restarted() {
    let world = World::new();
    let mut shop = Sample::new(&world, "shop");
    shop.commit_repeatable();
    shop.tree.push(&["main"]).ok().has("success: ");
    let host = "main--shop.localhost";
    let visits = [
        Visits::begin(&world, host),
        Visits::begin(&world, host),
        Visits::begin_regular(&world, host),
        Visits::begin_regular(&world, host),
    ];
    for _ in 0..3 {
        world.kill_daemon();
        world.start();
        world.end_daemon();
        world.start();
    }
    for point in POINTS {
        shop.commit_repeatable();
        world.freeze_at(point);
        let push = Watched::push(&shop.tree, &["main"]);
        world.wait_until_frozen();
        world.kill_daemon();
        world.start();
        push.end();
        world.judge(&["shop"]).good(&world);
    }
    for point in POINTS {
        shop.commit_repeatable();
        world.freeze_at(point);
        let push = Watched::push(&shop.tree, &["main"]);
        world.wait_until_frozen();
        world.end_daemon();
        world.start();
        push.end();
        world.judge(&["shop"]).good(&world);
    }
    for visits in visits {
        let answers = visits.end();
        let bad = |answer: &&Result<(u16, String), String>| !matches!(answer, Ok((200, _)));
        let failed: Vec<_> = answers.iter().filter(bad).collect();
        assert!(
            failed.is_empty(),
            "{} of {}: {:?}",
            failed.len(),
            answers.len(),
            failed[0]
        );
        assert!(answers.len() > 100, "only {} requests", answers.len());
    }
}
