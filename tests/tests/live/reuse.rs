//! Steps with declared inputs: not run again where those are as they were.

use std::fs;

use wharf_tests::{Said, Tree, World};

/// Says each time that it runs, and makes something of its input alone.
const INSTALL: &str = "echo installing; mkdir -p site/deps; cp lock site/deps/list";

fn config(run: &str, more: &str) -> String {
    format!(
        "public = \"site\"\n{more}[build]\nsteps = [\n\
         {{ name = \"install\", run = \"{run}\", inputs = [\"lock\", \"package\"] }},\n\
         \"echo building; cp site/deps/list site/out\",\n]\n"
    )
}

fn site(world: &World) -> Tree<'_> {
    let site = world.site(
        "shop",
        &[
            ("wharf.toml", &config(INSTALL, "")),
            ("lock", "1\n"),
            ("package", "p\n"),
            ("site/index.html", "one\n"),
        ],
    );
    site.init().ok();
    site.push(&["main"])
        .ok()
        .has("| installing")
        .lacks("skipped");
    assert_eq!(site.get("/out").ok(), "1\n");
    site
}

fn push(site: &Tree<'_>) -> Said {
    site.commit("Next");
    site.push(&["main"]).ok()
}

#[test]
fn a_step_is_skipped_where_its_inputs_are_as_they_were() {
    let world = World::new();
    let site = site(&world);
    let skipped = "skipped: lock, package are as they were";
    site.write("site/index.html", "two\n");
    push(&site)
        .has(skipped)
        .lacks("| installing")
        .has("| building");
    assert_eq!(site.get("/out").ok(), "1\n");
    assert_eq!(site.get("/deps/list").ok(), "1\n");
    // Each of what it may depend on.
    site.write("lock", "2\n");
    push(&site).has("| installing").lacks("skipped");
    assert_eq!(site.get("/out").ok(), "2\n");
    let env = "[env]\nMODE = \"x\"\n";
    site.write("wharf.toml", &format!("{}{env}", config(INSTALL, "")));
    push(&site).has("| installing");
    site.write(
        "wharf.toml",
        &format!(
            "{}{env}",
            config(
                "echo installing; mkdir site/deps; cp lock site/deps/list",
                ""
            )
        ),
    );
    push(&site).has("| installing");
    site.write("lock", "1\n");
    site.write("site/index.html", "three\n");
    site.write("wharf.toml", &config(INSTALL, ""));
    push(&site).has(skipped);
    assert_eq!(site.get("/out").ok(), "1\n");
    site.wharf(&["redeploy", "--rebuild"])
        .ok()
        .has("| installing")
        .lacks("skipped");
    // An input may be a patch's.
    let patch = "--- a/lock\n+++ b/lock\n@@ -1 +1 @@\n-1\n+3\n";
    site.write("patches/1.patch", patch);
    push(&site).has("| installing");
    assert_eq!(site.get("/out").ok(), "3\n");
}

#[test]
fn a_branch_has_the_layers_of_its_trust_domain_only() {
    let world = World::new();
    let site = site(&world);
    site.git(&["switch", "--quiet", "-c", "side"]).ok();
    site.write("site/index.html", "side\n");
    site.commit("Side");
    site.push(&["side"]).ok().has("| installing");
    site.git(&["switch", "--quiet", "-c", "other"]).ok();
    site.write("site/index.html", "other\n");
    site.commit("Other");
    site.push(&["other"]).ok().lacks("| installing");
}

#[test]
fn a_damaged_layer_is_built_anew() {
    let world = World::new();
    let site = site(&world);
    let layers = world.home().join("state/caches/shop/protected/layers");
    let [layer] = &fs::read_dir(&layers)
        .unwrap()
        .map(Result::unwrap)
        .collect::<Vec<_>>()[..]
    else {
        panic!("one layer");
    };
    for entry in fs::read_dir(layer.path()).unwrap() {
        let path = entry.unwrap().path();
        if fs::read(&path).unwrap() == b"1\n" {
            fs::write(path, "damage\n").unwrap();
        }
    }
    site.write("site/index.html", "two\n");
    push(&site)
        .has("install runs: what it made before is damaged")
        .has("| installing");
    assert_eq!(site.get("/out").ok(), "1\n");
    site.write("site/index.html", "three\n");
    push(&site).lacks("| installing");
}

#[test]
fn a_step_that_changes_more_than_its_own_is_not_skipped() {
    let world = World::new();
    let site = site(&world);
    let run = "echo installing; echo x >>site/index.html; mkdir site/deps; cp lock site/deps/list";
    site.write("wharf.toml", &config(run, ""));
    push(&site).has(
        "install runs again next time: it changes site/index.html, which is none of its inputs",
    );
    site.write("lock.txt", "");
    push(&site).has("| installing");
    // What is committed now is in the way of what it made.
    site.write("wharf.toml", &config(INSTALL, ""));
    site.write("site/deps/list", "committed\n");
    push(&site)
        .has("install runs: site/deps/list cannot go where it was")
        .has("| installing");
    let group = "[build]\nsteps = [[{ run = \"a\", inputs = [\"lock\"] }, \"b\"]]\n";
    site.write("wharf.toml", &format!("public = \"site\"\n{group}"));
    site.commit("Group");
    site.push(&["main"])
        .exits(1)
        .has("`inputs` cannot stand in a group")
        .has("hint: what it makes cannot be told from what the others make: let it run alone");
}
