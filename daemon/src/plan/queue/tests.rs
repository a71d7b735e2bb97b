//! Who goes first, and that nobody is forgotten.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use proptest::prelude::*;

/// Each ticket is newer than those that were made before it.
static NEWEST: AtomicU64 = AtomicU64::new(0);

fn ticket(activity: &str, environment: &str, kind: Kind) -> Ticket {
    of_project("shop", activity, environment, kind)
}

fn of_project(project: &str, activity: &str, environment: &str, kind: Kind) -> Ticket {
    Ticket {
        activity: activity.into(),
        number: NEWEST.fetch_add(1, Ordering::Relaxed),
        project: project.into(),
        environment: environment.into(),
        production: environment == "production",
        kind,
        begun: false,
    }
}

#[test]
fn a_newer_push_takes_the_place_of_waiting_ones_but_not_of_the_running_one() {
    let mut queue = Queue::default();
    queue.add(ticket("a", "staging", Kind::Push));
    assert_eq!(queue.start_next(2).unwrap().activity, "a");
    assert!(queue.add(ticket("b", "staging", Kind::Push)).is_empty());
    let superseded = queue.add(ticket("c", "staging", Kind::Push));
    assert_eq!(superseded.len(), 1);
    assert_eq!(superseded[0].old.activity, "b");
    assert_eq!(superseded[0].by, "c");
    assert!(queue.start_next(2).is_none(), "one activity an environment");
    queue.finish("a");
    assert_eq!(queue.start_next(2).unwrap().activity, "c");
}

#[test]
fn the_newest_push_stays_whoever_is_heard_of_first() {
    for newest in [Kind::Push, Kind::Delete] {
        let mut queue = Queue::default();
        let older = ticket("older", "one", Kind::Push);
        assert!(queue.add(ticket("newest", "one", newest)).is_empty());
        let superseded = queue.add(older.clone());
        let by = "newest".to_owned();
        assert_eq!(superseded, [Superseded { old: older, by }]);
        assert_eq!(one_by_one(&mut queue), ["newest"]);
    }
}

#[test]
fn what_came_late_does_not_follow_the_newer_one_that_runs() {
    let mut queue = Queue::default();
    let older = ticket("older", "one", Kind::Push);
    queue.add(ticket("newest", "one", Kind::Push));
    assert_eq!(queue.start_next(1).unwrap().activity, "newest");
    assert_eq!(queue.add(older)[0].old.activity, "older");
    queue.finish("newest");
    assert!(queue.start_next(1).is_none());
}

#[test]
fn an_environment_goes_by_the_order_of_the_record() {
    let mut queue = Queue::default();
    let older = ticket("older", "one", Kind::Push);
    queue.add(ticket("newer", "one", Kind::Rollback));
    assert!(queue.add(older).is_empty());
    assert_eq!(one_by_one(&mut queue), ["older", "newer"]);
}

#[test]
fn a_check_takes_the_place_of_older_checks_and_of_no_push() {
    let mut queue = Queue::default();
    queue.add(ticket("a", "one", Kind::Push));
    assert!(queue.add(ticket("b", "one", Kind::Check)).is_empty());
    let gone = queue.add(ticket("c", "one", Kind::Check));
    assert_eq!(gone[0].old.activity, "b");
    let gone = queue.add(ticket("d", "one", Kind::Push));
    let gone: Vec<_> = gone.iter().map(|one| one.old.activity.as_str()).collect();
    assert_eq!(gone, ["a", "c"]);
}

#[test]
fn production_goes_first_and_the_rest_in_turn() {
    let mut queue = Queue::default();
    queue.add(ticket("a", "one", Kind::Push));
    queue.add(ticket("b", "two", Kind::Push));
    queue.add(ticket("c", "production", Kind::Push));
    let order: Vec<_> = std::iter::from_fn(|| queue.start_next(9))
        .map(|ticket| ticket.activity)
        .collect();
    assert_eq!(order, ["c", "a", "b"]);
}

/// Starts and ends one after the other until nothing waits.
fn one_by_one(queue: &mut Queue) -> Vec<String> {
    std::iter::from_fn(|| {
        let next = queue.start_next(1)?.activity;
        queue.finish(&next);
        Some(next)
    })
    .collect()
}

#[test]
fn a_project_with_many_branches_starves_nobody() {
    let mut queue = Queue::default();
    for n in 0..5 {
        queue.add(of_project(
            "big",
            &format!("b{n}"),
            &format!("e{n}"),
            Kind::Push,
        ));
    }
    queue.add(of_project("small", "s0", "one", Kind::Push));
    queue.add(of_project("small", "s1", "two", Kind::Push));
    let expected = ["b0", "s0", "b1", "s1", "b2", "b3", "b4"];
    assert_eq!(queue.place("s1").unwrap().before, 3, "as it will be");
    assert_eq!(one_by_one(&mut queue), expected);
}

