use super::*;
use std::path::PathBuf;
use wharf_config::application::Visible;
use wharf_config::name::{ProjectName, VariableName};

use crate::plan::options::Options;
use crate::plan::places::Places;
use crate::plan::policy::{self, Ground};
use crate::plan::rights::Person;
use crate::plan::variables::{Hidden, Level};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";
const NONE: &str = "0000000000000000000000000000000000000000";

fn update(name: &str, old: &str, new: &str) -> RefUpdate {
    RefUpdate {
        name: name.into(),
        lossy: false,
        old: old.into(),
        new: new.into(),
    }
}

/// Judges updates of a project whose default branch is `main`, with this `wharf.toml`.
fn judged(updates: &[RefUpdate], config: &str, lacks: &[&str]) -> Verdict {
    judged_with(updates, config, lacks, &BTreeMap::new())
}

/// The same where this is set.
fn judged_with(
    updates: &[RefUpdate],
    config: &str,
    lacks: &[&str],
    set: &BTreeMap<BranchName, Settings>,
) -> Verdict {
    let project = Project::new(
        ProjectName::parse("shop").unwrap(),
        PathBuf::from("/srv/git/shop.git"),
    );
    let mut files = Files::default();
    files.insert("wharf.toml", config);
    let main = BranchName::parse("main").unwrap();
    let against = policy::judge(
        &Ground {
            project: &project,
            places: &Places::new(&project, Some(&main), Vec::new()),
            person: &Person {
                name: "ann".into(),
                groups: Vec::new(),
                operator: false,
            },
            options: &Options::read(&[]),
            forced: &BTreeSet::new(),
        },
        updates,
    );
    let judged = judge(&Facts {
        project: Some(&project),
        repository: "/srv/git/shop.git",
        updates,
        files: &[(NEW.to_owned(), files)].into(),
        hosts: &BTreeMap::new(),
        taken: &BTreeMap::new(),
        runtimes: &BTreeMap::new(),
        lacks: &lacks
            .iter()
            .map(|lack| (*lack).to_owned())
            .collect::<Vec<_>>(),
        queue_full: None,
        against: &against,
        set,
        serving: &[("main".to_owned(), 7)].into(),
    });
    assert_eq!(judged.verdict.accepted, judged.reasons.is_empty());
    judged.verdict
}

#[test]
fn what_may_move_and_what_may_not() {
    let good = "public = \"site\"\n";
    let table: &[(&str, RefUpdate, &str, Option<&str>)] = &[
        ("a push", update("refs/heads/main", OLD, NEW), good, None),
        ("a tag", update("refs/tags/v1", NONE, NEW), "wrong", None),
        (
            "a branch goes",
            update("refs/heads/side", OLD, NONE),
            good,
            None,
        ),
        (
            "a bad name goes",
            update("refs/heads/-x", OLD, NONE),
            good,
            None,
        ),
        (
            "production goes",
            update("refs/heads/main", OLD, NONE),
            good,
            Some("is production"),
        ),
        (
            "a bad name",
            update("refs/heads/-x", NONE, NEW),
            good,
            Some("must begin with"),
        ),
        (
            "bad configuration",
            update("refs/heads/main", OLD, NEW),
            "wrong",
            Some("error: "),
        ),
        (
            "an unread commit",
            update("refs/heads/main", OLD, OLD),
            good,
            Some("could not be read"),
        ),
    ];
    for (name, update, config, reason) in table {
        let verdict = judged(std::slice::from_ref(update), config, &[]);
        assert_eq!(
            verdict.accepted,
            reason.is_none(),
            "{name}: {:?}",
            verdict.lines
        );
        if let Some(reason) = reason {
            let said = verdict.lines.join("\n");
            assert!(said.contains(reason), "{name}: {said}");
            let last = verdict.lines.last().unwrap();
            assert_eq!(last, "main still serves r7; nothing was changed.", "{name}");
        }
    }
}

#[test]
fn every_reason_is_given_and_one_commit_is_judged_once() {
    let updates = [
        update("refs/heads/main", OLD, NEW),
        update("refs/heads/other", NONE, NEW),
        update("refs/heads/-x", NONE, NEW),
    ];
    let said = judged(&updates, "wrong", &["only 1 MB are free"])
        .lines
        .join("\n");
    assert!(said.contains("1 MB are free"), "{said}");
    assert!(said.contains("must begin with"), "{said}");
    assert_eq!(said.matches("wharf.toml:1").count(), 1, "{said}");
}

#[test]
fn what_is_required_is_asked_of_each_branch() {
    let main = BranchName::parse("main").unwrap();
    let side = BranchName::parse("side").unwrap();
    let of = |branch: &BranchName, all: Vec<Variable>| Settings {
        id: EnvironmentId::from_branch(branch),
        kind: Kind::Development,
        all,
    };
    let token = Variable {
        level: Level::Environment(EnvironmentId::from_branch(&main)),
        name: VariableName::parse("TOKEN").unwrap(),
        value: Hidden("x".into()),
        visible: Visible::Run,
        secret: true,
        inheritable: false,
        json: false,
        set_by: "ann".into(),
        set_at: 0,
    };
    let set = BTreeMap::from([
        (main.clone(), of(&main, vec![token.clone()])),
        (side.clone(), of(&side, vec![token])),
    ]);
    let config = "public = \"site\"\n[env]\nTOKEN = { required = true }\n";
    let both = [
        update("refs/heads/main", NONE, NEW),
        update("refs/heads/side", NONE, NEW),
    ];
    assert!(judged_with(&both[..1], config, &[], &set).accepted);
    let verdict = judged_with(&both, config, &[], &set);
    let said = verdict.lines.join("\n");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    for text in [
        "error: variable TOKEN is required and not set in side",
        "hint: set it: wharf variable set -e side TOKEN -\n",
    ] {
        assert!(said.contains(text), "{said}");
    }
}

#[test]
fn a_deletion_is_allowed_when_the_disk_is_full() {
    let goes = [update("refs/heads/side", OLD, NONE)];
    assert!(judged(&goes, "", &["room"]).accepted);
}

#[test]
fn a_repository_that_no_project_names_is_refused() {
    let judged = judge(&Facts {
        project: None,
        repository: "/srv/git/x.git",
        updates: &[update("refs/heads/main", OLD, NEW)],
        files: &BTreeMap::new(),
        hosts: &BTreeMap::new(),
        taken: &BTreeMap::new(),
        runtimes: &BTreeMap::new(),
        lacks: &[],
        queue_full: None,
        against: &[],
        set: &BTreeMap::new(),
        serving: &BTreeMap::new(),
    });
    assert_eq!(judged.codes(), ["unknown-repository"]);
    let said = judged.verdict.lines.join("\n");
    assert!(said.contains("no project names this repository"), "{said}");
}
