use super::*;

use std::path::PathBuf;
use wharf_config::name::{EnvironmentId, ProjectName};
use wharf_config::project::{BranchPattern, Declared, Pattern, Role, Who, Window};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";
const NONE: &str = "0000000000000000000000000000000000000000";

fn branch_name(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn update(name: &str, old: &str, new: &str) -> RefUpdate {
    RefUpdate {
        name: name.into(),
        lossy: false,
        old: old.into(),
        new: new.into(),
    }
}

fn declared(name: &str, kind: Kind, parent: Option<&str>, policy: Policy) -> Declared {
    Declared {
        key: name.into(),
        branch: branch_name(name),
        kind,
        parent: parent.map(branch_name),
        hosts: Vec::new(),
        policy,
    }
}

/// production (merge only) <- staging <- everything else; `master` follows production.
fn project() -> Project {
    let mut project = Project::new(
        ProjectName::parse("shop").unwrap(),
        PathBuf::from("/srv/git/shop.git"),
    );
    let merge = Policy {
        accept: Accept::Merge,
        ..Policy::default()
    };
    project.environments = vec![
        declared("production", Kind::Production, None, merge),
        declared(
            "staging",
            Kind::Staging,
            Some("production"),
            Policy::default(),
        ),
    ];
    project.mirror = Some(branch_name("master"));
    let all = |role: Role| Kind::ALL.map(|kind| (kind, role)).into();
    let devs = [
        (Kind::Production, Role::Viewer),
        (Kind::Staging, Role::Contributor),
        (Kind::Development, Role::Contributor),
    ];
    project.roles = Some(Roles {
        given: [
            (Who::Person("olga".into()), all(Role::Admin)),
            (Who::Person("dan".into()), devs.into()),
            (Who::Person("vera".into()), all(Role::Viewer)),
        ]
        .into(),
        groups: Default::default(),
    });
    project
}

fn place(name: &str, parent: Option<&str>, live: Option<u32>) -> Place {
    Place {
        id: EnvironmentId::from_branch(&branch_name(name)),
        branch: branch_name(name),
        parent: parent.map(str::to_owned),
        live,
        is_there: true,
    }
}

fn places() -> Vec<Place> {
    vec![
        place("production", None, Some(3)),
        place("staging", Some("production"), Some(5)),
        place("cart", Some("staging"), Some(1)),
    ]
}

struct Case<'a> {
    project: Project,
    places: Vec<Place>,
    who: &'a str,
    options: &'a [&'a str],
    forced: bool,
}

fn case(who: &str) -> Case<'_> {
    Case {
        project: project(),
        places: places(),
        who,
        options: &[],
        forced: false,
    }
}

impl Case<'_> {
    fn reasons(&self, updates: &[RefUpdate]) -> Vec<Reason> {
        let places = Places::new(&self.project, None, self.places.clone());
        let options: Vec<String> = self.options.iter().map(|o| (*o).to_owned()).collect();
        let ground = Ground {
            project: &self.project,
            places: &places,
            person: &Person {
                name: self.who.into(),
                groups: Vec::new(),
                operator: self.who == "root",
            },
            options: &Options::read(&options),
            forced: &(0..)
                .take_while(|_| self.forced)
                .take(updates.len())
                .collect(),
        };
        judge(&ground, updates).into_iter().flatten().collect()
    }

    fn codes(&self, name: &str, old: &str, new: &str) -> Vec<&'static str> {
        let reasons = self.reasons(&[update(name, old, new)]);
        assert!(reasons.iter().all(|reason| reason.hint.is_some()));
        reasons.into_iter().map(|reason| reason.code).collect()
    }
}

#[test]
fn nobody_names_a_parent_that_they_may_not_look_at() {
    let mut project = project();
    let roles = project.roles.as_mut().unwrap();
    let development = [(Kind::Development, Role::Contributor)];
    roles
        .given
        .insert(Who::Person("dan".into()), development.into());
    let denied: &[&str] = &["denied"];
    for (option, name, codes) in [
        ("parent=staging", "refs/heads/new", denied),
        ("environment.parent=production", "refs/heads/new", denied),
        ("parent=cart", "refs/heads/new", &[]),
        ("parent=nowhere", "refs/heads/new", &[]),
        // It keeps its own.
        ("parent=staging", "refs/heads/cart", &[]),
    ] {
        let case = Case {
            project: project.clone(),
            options: &[option],
            ..case("dan")
        };
        assert_eq!(case.codes(name, OLD, NEW), codes, "{option} {name}");
    }
}

