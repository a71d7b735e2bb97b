//! Who gets the last place, and what nobody's own wish gives way to.

use wharf_config::name::BranchName;
use wharf_wire::view::{Actor, Commit};

use super::*;
use crate::store::activity::{self, Ending};
use crate::store::known::Opened;
use crate::store::migrate;

struct Store(Connection, Limits);

impl Store {
    fn new(total: u32) -> Store {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::migrate(&mut connection).unwrap();
        let limits = MaxActive {
            total: Some(total),
            ..MaxActive::default()
        };
        let project = ProjectName::parse("shop").unwrap();
        Store(connection, [(project, limits)].into())
    }

    fn open(&mut self, activity: NewActivity) -> Opened {
        let opened = activity::open(&mut self.0, &[activity], &self.1, |_| false);
        opened.unwrap().remove(0)
    }

    /// Records a push and its end; returns what its environment is.
    fn push(&mut self, branch: &str, wish: Wish) -> Status {
        let opened = self.open(order(branch, Kind::Push, "uid", wish));
        self.end(opened, State::Succeeded);
        self.status(branch)
    }

    fn end(&self, opened: Opened, state: State) {
        let Opened::New(id, _) = opened else {
            panic!("{opened:?}");
        };
        let ending = Ending {
            state,
            reason: None,
            live_after: None,
        };
        activity::end(&self.0, &id, &ending).unwrap();
    }

    fn status(&self, branch: &str) -> Status {
        let key = key("shop", branch).unwrap();
        let record = environment::find(&self.0, &key).unwrap();
        record.unwrap().status()
    }

    fn set(&self, branch: &str, status: Status) {
        set(&self.0, &key("shop", branch).unwrap(), status).unwrap();
    }
}

fn order(branch: &str, kind: Kind, source: &str, wish: Wish) -> NewActivity {
    let key = key("shop", branch).unwrap();
    let branch = BranchName::parse(branch).unwrap();
    let new = Some(format!("{:040x}", rand::random::<u64>()));
    let environment = EnvironmentRecord {
        key: key.clone(),
        branch: branch.clone(),
        kind: "development".into(),
        parent: None,
        trust_domain: "open".into(),
        status: wish.word().into(),
        tip: new.clone(),
        live: None,
        generation: 0,
        title: String::new(),
        chosen_parent: None,
        maintenance: None,
        beginning: crate::plan::beginning::Beginning::default(),
    };
    NewActivity {
        environment: (kind == Kind::Push).then_some(environment),
        kind,
        branch,
        key,
        actor: Actor {
            name: "ada".into(),
            source: source.into(),
        },
        commit: Commit {
            new,
            ..Commit::default()
        },
        production: false,
        source: None,
        renames: None,
        variable: None,
        imported: None,
        snapshot: None,
        now: false,
        rebuild: false,
        target: None,
    }
}

#[test]
fn the_last_place_is_given_once_and_again_when_it_is_free() {
    let mut store = Store::new(2);
    assert_eq!(store.push("a", Wish::AsItIs), Status::Active);
    assert_eq!(store.push("idea", Wish::Inactive), Status::Inactive);
    assert_eq!(store.push("b", Wish::AsItIs), Status::Active);
    assert_eq!(store.push("c", Wish::AsItIs), Status::Inactive);
    store.set("a", Status::Paused);
    assert_eq!(store.push("c", Wish::Active), Status::Inactive);
    assert_eq!(store.push("a", Wish::Inactive), Status::Paused);

    let activate = |branch| order(branch, Kind::Activate, "uid", Wish::AsItIs);
    let opened = store.open(activate("c"));
    let Opened::NoRoom(full) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(full.taken.len(), 2);
    rest(&mut store.0, &key("shop", "a").unwrap()).unwrap();
    assert_eq!(store.status("a"), Status::Inactive);
    let opened = store.open(activate("c"));
    store.end(opened, State::Failed);
    // It keeps the place, whatever comes of its deployment.
    assert_eq!(store.status("c"), Status::Active);
    assert!(matches!(store.open(activate("idea")), Opened::NoRoom(_)));
}

#[test]
fn a_branch_that_goes_keeps_its_place_until_it_is_gone() {
    let mut store = Store::new(1);
    store.push("a", Wish::AsItIs);
    let opened = store.open(order("a", Kind::Delete, "uid", Wish::AsItIs));
    assert_eq!(store.status("a"), Status::Deleting);
    assert_eq!(store.push("b", Wish::AsItIs), Status::Inactive);
    environment::forget(&mut store.0, &key("shop", "a").unwrap()).unwrap();
    store.end(opened, State::Succeeded);
    assert_eq!(store.push("b", Wish::Active), Status::Active);
    // One that was inactive needs a place when it comes again.
    assert_eq!(store.push("c", Wish::AsItIs), Status::Inactive);
    store.open(order("c", Kind::Delete, "uid", Wish::AsItIs));
    assert_eq!(store.push("c", Wish::AsItIs), Status::Inactive);
}

#[test]
fn a_visitor_resumes_once_and_not_right_after_a_failure() {
    let mut store = Store::new(9);
    store.push("a", Wish::AsItIs);
    let resume = || order("a", Kind::Resume, REQUEST, Wish::AsItIs);
    assert_eq!(store.open(resume()), Opened::Nothing, "it is active");
    let pause = store.open(order("a", Kind::Pause, "uid", Wish::AsItIs));
    let first = store.open(resume());
    assert!(matches!(first, Opened::New(..)), "it is being paused");
    store.end(pause, State::Succeeded);
    store.set("a", Status::Paused);
    assert_eq!(store.open(resume()), Opened::Nothing, "once");
    store.end(first, State::Failed);
    assert_eq!(store.open(resume()), Opened::Nothing, "not at once");
    let own = store.open(order("a", Kind::Resume, "uid", Wish::AsItIs));
    store.end(own, State::Failed);
    assert!(matches!(store.open(resume()), Opened::New(..)));
}

#[test]
fn a_rule_pauses_only_what_is_active_and_at_rest() {
    let mut store = Store::new(9);
    let pause = || order("a", Kind::Pause, POLICY, Wish::AsItIs);
    let push = store.open(order("a", Kind::Push, "uid", Wish::AsItIs));
    assert_eq!(store.open(pause()), Opened::Nothing, "it is being deployed");
    store.end(push, State::Succeeded);
    let opened = store.open(pause());
    assert_eq!(store.open(pause()), Opened::Nothing, "once");
    store.end(opened, State::Succeeded);
    store.set("a", Status::Paused);
    assert_eq!(store.open(pause()), Opened::Nothing, "it is paused");
}

#[test]
fn a_deployment_a_resume_and_no_pause_counts_as_a_use() {
    let mut store = Store::new(9);
    store.push("a", Wish::AsItIs);
    let at = |store: &Store| {
        let all = deployed(&store.0, None).unwrap();
        all[&key("shop", "a").unwrap()]
    };
    let set = |store: &Store, id: &Opened, at: u64| {
        let Opened::New(id, _) = id else {
            panic!("{id:?}");
        };
        let change = "UPDATE activity SET ended = ?2 WHERE id = ?1";
        store.0.execute(change, (id, at)).unwrap();
    };
    assert!(at(&store) > 0);
    let resume = store.open(order("a", Kind::Resume, "uid", Wish::AsItIs));
    set(&store, &resume, 5_000);
    let pause = store.open(order("a", Kind::Pause, "uid", Wish::AsItIs));
    set(&store, &pause, 9_000);
    assert_eq!(at(&store), 5_000);
}
