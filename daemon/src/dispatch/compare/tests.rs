//! A real repository, and what somebody saw of it while git packed its refs.

use std::path::Path;

use wharf_config::name::ProjectName;

use super::*;
use crate::testing::git;

/// A project with the branches `main`, `side` and `old`, all at one commit, and that commit.
fn shop(directory: &Path) -> (Project, String) {
    git(directory, &["init", "--quiet", "--bare", "."]);
    let tree = git(directory, &["mktree"]);
    let commit = git(directory, &["commit-tree", "-m", "x", &tree]);
    for branch in ["main", "side", "old"] {
        let name = format!("{HEADS}{branch}");
        git(directory, &["update-ref", &name, &commit]);
    }
    let name = ProjectName::parse("shop").unwrap();
    (Project::new(name, directory.to_owned()), commit)
}

fn name(branch: &str) -> BranchName {
    BranchName::parse(branch).unwrap()
}

fn record(known: &[(&str, &str)], baseline: &[(&str, &str)]) -> Record {
    let known = known.iter().map(|(branch, tip)| Known {
        branch: name(branch),
        tip: Some((*tip).to_owned()),
        production: *branch == "main",
    });
    let baseline = baseline.iter();
    Record {
        known: known.collect(),
        baseline: baseline
            .map(|(branch, tip)| (name(branch), (*tip).to_owned()))
            .collect(),
    }
}

fn words(compared: &Compared) -> (Vec<&str>, Vec<&str>) {
    let moved = compared.moved.iter().map(|moved| moved.branch.as_str());
    let gone = compared.gone.iter().map(BranchName::as_str);
    (moved.collect(), gone.collect())
}

fn everything() -> Scope {
    Scope::AllBut(BTreeSet::new())
}

#[test]
fn a_look_that_git_packed_under_decides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (shop, new) = shop(directory.path());
    let old = "1".repeat(40);
    let record = record(&[("main", &new), ("side", &new)], &[("old", &new)]);
    // Packed refs as they were before, loose ones as they were after.
    let glance = || Tips::from([(name("main"), Tip::At(old.clone()))]);
    let compare = || confirmed(&shop, &record, glance(), &everything(), Leftover::Left).unwrap();
    assert_eq!(words(&compare()), (vec![], vec![]));
    git(directory.path(), &["pack-refs", "--all"]);
    assert_eq!(words(&compare()), (vec![], vec![]));
}

#[test]
fn what_is_so_is_found_at_a_glance_and_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (shop, new) = shop(directory.path());
    let old = "1".repeat(40);
    for branch in ["side", "old"] {
        let name = format!("{HEADS}{branch}");
        git(directory.path(), &["update-ref", "-d", &name]);
    }
    let record = || record(&[("main", &old), ("side", &new)], &[("old", &new)]);
    let look = |scope: &Scope| compare(&shop, record(), scope, Leftover::Left).unwrap();
    assert_eq!(
        words(&look(&everything())),
        (vec!["main", "side"], vec!["old"])
    );
    let only = |branch| Scope::Only(BTreeSet::from([name(branch)]));
    assert_eq!(words(&look(&only("main"))), (vec!["main"], vec![]));
    assert_eq!(words(&look(&only("side"))), (vec!["side"], vec![]));
    assert_eq!(words(&look(&only("old"))), (vec![], vec!["old"]));
    // Without production nothing is taken for deleted, whoever is asked for.
    git(directory.path(), &["update-ref", "-d", "refs/heads/main"]);
    assert_eq!(words(&look(&only("side"))), (vec![], vec![]));
}
