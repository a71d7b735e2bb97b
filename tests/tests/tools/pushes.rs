//! Applications that use large tools, each pushed to a world in whichever sandbox that has.

use std::time::{Duration, Instant};

use wharf_tests::{Tree, World, pause};

/// A site whose step is the script `step`, which leaves what is served in `out`.
const SITE: (&str, &str) = ("wharf.toml", "public = \"out\"\nbuild = \"sh step\"\n");

/// A work tree with these files, pushed once.
#[track_caller]
fn pushed<'world>(world: &'world World, files: &[(&str, &str)]) -> Tree<'world> {
    let tree = world.site("shop", files);
    tree.init();
    tree.push(&["main"]).ok().has("main now serves r1.");
    tree
}

pub(crate) fn composer(world: &World) {
    let composer = r#"{
        "repositories": [{ "type": "path", "url": "packages/word" }, { "packagist.org": false }],
        "require": { "example/word": "*" },
        "autoload": { "psr-4": { "Shop\\": "src/" } }
    }"#;
    let word = r#"{
        "name": "example/word", "version": "1.0.0",
        "autoload": { "psr-4": { "Word\\": "src/" } }
    }"#;
    let config = "build = \"composer install --no-interaction --no-progress --optimize-autoloader\"\n\
        web = \"exec php -S 127.0.0.1:$PORT index.php\"\n";
    let shop = pushed(
        world,
        &[
            ("wharf.toml", config),
            ("composer.json", composer),
            ("packages/word/composer.json", word),
            (
                "packages/word/src/Day.php",
                "<?php\nnamespace Word;\nclass Day { const NAME = 'day'; }\n",
            ),
            (
                "src/Greeting.php",
                "<?php\nnamespace Shop;\nclass Greeting { const TEXT = 'good '; }\n",
            ),
            (
                "index.php",
                "<?php\nrequire 'vendor/autoload.php';\necho Shop\\Greeting::TEXT . Word\\Day::NAME;\n",
            ),
        ],
    );
    assert_eq!(shop.get("/").ok(), "good day");
}

/// Answers every request with a number that a crate wrote and a word of a crate beside it.
const RUST_SERVER: &str = r#"use std::io::{Read, Write};
fn main() {
    let port = std::env::var("PORT").unwrap();
    let listener = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        let body = format!("{} {}", greeting::WORD, itoa::Buffer::new().format(42));
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    }
}
"#;

