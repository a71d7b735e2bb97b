//! Kinds of services that few use: one whose content is gone with it, and one whose commands are the developer's own.

use wharf_tests::{Tree, Watched, World};

use crate::downward::rule;
use crate::mending::reboot;
use crate::restarts::{keepers, kill, wait_for_log};
use crate::snapshots::create;
use crate::web::WEB;

/// Shows the word that `store.py` keeps in a service; `/put/WORD` writes one.
const SERVER: &str = r#"import store, web

def answer(path):
    if path.startswith("/put/"):
        store.put(path.removeprefix("/put/"))
    return store.get()

web.serve(answer)
"#;

fn shop<'world>(world: &'world World, services: &str, store: &str) -> Tree<'world> {
    let config = format!("web = \"exec python3 server.py\"\n{services}");
    let files = [
        ("wharf.toml", &*config),
        ("server.py", SERVER),
        WEB,
        ("store.py", store),
    ];
    let shop = world.site("shop", &files);
    shop.init().ok();
    shop.push(&["main"]).ok().has("main now serves r1");
    shop
}

const MEMCACHED: &str = "[services]\ncache = \"memcached\"\n";
/// Speaks its protocol.
const CACHE: &str = r#"import os, socket
def say(text):
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["CACHE_SOCKET"])
        server.sendall(text.encode())
        return server.makefile().readlines() if text.endswith("quit\r\n") else []
def put(word):
    said = say(f"set word 0 0 {len(word)}\r\n{word}\r\nquit\r\n")
    assert said == ["STORED\n"], said
def get():
    said = say("get word\r\nquit\r\n")
    return said[1].strip() if said[0].startswith("VALUE") else "nothing"
"#;

#[test]
fn what_memcached_holds_is_gone_with_it_and_nothing_says_otherwise() {
    let world = World::new();
    let shop = shop(&world, MEMCACHED, CACHE);
    assert_eq!(shop.get("/").ok(), "nothing");
    assert_eq!(shop.get("/put/hot").ok(), "hot");
    shop.wharf(&["run", "--", "printenv", "CACHE_URL"])
        .ok()
        .has("memcached:///run/services/cache/memcached.sock");
    // It goes on under the next release.
    shop.commit("Two");
    shop.push(&["main"]).ok();
    assert_eq!(shop.get("/").ok(), "hot");
    // Dead it is started again, with nothing in it.
    reboot(&world);
    wait_for_log(&world, "serves again after a restart");
    assert_eq!(shop.get("/").ok(), "nothing");
    assert_eq!(shop.get("/put/hot").ok(), "hot");
    shop.push(&["main:feature"]).ok();
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "nothing");
    for words in [["db", "dump", "cache"], ["db", "shell", "cache"]] {
        shop.wharf(&words)
            .exits(5)
            .has("service cache (memcached) holds nothing that could be written out");
    }
    shop.wharf(&["snapshot", "create"])
        .exits(3)
        .has("main has no data");
}

const VALKEY: &str = "[services]\ncache = \"valkey:8\"\nearlier = \"redis\"\n";
const VALKEY_CLIENT: &str = r#"import os, subprocess
def ask(*words):
    environment = {**os.environ, "REDISCLI_AUTH": os.environ["CACHE_PASSWORD"]}
    words = ["valkey-cli", "-s", os.environ["CACHE_SOCKET"], *words]
    return subprocess.run(words, env=environment, capture_output=True, text=True).stdout.strip()
def put(word): ask("set", "word", word)
def get(): return ask("get", "word") or "nothing"
"#;

#[test]
fn valkey_keeps_what_it_is_told_and_reads_what_redis_wrote() {
    let world = World::new();
    let shop = shop(&world, VALKEY, VALKEY_CLIENT);
    let shell = |service: &str, said: &str| {
        let line = format!("printf '{said}\\n' | wharf db shell {service}");
        shop.sh(&line).ok().out
    };
    shell("earlier", "set word ofredis");
    assert_eq!(shop.get("/").ok(), "nothing");
    assert_eq!(shop.get("/put/kept").ok(), "kept");
    assert!(shell("cache", "info server").contains("server_name:valkey"));
    let snapshot = create(&shop);
    shop.wharf(&["db", "dump", "cache", "-o", "cache.rdb.gz"])
        .ok();
    // Dead it is started again, with all that it was told.
    reboot(&world);
    wait_for_log(&world, "serves again after a restart");
    assert_eq!(shop.get("/").ok(), "kept");
    // What comes back does so from a dump, a snapshot, and what its forerunner wrote.
    assert_eq!(shop.get("/put/new").ok(), "new");
    shop.wharf(&["db", "import", "cache", "cache.rdb.gz"])
        .ok()
        .has("cache of main reads it next");
    assert_eq!(shop.get("/").ok(), "kept");
    assert_eq!(shop.get("/put/new").ok(), "new");
    shop.wharf(&["snapshot", "restore", &snapshot]).ok();
    assert_eq!(shop.get("/").ok(), "kept");
    shop.wharf(&["db", "dump", "earlier", "-o", "earlier.rdb"])
        .ok();
    shop.wharf(&["db", "import", "cache", "earlier.rdb"]).ok();
    assert_eq!(shop.get("/").ok(), "ofredis");
    // A branch begins with it.
    rule(&world, "[data]\nsanitize = false\n");
    shop.push(&["main:feature"]).ok().has("cache: 1 key");
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "ofredis");
    shop.write(
        "wharf.toml",
        "web = \"exec python3 server.py\"\n[services]\ncache = \"valkey:99\"\n",
    );
    shop.commit("Ninety-nine");
    shop.push(&["main"]).exits(1).has(", not valkey:99");
    assert_eq!(shop.get("/").ok(), "ofredis");
}

