//! Installed or updated, static content from build or deploy, checked before it serves.

use wharf_tests::{Tree, World};

use crate::app::SERVER;

fn push(tree: &Tree<'_>, version: &str, config: &str) -> wharf_tests::Said {
    tree.write("version", &format!("{version}\n"));
    tree.write("wharf.toml", config);
    tree.commit(version);
    tree.push(&["main"])
}

#[test]
fn it_is_installed_once_and_updated_from_then_on() {
    let world = World::new();
    let shop = world.site("shop", &[SERVER]);
    shop.init().ok();
    let config = |install: &str| {
        format!(
            "web = \"exec python3 app.py\"\n[mounts]\ndata = \"private\"\n[deploy]\n\
             run = \"echo update; cat version >> data/log\"\n\
             install = {{ unless = \"test -f data/installed\", run = {install} }}\n"
        )
    };
    // It fails half-way, and may be repeated.
    let said = push(
        &shop,
        "one",
        &config("[\"echo one >> data/log\", \"exit 4\"]"),
    );
    let said = said.has("error: install failed in command 2 of 2 (exit 4), exit code 4");
    let said = said
        .has("ran to its end: echo one >> data/log")
        .lacks("echo update");
    said.has("main serves nothing yet; deploy commands may have changed its data.");
    let good = config("[\"echo two >> data/log\", \"touch data/installed\"]");
    let said = push(&shop, "two", &good).ok();
    said.has("  install    touch data/installed")
        .lacks("echo update")
        .has("main now serves r2.");
    let said = push(&shop, "three", &good).ok();
    said.has("  deploy     echo update")
        .lacks("  install")
        .has("main now serves r3 (was r2).");
    // A release that was interrupted in its install begins again by itself.
    let other = push(&shop, "four", &good.replace("data/installed", "data/again"));
    other.ok();
}

#[test]
fn an_install_that_was_interrupted_is_done_again() {
    let world = World::new();
    let shop = world.site("shop", &[SERVER]);
    shop.init().ok();
    shop.write("version", "one\n");
    shop.write(
        "wharf.toml",
        "web = \"exec python3 app.py\"\n[mounts]\ndata = \"private\"\n[deploy]\nrun = \"exit 7\"\n\
         install = { unless = \"test -f data/installed\", run = [\"true\", \"touch data/installed\"] }\n",
    );
    shop.commit("one");
    world.freeze_at("step deploy install 1: done");
    let watched = wharf_tests::Watched::push(&shop, &["main"]);
    world.wait_until_frozen();
    world.kill_daemon();
    world.start();
    watched.end();
    shop.wharf(&["log", "--follow"])
        .exits(0)
        .has("main now serves r2.");
    assert_eq!(shop.get("/").ok(), "one\n");
}

const ASSETS: &str = "public = \"pub\"\nweb = \"exec python3 app.py\"\n\n[assets]\n\
    run = \"mkdir -p pub/static/css; cp version pub/static/css/version; echo made\"\n\
    when = { committed = \"conf/app.php\" }\noutputs = [\"pub/static\"]\n";

#[test]
fn static_content_is_made_where_its_configuration_lets_it() {
    let world = World::new();
    let shop = world.site(
        "shop",
        &[
            SERVER,
            ("pub/static/keep.txt", "kept\n"),
            ("pub/page.txt", "page\n"),
        ],
    );
    shop.init().ok();
    let said = push(&shop, "one", ASSETS).ok();
    let said = said
        .has("  assets     in the deploy: conf/app.php is not committed")
        .has("| made");
    said.has("hint: commit conf/app.php")
        .has("main now serves r1.");
    let css = || shop.get("/static/css/version").ok();
    assert_eq!(css(), "one\n");
    assert_eq!(
        shop.get("/static/keep.txt").ok(),
        "kept\n",
        "as in the commit"
    );
    assert_eq!(shop.get("/page.txt").ok(), "page\n");
    push(&shop, "two", ASSETS)
        .ok()
        .has("in the deploy")
        .has("main now serves r2");
    assert_eq!(css(), "two\n");
    // Each release has its own.
    shop.wharf(&["rollback"])
        .ok()
        .lacks("| made")
        .has("main now serves r1");
    assert_eq!(css(), "one\n");
    shop.write("conf/app.php", "<?php\n");
    let said = push(&shop, "three", ASSETS).ok();
    let said = said
        .lacks("in the deploy")
        .lacks("hint: commit")
        .has("  assets     mkdir -p pub/static/css");
    said.has("main now serves r3");
    assert_eq!(css(), "three\n");
    // The same slug, so nothing is made again.
    shop.wharf(&["redeploy"])
        .ok()
        .has("reused slug")
        .lacks("| made")
        .has("main now serves r4");
    assert_eq!(css(), "three\n");
    assert_eq!(shop.get("/static/keep.txt").ok(), "kept\n");
}