pub(crate) fn cargo(world: &World) {
    // Debian's packages of crates are a registry in a directory.
    let registry = "[source.crates-io]\nreplace-with = \"debian\"\n\
        [source.debian]\ndirectory = \"/usr/share/cargo/registry\"\n";
    let manifest = "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
        [dependencies]\ngreeting = { path = \"greeting\" }\nitoa = \"1\"\n";
    let beside = "[package]\nname = \"greeting\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    let config = "build = \"cargo build --release\"\nweb = \"exec target/release/shop\"\n";
    let shop = pushed(
        world,
        &[
            ("wharf.toml", config),
            ("Cargo.toml", manifest),
            (".cargo/config.toml", registry),
            ("greeting/Cargo.toml", beside),
            (
                "greeting/src/lib.rs",
                "pub const WORD: &str = \"answer\";\n",
            ),
            ("src/main.rs", RUST_SERVER),
        ],
    );
    assert_eq!(shop.get("/").ok(), "answer 42");
}

/// Initialises a server, starts it, asks it over its socket, and ends it.
const DATABASE: &str = r#"set -eu
mkdir out
mariadb-install-db --no-defaults --datadir=/app/data --auth-root-authentication-method=normal \
    --skip-test-db >/tmp/install 2>&1 || { cat /tmp/install; exit 1; }
mariadbd --no-defaults --datadir=/app/data --socket=/tmp/m.sock --pid-file=/tmp/m.pid --skip-networking \
    --innodb-flush-log-at-trx-commit=1 >/tmp/server 2>&1 &
mariadb-admin --no-defaults --socket=/tmp/m.sock --user=root --wait=60 --connect-timeout=60 ping || { cat /tmp/server; exit 1; }
ask() { mariadb --no-defaults --socket=/tmp/m.sock --user=root --batch --skip-column-names "$@"; }
ask -e "create database shop; create table shop.t (a int primary key, b text, fulltext (b)) engine=innodb;
    start transaction; insert into shop.t values (1, 'one'), (2, 'two'); commit"
ask -e "select concat(engine, ' ', (select sum(a) from shop.t)) from information_schema.tables
    where table_schema = 'shop'" >out/index.html
mariadb-admin --no-defaults --socket=/tmp/m.sock --user=root shutdown
wait
"#;

pub(crate) fn mariadb(world: &World) {
    let shop = pushed(world, &[SITE, ("step", DATABASE)]);
    assert_eq!(shop.get("/").ok(), "InnoDB 3\n");
}

const PAGE: &str = "<!doctype html><p id=sum></p>\n\
    <script>document.getElementById('sum').textContent = 'the sum is ' + (40 + 2)</script>\n";
/// Its own sandbox is made of user namespaces, which code in ours cannot make.
const BROWSER: &str = "set -eu\nmkdir out\n\
    chromium --headless --no-sandbox --disable-gpu --user-data-dir=/tmp/profile --dump-dom file:///app/page.html >out/index.html\n";

pub(crate) fn browser(world: &World) {
    let shop = pushed(world, &[SITE, ("page.html", PAGE), ("step", BROWSER)]);
    let page = shop.get("/").ok();
    assert!(page.contains("<p id=\"sum\">the sum is 42</p>"), "{page}");
}

/// Answers with what the database counts, or with why it cannot be asked.
const ASKING: &str = r#"import http.server, os, subprocess

ASK = """create database if not exists shop;
create table if not exists shop.visits (n int auto_increment primary key) engine=innodb;
insert into shop.visits values (); select count(*) from shop.visits"""

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        words = ["mariadb", "--no-defaults", "--socket=data/m.sock", "--user=root", "--batch", "--skip-column-names"]
        asked = self.path == "/visit" and subprocess.run(words + ["-e", ASK], capture_output=True, text=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write((asked and (asked.stdout or asked.stderr) or "up\n").encode())

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

/// The first deployment makes the database; one server at a time has its files.
const WORKER: &str = r#"web = "exec python3 app.py"
[workers]
database = "exec mariadbd --no-defaults --datadir=/app/data/db --socket=/app/data/m.sock --pid-file=/tmp/m.pid --skip-networking"
[mounts]
data = "private"
[deploy]
run = "test -d data/db || mariadb-install-db --no-defaults --datadir=/app/data/db --auth-root-authentication-method=normal --skip-test-db >/tmp/said 2>&1 || { cat /tmp/said; exit 1; }"
"#;

/// How long a database may take until it answers: the old one ends first, and lets go of the files.
const ANSWERS: Duration = Duration::from_secs(90);

pub(crate) fn mariadb_as_a_worker(world: &World) {
    let shop = pushed(world, &[("wharf.toml", WORKER), ("app.py", ASKING)]);
    assert_eq!(visit(&shop), 1);
    assert_eq!(visit(&shop), 2);
    shop.commit("Again");
    shop.push(&["main"]).ok().has("main now serves r2");
    assert_eq!(visit(&shop), 3);
}

/// Which visit it is, once the database answers.
fn visit(shop: &Tree<'_>) -> u32 {
    let until = Instant::now() + ANSWERS;
    loop {
        let said = shop.get("/visit").ok();
        if let Ok(number) = said.trim().parse() {
            return number;
        }
        assert!(Instant::now() < until, "{said}");
        pause();
    }
}

/// Packs a wheel, since a package registry is out of reach.
const WHEEL: &str = r#"import os, zipfile

os.mkdir("wheels")
info = "greeting-1.0.dist-info"
with zipfile.ZipFile("wheels/greeting-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("greeting.py", "WORD = 'good day'\n")
    wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", "")
"#;
const GREETS: &str = r#"import greeting, http.server, os, sys

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{greeting.WORD} {sys.prefix}\n".encode())

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

pub(crate) fn pip(world: &World) {
    let config = "build = [\"python3 wheel.py\", \"python3 -m venv .venv\", \
        \".venv/bin/pip install --no-index --find-links wheels greeting\"]\n\
        web = \"exec .venv/bin/python app.py\"\n";
    let files = [
        ("wharf.toml", config),
        ("wheel.py", WHEEL),
        ("app.py", GREETS),
    ];
    let shop = pushed(world, &files);
    assert_eq!(shop.get("/").ok(), "good day /app/.venv\n");
}
