//! Which orders of events can happen, and that replay tells the same.

use proptest::prelude::*;

use super::*;
use crate::plan::recovery::{CANCEL, Found, PARKED, RESTART, decide, replay, resume};
use crate::plan::step::tests::any_step;

const NOT_ROUTED: Found = Found {
    routed: false,
    repeatable: false,
};

const KINDS: [Kind; 18] = [
    Kind::Snapshot,
    Kind::Restore,
    Kind::SyncData,
    Kind::DatabaseImport,
    Kind::Reset,
    Kind::SnapshotTest,
    Kind::SnapshotDelete,
    Kind::MaintenanceOn,
    Kind::MaintenanceOff,
    Kind::Push,
    Kind::Redeploy,
    Kind::Rollback,
    Kind::Delete,
    Kind::Check,
    Kind::Activate,
    Kind::Deactivate,
    Kind::Pause,
    Kind::Resume,
];

/// Every step of a push, each ended well.
fn push() -> Vec<Step> {
    let names = "checkout,build 1,build 2,build assets 1,freeze,release,probe install,\
                 probe maintenance,maintenance,assets 1,deploy 1,start,health,start worker mail,\
                 check 1,route,after 1,after 2";
    names.split(',').map(|name| name.parse().unwrap()).collect()
}

fn run(kind: Kind, events: &[Event]) -> Result<Deployment, Illegal> {
    let began = Deployment::new(kind).apply(&Event::Began)?;
    events
        .iter()
        .try_fold(began, |state, event| state.apply(event))
}

fn done(step: &str) -> [Event; 2] {
    [
        Event::StepStarted(step.parse().unwrap()),
        Event::StepEnded(Outcome::Succeeded),
    ]
}

#[test]
fn a_push_goes_through_every_step_to_its_end() {
    let mut state = Deployment::new(Kind::Push).apply(&Event::Began).unwrap();
    for step in push() {
        state = state.apply(&Event::StepStarted(step)).unwrap();
        state = state.apply(&Event::StepEnded(Outcome::Succeeded)).unwrap();
    }
    assert!(state.is_committed() && state.is_touched());
    assert_eq!(state.late_commands(), 2);
    let ended = state.apply(&Event::Ended(State::Succeeded)).unwrap();
    assert_eq!(ended.phase(), Phase::Ended);
}

#[test]
fn a_check_ends_with_its_slug_and_is_never_done_again() {
    let [checkout, frozen] = [done("checkout"), done("freeze")];
    let events = [checkout, frozen].concat();
    // The slug may have been there.
    for events in [&events[..], &[]] {
        let state = run(Kind::Check, events).unwrap();
        assert!(state.apply(&Event::Ended(State::Succeeded)).is_ok());
        assert_eq!(decide(&state, NOT_ROUTED), Recovery::Cancel);
        assert!(state.apply(&Event::Interrupted(Recovery::Redo)).is_err());
    }
    assert!(run(Kind::Check, &done("release")).is_err());
}

#[test]
fn what_stops_an_environment_is_never_left_half_done() {
    let ends = |kind, steps: &[&str]| {
        let events: Vec<Event> = steps.iter().flat_map(|step| done(step)).collect();
        run(kind, &events)
            .unwrap()
            .apply(&Event::Ended(State::Succeeded))
            .is_ok()
    };
    assert!(ends(Kind::Pause, &["suspend", "stop"]));
    assert!(!ends(Kind::Pause, &["suspend"]));
    assert!(ends(Kind::Deactivate, &["unroute", "stop", "put aside"]));
    assert!(!ends(Kind::Deactivate, &["unroute", "stop"]));
    for (kind, begun) in [(Kind::Pause, "suspend"), (Kind::Deactivate, "unroute")] {
        let rows = [(begun, None), (CANCEL, Some("asked"))];
        let state = replay(kind, &rows).unwrap();
        assert_eq!(decide(&state, NOT_ROUTED), Recovery::Redo, "{kind:?}");
    }
}

#[test]
fn what_is_inactive_keeps_a_push_and_what_is_paused_comes_back_without_commands() {
    let keep = run(Kind::Push, &done("keep")).unwrap();
    assert!(keep.apply(&Event::Ended(State::Succeeded)).is_ok());
    assert!(run(Kind::Redeploy, &done("keep")).is_err());
    let back = [done("start"), done("health"), done("route")].concat();
    let back = run(Kind::Resume, &back).unwrap();
    assert!(back.is_committed() && !back.is_touched());
    assert!(run(Kind::Resume, &done("deploy 1")).is_err());
}

