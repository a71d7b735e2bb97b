//! `git push -o dry-run`: what a push would do, and nothing done.

use wharf_tests::{Tree, World, lines_obey_the_rules, run};

use crate::laptop::{on_every_git, on_one_git_where, reads_as};

const CONFIG: (&str, &str) = (
    "wharf.toml",
    "public = \"out\"\nbuild = [\"mkdir out\", \"cp page out/index.html\"]\n\
     [env]\nCOLOUR = \"red\"\n[deploy]\nrun = \"true\"\n",
);

/// What a dry run may not change: refs, and what is recorded.
fn state(world: &World) -> [String; 2] {
    let repository = world.repository("shop");
    let mut refs = world.command("git");
    refs.arg("--git-dir").arg(repository).arg("for-each-ref");
    let words = ["--here", "--project", "shop", "--json", "activities"];
    [run(&mut refs).ok().out, world.wharf(&words).ok().out]
}

#[track_caller]
fn dry(world: &World, shop: &Tree<'_>, words: &[&str]) -> String {
    let before = state(world);
    let said = shop.push(&[&["-o", "dry-run"], words].concat()).exits(1);
    assert!(said.err.contains("(pre-receive hook declined)"), "{said}");
    lines_obey_the_rules(&said.transcript());
    assert_eq!(before, state(world));
    said.transcript()
}

/// In both ways of taking pushes it is the same.
#[test]
fn it_is_said_what_a_push_would_do() {
    let files = [CONFIG, ("page", "one\n")];
    on_every_git(&files, story);
    let reject = "[push]\non_failure = \"reject\"\n";
    on_one_git_where(reject, &files, story);
}

fn story(world: &World, shop: &Tree<'_>) {
    let dry = |words: &[&str]| dry(world, shop, words);
    reads_as("dry first push", &dry(&["main"]));
    shop.push(&["main"]).ok();
    // An earlier push is as good as the same tree.
    shop.commit("Nothing");
    reads_as("dry unchanged tree", &dry(&["main"]));

    // In the other trust domain the same tree is built again.
    let said = dry(&["main:other"]);
    assert!(said.contains("open branches use no slug of"), "{said}");

    shop.write("page", "two\n");
    shop.write("more/a", "a\n");
    shop.write("wharf.toml", &CONFIG.1.replace("red", "blue"));
    shop.commit("Changed");
    let said = dry(&["main"]);
    reads_as("dry changed tree", &said);
    // A real one says the same.
    let why = "tree changed (3 files), COLOUR changed";
    assert!(said.contains(why), "{said}");
    let several = ["main", "main:other", "main:refs/tags/v1"];
    reads_as("dry several", &dry(&several));
    let said = shop.push(&["main", "main:other"]).ok();
    let words: Vec<_> = said.err.split_whitespace().collect();
    assert!(
        words.join(" ").contains("tree changed (3 files), COLOUR"),
        "{said}"
    );
    assert_eq!(shop.get("/").ok(), "two\n");

    reads_as("dry deletion", &dry(&[":other"]));
    shop.write("wharf.toml", "pubic = 1\n");
    shop.commit("Mistake");
    let said = shop.push(&["-o", "dry-run", "main"]).exits(1);
    assert!(said.transcript().contains("pubic"), "{said}");
}
