//! What is recorded with an end, told once each, and bounded.

use wharf_config::notify::{Notify, To};
use wharf_wire::view::{Actor, Commit, Reason};

use super::*;
use crate::notify::Listener;
use crate::plan::parking::Leave;
use crate::store::activity::NewActivity;
use crate::store::environment::{EnvironmentRecord, key};
use crate::store::known::Opened;
use crate::store::migrate;

struct Store(Connection);

impl Store {
    fn new() -> Store {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        Store(connection)
    }

    fn open(&mut self, kind: Kind) -> String {
        let key = key("shop", "main").unwrap();
        let branch = BranchName::parse("main").unwrap();
        let environment = EnvironmentRecord {
            key: key.clone(),
            branch: branch.clone(),
            kind: "production".into(),
            parent: None,
            trust_domain: "protected".into(),
            status: "active".into(),
            tip: None,
            live: None,
            generation: 0,
            title: String::new(),
            chosen_parent: None,
            maintenance: None,
            beginning: crate::plan::beginning::Beginning::default(),
        };
        let activity = NewActivity {
            key,
            branch,
            kind,
            actor: Actor {
                name: "ada".into(),
                source: "uid".into(),
            },
            commit: Commit {
                new: Some(format!("{:040x}", rand::random::<u64>())),
                ..Commit::default()
            },
            environment: Some(environment),
            production: true,
            rebuild: false,
            now: false,
            target: None,
            source: None,
            renames: None,
            variable: None,
            imported: None,
            snapshot: None,
        };
        let limits = [(
            wharf_config::name::ProjectName::parse("shop").unwrap(),
            Default::default(),
        )];
        let opened = activity::open(&mut self.0, &[activity], &limits.into(), |_| false);
        match opened.unwrap().remove(0) {
            Opened::New(id, _) => id,
            other => panic!("{other:?}"),
        }
    }

    fn end(&mut self, id: &str, state: State, audience: &Audience) {
        let reason = (state == State::Failed).then(|| Reason {
            code: "build-failed".into(),
            message: "build failed".into(),
            hint: None,
        });
        let ending = Ending {
            state,
            reason,
            live_after: Some(1),
        };
        end(&mut self.0, id, &ending, audience).unwrap();
    }

    fn push(&mut self, state: State, audience: &Audience) {
        let id = self.open(Kind::Push);
        self.end(&id, state, audience);
    }