#[test]
fn a_restore_is_thrown_away_before_its_swap_and_done_to_its_end_after() {
    const ROUTED: Found = Found {
        routed: true,
        repeatable: false,
    };
    let decided = |rows: &[_], found| decide(&replay(Kind::Restore, rows).unwrap(), found);
    let fetched = ("fetch", Some("succeeded"));
    let cancel = (CANCEL, Some("asked"));
    // What serves before the swap is what serves after it: the route tells nothing yet.
    for found in [NOT_ROUTED, ROUTED] {
        assert_eq!(decided(&[fetched], found), Recovery::Redo);
        assert_eq!(decided(&[fetched, cancel], found), Recovery::Cancel);
    }
    let swap = [fetched, ("swap", None), cancel];
    assert_eq!(decided(&swap, NOT_ROUTED), Recovery::Redo);
    let swapped = [fetched, ("swap", Some("succeeded")), ("start", None)];
    assert_eq!(decided(&swapped, NOT_ROUTED), Recovery::Redo);
    assert_eq!(decided(&swapped, ROUTED), Recovery::Finish);
    // One that was paused stays so.
    let stays = run(Kind::Restore, &[done("fetch"), done("swap")].concat()).unwrap();
    assert!(stays.apply(&Event::Ended(State::Succeeded)).is_ok());
    assert!(run(Kind::Restore, &done("deploy 1")).is_err());
}

#[test]
fn what_may_be_repeated_is_begun_again_and_told_all_the_same() {
    // A first install, and content that the deploy makes: both are declared to be repeatable.
    for begun in ["assets 1", "install 1"] {
        let rows = [
            ("release", Some("succeeded")),
            ("maintenance", Some("succeeded")),
            (begun, None),
        ];
        let state = replay(Kind::Push, &rows).unwrap();
        assert!(state.is_touched() && !state.has_run_once(), "{begun}");
        assert_eq!(decide(&state, NOT_ROUTED), Recovery::Redo, "{begun}");
    }
    // Nothing of the environment is changed by what only asks, or looks at the new release.
    for asked in [
        "probe install",
        "probe maintenance",
        "maintenance",
        "check 1",
    ] {
        let state = run(Kind::Push, &done(asked)).unwrap();
        assert!(!state.is_touched(), "{asked}");
        assert!(run(Kind::Rollback, &done(asked)).is_err(), "{asked}");
    }
}

#[test]
fn data_is_put_back_after_whatever_failed_and_after_every_death_before_that_is_done() {
    let data = |rows: &[_]| replay(Kind::Push, rows).unwrap().data();
    let good = Some("succeeded");
    let closed = [("close", good), ("snapshot", good)];
    assert_eq!(data(&closed), Data::Closed);
    let changed = [&closed[..], &[("deploy 1", Some("failed"))]].concat();
    assert_eq!(data(&changed), Data::Changed);
    let back = [&changed[..], &[("put back", good)]].concat();
    let state = replay(Kind::Push, &back).unwrap();
    assert_eq!(
        (state.data(), state.phase()),
        (Data::PutBack, Phase::Broken)
    );
    assert!(state.apply(&Event::Ended(State::Failed)).is_ok());
    // Not twice, and never where nothing was closed or all is done.
    let again = Event::StepStarted(Step::PutBack);
    assert!(state.apply(&again).is_err());
    assert!(run(Kind::Push, std::slice::from_ref(&again)).is_err());
    for rows in [
        vec![("close", None)],
        [&closed[..], &[("deploy 1", None)]].concat(),
        [&changed[..], &[("put back", None)]].concat(),
    ] {
        let before = replay(Kind::Push, &rows).unwrap();
        for recovery in [Recovery::Redo, Recovery::Fail, Recovery::Cancel] {
            let state = before.apply(&Event::Interrupted(recovery)).unwrap();
            let state = match recovery {
                Recovery::Redo => state.apply(&Event::Began).unwrap(),
                _ => state,
            };
            assert!(state.apply(&again).is_ok(), "{rows:?} {recovery:?}");
        }
        let live = before.apply(&Event::Interrupted(Recovery::Finish)).unwrap();
        assert_eq!(live.data(), Data::Open);
    }
    let routed = [&closed[..], &[("deploy 1", good), ("route", good)]].concat();
    assert_eq!(data(&routed), Data::Open);
}