#[test]
fn who_may_push_what() {
    let forced = |who| Case {
        forced: true,
        ..case(who)
    };
    for (who, name, old, new, codes) in [
        (case("vera"), "refs/heads/cart", OLD, NEW, &["denied"][..]),
        (case("vera"), "refs/heads/new", NONE, NEW, &["denied"]),
        (case("vera"), "refs/heads/cart", OLD, NONE, &["denied"]),
        (case("vera"), "refs/tags/v1", NONE, NEW, &["denied"]),
        (case("vera"), "refs/replace/1", NONE, NEW, &["denied"]),
        (case("eve"), "refs/heads/cart", OLD, NEW, &["denied"]),
        (case("dan"), "refs/heads/cart", OLD, NEW, &[]),
        (case("dan"), "refs/heads/new", NONE, NEW, &[]),
        (case("dan"), "refs/heads/cart", OLD, NONE, &[]),
        (case("dan"), "refs/tags/v1", NONE, NEW, &[]),
        (forced("dan"), "refs/heads/cart", OLD, NEW, &["denied"]),
        (forced("olga"), "refs/heads/cart", OLD, NEW, &[]),
        (
            case("dan"),
            "refs/heads/staging",
            OLD,
            NONE,
            &["denied", "has-children"],
        ),
        (
            case("dan"),
            "refs/heads/production",
            OLD,
            NEW,
            &["denied", "merge-only"],
        ),
        (
            case("olga"),
            "refs/heads/production",
            OLD,
            NEW,
            &["merge-only"],
        ),
        (
            case("root"),
            "refs/heads/production",
            OLD,
            NEW,
            &["merge-only"],
        ),
        (case("olga"), "refs/heads/master", OLD, NEW, &["mirror"]),
        (case("root"), "refs/heads/master", OLD, NONE, &["mirror"]),
        (
            case("dan"),
            "refs/heads/production",
            OLD,
            NONE,
            &["denied", "production-stays", "has-children"],
        ),
    ] {
        assert_eq!(who.codes(name, old, new), codes, "{} {name} {new}", who.who);
    }
}

#[test]
fn without_roles_everybody_may_what_policy_allows() {
    let mut eve = case("eve");
    eve.project.roles = None;
    assert!(eve.codes("refs/heads/cart", OLD, NEW).is_empty());
    assert!(eve.codes("refs/tags/v1", NONE, NEW).is_empty());
    assert_eq!(eve.codes("refs/heads/master", OLD, NEW), ["mirror"]);
}

#[test]
fn policy_refuses_with_a_next_step() {
    // The first push of what takes merges only makes it.
    let mut olga = case("olga");
    olga.places = Vec::new();
    assert!(olga.codes("refs/heads/production", NONE, NEW).is_empty());

    let said = &case("olga").reasons(&[update("refs/heads/production", OLD, NEW)])[0];
    let hint = said.hint.as_deref().unwrap();
    assert!(hint.contains("wharf merge -e staging"), "{hint}");
    let said = &case("olga").reasons(&[update("refs/heads/staging", OLD, NONE)])[0];
    assert_eq!(said.message, "staging has children: cart");
    let hint = said.hint.as_deref().unwrap();
    assert!(
        hint.contains("wharf delete --with-children -e staging"),
        "{hint}"
    );
    // Gone with its children in one push.
    let both = [
        update("refs/heads/staging", OLD, NONE),
        update("refs/heads/cart", OLD, NONE),
    ];
    assert!(case("olga").reasons(&both).is_empty());

    let mut closed = case("dan");
    closed.project.patterns = vec![Pattern {
        branches: BranchPattern::all(),
        kind: Kind::Development,
        parent: None,
        policy: Policy {
            on_new_branch: OnNewBranch::Reject,
            ..Policy::default()
        },
    }];
    assert_eq!(closed.codes("refs/heads/new", NONE, NEW), ["new-branch"]);
    assert!(closed.codes("refs/heads/cart", OLD, NEW).is_empty());
}

#[test]
fn options_need_the_rights_for_what_they_do() {
    let with = |who, options| Case {
        options,
        ..case(who)
    };
    let mut now = with("dan", &["now"]);
    assert!(
        now.codes("refs/heads/staging", OLD, NEW).is_empty(),
        "no window"
    );
    let hours = Window::parse("Mon-Fri 09:00-16:00").unwrap();
    now.project.environments[1].policy.schedule.window = Some(hours);
    assert_eq!(now.codes("refs/heads/staging", OLD, NEW), ["denied"]);
}

#[test]
fn only_where_it_matters_is_asked_what_is_forced() {
    let project = project();
    let places = Places::new(&project, None, places());
    let updates = [
        update("refs/heads/cart", OLD, NEW),
        update("refs/heads/new", NONE, NEW),
        update("refs/heads/production", OLD, NEW),
        update("refs/heads/staging", OLD, NONE),
        update("refs/tags/v1", OLD, NEW),
        update("refs/heads/staging", OLD, NEW),
    ];
    let asked = |who: &str| {
        let person = Person {
            name: who.into(),
            groups: Vec::new(),
            operator: false,
        };
        doubtful(&project, &places, &person, &updates)
    };
    assert_eq!(asked("dan"), [0, 5]);
    assert!(asked("olga").is_empty() && asked("vera").is_empty());
}
