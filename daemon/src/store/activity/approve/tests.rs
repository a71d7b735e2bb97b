use wharf_config::name::BranchName;
use wharf_wire::outcome::{Kind, State};
use wharf_wire::view::{Activity, Actor, Commit};

use super::*;
use crate::notify::Audience;
use crate::plan::parking::Leave;
use crate::store::environment::{EnvironmentKey, key};
use crate::store::status::Limits;
use crate::store::{activity, migrate};

fn main() -> EnvironmentKey {
    key("shop", "main").unwrap()
}

fn by(name: &str, kind: Kind) -> NewActivity {
    NewActivity {
        key: main(),
        branch: BranchName::parse("main").unwrap(),
        kind,
        actor: Actor {
            name: name.into(),
            source: "uid".into(),
        },
        commit: Commit {
            new: Some("c0ffee".into()),
            ..Commit::default()
        },
        environment: None,
        production: true,
        rebuild: false,
        renames: None,
        variable: None,
        imported: None,
        snapshot: None,
        now: false,
        target: None,
        source: None,
    }
}

/// A store where one activity is parked, with that code; and its id.
fn parked(code: &str) -> (Connection, String) {
    let mut store = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut store).unwrap();
    let push = [by("ada", Kind::Redeploy)];
    let opened = activity::open(&mut store, &push, &Limits::new(), |_| false).unwrap();
    let [crate::store::known::Opened::New(id, _)] = &opened[..] else {
        panic!("{opened:?}");
    };
    let leave = Leave {
        approved_by: (code == "approval").then(String::new),
        ..Leave::default()
    };
    let reason = wharf_wire::view::Reason {
        code: code.into(),
        message: "waits".into(),
        hint: None,
    };
    activity::park(&mut store, id, &leave, &reason, &Audience::default()).unwrap();
    (store, id.clone())
}

fn said(store: &mut Connection, activity: &str, word: Word) -> Option<String> {
    let name = match &word {
        Word::Approved { by, .. } | Word::Now { by } => by.clone(),
    };
    let approval = Approval {
        activity: activity.into(),
        word,
        by: by(&name, Kind::Approve),
    };
    let recorded = approve(store, &approval, |_| false).unwrap();
    recorded.map(|(id, _)| id)
}

fn approved(by: &str) -> Word {
    Word::Approved {
        by: by.into(),
        now: false,
    }
}

fn all(store: &Connection) -> Vec<Activity> {
    activity::list(store, None, None, 10).unwrap()
}

#[test]
fn an_approval_is_an_activity_that_ends_with_it_and_of_two_one_counts() {
    let (mut store, id) = parked("approval");
    let act = said(&mut store, &id, approved("ann")).unwrap();
    assert_eq!(said(&mut store, &id, approved("bob")), None);
    let all = all(&store);
    let [own, other] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!((&own.id, own.kind), (&act, Kind::Approve));
    assert_eq!(
        (own.state, own.actor.name.as_str()),
        (State::Succeeded, "ann")
    );
    assert!(own.ended.is_some());
    assert_eq!(own.commit.new.as_deref(), Some("c0ffee"));
    let reason = own.reason.as_ref().unwrap();
    assert_eq!(reason.code, "approved");
    assert_eq!(reason.message, format!("{id} is approved"));
    assert_eq!(other.approved_by.as_deref(), Some("ann"));
    let task = activity::task(&store, &id).unwrap().unwrap();
    assert!(!task.parked, "it goes on");
}

#[test]
fn a_word_that_nothing_waits_for_is_not_recorded() {
    let (mut store, id) = parked("window");
    assert_eq!(said(&mut store, &id, approved("ann")), None);
    assert_eq!(all(&store).len(), 1);
    let now = || Word::Now { by: "ann".into() };
    assert!(said(&mut store, &id, now()).is_some());
    let task = activity::task(&store, &id).unwrap().unwrap();
    assert!(task.leave.now && task.leave.approved_by.is_none());
    assert_eq!(said(&mut store, "none", now()), None);
    assert_eq!(all(&store).len(), 2);
}