    /// Names and occasions, in the order in which they were recorded.
    fn recorded(&self) -> Vec<(String, String)> {
        let mut all = self
            .0
            .prepare("SELECT name, occasion FROM notification ORDER BY number")
            .unwrap();
        let rows = all
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn first(&self) -> Notification {
        next(&self.0).unwrap().remove(0)
    }

    fn waiting(&self) -> (u32, u32, bool) {
        let all = standings(&self.0).unwrap();
        let one = all.first().expect("something waits or failed");
        (one.waiting, one.given_up, one.failing_since.is_some())
    }
}

fn audience(of: &[(&str, &[Occasion])]) -> Audience {
    let listener = |(name, on): &(&str, &[Occasion])| Listener {
        scope: String::new(),
        notify: Notify {
            name: (*name).into(),
            to: To::Email(vec!["a@example.com".into()]),
            on: on.iter().copied().collect(),
            types: None,
            branches: None,
        },
    };
    Audience {
        listeners: of.iter().map(listener).collect(),
        url: Some("http://main--shop.localhost/".into()),
    }
}

const GOOD: State = State::Succeeded;
const BAD: State = State::Failed;

#[test]
fn one_message_for_each_listener_and_activity() {
    let mut store = Store::new();
    let all = audience(&[
        ("all", &Occasion::ALL),
        ("live", &[Occasion::Live]),
        ("usual", &[Occasion::Failed, Occasion::Recovered]),
    ]);
    for state in [GOOD, BAD, BAD, GOOD, GOOD] {
        store.push(state, &all);
    }
    let recorded = store.recorded();
    let recorded: Vec<String> = recorded.iter().map(|(n, o)| format!("{n} {o}")).collect();
    let expected = [
        "all live",
        "live live",
        "all failed",
        "usual failed",
        "all failed",
        "usual failed",
        "all recovered",
        "live live",
        "usual recovered",
        "all live",
        "live live",
    ];
    assert_eq!(recorded, expected);

    let told: wharf_wire::notification::Notification =
        serde_json::from_str(&store.first().body).unwrap();
    assert_eq!(told.r#type, "live");
    assert_eq!(told.text, "shop@main: r1 is live; main now serves r1.");
    let happened = told.data.unwrap();
    assert_eq!(happened.environment_type.as_deref(), Some("production"));
    assert_eq!(
        happened.url.as_deref(),
        Some("http://main--shop.localhost/")
    );
    let shown = activity::find(&store.0, &happened.activity.id)
        .unwrap()
        .unwrap();
    assert_eq!(happened.activity, shown, "it is the record");
}

#[test]
fn an_end_that_is_recorded_twice_is_told_once() {
    let mut store = Store::new();
    let all = audience(&[("all", &Occasion::ALL)]);
    let id = store.open(Kind::Push);
    store.end(&id, BAD, &all);
    store.end(&id, BAD, &all);
    assert_eq!(store.recorded().len(), 1);
}

#[test]
fn who_waits_for_approval_is_told_once() {
    let mut store = Store::new();
    let all = audience(&[("all", &Occasion::ALL)]);
    let id = store.open(Kind::Push);
    for code in ["window", parking::APPROVAL, parking::APPROVAL] {
        let reason = Reason {
            code: code.into(),
            message: "it waits for approval".into(),
            hint: None,
        };
        activity::start(&store.0, &id).unwrap();
        activity::park(&mut store.0, &id, &Leave::default(), &reason, &all).unwrap();
    }
    let expected = [("all".to_owned(), "waiting".to_owned())];
    assert_eq!(store.recorded(), expected);
    let told: wharf_wire::notification::Notification =
        serde_json::from_str(&store.first().body).unwrap();
    assert!(
        told.text
            .starts_with("shop@main: built; it waits for approval;"),
        "{}",
        told.text
    );
}

#[test]
fn a_destination_that_fails_rests_and_what_waits_goes_out_when_it_is_back() {
    let mut store = Store::new();
    let all = audience(&[("all", &Occasion::ALL)]);
    store.push(GOOD, &all);
    let one = store.first();
    let due = now() + 60_000;
    let failed = |id: &str, rests| Failed {
        id: id.to_owned(),
        error: "refused".into(),
        due,
        rests,
    };
    assert!(!not_taken(&mut store.0, &one, &failed(&one.id, true)).unwrap());
    // What comes later rests as well.
    store.push(GOOD, &all);
    assert_eq!((store.first().due, store.first().attempts), (due, 1));
    assert_eq!(store.waiting(), (2, 0, true));

    answers(&store.0, "", "all").unwrap();
    assert!(store.first().due <= now());
    assert_eq!(store.waiting(), (2, 0, false));
    taken(&mut store.0, &one).unwrap();
    let second = store.first();
    assert_ne!(second.id, one.id);

    // One that is refused for itself keeps nobody else waiting.
    not_taken(&mut store.0, &second, &failed(&second.id, false)).unwrap();
    store.push(GOOD, &all);
    assert!(store.first().due <= now());
    assert_ne!(store.first().id, second.id);
}

#[test]
fn what_waits_is_bounded_by_age_and_count() {
    let mut store = Store::new();
    let all = audience(&[("all", &Occasion::ALL)]);
    store.push(GOOD, &all);
    let old = store.first();
    let age = u64::try_from(plan::AGE.as_millis()).unwrap();
    let failed = Failed {
        id: old.id.clone(),
        error: "refused".into(),
        due: now() + age + 1,
        rests: true,
    };
    assert!(not_taken(&mut store.0, &old, &failed).unwrap());
    assert_eq!(store.waiting(), (0, 1, true));

    for _ in 0..plan::WAITING {
        store.push(GOOD, &all);
    }
    let oldest = store.first();
    assert_eq!(store.waiting(), (plan::WAITING, 1, true));
    store.push(GOOD, &all);
    assert_eq!(store.waiting(), (plan::WAITING, 2, true));
    assert_ne!(store.first().id, oldest.id);

    assert_eq!(
        forget(&mut store.0, "", "all").unwrap(),
        plan::WAITING as usize
    );
    assert_eq!(standings(&store.0).unwrap(), []);
}

#[test]
fn a_cron_tells_when_it_begins_to_fail_and_when_it_is_well_again() {
    let mut store = Store::new();
    let all = audience(&[("all", &Occasion::ALL)]);
    let mut run = |name: &str, state| {
        let id = store.open(Kind::Cron);
        let named = "UPDATE activity SET subject = ?2 WHERE id = ?1";
        store.0.execute(named, (&id, name)).unwrap();
        store.end(&id, state, &all);
        let told = store.recorded();
        told.into_iter().map(|(_, occasion)| occasion).collect()
    };
    let told: Vec<Vec<String>> = vec![
        run("sweep", GOOD),
        run("sweep", BAD),
        run("sweep", BAD),
        // Another cron is another story.
        run("report", GOOD),
        run("sweep", State::Cancelled),
        run("sweep", GOOD),
        run("sweep", GOOD),
    ];
    let counts: Vec<usize> = told.iter().map(Vec::len).collect();
    assert_eq!(counts, [0, 1, 1, 1, 1, 2, 2]);
    assert_eq!(told[6], ["failed", "recovered"]);
    let body = next(&store.0).unwrap().remove(0).body;
    assert!(body.contains("shop@main: failed: "), "{body}");
}
