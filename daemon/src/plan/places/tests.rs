use std::path::PathBuf;

use super::*;
use crate::testing::colliding;
use wharf_config::name::ProjectName;

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn project() -> Project {
    Project::new(
        ProjectName::parse("shop").unwrap(),
        PathBuf::from("/srv/git/shop.git"),
    )
}

fn place(name: &str, parent: Option<&str>) -> Place {
    Place {
        id: EnvironmentId::from_branch(&branch(name)),
        branch: branch(name),
        parent: parent.map(str::to_owned),
        live: None,
        is_there: true,
    }
}

#[test]
fn a_branch_whose_id_is_taken_gets_another_and_keeps_it() {
    let project = project();
    let (first, second) = colliding();
    let taken = EnvironmentId::from_branch(&first);
    assert_eq!(taken, EnvironmentId::from_branch(&second));

    let mut places = Places::new(&project, None, vec![place(first.as_str(), None)]);
    assert_eq!(places.id(&first), taken);
    let own = places.id(&second);
    assert_ne!(own, taken);
    assert_eq!(own.as_str()[..29], taken.as_str()[..29]);
    assert_eq!(EnvironmentId::parse(own.as_str()), Ok(own.clone()));
    places.add(&second);
    assert_eq!(places.id(&second), own);

    // The record counts, also once the other is gone.
    let kept = Place {
        id: own.clone(),
        ..place(second.as_str(), None)
    };
    let places = Places::new(&project, None, vec![kept]);
    assert_eq!(places.environment(&second).id, own);
    assert_eq!(places.id(&first), taken);
}

#[test]
fn a_chosen_parent_must_be_there_and_make_no_ring() {
    let mut project = project();
    project.mirror = Some(branch("master"));
    let main = branch("main");
    let all = vec![
        place("main", None),
        place("master", Some("main")),
        place("a", Some("main")),
        place("b", Some("a")),
        place("c", Some("new")),
        Place {
            is_there: false,
            ..place("gone", Some("main"))
        },
        // A ring that an older version let in.
        place("x", Some("y")),
        place("y", Some("x")),
    ];
    let places = Places::new(&project, Some(&main), all);
    let chosen = |of: &str, wanted: &str| places.parent(&branch(of), wanted);
    assert_eq!(chosen("new", "b").unwrap().as_str(), "b");
    assert_eq!(chosen("new", "x").unwrap().as_str(), "x");
    assert!(matches!(chosen("new", "gone"), Err(NoParent::Missing(_))));
    assert!(matches!(chosen("new", "../x"), Err(NoParent::Missing(_))));
    assert!(matches!(
        chosen("new", "master"),
        Err(NoParent::NotBranchable(_))
    ));
    for (of, wanted) in [("a", "a"), ("a", "b"), ("new", "c")] {
        assert!(matches!(chosen(of, wanted), Err(NoParent::Ring(_))), "{of}");
    }
    assert_eq!(chosen("main", "a"), Err(NoParent::Root));
    assert_eq!(
        places.children(&EnvironmentId::parse("a").unwrap()).count(),
        1
    );
}