#[test]
fn production_passes_over_others_but_not_for_ever() {
    let mut queue = Queue::default();
    queue.add(of_project("calm", "patient", "one", Kind::Push));
    let mut before = 0;
    loop {
        queue.add(of_project("busy", "p", "production", Kind::Redeploy));
        let next = queue.start_next(1).unwrap().activity;
        queue.finish(&next);
        if next == "patient" {
            break;
        }
        before += 1;
    }
    assert_eq!(before, PATIENCE);
}

#[test]
fn what_a_death_left_in_its_middle_is_neither_superseded_nor_withdrawn() {
    let mut queue = Queue::default();
    let begun = Ticket {
        begun: true,
        ..ticket("a", "one", Kind::Push)
    };
    queue.add(begun);
    assert!(queue.add(ticket("b", "one", Kind::Push)).is_empty());
    assert!(queue.add(ticket("c", "one", Kind::Delete)).len() == 1);
    assert_eq!(queue.withdraw("a"), None);
    assert_eq!(one_by_one(&mut queue), ["a", "c"]);
}

#[test]
fn the_queue_is_bounded_and_says_where() {
    let mut queue = Queue::default();
    for n in 0..MOST_IN_ENVIRONMENT {
        assert_eq!(queue.room("shop", "one"), Ok(()));
        queue.add(ticket(&n.to_string(), "one", Kind::Redeploy));
    }
    let full = queue.room("shop", "one").unwrap_err().to_string();
    assert_eq!(
        full,
        "the queue is full: 20 activities wait in shop/one (at most 20)"
    );
    assert_eq!(queue.room("shop", "two"), Ok(()));
    assert!(queue.room_for_push("shop", "one").is_err());
    queue.add(ticket("push", "one", Kind::Push));
    assert_eq!(
        queue.room_for_push("shop", "one"),
        Ok(()),
        "takes its place"
    );
    for n in queue.counts().0..MOST_IN_PROJECT {
        queue.add(ticket(&n.to_string(), &format!("e{n}"), Kind::Push));
    }
    let full = queue.room("shop", "two").unwrap_err().to_string();
    assert!(full.contains("200 activities wait in shop ("), "{full}");
    for n in MOST_IN_PROJECT..MOST {
        queue.add(of_project(&format!("p{n}"), "x", "one", Kind::Push));
    }
    let full = queue.room("other", "one").unwrap_err().to_string();
    assert!(full.contains("1000 activities wait on this host"), "{full}");
}

#[test]
fn one_push_of_many_branches_takes_no_more_room_than_there_is() {
    let mut queue = Queue::default();
    queue.add(ticket("a", "e0", Kind::Push));
    queue.add(ticket("b", "e1", Kind::Push));
    let pushed = |count: usize| -> Vec<String> { (0..count).map(|n| format!("e{n}")).collect() };
    // Two of them take the place of what waits.
    assert_eq!(
        queue.room_for_pushes("shop", &pushed(MOST_IN_PROJECT)),
        Ok(())
    );
    let more = pushed(MOST_IN_PROJECT + 1);
    let full = queue.room_for_pushes("shop", &more).unwrap_err();
    assert_eq!(
        full.to_string(),
        "the queue is full: 200 activities wait in shop, counting 200 of this push (at most 200)"
    );
    assert_eq!(queue.counts(), (2, 0), "nothing waits for having asked");
}

#[test]
fn who_waits_is_told_for_what() {
    let mut queue = Queue::default();
    queue.add(ticket("a", "one", Kind::Push));
    queue.start_next(1).unwrap();
    queue.add(ticket("b", "two", Kind::Push));
    queue.add(ticket("c", "one", Kind::Push));
    assert_eq!(
        queue.place("b"),
        Some(Place {
            before: 0,
            reason: Reason::Parallel { running: 1 }
        })
    );
    assert_eq!(
        queue.place("c"),
        Some(Place {
            before: 1,
            reason: Reason::Environment {
                activity: "a".into(),
                runs: true,
            }
        })
    );
    assert_eq!(queue.place("a"), None);
}

#[test]
fn an_environment_that_is_mended_is_left_alone() {
    let mut queue = Queue::default();
    assert!(queue.hold("shop", "one"));
    assert!(!queue.hold("shop", "one"), "once at a time");
    queue.add(ticket("a", "one", Kind::Push));
    queue.add(ticket("b", "two", Kind::Push));
    assert_eq!(queue.start_next(4).unwrap().activity, "b");
    assert!(queue.start_next(4).is_none());
    assert_eq!(queue.place("a").unwrap().reason, Reason::Mended);
    assert!(!queue.hold("shop", "two"), "not while it works");
    queue.free("shop", "one");
    assert_eq!(queue.start_next(4).unwrap().activity, "a");
}

