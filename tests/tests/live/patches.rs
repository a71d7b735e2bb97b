//! Patches: applied by git, all of them or none. What leads beyond the tree is tried in `hostile`.

use wharf_tests::{Said, Tree, World};

const SITE: (&str, &str) = ("wharf.toml", "public = \"site\"\n");
const TEXT: &str = "one\ntwo\nthree\n";

/// A patch that makes the middle line of a file another.
fn patch(file: &str, from: &str, to: &str) -> String {
    format!("--- a/{file}\n+++ b/{file}\n@@ -1,3 +1,3 @@\n one\n-{from}\n+{to}\n three\n")
}

/// A patch that makes a file.
fn creates(file: &str) -> String {
    format!(
        "diff --git a/{file} b/{file}\nnew file mode 100644\n--- /dev/null\n+++ b/{file}\n\
         @@ -0,0 +1 @@\n+made\n"
    )
}

fn site<'world>(world: &'world World, config: &str) -> Tree<'world> {
    let config = format!("{}{config}", SITE.1);
    let files = [(SITE.0, config.as_str()), ("site/a.txt", TEXT)];
    let site = world.site("shop", &files);
    site.init().ok();
    site
}

fn push(site: &Tree<'_>) -> Said {
    site.commit("Next");
    site.push(&["main"]).ok()
}

#[test]
fn patches_are_applied_in_order_and_count_for_the_slug() {
    let world = World::new();
    let site = site(&world, "");
    site.write("m2-hotfixes/1.patch", &patch("site/a.txt", "two", "2"));
    site.write("patches/1.patch", &patch("site/a.txt", "2", "zwei"));
    site.write("site/b.txt", "one\ndone\nthree\n");
    site.write("patches/0.patch", &patch("site/b.txt", "open", "done"));
    push(&site)
        .has("patches/0.patch: already there")
        .has("patches    2 applied, 1 already there");
    assert_eq!(site.get("/a.txt").ok(), "one\nzwei\nthree\n");
    assert_eq!(site.get("/b.txt").ok(), "one\ndone\nthree\n");
    let same = site.wharf(&["redeploy"]).ok();
    same.has("reused slug").lacks("patches  ");
    site.write("patches/1.patch", &patch("site/a.txt", "2", "deux"));
    push(&site).has("patches changed");
    assert_eq!(site.get("/a.txt").ok(), "one\ndeux\nthree\n");
    site.write(
        "wharf.toml",
        "public = \"site\"\nbuild = { patches = false }\n",
    );
    push(&site).lacks("applied");
    assert_eq!(site.get("/a.txt").ok(), TEXT);
}

#[test]
fn a_conflict_names_patch_file_hunk_and_lines() {
    let world = World::new();
    let site = site(&world, "");
    site.push(&["main"]).ok();
    site.write("patches/1.patch", &creates("site/new.txt"));
    site.write("patches/2.patch", &patch("site/a.txt", "deux", "2"));
    let said = push(&site)
        .has("error: patches/2.patch does not apply: site/a.txt, hunk 1 of 1")
        .has("--> site/a.txt:2")
        .has("| expected: deux")
        .has("| found:    two")
        .has("hint: remove the patch where it is no longer needed, else make it anew")
        .has("main still serves r1;");
    assert!(said.transcript().contains("  --> site/a.txt:2\n"), "{said}");
    assert_eq!(site.get("/new.txt").status, 404);
    for place in ["builds", "jobs"] {
        let left = world.home().join("state").join(place).read_dir().unwrap();
        assert_eq!(left.count(), 0, "{place}");
    }
}

#[test]
fn what_a_step_makes_is_patched_after_it() {
    let world = World::new();
    let step = "mkdir -p vendor/acme && cp site/a.txt vendor/acme/a.txt";
    let config = |patches: &str| {
        format!(
            "public = \"site\"\n[build]\n{patches}\nsteps = [\n\
             {{ name = \"composer install\", run = \"{step}\" }},\n\
             \"cp vendor/acme/a.txt site/b.txt\",\n]\n"
        )
    };
    let site = site(&world, "");
    site.push(&["main"]).ok();
    site.write("wharf.toml", &config(""));
    site.write("hot/1.patch", &patch("vendor/acme/a.txt", "two", "2"));
    // By convention such a patch is another tool's; where it is named it is meant.
    site.write("patches/1.patch", &patch("vendor/acme/a.txt", "two", "2"));
    push(&site).has("patches/1.patch left: of dependencies, for the tool that installs them");
    assert_eq!(site.get("/b.txt").ok(), TEXT);
    site.write("wharf.toml", &config("patches = \"hot/*.patch\""));
    push(&site)
        .has("hot/1.patch does not apply: vendor/acme/a.txt is not there")
        .has("patches = { files = \"hot/1.patch\", after = \"composer install\" }");
    let after = "patches = { files = \"hot/1.patch\", after = \"composer install\" }";
    site.write("wharf.toml", &config(after));
    push(&site).has("patches    1 applied");
    assert_eq!(site.get("/b.txt").ok(), "one\n2\nthree\n");
    site.write("wharf.toml", &config("patches = \"nowhere/*.patch\""));
    push(&site).has("warning: build.patches: no file of the tree is like nowhere/*.patch");
}
