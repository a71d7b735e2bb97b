use std::path::PathBuf;
use std::time::Duration;

use wharf_config::name::{EnvironmentId, ProjectName};

use super::*;

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

/// A project that declares no production, and pauses whatever nobody uses.
fn project() -> Project {
    let name = ProjectName::parse("shop").unwrap();
    let mut project = Project::new(name, PathBuf::from("/srv/git/shop.git"));
    project.patterns[0].policy.pause_after = Some(Duration::from_secs(1));
    project
}

fn record(name: &str, kind: Type) -> EnvironmentRecord {
    let branch = branch(name);
    EnvironmentRecord {
        key: EnvironmentKey {
            project: ProjectName::parse("shop").unwrap(),
            id: EnvironmentId::from_branch(&branch),
        },
        branch,
        kind: kind.as_str().into(),
        parent: None,
        trust_domain: "open".into(),
        status: Status::Active.word().into(),
        tip: None,
        live: Some(1),
        generation: 1,
        title: String::new(),
        chosen_parent: None,
        maintenance: None,
        beginning: crate::plan::beginning::Beginning::default(),
    }
}

#[test]
fn the_default_branch_is_never_paused_whatever_is_recorded_of_it() {
    let project = project();
    let main = branch("main");
    for kind in Type::ALL {
        let after = after(&project, Some(&main), &record("main", kind));
        assert_eq!(after, None, "{kind:?}");
    }
    let side = record("side", Type::Development);
    assert_eq!(after(&project, Some(&main), &side), Some(1000));
    // What the record still calls production is left alone as well.
    let was = record("side", Type::Production);
    assert_eq!(after(&project, Some(&main), &was), None);
}

#[test]
fn where_nobody_can_tell_what_production_is_nothing_is_paused() {
    let side = record("side", Type::Development);
    assert_eq!(after(&project(), None, &side), None);
}

#[test]
fn what_does_not_serve_is_not_paused() {
    let (project, main) = (project(), branch("main"));
    let mut side = record("side", Type::Development);
    side.live = None;
    assert_eq!(after(&project, Some(&main), &side), None);
    let mut side = record("side", Type::Development);
    side.status = Status::Paused.word().into();
    assert_eq!(after(&project, Some(&main), &side), None);
}
