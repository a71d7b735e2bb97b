use super::*;
use wharf_config::files::Files;

fn name(text: &str) -> VariableName {
    VariableName::parse(text).unwrap()
}

fn staging() -> EnvironmentId {
    EnvironmentId::parse("staging").unwrap()
}

fn set(level: Level, value: &str, visible: Visible) -> Variable {
    Variable {
        level,
        name: name("MODE"),
        value: Hidden(value.into()),
        visible,
        secret: false,
        inheritable: false,
        json: false,
        set_by: "ann".into(),
        set_at: 1,
    }
}

/// An application with this `[env]` and these committed variables.
fn application(env: &str, committed: &str) -> Application {
    let mut files = Files::default();
    files.insert("wharf.toml", format!("web = \"x\"\n[env]\n{env}"));
    files.insert(committed::FILE, format!("[variables]\n{committed}"));
    match wharf_config::application::read(&files) {
        Ok(application) => application,
        Err(problems) => panic!("{}", problems.render(72)),
    }
}

/// What a build and what runs see of `MODE`.
fn seen(set: &[Variable], env: &str, committed: &str) -> (String, String) {
    let application = application(env, committed);
    let given = Given::of(set, &staging(), Kind::Staging, &application.committed);
    let of = |seen: BTreeMap<VariableName, One>| match seen.get(&name("MODE")) {
        Some(one) => one.value.0.clone(),
        None => "-".to_owned(),
    };
    (
        of(given.seen_by_build(&application)),
        of(given.seen_by_run(&application)),
    )
}

#[test]
fn who_wins_in_builds_and_in_runs() {
    use Visible::{Both, Build, Run};
    let own = || Level::Environment(staging());
    let elsewhere = || Level::Environment(EnvironmentId::parse("main").unwrap());
    let (project, kind) = (Level::Project, Level::Type(Kind::Staging));
    let other = Level::Type(Kind::Production);
    type Row<'a> = (
        &'a [(&'a Level, &'a str, Visible)],
        &'a str,
        &'a str,
        [&'a str; 2],
    );
    let table: &[Row<'_>] = &[
        (&[], "", "", ["-", "-"]),
        (&[], "MODE = \"file\"", "", ["file", "file"]),
        (
            &[],
            "MODE = { value = \"file\", visible = \"build\" }",
            "",
            ["file", "-"],
        ),
        (
            &[],
            "MODE = { value = \"file\", visible = \"run\" }",
            "",
            ["-", "file"],
        ),
        (&[(&project, "p", Both)], "MODE = \"file\"", "", ["p", "p"]),
        (
            &[(&project, "p", Both), (&kind, "t", Both)],
            "",
            "",
            ["t", "t"],
        ),
        (
            &[
                (&own(), "e", Both),
                (&kind, "t", Both),
                (&project, "p", Both),
            ],
            "",
            "",
            ["e", "e"],
        ),
        (
            &[(&other, "t", Both), (&elsewhere(), "e", Both)],
            "",
            "",
            ["-", "-"],
        ),
        // What is for runs alone leaves builds as they are, and the other way round.
        (&[(&own(), "e", Run)], "MODE = \"file\"", "", ["file", "e"]),
        (
            &[(&own(), "e", Build)],
            "MODE = \"file\"",
            "",
            ["e", "file"],
        ),
        (
            &[(&project, "p", Both), (&own(), "e", Run)],
            "",
            "",
            ["p", "e"],
        ),
        (
            &[(&own(), "e", Both)],
            "MODE = \"file\"",
            "MODE = \"c\"",
            ["c", "c"],
        ),
        (
            &[(&own(), "e", Both)],
            "",
            "MODE = { value = \"c\", visible = \"run\" }",
            ["e", "c"],
        ),
        (
            &[(&own(), "e", Run)],
            "MODE = { generate = \"secret\" }",
            "",
            ["-", "e"],
        ),
    ];
    for (variables, env, committed, [build, run]) in table {
        let all: Vec<Variable> = variables
            .iter()
            .map(|(level, value, visible)| set((*level).clone(), value, *visible))
            .collect();
        let seen = seen(&all, env, committed);
        let wanted = ((*build).to_owned(), (*run).to_owned());
        assert_eq!(seen, wanted, "{variables:?} {env} {committed}");
    }
}

