//! A visitor who asks 200 times a second does not notice ten deployments.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use wharf_tests::{Visitor, World};

use crate::app::{deployed, host};

/// Between two requests: 200 a second.
const PACE: Duration = Duration::from_millis(5);
/// Who asks: enough that a slow answer does not slow the pace.
const VISITORS: u32 = 4;

#[test]
fn no_request_fails_through_ten_deployments() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let (port, host) = (world.port(), host("shop"));
    let (done, asked) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for visitor in 0..VISITORS {
            let (done, asked, host) = (&done, &asked, &host);
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
        let ten = (2..=11).try_for_each(|number| {
            shop.write("version", &format!("{number}\n"));
            shop.commit("Next");
            let said = shop.push(&["main"]);
            let live = format!("main now serves r{number} (was r{}).", number - 1);
            if said.code == 0 && said.err.contains(&live) {
                Ok(())
            } else {
                Err(said)
            }
        });
        done.store(true, Ordering::Relaxed);
        if let Err(said) = ten {
            panic!("{said}");
        }
    });
    let asked = asked.into_inner().unwrap();
    let failed: Vec<_> = asked.iter().filter(|(status, _)| *status != 200).collect();
    assert!(
        failed.is_empty(),
        "{} of {} failed: {:?}",
        failed.len(),
        asked.len(),
        failed[0]
    );
    assert!(asked.len() > 100, "only {} requests", asked.len());
    for number in 2..=11 {
        let version = format!("{number}\n");
        assert!(
            asked.iter().any(|(_, body)| *body == version),
            "nobody saw version {number}"
        );
    }
}
