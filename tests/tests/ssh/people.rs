//! Three people in three roles behind one account: who they are, and what each of them may.

use std::collections::BTreeMap;
use std::fs;

use wharf_config::name::{BranchName, EnvironmentId};
use wharf_tests::{World, gits, run};

use crate::house::{House, TREE, VERA};
use crate::laptop::reads_as;
use crate::rejected::REJECT;

#[test]
fn three_people_on_one_account() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.is("olga");
    house.shop.push(&["main", "main:staging"]).ok();
    let first = house.tip("main");

    house.is("dan");
    house.change("two\n");
    let said = house.refused(&["main"], &["dan may not push to main"]);
    reads_as("push that nobody allowed", &said.transcript());
    house.shop.push(&["main:staging", "main:cart"]).ok();
    house
        .shop
        .git(&["commit", "--quiet", "--amend", "--message", "Again"])
        .ok();
    house.refused(
        &["--force", "main:staging", ":main", "main:master"],
        &[
            "dan may not force a push to staging",
            "branch main is production and cannot be deleted",
            "dan may not delete main",
            "main has children: staging",
            "branch master follows production (main)",
        ],
    );
    house.refused(
        &["--delete", "staging"],
        &["dan may not delete staging", "staging has children: cart"],
    );
    let said = house.shop.wharf(&["-e", "staging", "rollback"]).exits(6);
    assert!(said.err.contains("dan may not roll back staging"), "{said}");

    // Whoever may force it does.
    house.is("olga");
    house.shop.push(&["--force", "main:staging"]).ok();
    house.shop.push(&["v1"]).exits(1);
    house.shop.git(&["tag", "v1"]).ok();
    house.shop.push(&["v1"]).ok();

    house.is("vera");
    house.shop.git(&["tag", "v2"]).ok();
    house.refused(
        &["--force", "main:cart", "main:new", "v2"],
        &[
            "vera may not push to cart",
            "vera may not push to new",
            "vera may not push to refs/tags/v2",
        ],
    );
    let seen = house.shop.wharf(&["environments"]).ok().out;
    assert!(seen.contains("cart") && !seen.contains("staging"), "{seen}");
    let seen = house.shop.wharf(&["activities"]).ok().out;
    assert!(seen.contains("cart") && !seen.contains("staging"), "{seen}");
    house.shop.wharf(&["-e", "cart", "releases"]).ok();
    let denied = house.shop.wharf(&["-e", "staging", "releases"]).exits(6);
    assert!(
        denied.err.contains("vera may not look at staging"),
        "{denied}"
    );
    house.shop.wharf(&["-e", "staging", "url"]).exits(5);
    house.shop.wharf(&["-e", "staging", "log"]).exits(6);
    let denied = house.shop.wharf(&["-e", "staging", "slug", "why"]).exits(6);
    assert!(denied.err.contains("may not look at staging"), "{denied}");
    let seen = house.shop.wharf(&["slugs"]).ok().out;
    assert!(
        seen.contains("cart") && !seen.contains("protected"),
        "{seen}"
    );

    assert_eq!(house.tip("main"), first);
    // It follows production, by itself alone.
    assert_eq!(house.tip("master"), first);
    assert_eq!(house.tip("new"), "");
    who_did_it(&world);
}

