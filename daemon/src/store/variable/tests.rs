use wharf_config::name::BranchName;

use super::*;
use crate::plan::variables::MOST;
use crate::store::environment::{EnvironmentRecord, forget, forget_tip, touch};
use crate::store::migrate;

fn database() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection).unwrap();
    connection
}

fn project() -> ProjectName {
    ProjectName::parse("shop").unwrap()
}

fn key(id: &str) -> EnvironmentKey {
    EnvironmentKey {
        project: project(),
        id: EnvironmentId::parse(id).unwrap(),
    }
}

fn make(connection: &Connection, id: &str, parent: Option<&str>) {
    let record = EnvironmentRecord {
        key: key(id),
        branch: BranchName::parse(id).unwrap(),
        kind: "development".into(),
        parent: parent.map(Into::into),
        trust_domain: "open".into(),
        status: "active".into(),
        tip: Some("a".repeat(40)),
        live: None,
        generation: 0,
        title: String::new(),
        chosen_parent: None,
        maintenance: None,
        beginning: crate::plan::beginning::Beginning::default(),
    };
    touch(connection, &record).unwrap();
}

fn variable(level: Level, name: &str, value: &str) -> Variable {
    Variable {
        level,
        name: VariableName::parse(name).unwrap(),
        value: Hidden(value.into()),
        visible: Visible::Both,
        secret: false,
        inheritable: false,
        json: false,
        set_by: "ann".into(),
        set_at: 7,
    }
}

fn own(id: &str) -> Level {
    Level::Environment(key(id).id)
}

fn set(connection: &Connection, variable: Variable) {
    let done = change(connection, &project(), &Change::Set(variable)).unwrap();
    assert_eq!(done, Ok(()));
}

/// What an environment is given, as `NAME=value`.
fn given(connection: &Connection, id: &str, parent: Option<&str>) -> Vec<String> {
    let mut all: Vec<_> = of(connection, &key(id), parent)
        .unwrap()
        .all
        .into_iter()
        .filter(|one| one.level.reaches(&key(id).id, Kind::Development))
        .map(|one| format!("{}={}", one.name, one.value.0))
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_set_comes_back_and_goes() {
    let connection = database();
    let secret = Variable {
        secret: true,
        inheritable: true,
        json: true,
        visible: Visible::Run,
        ..variable(Level::Type(Kind::Staging), "TOKEN", "1")
    };
    set(&connection, secret.clone());
    set(&connection, variable(Level::Project, "MODE", "a"));
    set(&connection, variable(Level::Project, "MODE", "b"));
    let all = list(&connection, Some(&project())).unwrap();
    let all: Vec<_> = all.into_iter().map(|(_, variable)| variable).collect();
    assert_eq!(all, [variable(Level::Project, "MODE", "b"), secret]);
    let gone = Change::Delete(Level::Project, VariableName::parse("MODE").unwrap());
    change(&connection, &project(), &gone).unwrap().unwrap();
    assert_eq!(list(&connection, None).unwrap().len(), 1);
}

#[test]
fn a_child_gets_what_is_inheritable_when_it_is_made() {
    let mut connection = database();
    make(&connection, "main", None);
    let down = |name: &str, value: &str| Variable {
        inheritable: true,
        ..variable(own("main"), name, value)
    };
    set(&connection, down("A", "1"));
    set(&connection, down("B", "1"));
    set(&connection, variable(own("main"), "C", "stays"));
    set(&connection, variable(own("child"), "B", "own"));
    // Before it is there it is given what it would inherit.
    let before = given(&connection, "child", Some("main"));
    assert_eq!(before, ["A=1", "B=own"]);
    inherit(&connection, &key("child"), "main").unwrap();
    make(&connection, "child", Some("main"));
    set(&connection, down("A", "2"));
    assert_eq!(given(&connection, "child", Some("main")), before);

    // With the environment it goes; one that is only deactivated keeps it.
    forget(&mut connection, &key("child")).unwrap();
    assert_eq!(given(&connection, "child", None), before);
    forget_tip(&connection, &key("child")).unwrap();
    forget(&mut connection, &key("child")).unwrap();
    assert_eq!(given(&connection, "child", None), [""; 0]);
    assert_eq!(given(&connection, "main", None).len(), 3);
}

#[test]
fn every_secret_that_could_be_printed_is_known() {
    let connection = database();
    make(&connection, "main", None);
    make(&connection, "other", None);
    let hidden = |level, name, value| Variable {
        secret: true,
        ..variable(level, name, value)
    };
    set(&connection, hidden(Level::Project, "A", "project"));
    set(&connection, hidden(own("main"), "B", "main"));
    set(&connection, variable(own("main"), "C", "plain"));
    let down = Variable {
        inheritable: true,
        ..hidden(own("other"), "D", "handed-down")
    };
    set(&connection, down);
    let known = |id| secrets(&connection, &key(id)).unwrap();
    assert_eq!(known("main"), ["main", "project"]);
    assert_eq!(known("new"), ["handed-down", "project"]);
}

#[test]
fn digests_tell_equal_secrets_and_nothing_else() {
    let connection = database();
    let none = of(&connection, &key("main"), None).unwrap();
    let name = |text: &str| VariableName::parse(text).unwrap();
    let plain = none.digest(&name("A"), &Hidden("x".into()));
    let secret = Variable {
        secret: true,
        ..variable(Level::Project, "A", "x")
    };
    set(&connection, secret);
    let set = of(&connection, &key("main"), None).unwrap();
    let digest = |word: &str, value: &str| set.digest(&name(word), &Hidden(value.into()));
    assert_eq!(digest("A", "x"), digest("A", "x"));
    assert_ne!(digest("A", "x"), digest("B", "x"));
    assert_ne!(digest("A", "x"), digest("A", "y"));
    assert_ne!(digest("A", "x"), plain, "it is made with a salt");
}

#[test]
fn a_bound_is_held_in_the_transaction() {
    let connection = database();
    for number in 0..MOST {
        let name = format!("V{number}");
        set(&connection, variable(Level::Project, &name, "x"));
    }
    let more = Change::Set(variable(Level::Project, "W", "x"));
    let done = change(&connection, &project(), &more).unwrap();
    assert_eq!(done, Err(TooMuch::Many("the project".into())));
    assert_eq!(list(&connection, None).unwrap().len(), MOST);
    set(&connection, variable(own("main"), "W", "x"));
}
