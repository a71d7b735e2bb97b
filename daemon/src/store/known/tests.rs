//! The bell and the comparison in every order: each move is recorded once.

use rusqlite::Connection;
use wharf_config::name::BranchName;
use wharf_wire::outcome::State;
use wharf_wire::view::{Actor, Commit};

use super::*;
use crate::plan::rename::Rename;
use crate::store::activity::{self, Ending};
use crate::store::environment::{EnvironmentRecord, key};
use crate::store::migrate;
use crate::store::status::Limits;

struct Store(Connection);

impl Store {
    fn new() -> Store {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        Store(connection)
    }

    fn open(&mut self, activity: NewActivity) -> Opened {
        let mut opened =
            activity::open(&mut self.0, &[activity], &Limits::new(), |_| false).unwrap();
        assert_eq!(opened.len(), 1);
        opened.remove(0)
    }

    fn id(&mut self, activity: NewActivity) -> String {
        match self.open(activity) {
            Opened::New(id, _) => id,
            other => panic!("{other:?}"),
        }
    }

    fn tip(&self) -> Option<String> {
        let key = key("shop", "main").unwrap();
        let record = environment::find(&self.0, &key).unwrap();
        record.and_then(|record| record.tip)
    }

    fn end(&self, id: &str, state: State) {
        let ending = Ending {
            state,
            reason: None,
            live_after: None,
        };
        activity::end(&self.0, id, &ending).unwrap();
    }
}

fn report(source: &str, kind: Kind, old: &str, new: &str) -> NewActivity {
    let some = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let key = key("shop", "main").unwrap();
    let branch = BranchName::parse("main").unwrap();
    let environment = kind.moves_branch().then(|| EnvironmentRecord {
        key: key.clone(),
        branch: branch.clone(),
        kind: "development".into(),
        parent: None,
        trust_domain: "open".into(),
        status: "active".into(),
        tip: some(new),
        live: None,
        generation: 0,
        title: String::new(),
        chosen_parent: None,
        maintenance: None,
        beginning: crate::plan::beginning::Beginning::default(),
    });
    NewActivity {
        environment,
        kind,
        branch,
        key,
        actor: Actor {
            name: "ada".into(),
            source: source.into(),
        },
        commit: Commit {
            old: some(old),
            new: some(new),
            ..Commit::default()
        },
        production: false,
        rebuild: false,
        now: false,
        target: None,
        source: None,
        renames: None,
        variable: None,
        imported: None,
        snapshot: None,
    }
}

fn bell(old: &str, new: &str) -> NewActivity {
    report("uid", Kind::Push, old, new)
}

fn found(old: &str, new: &str) -> NewActivity {
    report(RECONCILE, Kind::Push, old, new)
}

fn is_overtaken(opened: &Opened, by: &str) -> bool {
    matches!(opened, Opened::Overtaken(_, other) if other == by)
}

#[test]
fn whoever_comes_second_records_nothing() {
    let mut store = Store::new();
    store.id(bell("", "a"));
    assert_eq!(store.open(found("", "a")), Opened::Nothing);
    let id = store.id(found("a", "b"));
    assert_eq!(store.open(bell("a", "b")), Opened::Known(id.clone()));
    assert_eq!(store.open(found("a", "b")), Opened::Nothing);
    store.end(&id, State::Succeeded);
    assert_eq!(store.open(bell("a", "b")), Opened::Known(id));
    // Back and forth is a push each time.
    store.id(bell("b", "a"));
    store.id(bell("a", "b"));
    store.id(bell("b", "a"));
    assert_eq!(store.tip().as_deref(), Some("a"));
}

