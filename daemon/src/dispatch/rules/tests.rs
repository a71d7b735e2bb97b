use std::path::PathBuf;

use wharf_config::name::EnvironmentId;
use wharf_config::project::Kind;

use super::*;
use crate::store::environment::EnvironmentKey;
use crate::testing::colliding;

fn branch(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

fn shop() -> ProjectName {
    ProjectName::parse("shop").unwrap()
}

/// A record that has that id, whatever the rule says.
fn record(
    branch: &BranchName,
    id: &EnvironmentId,
    parent: Option<&EnvironmentId>,
) -> EnvironmentRecord {
    EnvironmentRecord {
        key: EnvironmentKey {
            project: shop(),
            id: id.clone(),
        },
        branch: branch.clone(),
        kind: Kind::Development.as_str().into(),
        parent: parent.map(ToString::to_string),
        trust_domain: trust_domain(Kind::Development).into(),
        status: "active".into(),
        tip: None,
        live: None,
        generation: 0,
        title: String::new(),
        chosen_parent: None,
        maintenance: None,
        beginning: crate::plan::beginning::Beginning::default(),
    }
}

#[test]
fn the_parent_is_the_environment_of_its_branch_also_where_its_id_is_anothers() {
    let mut project = Project::new(shop(), PathBuf::from("/srv/git/shop.git"));
    let (first, integration) = colliding();
    project.patterns[0].parent = Some(integration.clone());
    let main = branch("main");
    let taken = EnvironmentId::from_branch(&first);
    let own = EnvironmentId::in_round(&integration, 1);
    let production = EnvironmentId::from_branch(&main);
    let cart = branch("cart");
    let cart_id = EnvironmentId::from_branch(&cart);
    let mut root = record(&main, &production, None);
    root.kind = Kind::Production.as_str().into();
    root.trust_domain = trust_domain(Kind::Production).into();
    let records = [
        root,
        record(&first, &taken, Some(&own)),
        record(&integration, &own, Some(&production)),
        // As an earlier version recorded it: another branch's environment.
        record(&cart, &cart_id, Some(&taken)),
    ];
    let changed = changed(&project, Some(&main), &records);
    let [rule] = &changed[..] else {
        panic!("{changed:?}");
    };
    assert_eq!(rule.key.id, cart_id);
    assert_eq!(rule.parent.as_deref(), Some(own.as_str()));
}

#[test]
fn the_branch_of_head_is_production_and_its_children_follow() {
    let project = Project::new(shop(), PathBuf::from("/srv/git/shop.git"));
    let (main, side) = (branch("main"), branch("side"));
    let [main_id, side_id] = [&main, &side].map(EnvironmentId::from_branch);
    let records = [
        record(&main, &main_id, Some(&side_id)),
        record(&side, &side_id, Some(&main_id)),
    ];
    let changed = changed(&project, Some(&main), &records);
    let [rule] = &changed[..] else {
        panic!("{changed:?}");
    };
    assert_eq!((rule.kind.as_str(), &rule.parent), ("production", &None));
}