#[test]
fn processes_see_what_the_deploy_made_and_cannot_change_it() {
    let world = World::new();
    let shop = world.site("shop", &[SERVER, ("made/.keep", "")]);
    shop.init().ok();
    let config = "web = \"touch made/mine 2>/dev/null && exit 9; cp made/version /tmp/version; cd /tmp; exec python3 /app/app.py\"\n\
        [assets]\nrun = \"cp version made/version\"\nwhen = { committed = \"none\" }\noutputs = [\"made\"]\n";
    push(&shop, "one", config).ok().has("main now serves r1.");
    assert_eq!(shop.get("/").ok(), "one\n");
    let broken = config.replace("cp version made/version", "exit 5");
    let said = push(&shop, "two", &broken);
    said.has("error: deploy failed in assets command 1 of 1 (exit 5), exit code 5")
        .has("main still serves r1;");
    assert_eq!(shop.get("/").ok(), "one\n");
}

/// A command that asks the release for a page and compares it.
fn asks(path: &str, expected: &str) -> String {
    format!(
        "python3 -c 'import os, urllib.request as u; \
         assert u.urlopen(os.environ[\\\"WHARF_CHECK_URL\\\"] + \\\"{path}\\\").read() == b\\\"{expected}\\\\n\\\"'"
    )
}

#[test]
fn a_release_that_fails_its_checks_never_serves() {
    let world = World::new();
    let shop = world.site("shop", &[SERVER, ("pub/file.txt", "file\n")]);
    shop.init().ok();
    let config = |expected: &str| {
        format!(
            "public = \"pub\"\nweb = \"exec python3 app.py\"\n[mounts]\ndata = \"private\"\n[checks]\n\
             a_file = \"{}\"\npage = \"{}\"\nwrites = \"! touch data/x 2>/dev/null\"\n",
            asks("/file.txt", "file"),
            asks("/", expected)
        )
    };
    push(&shop, "one", &config("one"))
        .ok()
        .has("  check      page")
        .has("main now serves r1.");
    let said = push(&shop, "two", &config("other"));
    let said = said
        .has("error: check 2 of 3 failed (page), exit code 1")
        .lacks("  check      writes");
    said.has("main still serves r1; nothing was changed.");
    assert_eq!(shop.get("/").ok(), "one\n");
    world.judge(&["shop"]);
    shop.wharf(&["activities", "--json"])
        .ok()
        .has("\"check-failed\"");
    // Nothing is asked of one that has served before.
    push(&shop, "three", &config("three"))
        .ok()
        .has("main now serves r3");
    shop.wharf(&["rollback"])
        .ok()
        .lacks("  check")
        .has("main now serves r1");
}

#[test]
fn a_site_of_files_alone_is_checked_as_it_will_be_served() {
    let world = World::new();
    let site = world.site("site", &[("index.html", "home\n")]);
    site.init().ok();
    let config = |expected: &str| {
        format!(
            "public = \".\"\n[checks]\nhome = \"{}\"\n",
            asks("/", expected)
        )
    };
    push(&site, "one", &config("home"))
        .ok()
        .has("main now serves r1.");
    let said = push(&site, "two", &config("none"));
    said.has("error: check 1 of 1 failed (home)")
        .has("main still serves r1;");
}
