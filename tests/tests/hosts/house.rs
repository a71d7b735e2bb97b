//! What every test here begins with.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use wharf_tests::{Said, World};

/// A site that is its files.
pub(crate) const PAGE: (&str, &str) = ("index.html", "one\n");

/// Two people: one may all, the other nothing in production.
pub(crate) const ROLES: &str = "[environments.production]\nbranch = \"main\"\n\
    type = \"production\"\n[roles]\n\"ada\" = \"admin\"\n\
    \"dan\" = { development = \"contributor\", production = \"viewer\" }\n";

/// Writes a program.
pub(crate) fn executable(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Registers a repository as the project `shop`, with its roles.
pub(crate) fn add(world: &World, repository: &Path) -> Said {
    let shown = repository.display().to_string();
    let said = world.wharf(&["project", "add", "shop", &shown]).ok();
    declare(world, ROLES);
    said
}

/// Adds lines to the project's file.
pub(crate) fn declare(world: &World, more: &str) {
    let file = world.home().join("config/projects.d/shop.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}{more}")).unwrap();
    world.wharf(&["reload"]).ok();
}

/// What the record says of the newest activity: who, by whose word, what.
pub(crate) fn newest(world: &World) -> (String, String, String) {
    let words = ["--here", "--project", "shop", "--json", "activities"];
    let record = world.wharf(&words).ok().out;
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let actor = &record[0]["actor"];
    (
        text(&actor["name"]),
        text(&actor["source"]),
        text(&record[0]["kind"]),
    )
}

/// That somebody's push was the last thing that happened.
#[track_caller]
pub(crate) fn pushed_by(world: &World, name: &str, source: &str) {
    let (who, by, kind) = newest(world);
    assert_eq!(
        (who.as_str(), by.as_str(), kind.as_str()),
        (name, source, "push")
    );
}

/// The page of production.
pub(crate) fn page(world: &World) -> String {
    world.get("main--shop.localhost", "/").ok()
}

/// Where the texts are, in this order.
#[track_caller]
pub(crate) fn in_order(said: &str, texts: &[&str]) {
    let mut from = 0;
    for text in texts {
        let found = said[from..].find(text);
        from += found.unwrap_or_else(|| panic!("no `{text}` after {from}\n{said}"));
    }
}

/// What the programs of the same name would print, without the owner's words: `wharf hook status`.
pub(crate) fn status(world: &World, repository: &Path) -> String {
    let shown = repository.display().to_string();
    world.wharf(&["hook", "status", &shown]).ok().out
}