/// Whoever may not look at an environment is not told that it is there, nor counted it.
#[test]
fn who_sees_development_only_learns_nothing_of_the_rest() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    let tree = TREE.replace("branch = \"staging\"", "branch = \"preview\"");
    house.declare(&format!("{tree}{VERA}"));
    house.is("olga");
    house.shop.push(&["main", "main:preview", "main:cart"]).ok();
    house.change("two\n");
    house.shop.push(&["HEAD:preview"]).ok();
    house.shop.wharf(&["sync", "code", "-e", "cart"]).ok();
    let read = |house: &House<'_>, words: &[&str]| -> serde_json::Value {
        let said = house.shop.wharf(&[words, &["--json"]].concat()).ok();
        serde_json::from_str(&said.out).unwrap()
    };
    let cart = &read(&house, &["info", "-e", "cart"]);
    assert_eq!(cart["parent"], "preview");
    assert_eq!(cart["activity"]["source"], "preview");
    assert_eq!(read(&house, &["status"])["environments"], 3);

    house.is("vera");
    for words in [
        &["environments"][..],
        &["info", "-e", "cart"],
        &["activities"],
        &["releases", "-e", "cart"],
        &["slugs"],
        &["slug", "why", "-e", "cart"],
        &["project", "list"],
        &["status"],
    ] {
        let printed = house.shop.wharf(words).ok().out;
        assert!(!printed.contains("preview"), "{words:?} {printed}");
        let printed = read(&house, words).to_string();
        assert!(!printed.contains("preview"), "{words:?} {printed}");
    }
    let cart = &read(&house, &["environments"])[0];
    assert_eq!(cart["id"], "cart");
    for hidden in ["parent", "ahead", "behind"] {
        assert!(cart[hidden].is_null(), "{hidden} {cart}");
    }
    let status = read(&house, &["status"]);
    let counts = ["environments", "active", "projects"].map(|what| &status[what]);
    assert_eq!(
        counts,
        [&1.into(), &1.into(), &1.into()] as [&serde_json::Value; 3]
    );
    for words in [
        &["merge", "-e", "cart"][..],
        &["sync", "code", "-e", "cart"],
    ] {
        let said = house.shop.wharf(&[words, &["--json"]].concat()).exits(6);
        assert!(said.out.contains("\"denied\""), "{said}");
        assert!(!said.out.contains("preview"), "{said}");
        assert!(!said.err.contains("preview"), "{said}");
    }
}

/// The record and the journal say who did what, also what was refused.
fn who_did_it(world: &World) {
    let words = ["--here", "--project", "shop", "--json", "activities"];
    let record = world.wharf(&words).ok().out;
    assert_eq!(record.matches("\"name\": \"olga\"").count(), 3, "{record}");
    assert_eq!(record.matches("\"name\": \"dan\"").count(), 2, "{record}");
    let journal = world.logs();
    for (actor, result) in [("dan", "refused"), ("vera", "refused")] {
        let is_it = |line: &&str| line.contains(actor) && line.contains(result);
        assert!(
            journal.lines().any(|line| is_it(&line)),
            "{actor} {result}\n{journal}"
        );
    }
    assert!(journal.contains("\"WHARF_ACTOR\":\"olga\""), "{journal}");
}

/// What somebody on the host asks for another, and for nobody.
#[test]
fn the_whole_host_is_its_operators() {
    let world = World::new();
    let _house = House::new(&world, VERA);
    let as_dan = |word: &str| run(world.command("wharf").env("WHARF_USER", "dan").arg(word));
    for word in ["reload", "cleanup"] {
        let said = as_dan(word).exits(6);
        assert!(said.err.contains("only the host's operator may"), "{said}");
        world.wharf(&[word]).ok();
    }
    // A name that cannot be one is nobody, and not the account.
    let said = run(world.command("wharf").env("WHARF_USER", "no one").args([
        "--here",
        "--project",
        "shop",
        "environments",
        "--json",
    ]));
    assert_eq!(said.ok().out.trim(), "[]");
}

#[test]
fn a_key_without_a_name_is_known_by_its_fingerprint() {
    for git in gits() {
        let world = World::with_git(&git);
        let mut house = House::new(&world, VERA);
        let (laptop, fingerprint) = house.sshd.admit_key("kim");
        house.sshd.give(&laptop, &mut house.shop, "shop");
        let nobody = format!("{fingerprint} may not push to main");
        house.refused(&["main"], &[&nobody]);
        house.declare(&format!("{TREE}\"{fingerprint}\" = \"admin\"\n"));
        house.shop.push(&["main"]).ok();
        let said = house.shop.wharf(&["activities", "--json"]).ok().out;
        assert!(said.contains(&fingerprint), "{said}");
        assert!(said.contains("SSH_USER_AUTH"), "{said}");
        house.shop.wharf(&["redeploy"]).ok();
        // A key that has a name goes by the name.
        house.is("olga");
        house.shop.wharf(&["redeploy"]).ok();
        let said = house.shop.wharf(&["activities", "--json"]).ok().out;
        assert_eq!(said.matches("\"olga\"").count(), 1, "{said}");
        assert_eq!(said.matches(&fingerprint).count(), 2, "{said}");
    }
}

