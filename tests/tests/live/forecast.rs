//! `git push -o dry-run`: what is told of a tree that only git's hook can read yet.

use wharf_tests::{Said, Tree, World};

const CONFIG: &str = r#"public = "site"

[build]
steps = ["true"]

[assets]
run = "mkdir -p made"
outputs = ["made"]
when = { committed = "etc/config.php" }

[deploy]
install = { unless = "test -f data/ok", run = "touch data/ok" }
run = "true"
maintenance = true
hold = "5s"

[checks]
home = "true"

[mounts]
data = "private"
"#;

const PATCH: &str = "--- a/site/index.html\n+++ b/site/index.html\n@@ -1 +1 @@\n-one\n+ONE\n";

#[track_caller]
fn dry(site: &Tree<'_>) -> Said {
    let said = site.push(&["-o", "dry-run", "main"]).exits(1);
    said.has("dry run: nothing was changed")
}

#[test]
fn patches_static_content_install_maintenance_and_checks_are_told() {
    let world = World::new();
    let files = [
        ("wharf.toml", CONFIG),
        ("site/index.html", "one\n"),
        ("patches/one.patch", PATCH),
        ("patches/README", "no patch\n"),
    ];
    let site = world.site("shop", &files);
    site.init().ok();
    let told = dry(&site)
        .has("  patches    patches/one.patch")
        .has("  assets     in the deploy: etc/config.php is not committed")
        .has("1 of 1: mkdir -p made")
        .has("  install    1 of 1: touch data/ok")
        .has("instead of deploy, unless this ends well: test -f data/ok")
        .has("  maintenance none: nothing serves yet")
        .has("  check      1 of 1: home");
    told.lacks("README");
    // So it comes.
    site.push(&["main"])
        .ok()
        .has("in the deploy: etc/config.php is not committed")
        .has("  install    touch data/ok")
        .has("main now serves r1.");
    site.write("etc/config.php", "<?php\n");
    site.commit("Configuration");
    dry(&site)
        .has("  assets     in the build: etc/config.php is committed")
        .has("  maintenance requests wait 5s while commands run, then see a page")
        .lacks("in the deploy");
    let said = site.push(&["main"]).ok().has("main now serves r2");
    said.has("requests wait 5s").lacks("in the deploy");
}