#[test]
fn what_was_compared_before_a_rename_undoes_nothing_of_it() {
    let mut store = Store::new();
    // As if nobody had seen who pushed it.
    store.id(found("", "a"));
    let [main, next] = ["main", "next"].map(|name| BranchName::parse(name).unwrap());
    let of_next = |mut activity: NewActivity| {
        activity.branch = next.clone();
        if let Some(record) = &mut activity.environment {
            record.branch = next.clone();
        }
        activity
    };
    let renamed = || NewActivity {
        renames: Some(Rename {
            from: main.clone(),
            to: next.clone(),
            commit: "a".into(),
        }),
        ..of_next(bell("a", "a"))
    };
    store.id(renamed());
    let gone = report(RECONCILE, Kind::Delete, "a", "");
    assert_eq!(store.open(gone), Opened::Nothing);
    let mut begun = of_next(found("", "a"));
    begun.key = key("shop", "next").unwrap();
    assert_eq!(store.open(begun), Opened::Nothing);
    assert_eq!(store.tip().as_deref(), Some("a"));
    // Nor is it renamed twice.
    let twice = activity::open(&mut store.0, &[renamed()], &Limits::new(), |_| false);
    assert!(twice.is_err());
    let all = environment::list(&store.0, None).unwrap();
    let branches: Vec<&str> = all.iter().map(|one| one.branch.as_str()).collect();
    assert_eq!(branches, ["next"]);
}

#[test]
fn bells_in_the_wrong_order_leave_the_last_push() {
    let mut store = Store::new();
    store.id(bell("", "a"));
    environment::set_live(&store.0, &key("shop", "main").unwrap(), Some(7)).unwrap();
    let later = store.id(bell("b", "c"));
    let earlier = store.open(bell("a", "b"));
    assert!(is_overtaken(&earlier, &later), "{earlier:?}");
    assert_eq!(store.tip().as_deref(), Some("c"));
    let Opened::Overtaken(id, _) = earlier else {
        unreachable!("just seen");
    };
    let record = activity::find(&store.0, &id).unwrap().unwrap();
    assert_eq!(record.state, State::Superseded);
    assert_eq!(record.live_after, Some(7), "what serves is not lost");
    assert!(record.reason.unwrap().message.contains(&later));
    assert_eq!(activity::unfinished(&store.0).unwrap().len(), 2);
}

#[test]
fn bells_after_both_pushes_were_found_are_late() {
    let mut store = Store::new();
    store.id(bell("", "a"));
    let both = store.id(found("a", "c"));
    let first = store.open(bell("a", "b"));
    assert!(is_overtaken(&first, &both), "{first:?}");
    let second = store.open(bell("b", "c"));
    assert_eq!(store.tip().as_deref(), Some("c"));
    assert!(!matches!(second, Opened::New(..)), "{second:?}");
}

#[test]
fn a_bell_after_one_that_never_rang_is_heard() {
    let mut store = Store::new();
    store.id(bell("", "a"));
    store.id(bell("b", "c"));
    assert_eq!(store.tip().as_deref(), Some("c"));
}

#[test]
fn a_deletion_is_recorded_once() {
    let mut store = Store::new();
    let delete = |source: &str| report(source, Kind::Delete, "a", "");
    assert_eq!(store.open(delete("uid")), Opened::Nothing);
    store.id(bell("", "a"));
    let id = store.id(delete(RECONCILE));
    assert_eq!(store.tip(), None);
    assert_eq!(store.open(delete("uid")), Opened::Known(id.clone()));
    assert_eq!(store.open(delete(RECONCILE)), Opened::Nothing);
    // One that failed is tried again, by whoever comes.
    store.end(&id, State::Failed);
    let id = store.id(delete(RECONCILE));
    store.end(&id, State::Succeeded);
    environment::forget(&mut store.0, &key("shop", "main").unwrap()).unwrap();
    assert_eq!(store.open(delete("uid")), Opened::Known(id));
    assert_eq!(store.open(delete(RECONCILE)), Opened::Nothing);
    // Made again, it is a new one.
    store.id(found("", "a"));
}

