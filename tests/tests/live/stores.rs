//! A shop that keeps one word in each of its three stores: a data mount, a database, a cache. What serves shows all
//! three, so that an answer of one word alone says that they are of one moment.

use std::fs;

use wharf_tests::{Tree, World};

use crate::restarts::keepers;
use crate::web::WEB;

const CONFIG: &str = r#"
web = "exec python3 server.py"
[services]
main = "postgresql"
cache = "redis"
[deploy]
repeatable = true
run = "psql -qtA $MAIN_URL -c 'CREATE TABLE IF NOT EXISTS words (word text)'"
health = { path = "/", within = "20s" }
[mounts]
uploads = "data"
"#;
/// `/put/WORD` writes a word into all of them.
const SERVER: &str = r#"import os, subprocess, web

def said(*words):
    environment = {**os.environ, "REDISCLI_AUTH": os.environ["CACHE_PASSWORD"]}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()

def sql(statement):
    return said("psql", "-qtA", os.environ["MAIN_URL"], "-c", statement)

def redis(*words):
    return said("redis-cli", "-s", os.environ["CACHE_SOCKET"], *words)

def put(word):
    with open("uploads/text", "w") as file:
        file.write(word)
    sql(f"BEGIN; DELETE FROM words; INSERT INTO words VALUES ('{word}'); COMMIT")
    redis("set", "word", word)

def look():
    file = open("uploads/text").read() if os.path.exists("uploads/text") else ""
    return [file, sql("SELECT word FROM words"), redis("get", "word")]

def answer(path):
    if path.startswith("/put/"):
        put(path.removeprefix("/put/"))
    return " ".join(look()) + "\n"

web.serve(answer)
"#;

/// The shop, whose `main` serves, with the word `old` everywhere.
pub(crate) fn shop(world: &World) -> Tree<'_> {
    let shop = world.site(
        "shop",
        &[("wharf.toml", CONFIG), ("server.py", SERVER), WEB],
    );
    shop.init().ok();
    shop.push(&["main"]).ok().has("main now serves r1.");
    put(world, "main", "old");
    shop
}

/// Has an environment keep a word.
pub(crate) fn put(world: &World, environment: &str, word: &str) {
    let host = format!("{environment}--shop.localhost");
    let page = world.get(&host, &format!("/put/{word}")).ok();
    assert_eq!(page, format!("{word} {word} {word}\n"));
}

/// That an environment serves, and keeps this word in each of its stores.
#[track_caller]
pub(crate) fn keeps(world: &World, environment: &str, word: &str, when: &str) {
    let page = world
        .get(&format!("{environment}--shop.localhost"), "/")
        .ok();
    assert_eq!(page, format!("{word} {word} {word}\n"), "{when}");
}

/// That what serves runs, in so many environments, and nothing else: no server that read a dump, no directory that was
/// to take the place of another, no dump.
#[track_caller]
pub(crate) fn nothing_is_left(world: &World, environments: usize, when: &str) {
    assert_eq!(keepers(world).len(), 3 * environments, "{when}");
    let sockets = names(world, "run/services");
    assert_eq!(sockets.len(), environments, "{when}: {sockets:?}");
    let mounts = names(world, "state/mounts/shop");
    let mut hidden = mounts.iter().flat_map(|environment| {
        let below = [environment.clone(), format!("{environment}/services")];
        let all = below.map(|below| names(world, &format!("state/mounts/shop/{below}")));
        all.into_iter().flatten()
    });
    let is_left = |name: &String| name.starts_with('.');
    assert_eq!(hidden.find(is_left), None, "{when}");
    for directory in ["builds", "jobs"] {
        let left = names(world, &format!("state/{directory}"));
        let left = left
            .into_iter()
            .filter(|name| !name.contains(".s.") && !name.contains(".web."));
        assert_eq!(
            left.collect::<Vec<_>>(),
            Vec::<String>::new(),
            "{when}: {directory}"
        );
    }
}

/// What is in a directory, where it is there.
fn names(world: &World, directory: &str) -> Vec<String> {
    let entries = fs::read_dir(world.home().join(directory));
    let names = entries.into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}
