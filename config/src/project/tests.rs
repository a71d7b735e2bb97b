use std::fs;

use super::*;
use crate::place::Place;

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

#[test]
fn written_read_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let new = NewProject {
        name: ProjectName::parse("shop").unwrap(),
        repository: "/srv/git/sh\"op.git".into(),
        domain: None,
    };
    let path = write_new(dir.path(), &new).unwrap();
    assert!(matches!(
        write_new(dir.path(), &new),
        Err(WriteError::Exists(..))
    ));
    let project = read_one(&path).unwrap();
    assert_eq!(project, Project::new(new.name, new.repository));
    let main = branch("main");
    assert_eq!(
        project.environment(&main, Some(&main)).kind,
        Kind::Production
    );
    let other = project.environment(&branch("x"), Some(&main));
    assert_eq!(
        (other.kind, other.parent.unwrap().as_str()),
        (Kind::Development, "main")
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_bad_one_disables_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let good = r#"
        repository = "/srv/git/a.git"
        domain = "a.example.com"
        [environments.production]
        branch = "main"
        hosts = ["www.a.example.com"]
        [environments.staging]
        type = "staging"
        [environments."*"]
        parent = "staging"
        [push]
        on_failure = "reject"
    "#;
    write("a.toml", good);
    write("b.toml", "repository = \"relative\"\nplan = \"pro-8\"");
    write("c.toml", "repository = \"/srv/git/a.git\"");
    write("Bad.toml", "");
    write(
        "d.toml",
        "repository = \"/d.git\"\n[environments]\np = { type = \"production\" }\na = { parent = \"b\" }\nb = { parent = \"a\" }",
    );
    let read = read_all(dir.path()).unwrap();
    assert_eq!(read.projects.len(), 1);
    let host = Host::defaults(&Place::below(dir.path()));
    assert_eq!(read.projects[0].on_failure(&host), OnFailure::Reject);
    assert_eq!(read.broken.len(), 4);
    let feature = read.projects[0].environment(&branch("feature"), None);
    assert_eq!(feature.parent.unwrap().as_str(), "staging");
    assert_eq!(read.projects[0].production(None), Some(&branch("main")));
}