#[test]
fn a_rollback_waits_behind_an_older_push_and_both_run() {
    let mut queue = Queue::default();
    queue.add(ticket("a", "one", Kind::Push));
    queue.add(ticket("b", "one", Kind::Rollback));
    assert_eq!(queue.start_next(4).unwrap().activity, "a");
    assert!(queue.start_next(4).is_none());
    queue.finish("a");
    assert_eq!(queue.start_next(4).unwrap().activity, "b");
}

#[test]
fn what_is_parked_holds_nobody_up_and_is_superseded() {
    let mut queue = Queue::default();
    queue.add(ticket("built", "one", Kind::Push));
    let built = queue.start_next(1).unwrap();
    assert_eq!(queue.park(built, Some(7)), None);
    assert!(queue.is_parked("built") && queue.place("built").is_none());
    assert_eq!((queue.counts(), queue.next_due()), ((1, 0), Some(7)));
    assert!(queue.due(6).is_empty());
    // Others of its environment go on, and leave it where it is.
    queue.add(ticket("back", "one", Kind::Rollback));
    assert_eq!(queue.start_next(1).unwrap().activity, "back");
    queue.finish("back");
    assert_eq!(queue.due(7), ["built"]);
    let built = queue.unpark("built").unwrap();
    assert!(queue.unpark("built").is_none() && queue.add(built).is_empty());
    let built = queue.start_next(1).unwrap();
    // A newer push comes while it is parked, and while it is built.
    assert_eq!(queue.park(built.clone(), None), None);
    let superseded = queue.add(ticket("newer", "one", Kind::Push));
    assert_eq!(superseded[0].old.activity, "built");
    let newer = queue.start_next(1).unwrap();
    queue.add(ticket("newest", "one", Kind::Push));
    let superseded = queue.park(newer, None).unwrap();
    assert_eq!(
        (superseded.by.as_str(), queue.parked().count()),
        ("newest", 0)
    );
    assert_eq!(queue.start_next(1).unwrap().activity, "newest");
}

#[test]
fn a_push_supersedes_a_redeploy_that_is_parked_and_none_that_waits_for_its_turn() {
    for kind in [Kind::Redeploy, Kind::Activate] {
        let mut queue = Queue::default();
        queue.add(ticket("built", "one", kind));
        let built = queue.start_next(1).unwrap();
        assert_eq!(queue.park(built, None), None);
        queue.add(ticket("waits", "one", kind));
        let superseded = queue.add(ticket("push", "one", Kind::Push));
        let old: Vec<_> = superseded.iter().map(|one| &one.old.activity).collect();
        assert_eq!(old, ["built"], "{kind:?}");
        // It takes the tip of when it begins.
        let waits = queue.start_next(1).unwrap();
        assert_eq!(waits.activity, "waits");
        assert_eq!(queue.park(waits, None).unwrap().by, "push");
    }
}

proptest! {
    #[test]
    fn two_projects_with_work_take_turns(big in 2_usize..40, small in 1_usize..10) {
        let mut queue = Queue::default();
        for n in 0..big {
            queue.add(of_project("big", &format!("b{n}"), &format!("e{n}"), Kind::Push));
        }
        for n in 0..small {
            queue.add(of_project("small", &format!("s{n}"), &format!("e{n}"), Kind::Push));
        }
        let places = queue.places();
        let order = one_by_one(&mut queue);
        prop_assert_eq!(order.len(), big + small);
        for n in 0..small {
            let at = order.iter().position(|id| *id == format!("s{n}")).unwrap();
            prop_assert!(at <= 2 * n + 1, "s{} is at {}", n, at);
        }
        for (at, id) in order.iter().enumerate() {
            prop_assert_eq!(places[id].before, at);
        }
    }

    #[test]
    fn never_two_of_one_environment_and_each_ends_once(
        steps in proptest::collection::vec((0_u8..3, 0_usize..4), 1..60)
    ) {
        let mut queue = Queue::default();
        let mut running: Vec<Ticket> = Vec::new();
        let mut added = 0;
        let mut gone = 0;
        for (step, n) in steps {
            match step {
                0 => {
                    added += 1;
                    gone += queue.add(ticket(&format!("{added}"), &format!("e{n}"), Kind::Push)).len();
                }
                1 => if let Some(next) = queue.start_next(3) {
                    prop_assert!(!running.iter().any(|r| r.shares_environment(&next)));
                    running.push(next);
                },
                _ => if n < running.len() {
                    queue.finish(&running.remove(n).activity);
                    gone += 1;
                },
            }
            prop_assert!(running.len() <= 3);
            let (waits, runs) = queue.counts();
            prop_assert_eq!(waits + runs + gone, added);
        }
    }
}
