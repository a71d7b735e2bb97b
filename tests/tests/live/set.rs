//! Setting variables: how it is written, what then waits, and what stays over a new name.

use wharf_tests::World;

use crate::variables::{json, pipe, shop};

#[test]
fn both_spellings_set_a_variable() {
    let world = World::new();
    let shop = shop(&world);
    let set = |words: &[&str]| shop.wharf(&[&["variable", "set"], words].concat());
    let value = |name: &str| shop.wharf(&["variable", "get", name]).ok().out;
    set(&["A", "one"]).ok().has("A is set for main");
    set(&["B=two=2", "--visible", "run"]).ok();
    set(&["C="]).ok();
    shop.sh("echo three | wharf variable set D=-").ok();
    shop.sh("echo four | wharf variable set E -").ok();
    let all = ["A", "B", "C", "D", "E"].map(value);
    assert_eq!(all, ["one\n", "two=2\n", "\n", "three\n", "four\n"]);
    set(&["F"]).exits(2).has("there is no value for F");
    let twice = set(&["F=never-shown", "again"]).exits(2);
    twice.has("F has two values").lacks("never-shown");
    set(&["=x"]).exits(6).has("variable");

    // What waits is counted, and only where something does.
    let waits = "main of shop: 5 variables wait for a redeploy";
    shop.wharf(&["status"]).ok().has(waits);
    let status = json(&shop, &["status"]);
    let one = serde_json::json!([{"project": "shop", "environment": "main", "variables": 5}]);
    assert_eq!(status["pending"], one);
    shop.wharf(&["redeploy"]).ok();
    shop.wharf(&["status"]).ok().lacks("pending");
    assert_eq!(json(&shop, &["status"])["pending"], serde_json::json!([]));
}

#[test]
fn what_is_set_stays_with_an_environment_whose_branch_is_renamed() {
    let world = World::new();
    let shop = shop(&world);
    shop.git(&["switch", "--quiet", "--create", "feature/a"])
        .ok();
    shop.push(&["feature/a"]).ok().has("now serves r1.");
    let branch = |name: &str| {
        let all = world.environments(Some("shop")).unwrap();
        all.into_iter().find(|one| one.branch == name).unwrap()
    };
    let old = branch("feature/a");
    let secret = "a-secret-of-feature-a";
    shop.wharf(&["variable", "set", "-e", &old.id, "LOG=debug"])
        .ok();
    let words = ["-e", &old.id, "--secret", "TOKEN", "-"];
    pipe(&shop, &words, secret).ok();
    shop.wharf(&["redeploy", "-e", &old.id]).ok();
    // Set, and not deployed yet: the rename deploys it.
    shop.wharf(&[
        "variable",
        "set",
        "-e",
        &old.id,
        "--visible",
        "run",
        "LATE=yes",
    ])
    .ok();
    shop.git(&["branch", "--move", "feature/b"]).ok();
    let said = shop.push(&[":feature/a", "feature/b"]).ok();
    said.has("variables LATE added").lacks(secret);
    let new = branch("feature/b");
    assert_eq!((&new.id, new.pending), (&old.id, 0));
    let host = format!("{}--shop.localhost", new.id);
    let seen = ["/LOG", "/TOKEN", "/LATE"].map(|path| world.get(&host, path).ok());
    assert_eq!(seen, ["debug", secret, "yes"]);
    let get = ["variable", "get", "-e", "feature/b"];
    let value = shop.wharf(&[&get[..], &["LOG"]].concat()).ok();
    assert_eq!(value.out, "debug\n");
    shop.wharf(&[&get[..], &["TOKEN"]].concat())
        .exits(6)
        .has("TOKEN is a secret, which is never shown");
    // The old name begins anew, without them.
    shop.push(&["feature/b:feature/a"]).ok();
    let fresh = branch("feature/a");
    assert_ne!(fresh.id, new.id);
    let host = format!("{}--shop.localhost", fresh.id);
    assert_eq!(world.get(&host, "/TOKEN").ok(), "-");
}