/// Where builds are checked first it is the same, also when nobody ran pre-receive.
#[test]
fn a_push_that_passes_by_admission_is_judged_all_the_same() {
    let world = World::with_git_and(&gits()[0], REJECT);
    let mut house = House::new(&world, VERA);
    house.is("olga");
    house.shop.push(&["main", "main:cart"]).ok();
    let first = house.tip("cart");
    house.is("vera");
    house.change("two\n");
    house.refused(&["main:cart"], &["vera may not push to cart"]);
    fs::remove_file(world.repository("shop").join("hooks/pre-receive")).unwrap();
    let said = house.refused(&["main:cart"], &["vera may not push to cart"]);
    assert!(said.err.contains("(vera may not push to cart)"), "{said}");
    house.is("dan");
    house
        .shop
        .git(&["commit", "--quiet", "--amend", "--message", "Again"])
        .ok();
    house
        .shop
        .git(&["reset", "--quiet", "--hard", "HEAD^"])
        .ok();
    house
        .shop
        .git(&["commit", "--quiet", "--amend", "--message", "First again"])
        .ok();
    house.refused(
        &["--force", "main:cart"],
        &["dan may not force a push to cart"],
    );
    assert_eq!(house.tip("cart"), first);
}

#[test]
fn two_branches_whose_ids_would_be_one_are_two_environments() {
    let (first, second) = colliding();
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.is("dan");
    house.shop.push(&[&format!("main:{first}")]).ok();
    house.change("two\n");
    house.shop.push(&[&format!("main:{second}")]).ok();
    let id = EnvironmentId::from_branch(&BranchName::parse(&first).unwrap());
    let page = |id: &str| world.get(&format!("{id}--shop.localhost"), "/").ok();
    assert_eq!(page(id.as_str()), "one\n");
    let seen = house.shop.wharf(&["environments", "--json"]).ok().out;
    let own = own_id(&seen, &second);
    assert_ne!(own, id.as_str());
    assert_eq!(page(&own), "two\n");

    // It stays so, over a restart and another push; each is found by its branch.
    world.kill_daemon();
    world.start();
    house.change("three\n");
    house.shop.push(&[&format!("main:{second}")]).ok();
    assert_eq!(
        (page(id.as_str()), page(&own)),
        ("one\n".into(), "three\n".into())
    );
    let releases = house
        .shop
        .wharf(&["-e", &second, "--json", "releases"])
        .ok()
        .out;
    assert_eq!(releases.matches("\"number\"").count(), 2, "{releases}");
    // Whoever goes does not take the other along.
    house.shop.push(&["--delete", &first]).ok();
    assert_eq!(page(&own), "three\n");
    assert_eq!(world.get(&format!("{id}--shop.localhost"), "/").status, 404);
}

#[test]
fn a_work_tree_means_its_branch_whatever_id_reads_like_it() {
    let world = World::new();
    let mut house = House::new(&world, "");
    house.is("olga");
    house.shop.push(&["main", "main:idea/one"]).ok();
    let id = EnvironmentId::from_branch(&BranchName::parse("idea/one").unwrap());
    house.change("two\n");
    house
        .shop
        .git(&["switch", "--quiet", "-c", id.as_str()])
        .ok();
    house.shop.push(&[id.as_str()]).ok();
    let branch_of = |words: &[&str]| {
        let shown = house.shop.wharf(&[words, &["--json"]].concat()).ok().out;
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        shown["branch"].as_str().unwrap().to_owned()
    };
    assert_eq!(branch_of(&["info"]), id.as_str());
    assert_eq!(branch_of(&["info", "-e", id.as_str()]), "idea/one");
    house.shop.wharf(&["delete"]).ok();
    assert_eq!(
        world.get(&format!("{id}--shop.localhost"), "/").ok(),
        "one\n"
    );
}

/// Two names of branches with one id by rule, 24 bits of a hash.
fn colliding() -> (String, String) {
    let mut seen = BTreeMap::new();
    for number in 0_u32.. {
        let name = format!("feature/a-name-of-so-many-letters-{number}");
        let id = EnvironmentId::from_branch(&BranchName::parse(&name).unwrap());
        if let Some(other) = seen.insert(id, name.clone()) {
            return (other, name);
        }
    }
    unreachable!("24 bits are not for ever");
}

