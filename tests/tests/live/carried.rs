//! A site whose slug is carried from one host to another.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use wharf_tests::{Said, Tree, World, run};

/// Its configuration.
pub(crate) const CONFIG: &str = "public = \"out\"\nbuild = \"sh build.sh\"\n";
/// Says that it runs, and makes what an archive may hold.
pub(crate) const BUILD: &str = "echo building\nmkdir -p out/deep/empty\ncp index.html out/\n\
    ln -s ../index.html out/deep/link\nprintf '#!/bin/sh\\n' >out/run\nchmod 750 out/run\n\
    printf x >\"out/deep/$(printf 'n%.0s' $(seq 150))\"\n";

pub(crate) fn site<'w>(world: &'w World, name: &str) -> Tree<'w> {
    let files = [
        ("wharf.toml", CONFIG),
        ("build.sh", BUILD),
        ("index.html", "one\n"),
    ];
    let site = world.site(name, &files);
    site.wharf(&["init", "shop"]).ok();
    site
}

pub(crate) fn built(world: &World) -> Tree<'_> {
    let site = site(world, "shop");
    site.push(&["main"]).ok().has("| building");
    site
}

#[track_caller]
pub(crate) fn export(site: &Tree<'_>, name: &str) -> Vec<u8> {
    site.wharf(&["slug", "export", "-o", name])
        .ok()
        .has("written: ");
    fs::read(site.path().join(name)).unwrap()
}

#[track_caller]
pub(crate) fn slugs(site: &Tree<'_>) -> Value {
    let said = run(site.command("wharf").args(["slugs", "--json"]));
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}\n{said}"))
}

/// Gives an archive through standard input.
#[track_caller]
pub(crate) fn import(site: &Tree<'_>, archive: &[u8]) -> Said {
    let file = site.path().with_extension("archive");
    fs::write(&file, archive).unwrap();
    site.sh(&format!("wharf slug import <{}", file.display()))
}

/// Names in the directories where builds happen and slugs stand.
pub(crate) fn left(world: &World) -> BTreeSet<PathBuf> {
    let all = ["state/builds", "state/slugs"]
        .into_iter()
        .flat_map(|name| {
            let entries = fs::read_dir(world.home().join(name)).unwrap();
            entries.map(|entry| entry.unwrap().path())
        });
    all.collect()
}
