//! The same input makes the same slug, file by file: in another directory, at another time, on
//! another host.

use std::collections::BTreeSet;

use serde_json::Value;
use wharf_tests::{Tree, World, run};

/// The digests of all slugs that a project has, newest first.
#[track_caller]
fn digests(site: &Tree<'_>) -> Vec<String> {
    let said = run(site.command("wharf").args(["slugs", "--json"]));
    let slugs: Value = serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{e}\n{said}"));
    let slugs = slugs.as_array().unwrap().iter();
    slugs
        .map(|slug| slug["digest"].as_str().unwrap().to_owned())
        .collect()
}

/// Builds an example twice on each of two hosts: all slugs are the same, and the keys differ.
#[track_caller]
fn is_reproduced(example: &str) {
    let all: Vec<String> = (0..2)
        .flat_map(|_| {
            let world = World::new();
            let site = world.example(example, "site");
            site.init();
            site.push(&["main"]).ok();
            site.wharf(&["redeploy", "--rebuild"])
                .ok()
                .lacks("reused slug");
            let built = digests(&site);
            assert_eq!(built.len(), 2, "{example}");
            // One file more is another slug.
            site.write("public/more.html", "more\n");
            site.commit("More");
            site.push(&["main"]).ok();
            let more = digests(&site);
            assert_eq!(more.len(), 3, "{example}");
            assert_ne!(more[0], more[1], "{example}");
            built
        })
        .collect();
    assert_eq!(all.len(), 4);
    let different: BTreeSet<_> = all.into_iter().collect();
    assert_eq!(different.len(), 1, "{example}: {different:?}");
}

#[test]
fn static_files_are_the_same_wherever_they_are_built() {
    is_reproduced("static");
}

#[test]
fn what_a_generator_makes_is_the_same_wherever_it_is_built() {
    is_reproduced("static-npm");
}

#[test]
fn what_php_compiles_is_the_same_wherever_it_is_built() {
    is_reproduced("shop");
}
