//! A visitor who asks 200 times a second does not notice ten deployments.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use wharf_tests::{Tree, Visitor, World};

use crate::app::{deployed, host};

/// Between two requests: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// Who asks: enough that a slow answer does not slow the pace.
const VISITORS: u32 = 4;

/// What visitors see who ask for `/` all the time while `work` is done: statuses and bodies.
pub(crate) fn visited(port: u16, host: &str, work: impl FnOnce()) -> Vec<(u16, String)> {
    let (done, asked) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for visitor in 0..VISITORS {
            let (done, asked) = (&done, &asked);
            scope.spawn(move || {
                let (regular, mut seen) = (Visitor::new(port), Vec::new());
                let mut due = Instant::now() + PACE * visitor;
                // Nobody ever sends: the wait is for the pace alone.
                let (_keep, pace) = mpsc::channel::<()>();
                let mut last = false;
                while !last {
                    // One asks after the last deployment in any case.
                    last = done.load(Ordering::Relaxed);
                    let wait = due.saturating_duration_since(Instant::now());
                    assert_eq!(pace.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
                    due += PACE * VISITORS;
                    // Half of them keep their connections, half come anew.
                    let visitor = if visitor % 2 == 0 {
                        &regular
                    } else {
                        &Visitor::new(port)
                    };
                    seen.push(match visitor.get(host, "/") {
                        Ok(page) => (page.status, page.body),
                        Err(error) => (0, error.to_string()),
                    });
                }
                asked.lock().unwrap().extend(seen);
            });
        }
        // A panic of the work must not leave the visitors asking for ever.
        let worked = catch_unwind(AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = worked {
            resume_unwind(panic);
        }
    });
    asked.into_inner().unwrap()
}

/// Pushes a work tree until its environment serves r`last`, each release with its number as version.
pub(crate) fn push_until(shop: &Tree<'_>, last: u32) {
    for number in 2..=last {
        shop.write("version", &format!("{number}\n"));
        shop.commit("Next");
        let live = format!("main now serves r{number} (was r{}).", number - 1);
        shop.push(&["main"]).ok().has(&live);
    }
}

/// That no request failed, and that each release was seen.
pub(crate) fn none_failed(asked: &[(u16, String)], last: u32) {
    let failed: Vec<_> = asked.iter().filter(|(status, _)| *status != 200).collect();
    assert!(
        failed.is_empty(),
        "{} of {} failed: {:?}",
        failed.len(),
        asked.len(),
        failed[0]
    );
    assert!(asked.len() > 50, "only {} requests", asked.len());
    for number in 2..=last {
        let version = format!("{number}\n");
        assert!(
            asked.iter().any(|(_, body)| *body == version),
            "nobody saw version {number}"
        );
    }
}

#[test]
fn no_request_fails_through_ten_deployments() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let asked = visited(world.port(), &host("shop"), || push_until(&shop, 11));
    none_failed(&asked, 11);
}