#[test]
fn an_id_that_is_taken_is_not_given() {
    let mut store = Store::new();
    let is_short = |id: &str| id.len() <= 4;
    let opened = activity::open(&mut store.0, &[bell("", "a")], &Limits::new(), is_short).unwrap();
    let [Opened::New(id, _)] = &opened[..] else {
        panic!("{opened:?}");
    };
    assert_eq!(id.len(), 5, "{id}");
}

#[test]
fn a_push_before_the_end_of_a_deletion_keeps_its_record() {
    let mut store = Store::new();
    let main = key("shop", "main").unwrap();
    store.id(bell("", "a"));
    let first = environment::next_release(&store.0, &main, 0).unwrap();
    environment::set_live(&store.0, &main, Some(first)).unwrap();
    let old = environment::secret(&store.0, &main, "KEY", "old").unwrap();
    let deletion = store.id(report("uid", Kind::Delete, "a", ""));
    let push = store.id(bell("", "b"));

    environment::forget(&mut store.0, &main).unwrap();
    store.end(&deletion, State::Succeeded);
    let record = environment::find(&store.0, &main).unwrap().unwrap();
    assert_eq!((record.tip.as_deref(), record.live), (Some("b"), None));
    let next = environment::next_release(&store.0, &main, 0).unwrap();
    assert!(next > first, "a number is never given twice");
    let new = environment::secret(&store.0, &main, "KEY", "new").unwrap();
    assert_ne!(new, old, "another environment of that name");
    store.end(&push, State::Succeeded);

    store.id(report("uid", Kind::Delete, "b", ""));
    environment::forget(&mut store.0, &main).unwrap();
    assert_eq!(environment::find(&store.0, &main).unwrap(), None);
}

#[test]
fn an_environment_is_never_taken_over_by_another_branch() {
    let mut store = Store::new();
    store.id(bell("", "1"));
    let mut other = bell("", "2");
    let branch = BranchName::parse("other").unwrap();
    if let Some(record) = &mut other.environment {
        record.branch = branch.clone();
    }
    other.branch = branch;
    let refused = activity::open(&mut store.0, &[other], &Limits::new(), |_| false);
    assert!(matches!(refused, Err(StoreError::Taken(_))), "{refused:?}");
    assert_eq!(store.tip().as_deref(), Some("1"));
}

#[test]
fn a_chosen_parent_and_a_title_stay() {
    let mut store = Store::new();
    let mut first = bell("", "1");
    if let Some(record) = &mut first.environment {
        (record.parent, record.chosen_parent) = (Some("staging".into()), Some("staging".into()));
        record.title = "A cart".into();
    }
    store.id(first);
    let mut second = bell("1", "2");
    if let Some(record) = &mut second.environment {
        record.parent = Some("by-rule".into());
    }
    store.id(second);
    let key = key("shop", "main").unwrap();
    let record = environment::find(&store.0, &key).unwrap().unwrap();
    assert_eq!(record.parent.as_deref(), Some("staging"));
    assert_eq!(record.title, "A cart");
    assert_eq!(record.tip.as_deref(), Some("2"));
}

#[test]
fn a_move_of_our_own_is_recorded_once_whoever_tells_of_it() {
    let mut store = Store::new();
    store.id(bell("", "a"));
    let merge = |old, new| report("uid", Kind::Merge, old, new);
    // Told of by the spool and ordered by who asked, in any order.
    let id = store.id(merge("a", "b"));
    assert_eq!(store.open(merge("a", "b")), Opened::Known(id.clone()));
    assert_eq!(store.open(found("a", "b")), Opened::Nothing);
    store.end(&id, State::Succeeded);
    assert_eq!(store.open(merge("a", "b")), Opened::Known(id));
    // Found by its tip before anybody told whose it was.
    let id = store.id(found("b", "c"));
    assert_eq!(store.open(merge("b", "c")), Opened::Known(id));
    // A push in between makes it another one.
    store.id(bell("c", "b"));
    store.id(merge("b", "c"));
    let gone = report("uid", Kind::Delete, "c", "");
    let id = store.id(gone.clone());
    assert_eq!(store.open(gone), Opened::Known(id));
}
