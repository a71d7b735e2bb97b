//! What is decided with the records that are asked for is what is decided with all of them.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use wharf_config::name::ProjectName;
use wharf_config::project::{Project, Roles};

use super::*;
use crate::plan::options::Options;
use crate::plan::places::{NoParent, Places};
use crate::plan::policy::{Ground, judge};
use crate::plan::rights::Person;

/// Names of branches, among them such that share their id by rule.
static NAMES: LazyLock<Vec<BranchName>> = LazyLock::new(|| {
    let mut names: Vec<String> = ["main", "staging", "a", "b", "feature/c", "D"]
        .map(str::to_owned)
        .into();
    let mut seen: BTreeMap<EnvironmentId, BranchName> = BTreeMap::new();
    for number in 0_u32.. {
        let name = branch_of(&format!("feature/a-name-of-so-many-letters-{number}"));
        if let Some(other) = seen.insert(EnvironmentId::from_branch(&name), name.clone()) {
            names.extend([other.to_string(), name.to_string()]);
            break;
        }
    }
    names.iter().map(|name| branch_of(name)).collect()
});

fn branch_of(name: &str) -> BranchName {
    BranchName::parse(name).unwrap()
}

/// Every record, and how many were asked for one by one.
struct All(Vec<Place>);

impl Records for All {
    type Error = Infallible;

    fn of(&self, branch: &BranchName) -> Result<Option<Place>, Infallible> {
        Ok(self.0.iter().find(|place| place.branch == *branch).cloned())
    }

    fn by_id(&self, id: &str) -> Result<Option<Place>, Infallible> {
        Ok(self.0.iter().find(|place| place.id.as_str() == id).cloned())
    }

    fn children(&self, of: &BTreeSet<EnvironmentId>) -> Result<Vec<Place>, Infallible> {
        let above = |place: &&Place| {
            let parent = place.parent.as_deref();
            parent.is_some_and(|parent| of.iter().any(|id| id.as_str() == parent))
        };
        Ok(self.0.iter().filter(above).cloned().collect())
    }
}

/// All that somebody decides about a push.
#[derive(Debug, PartialEq)]
struct Decided {
    before: Vec<(EnvironmentId, Option<EnvironmentId>, Option<Place>)>,
    reasons: Vec<Vec<crate::plan::policy::Reason>>,
    /// One after the other, as each gets its environment.
    after: Vec<(EnvironmentId, Result<EnvironmentId, NoParent>)>,
}

fn decide(project: &Project, all: Vec<Place>, updates: &[RefUpdate], wanted: &str) -> Decided {
    let default = branch_of("main");
    let mut places = Places::new(project, Some(&default), all);
    let (nobody, options) = (
        Person {
            name: "ann".into(),
            groups: vec![],
            operator: false,
        },
        Options::read(&[]),
    );
    let ground = Ground {
        project,
        places: &places,
        person: &nobody,
        options: &options,
        forced: &BTreeSet::new(),
    };
    let reasons = judge(&ground, updates);
    let branches: Vec<BranchName> = updates.iter().filter_map(branch).collect();
    let before = branches.iter().map(|branch| {
        let environment = places.environment(branch);
        (
            environment.id,
            environment.parent,
            places.of(branch).cloned(),
        )
    });
    Decided {
        before: before.collect(),
        reasons,
        after: branches
            .iter()
            .map(|branch| {
                let made = (places.id(branch), places.parent(branch, wanted));
                places.add(branch);
                made
            })
            .collect(),
    }
}

/// Records as they may be: an id and a branch once each, parents anything.
fn records(rows: &[(Index, u32, Index, bool, bool)]) -> Vec<Place> {
    let (mut ids, mut branches) = (BTreeSet::new(), BTreeSet::new());
    let id = |index: &Index, round: u32| match round {
        0 => EnvironmentId::from_branch(index.get(&NAMES)),
        round => EnvironmentId::in_round(index.get(&NAMES), round),
    };
    let mut all: Vec<Place> = rows
        .iter()
        .map(|(of, round, parent, live, is_there)| Place {
            id: id(of, *round),
            branch: of.get(&NAMES).clone(),
            parent: Some(id(parent, round % 2).to_string()),
            live: live.then_some(1),
            is_there: *is_there,
        })
        .filter(|place| ids.insert(place.id.clone()) && branches.insert(place.branch.clone()))
        .collect();
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

fn project(merge_only: &[BranchName]) -> Project {
    let name = ProjectName::parse("shop").unwrap();
    let mut project = Project::new(name, PathBuf::from("/srv/git/shop.git"));
    project.roles = None::<Roles>;
    for pattern in &mut project.patterns {
        if !merge_only.is_empty() {
            pattern.policy.accept = Accept::Merge;
        }
    }
    project
}

proptest! {
    #[test]
    fn what_is_asked_is_enough(
        rows in prop::collection::vec(any::<(Index, u32, Index, bool, bool)>(), 0..12),
        moves in prop::collection::vec(any::<(Index, bool)>(), 1..6),
        wanted in any::<Index>(),
        by_branch in any::<bool>(),
        merge_only in prop::collection::vec(select(&NAMES[..]), 0..2),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(a, round, b, c, d)| (a, round % 3, b, c, d)).collect();
        let (project, all) = (project(&merge_only), records(&rows));
        let updates: Vec<RefUpdate> = moves.iter().map(|(of, goes)| RefUpdate {
            name: format!("refs/heads/{}", of.get(&NAMES)),
            lossy: false,
            old: "1".repeat(40),
            new: if *goes { "0" } else { "2" }.repeat(40),
        }).collect();
        let wanted = match by_branch {
            true => wanted.get(&NAMES).to_string(),
            false => EnvironmentId::from_branch(wanted.get(&NAMES)).to_string(),
        };
        let default = branch_of("main");
        let asked = Asked::of_updates(&project, Some(&default), &updates)
            .with_children(&project, Some(&default), &updates)
            .with_parent(Some(&wanted));
        let Ok(some) = asked.read(&All(all.clone()));
        prop_assert_eq!(
            decide(&project, some, &updates, &wanted),
            decide(&project, all, &updates, &wanted)
        );
    }
}

#[test]
fn nobody_else_is_read() {
    let project = project(&[]);
    let others = (0..1000).map(|number| {
        let branch = branch_of(&format!("b{number}"));
        Place {
            id: EnvironmentId::from_branch(&branch),
            branch,
            parent: Some("main".into()),
            live: Some(1),
            is_there: true,
        }
    });
    let all = All(others.collect());
    let updates = ["b7", "new"].map(|name| RefUpdate {
        name: format!("refs/heads/{name}"),
        lossy: false,
        old: "1".repeat(40),
        new: "2".repeat(40),
    });
    let default = branch_of("main");
    let asked = Asked::of_updates(&project, Some(&default), &updates)
        .with_children(&project, Some(&default), &updates)
        .with_parent(Some("b9"));
    let Ok(read) = asked.read(&all);
    let ids: Vec<&str> = read.iter().map(|place| place.id.as_str()).collect();
    assert_eq!(ids, ["b7", "b9"]);
}
