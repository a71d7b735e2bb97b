//! Wrong input of each kind: a clear error, a next step, and the old release serves.

use std::os::unix::fs::symlink;

use wharf_tests::{Said, Tree, World};

use crate::app::deployed;

/// What a wrong push must say, whatever is wrong with it.
#[track_caller]
fn serves_on(world: &World, shop: &Tree<'_>, said: Said) -> Said {
    let transcript = said.transcript();
    let last = transcript.lines().last().unwrap_or_default();
    assert!(last.starts_with("main still serves r1"), "{said}");
    assert!(transcript.contains("error: "), "{said}");
    assert!(transcript.contains("hint: "), "{said}");
    assert_eq!(shop.get("/").ok(), "one\n");
    for place in ["builds", "jobs"] {
        let left = std::fs::read_dir(world.home().join("state").join(place)).unwrap();
        // The serving process's own job may stand until its keeper has read it.
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{place} holds {left:?}");
    }
    said
}

/// A push that pre-receive refuses.
#[track_caller]
fn refused(world: &World, shop: &Tree<'_>, what: &str) -> Said {
    shop.commit("Wrong");
    let said = serves_on(world, shop, shop.push(&["main"]).exits(1)).has(what);
    shop.git(&["reset", "--quiet", "--hard", "HEAD~1"]).ok();
    said
}

/// A push that is accepted and whose deployment fails.
#[track_caller]
fn failed(world: &World, shop: &Tree<'_>, what: &str) -> Said {
    shop.commit("Wrong");
    serves_on(world, shop, shop.push(&["--force", "main"]).exits(0)).has(what)
}

#[test]
fn configurations_that_cannot_work_are_refused_with_every_reason() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let config = |text: &str| shop.write("wharf.toml", text);

    config("web = \"x\n");
    refused(&world, &shop, "--> wharf.toml:1:9");

    config("wep = \"x\"\n[deploy]\nsnapshot = true\n[biuld]\n");
    refused(&world, &shop, "did you mean `web`?")
        .has("unknown key `biuld`")
        .has("`deploy.snapshot` is not supported yet")
        .has("^^^");

    config("runtime = \"ruby:99.9\"\nweb = \"x\"\n");
    refused(&world, &shop, "error: this host has").has("wharf.toml:1:11");

    config("[deploy]\nhealth = \"/\"\n");
    refused(&world, &shop, "nothing says what to serve");

    config("web = \"x\"\nenv = { PSP_TOKEN = { required = true, help = \"of the bank\" } }\n");
    refused(&world, &shop, "variable PSP_TOKEN is required").has("of the bank");

    config(&"#".repeat(10_000_000));
    refused(
        &world,
        &shop,
        "it has 10000000 bytes, at most 256 KiB are read",
    );

    std::fs::remove_file(shop.path().join("wharf.toml")).unwrap();
    symlink("/etc/passwd", shop.path().join("wharf.toml")).unwrap();
    refused(&world, &shop, "it is a symbolic link").lacks("root:x:0");
}

#[test]
fn trees_that_cannot_be_checked_out_whole_are_named() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    shop.write("big.bin", pointer);
    failed(&world, &shop, "big.bin is only a pointer");
    std::fs::remove_file(shop.path().join("big.bin")).unwrap();

    let commit = shop.git(&["rev-parse", "HEAD"]).ok().out;
    shop.git(&["add", "--all"]).ok();
    let entry = format!("160000,{},library", commit.trim());
    shop.git(&["update-index", "--add", "--cacheinfo", &entry])
        .ok();
    shop.git(&["commit", "--quiet", "--message", "Submodule"])
        .ok();
    let said = shop.push(&["--force", "main"]).exits(0);
    serves_on(&world, &shop, said).has("submodules are not supported yet: library");
}

#[test]
fn static_files_are_the_trees_own() {
    let world = World::new();
    let shop = deployed(&world, "shop");
    shop.write("wharf.toml", "public = \"site\"\n");
    symlink("/etc", shop.path().join("site")).unwrap();
    let missing = "public = \"site\" is no directory of the build's result";
    failed(&world, &shop, missing);
    std::fs::remove_file(shop.path().join("site")).unwrap();
    failed(&world, &shop, missing);

    // The next good push is clean.
    shop.write("site/index.html", "two\n");
    shop.commit("Good");
    let said = shop.push(&["--force", "main"]).ok().has("success: r");
    // wharf.toml and site/index.html.
    said.has("tree changed (2 files)");
    assert_eq!(shop.get("/").ok(), "two\n");
}