#[test]
fn what_waits_for_a_deployment() {
    let given = |set: &[Variable], committed: &str| {
        let committed = application("", committed).committed;
        Given::of(set, &staging(), Kind::Staging, &committed)
    };
    let own = |value, visible| set(Level::Environment(staging()), value, visible);
    let before = given(&[own("a", Visible::Both)], "");
    let waits = |now: &Given| now.differing(&before).len();
    assert_eq!(waits(&before), 0);
    assert_eq!(waits(&given(&[own("b", Visible::Both)], "")), 1);
    assert_eq!(waits(&given(&[own("a", Visible::Run)], "")), 1);
    assert_eq!(waits(&given(&[], "")), 1);
    let secret = Variable {
        secret: true,
        ..own("a", Visible::Both)
    };
    assert_eq!(waits(&given(&[secret], "")), 1);
    // What is committed wins whatever is set.
    let hidden = given(&[own("a", Visible::Both)], "MODE = \"c\"");
    assert!(hidden.is_empty());
    let text = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Given>(&text).unwrap(), before);
    assert_eq!(
        serde_json::from_str::<Given>("{}").unwrap(),
        Given::default()
    );
}

#[test]
fn what_is_required_must_be_seen_where_it_is_needed() {
    let of = |env: &str, set: &[Variable], committed: &str| {
        let application = application(env, committed);
        let given = Given::of(set, &staging(), Kind::Staging, &application.committed);
        let missing = missing(&application, &given);
        missing
            .iter()
            .map(|one| format!("{}; {}", one.message("staging"), one.hint("staging")))
            .collect::<Vec<_>>()
    };
    let own = |visible| set(Level::Project, "x", visible);
    let run = "MODE = { required = true, help = \"the mode\" }";
    let build = "MODE = { required = true, visible = \"build\" }";
    assert_eq!(
        of(run, &[], ""),
        [
            "variable MODE is required and not set in staging (the mode); \
          set it: wharf variable set -e staging MODE -"
        ]
    );
    assert_eq!(
        of(build, &[own(Visible::Run)], ""),
        [
            "variable MODE is set in staging, but must be visible: build; \
          set it: wharf variable set -e staging --visible build MODE -"
        ]
    );
    for (env, visible) in [
        (run, Visible::Run),
        (run, Visible::Both),
        (build, Visible::Build),
    ] {
        assert_eq!(of(env, &[own(visible)], ""), [""; 0]);
    }
    assert_eq!(of(run, &[], "MODE = \"c\""), [""; 0]);
}

#[test]
fn a_level_takes_so_many_and_so_much() {
    let own = |name: String, value: &str| Variable {
        name: VariableName::parse(&name).unwrap(),
        ..set(Level::Project, value, Visible::Both)
    };
    let full: Vec<_> = (0..MOST).map(|n| own(format!("V{n}"), "x")).collect();
    let too_many = Err(TooMuch::Many("the project".into()));
    assert_eq!(fits(&full, MOST, &own("W".into(), "x")), too_many);
    // One that is there may change.
    assert_eq!(fits(&full, MOST_IN_PROJECT, &own("V7".into(), "y")), Ok(()));
    assert_eq!(
        fits(&[], MOST_IN_PROJECT, &own("W".into(), "x")),
        Err(TooMuch::Project)
    );
    let long = "x".repeat(MOST_BYTES / 4);
    let large: Vec<_> = (0..4).map(|n| own(format!("V{n}"), &long)).collect();
    let more = own("W".into(), "");
    assert!(matches!(fits(&large, 4, &more), Err(TooMuch::Large(_))));
    assert_eq!(fits(&large[1..], 3, &more), Ok(()));
    assert!(!format!("{large:?}").contains("xxx"), "a value is shown");
}