#[test]
fn maintenance_that_somebody_switches_is_done_to_its_end() {
    for kind in [Kind::MaintenanceOn, Kind::MaintenanceOff] {
        let state = run(kind, &done("maintenance")).unwrap();
        assert!(state.apply(&Event::Ended(State::Succeeded)).is_ok());
        let begun = replay(kind, &[("maintenance", None), (CANCEL, Some("asked"))]).unwrap();
        assert_eq!(decide(&begun, NOT_ROUTED), Recovery::Redo);
        assert!(run(kind, &done("route")).is_err());
    }
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let [release, released] = done("release");
    let [route, routed] = done("route");
    let [checkout, _] = done("checkout");
    let [unroute, _] = done("unroute");
    let failed = Event::StepEnded(Outcome::Failed);
    let cases: &[(Kind, &[&Event], &str)] = &[
        (Kind::Push, &[&Event::Began], "it began while Working"),
        (Kind::Push, &[&unroute], "a push has no step unroute"),
        (
            Kind::Rollback,
            &[&checkout],
            "a rollback has no step checkout",
        ),
        (
            Kind::Push,
            &[&release, &route],
            "step route began before release ended",
        ),
        (
            Kind::Push,
            &[&route, &routed, &route],
            "step route began while Committed",
        ),
        (
            Kind::Push,
            &[&release, &released, &release],
            "step release began after release",
        ),
        (
            Kind::Push,
            &[&release, &failed, &route],
            "step route began while Broken",
        ),
        (Kind::Push, &[&released], "a step ended and none had begun"),
        (
            Kind::Push,
            &[&Event::Ended(State::Succeeded)],
            "it ended as succeeded while Working",
        ),
        (
            Kind::Push,
            &[&route, &routed, &Event::Ended(State::Failed)],
            "it ended as failed while Committed",
        ),
        (
            Kind::Push,
            &[&route, &routed, &Event::Interrupted(Recovery::Redo)],
            "decided to Redo while Committed",
        ),
        (
            Kind::Delete,
            &[&Event::Ended(State::Succeeded)],
            "it ended as succeeded while Working",
        ),
    ];
    for (kind, events, message) in cases {
        let events: Vec<Event> = events.iter().map(|event| (*event).clone()).collect();
        let illegal = run(*kind, &events).expect_err(message);
        assert_eq!(illegal.to_string(), *message);
    }
}

#[test]
fn every_prefix_of_a_push_has_its_answer() {
    let steps = push();
    let names: Vec<String> = steps.iter().map(ToString::to_string).collect();
    for length in 1..=steps.len() {
        for ended in [false, true] {
            let mut rows: Vec<_> = names[..length]
                .iter()
                .map(|name| (name.as_str(), Some("succeeded")))
                .collect();
            if !ended {
                rows[length - 1].1 = None;
            }
            let state = replay(Kind::Push, &rows).unwrap();
            let late = steps[length - 1].is_late() || (steps[length - 1] == Step::Route && ended);
            let once = length >= 11;
            let expected = match (late, once) {
                (true, _) => Recovery::Finish,
                (_, true) => Recovery::Fail,
                (_, false) => Recovery::Redo,
            };
            assert_eq!(decide(&state, NOT_ROUTED), expected, "{rows:?}");
            let repeatable = Found {
                repeatable: true,
                ..NOT_ROUTED
            };
            let again = if late {
                Recovery::Finish
            } else {
                Recovery::Redo
            };
            assert_eq!(decide(&state, repeatable), again, "{rows:?}");
            let routed = Found {
                routed: true,
                ..NOT_ROUTED
            };
            assert_eq!(decide(&state, routed), Recovery::Finish, "{rows:?}");
        }
    }
}

#[test]
fn what_somebody_stopped_stays_stopped_unless_it_serves() {
    let rows = [("checkout", Some("succeeded")), (CANCEL, Some("asked"))];
    let state = replay(Kind::Push, &rows).unwrap();
    assert_eq!(decide(&state, NOT_ROUTED), Recovery::Cancel);
    let routed = Found {
        routed: true,
        ..NOT_ROUTED
    };
    assert_eq!(decide(&state, routed), Recovery::Finish);
    let delete = replay(Kind::Delete, &[("unroute", None), (CANCEL, Some("asked"))]).unwrap();
    assert_eq!(
        decide(&delete, NOT_ROUTED),
        Recovery::Redo,
        "never left half gone"
    );
}

#[test]
fn what_is_parked_is_built_and_goes_on_from_there() {
    let parked = (PARKED, Some("approval"));
    let freeze = ("freeze", Some("succeeded"));
    // The slug may have been there; a window may come after the approval.
    for rows in [&[parked][..], &[freeze, parked], &[freeze, parked, parked]] {
        let (state, decided) = resume(Kind::Push, rows, NOT_ROUTED).unwrap();
        assert_eq!((state.phase(), decided), (Phase::Parked, None));
        assert!(state.apply(&Event::Ended(State::Superseded)).is_ok());
        let live = [rows, &[("release", None)]].concat();
        let (state, decided) = resume(Kind::Push, &live, NOT_ROUTED).unwrap();
        assert_eq!(
            (state.phase(), decided),
            (Phase::Waiting, Some(Recovery::Redo))
        );
        for stopped in [
            [rows, &[(CANCEL, Some("asked"))]].concat(),
            [&[(CANCEL, Some("asked"))], rows].concat(),
        ] {
            let (state, decided) = resume(Kind::Push, &stopped, NOT_ROUTED).unwrap();
            assert_eq!(
                (state.phase(), decided),
                (Phase::Broken, Some(Recovery::Cancel))
            );
        }
    }
    let parked = [Event::Parked];
    for (events, kind) in [
        (&done("release")[..], Kind::Push),
        (&done("deploy 1"), Kind::Push),
        (&[], Kind::Rollback),
        (&[], Kind::Delete),
        (&[], Kind::Check),
    ] {
        assert!(run(kind, &[events, &parked].concat()).is_err(), "{kind:?}");
    }
}