fn own_id(environments: &str, branch: &str) -> String {
    let all: serde_json::Value = serde_json::from_str(environments).unwrap();
    let all = all.as_array().unwrap().iter();
    let mut its = all.filter(|one| one["branch"] == branch);
    its.next().unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn only_who_may_lets_a_deployment_go_live() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.is("olga");
    house.shop.push(&["main", "main:staging"]).ok();
    let rule = "type = \"staging\"\napprove = true\ndeploy_window = \"Mon 04:00-04:01\"\n[";
    let approved = TREE.replace("type = \"staging\"\n[", rule);
    assert_ne!(approved, TREE);
    house.declare(&format!("{approved}{VERA}"));

    house.is("dan");
    house.change("two\n");
    let pushed = house.shop.push(&["main:staging"]).ok();
    let pushed = pushed
        .has("success: built; waits for approval")
        .transcript();
    let id = pushed.split_once("wharf approve ").unwrap().1;
    let id = id.split_whitespace().next().unwrap();
    house
        .shop
        .wharf(&["approve", id])
        .exits(6)
        .has("dan may not approve deployments of staging");
    house
        .shop
        .wharf(&["redeploy", "-e", "staging", "--now"])
        .exits(6)
        .has("dan may not pass by the deploy window of staging");
    let now = ["-o", "now", "main~1:refs/heads/staging", "--force"];
    house.refused(
        &now,
        &[
            "dan may not force a push to staging",
            "dan may not pass by the deploy window of staging",
        ],
    );
    house.is("vera");
    house.shop.wharf(&["approve", id]).exits(6).lacks("waits");
    house.is("olga");
    house
        .shop
        .wharf(&["approve", id, "--now"])
        .ok()
        .has("approved by olga, to go live now")
        .has("staging now serves r2 (was r1).");
    let shown = house.shop.wharf(&["activity", "show", id, "--json"]).ok();
    shown.has("\"approved_by\": \"olga\"");
}

#[test]
fn only_who_may_sets_variables() {
    let world = World::new();
    let mut house = House::new(&world, VERA);
    house.is("olga");
    house.shop.push(&["main", "main:staging", "main:cart"]).ok();
    let set = |house: &House<'_>, words: &[&str]| {
        let all = [&["variable", "set", "MODE", "a value"], words].concat();
        house.shop.wharf(&all)
    };
    set(&house, &["--level", "project"]).ok();

    house.is("dan");
    set(&house, &["-e", "staging"])
        .ok()
        .has("MODE is set for staging")
        .lacks("a value");
    set(&house, &["-e", "main"])
        .exits(6)
        .has("dan may not set variables of main");
    // Every type that is concerned, at once.
    set(&house, &["--level", "project"])
        .exits(6)
        .has("dan may not set variables of every production environment")
        .has("dan may not set variables of every staging environment")
        .has("dan may not set variables of every development environment");
    set(&house, &["--type", "staging"])
        .exits(6)
        .has("error: dan may not set variables of every staging environment");
    house
        .shop
        .wharf(&["variable", "get", "MODE", "-e", "staging"])
        .ok()
        .has("a value");

    house.is("vera");
    let denied = set(&house, &["-e", "cart"]);
    denied.exits(6).has("vera may not set variables of cart");
    house
        .shop
        .wharf(&["variable", "delete", "MODE", "-e", "staging"])
        .exits(6)
        .has("vera may not set variables of staging");
    for words in [
        &["variable", "list", "-e", "staging"][..],
        &["variable", "list", "--type", "staging"],
        &["config", "dump", "-e", "staging"],
        &["config", "diff", "cart", "staging"],
    ] {
        let denied = house.shop.wharf(words).exits(6);
        assert!(denied.err.contains("vera may not look at"), "{denied}");
        assert!(!denied.out.contains("a value"), "{denied}");
    }
    house
        .shop
        .wharf(&["variable", "list", "-e", "cart"])
        .ok()
        .has("a value");

    // A secret crosses the wire through standard input alone, and a dump is written here.
    house.is("olga");
    let mut wharf = house.shop.command("wharf");
    wharf.args(["variable", "set", "-e", "staging", "TOKEN", "--secret"]);
    run(wharf.arg("s3cret-of-staging")).ok();
    house
        .shop
        .wharf(&["config", "dump", "-e", "staging", "-o", "dumped.toml"])
        .ok()
        .has("written: ")
        .has("secrets stay where they are: TOKEN");
    let dumped = fs::read_to_string(house.shop.path().join("dumped.toml")).unwrap();
    assert!(
        dumped.ends_with("[variables]\nMODE = \"a value\"\n"),
        "{dumped}"
    );
    assert!(!world.logs().contains("s3cret-of-staging"));
}
