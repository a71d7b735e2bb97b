//! The judge finds what it is there for.

use std::fs;

use wharf_tests::{Sample, World};

#[test]
fn the_judge_is_content_with_what_is_good_and_finds_what_is_not() {
    let world = World::new();
    let mut shop = Sample::new(&world, "shop");
    shop.commit();
    shop.tree.push(&["main"]).ok();
    shop.tree.push(&["main:other"]).ok();
    shop.commit_repeatable();
    shop.tree.push(&["main"]).ok();
    shop.tree.wharf(&["rollback"]).ok();
    shop.tree.push(&[":other"]).ok();
    let verdict = world.judge(&["shop"]).good(&world);
    assert_eq!(verdict.activities.len(), 5);

    // What a half-finished activity might leave.
    let state = world.home().join("state");
    for directory in ["builds/abcd", "slugs/0123456789", "releases/shop/main/r9"] {
        fs::create_dir_all(state.join(directory)).unwrap();
    }
    for file in ["jobs/a.json", "routes/.new-a", "../git/shop.git/HEAD.lock"] {
        fs::write(state.join(file), "").unwrap();
    }
    let mut orphan = world.command("sleep").arg("100000").spawn().unwrap();
    let problems = world.judge(&["shop"]).problems;
    for problem in ["builds/abcd", "slugs/0123456789", "releases/shop/main/r9"] {
        let name = problem.rsplit('/').next().unwrap();
        assert!(
            problems.iter().any(|one| one.contains(name)),
            "{problem}: {problems:#?}"
        );
    }
    for problem in ["a.json", ".new-a", "HEAD.lock", "sleep"] {
        assert!(
            problems.iter().any(|one| one.contains(problem)),
            "{problem}: {problems:#?}"
        );
    }
    orphan.kill().unwrap();
    orphan.wait().unwrap();
}