#[test]
fn late_commands_that_began_are_counted_over_a_restart() {
    let rows = [
        ("route", Some("succeeded")),
        ("after 1", Some("interrupted")),
        (RESTART, Some("finish")),
    ];
    let state = replay(Kind::Redeploy, &rows).unwrap();
    assert!(state.is_committed());
    assert_eq!(state.late_commands(), 1);
}

fn any_event() -> impl Strategy<Value = Event> {
    let outcome = prop::sample::select(vec![
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Cancelled,
        Outcome::Interrupted,
    ]);
    let recovery = prop::sample::select(vec![
        Recovery::Redo,
        Recovery::Finish,
        Recovery::Fail,
        Recovery::Cancel,
    ]);
    let state = prop::sample::select(vec![
        State::Succeeded,
        State::Failed,
        State::Cancelled,
        State::Superseded,
    ]);
    prop_oneof![
        2 => Just(Event::Began),
        8 => any_step().prop_map(Event::StepStarted),
        8 => outcome.prop_map(Event::StepEnded),
        1 => Just(Event::Parked),
        1 => Just(Event::Stopping),
        1 => recovery.prop_map(Event::Interrupted),
        1 => state.prop_map(Event::Ended),
    ]
}

/// As the store holds it: an open step has no result until it ends, a death closes it.
fn record(rows: &mut Vec<(String, Option<&'static str>)>, event: &Event) {
    let open = rows.iter_mut().rev().find(|(_, result)| result.is_none());
    match event {
        Event::Began | Event::Ended(_) => {}
        Event::StepStarted(step) => rows.push((step.to_string(), None)),
        Event::StepEnded(outcome) => open.expect("legal").1 = Some(outcome.word()),
        Event::Parked => rows.push((PARKED.to_owned(), Some("approval"))),
        Event::Stopping => rows.push((CANCEL.to_owned(), Some("asked"))),
        Event::Interrupted(recovery) => {
            if let Some(open) = open {
                open.1 = Some(Outcome::Interrupted.word());
            }
            rows.push((RESTART.to_owned(), Some(recovery.word())));
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_the_record_tells_the_same_and_nothing_is_undone(
        kind in prop::sample::select(KINDS.to_vec()),
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let mut state = Deployment::new(kind);
        let mut rows = Vec::new();
        for event in &events {
            let Ok(next) = state.apply(event) else { continue };
            record(&mut rows, event);
            prop_assert!(state.phase() != Phase::Ended, "{event:?} after the end");
            prop_assert!(next.is_touched() >= state.is_touched());
            prop_assert!(next.is_stopped() >= state.is_stopped());
            prop_assert!(next.late_commands() >= state.late_commands());
            if state.is_committed() {
                prop_assert!(next.is_committed() || *event == Event::Ended(State::Succeeded));
            }
            if next.phase() == Phase::Committed && !state.is_committed() {
                let by_route = state.open == Some(Step::Route);
                let by_table = *event == Event::Interrupted(Recovery::Finish);
                prop_assert!(by_route || by_table);
            }
            state = next;
            let rows: Vec<_> = rows.iter().map(|(name, result)| (name.as_str(), *result)).collect();
            if state.phase() != Phase::Ended {
                // A cancel that comes before the first step, or between a death and the next
                // attempt, leaves the beginning untold: nothing was done yet.
                let told = replay(kind, &rows);
                prop_assert!(told.is_ok(), "{told:?} of {rows:?}");
                let told = told.unwrap();
                let began = told.apply(&Event::Began).unwrap_or_else(|_| told.clone());
                prop_assert!(told == state || began == state, "{told:?} is not {state:?}");
            }
        }
    }

    #[test]
    fn any_rows_are_replayed_or_refused(
        rows in prop::collection::vec(("[a-z]{1,8}( [0-9])?", prop::option::of("[a-z]{1,9}")), 0..8)
    ) {
        let rows: Vec<_> = rows.iter().map(|(name, result)| (name.as_str(), result.as_deref())).collect();
        // No panic, whatever a database holds.
        drop(replay(Kind::Push, &rows));
    }
}
