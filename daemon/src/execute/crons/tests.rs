use std::time::Instant;

use super::*;
use crate::store::environment;

const LONG: Duration = Duration::from_secs(3600);

fn reason(code: &str) -> Reason {
    Reason {
        code: code.into(),
        message: "it goes".into(),
        hint: None,
    }
}

fn key(id: &str) -> EnvironmentKey {
    environment::key("shop", id).unwrap()
}

fn name(text: &str) -> ProcessName {
    ProcessName::parse(text).unwrap()
}

#[test]
fn places_are_bounded_and_given_back() {
    let crons = Arc::new(Crons::default());
    let (main, sweep) = (key("main"), name("sweep"));
    let mut taken: Vec<_> = (0..MOST_IN_ENVIRONMENT)
        .map(|_| crons.take(&main, &sweep).unwrap())
        .collect();
    let full = NoPlace::Full(MOST_IN_ENVIRONMENT, "there");
    assert_eq!(crons.take(&main, &sweep).unwrap_err(), full);
    assert!(crons.take(&key("side"), &sweep).is_ok());
    taken.truncate(2);
    let stand = crons.stand(&main, &sweep);
    assert_eq!((stand.running, stand.held), (2, false));
    assert_eq!(crons.stand(&main, &name("other")).running, 0);
}

#[test]
fn nothing_begins_while_somebody_holds_it() {
    let crons = Arc::new(Crons::default());
    let (main, sweep) = (key("main"), name("sweep"));
    let (one, other) = (crons.hold(&main), crons.hold(&main));
    assert_eq!(crons.take(&main, &sweep).unwrap_err(), NoPlace::Held);
    assert!(crons.take(&key("side"), &sweep).is_ok());
    drop(one);
    assert!(crons.stand(&main, &sweep).held, "another one holds it yet");
    drop(other);
    assert!(crons.take(&main, &sweep).is_ok());
}

#[tokio::test]
async fn who_is_wanted_gone_has_its_grace() {
    let crons = Arc::new(Crons::default());
    let main = key("main");
    let (mut slow, quick) = (
        crons.take(&main, &name("slow")).unwrap(),
        crons.take(&main, &name("quick")).unwrap(),
    );
    slow.is_of("4f2a");
    let held = crons.hold(&main);
    let draining = tokio::spawn(async move { held.drain(&reason("deploy"), Pace::Soon).await });
    let began = Instant::now();
    let grace = Duration::from_millis(20);
    assert_eq!(slow.stopped(grace).await.code, "deploy");
    assert!(began.elapsed() >= grace);
    // That one came to its own end.
    drop(quick);
    assert!(!draining.is_finished());
    drop(slow);
    let ended = draining.await.unwrap();
    let ended: Vec<_> = ended
        .iter()
        .map(|run| (run.name.as_str(), run.activity.as_deref(), run.stopped))
        .collect();
    assert_eq!(
        ended,
        [("slow", Some("4f2a"), true), ("quick", None, false)]
    );
    assert!(crons.take(&main, &name("slow")).is_ok());
}

#[tokio::test]
async fn a_cancel_waits_for_no_grace() {
    let crons = Arc::new(Crons::default());
    let main = key("main");
    let mut place = crons.take(&main, &name("sweep")).unwrap();
    place.is_of("4f2a");
    assert!(!crons.stop("4f2b", &reason("cancelled")));
    let held = crons.hold(&main);
    let draining = tokio::spawn(async move { held.drain(&reason("deploy"), Pace::Soon).await });
    tokio::task::yield_now().await;
    let stopped = tokio::spawn(async move { place.stopped(LONG).await.code });
    tokio::task::yield_now().await;
    assert!(crons.stop("4f2a", &reason("cancelled")));
    assert_eq!(stopped.await.unwrap(), "deploy", "the first reason counts");
    draining.await.unwrap();
}