/// A server of a few lines, which keeps one word in a file.
const NOTES: &str = r#"
[services.notes]
type = "custom"
start = '''cat >/tmp/notes.py <<'END'
import os, socketserver
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        password, _, word = self.rfile.readline().decode().strip().partition(" ")
        if password != os.environ["PASSWORD"]:
            return self.wfile.write(b"go away")
        if word:
            with open("notes", "w") as file:
                file.write(word)
        self.wfile.write(open("notes", "rb").read() if os.path.exists("notes") else b"nothing")
socketserver.ThreadingUnixStreamServer(os.environ["SOCKET"], Handler).serve_forever()
END
exec python3 /tmp/notes.py'''
ready = "test -S $SOCKET"
dump = "cat notes"
restore = "cat >notes"
"#;
const CLIENT: &str = r#"import os, socket
def ask(word):
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.environ["NOTES_SOCKET"])
        server.sendall(f"{os.environ['NOTES_PASSWORD']} {word}\n".encode())
        return server.makefile().read()
def put(word): ask(word)
def get(): return ask("")
"#;

#[test]
fn a_service_of_ones_own_comes_back_and_down_as_others_do() {
    let world = World::new();
    let shop = shop(&world, NOTES, CLIENT);
    let feature = |path: &str| world.get("feature--shop.localhost", path).ok();
    shop.push(&["main:feature"]).ok();
    assert_eq!(feature("/put/own"), "own");
    assert_eq!(shop.get("/put/secret").ok(), "secret");
    let first = create(&shop);
    shop.wharf(&["db", "dump", "-o", "notes.txt"]).ok();
    let dump = std::fs::read_to_string(shop.path().join("notes.txt"));
    assert_eq!(dump.unwrap(), "secret");
    assert_eq!(shop.get("/put/new").ok(), "new");
    shop.wharf(&["snapshot", "restore", &first])
        .ok()
        .has("notes: the dump is read in");
    assert_eq!(shop.get("/").ok(), "secret");
    // On the copy a server of its own is asked to forget, before anybody can reach it.
    rule(
        &world,
        "[data]\nsanitize = \"python3 -c 'import store; store.put(\\\"scrubbed\\\")'\"\n",
    );
    shop.wharf(&["sync", "data", "-e", "feature"])
        .ok()
        .has("main's data is in its place");
    assert_eq!(feature("/"), "scrubbed");
    assert_eq!(shop.get("/").ok(), "secret");
    // A dump that does not come whole is none.
    shop.write(
        "wharf.toml",
        &format!(
            "web = \"exec python3 server.py\"\n{}",
            NOTES.replace("cat notes", "cat notes; exit 3")
        ),
    );
    shop.commit("Broken");
    shop.push(&["main"]).ok();
    shop.wharf(&["snapshot", "create"])
        .exits(3)
        .has("service notes cannot be written out");
    shop.wharf(&["sync", "data", "-e", "feature"]).exits(3);
    assert_eq!(feature("/"), "scrubbed");
    shop.wharf(&["db", "import", "notes.txt", "-e", "feature"])
        .ok();
    assert_eq!(feature("/"), "secret");
    assert_eq!(keepers(&world).len(), 4, "no server that read one is left");
}

#[test]
fn a_parents_service_that_starts_again_is_waited_for() {
    let world = World::new();
    // With something in it, it starts only once it is told to.
    let start = "until test -e go || ! test -e notes; do sleep 0.05; done; exec python3";
    let asks = "python3 -c 'import os, socket; \
                socket.socket(socket.AF_UNIX).connect(os.environ[\\\"SOCKET\\\"])'";
    let slow = NOTES
        .replace("exec python3", start)
        .replace("test -S $SOCKET", asks)
        .replace("cat notes", &format!("{asks} && cat notes"))
        .replace("cat >notes", "cat >notes; touch go");
    let shop = shop(&world, &slow, CLIENT);
    shop.push(&["main:feature"]).ok();
    assert_eq!(shop.get("/put/kept").ok(), "kept");
    rule(&world, "[data]\nsanitize = false\n");
    for keeper in keepers(&world) {
        kill(keeper);
    }
    world.forget_trace();
    let sync = Watched::wharf(&shop, &["sync", "data", "-e", "feature"]);
    world.wait_for_point("step deploy fetch: started");
    world.wait_for_point("service notes: no answer yet");
    let notes = world
        .home()
        .join("state/mounts/shop/main/services/notes/go");
    std::fs::write(notes, "").unwrap();
    sync.said().ok().has("main's data is in its place");
    assert_eq!(world.get("feature--shop.localhost", "/").ok(), "kept");
    // One that is not to run is not waited for.
    shop.wharf(&["branch", "below", "feature"]).ok();
    shop.wharf(&["pause", "-e", "feature"]).ok();
    shop.wharf(&["sync", "data", "-e", "below"])
        .exits(3)
        .has("service notes of feature does not run")
        .has("wharf resume -e feature");
}
