//! Large tools in the sandbox, unchanged: composer, cargo, MariaDB, a headless Chromium. Each is a push that
//! uses it in a step, and what it made is served. What is small is in `live`: npm and Node with a cluster, pip
//! and a virtual environment.
//!
//! `make test-tools` installs them and runs this, as `make test-long` does. Budget: two minutes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use wharf_tests::{Tree, World};

const HOST: &str = "[router]\nlisten = \"127.0.0.1:0\"\n";

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

#[test]
fn composer_installs_packages_and_loads_their_classes() {
    let world = World::unprivileged(HOST);
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
        &world,
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

#[test]
fn cargo_builds_with_a_crate_beside_and_one_of_a_registry() {
    let world = World::unprivileged(HOST);
    // Debian's packages of crates are a registry in a directory.
    let registry = "[source.crates-io]\nreplace-with = \"debian\"\n\
        [source.debian]\ndirectory = \"/usr/share/cargo/registry\"\n";
    let manifest = "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
        [dependencies]\ngreeting = { path = \"greeting\" }\nitoa = \"1\"\n";
    let beside = "[package]\nname = \"greeting\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    let config = "build = \"cargo build --release\"\nweb = \"exec target/release/shop\"\n";
    let shop = pushed(
        &world,
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

#[test]
fn mariadb_is_initialised_started_and_asked() {
    let world = World::unprivileged(HOST);
    let shop = pushed(&world, &[SITE, ("step", DATABASE)]);
    assert_eq!(shop.get("/").ok(), "InnoDB 3\n");
}

const PAGE: &str = "<!doctype html><p id=sum></p>\n\
    <script>document.getElementById('sum').textContent = 'the sum is ' + (40 + 2)</script>\n";
/// Its own sandbox is made of user namespaces, which code in ours cannot make.
const BROWSER: &str = "set -eu\nmkdir out\n\
    chromium --headless --no-sandbox --disable-gpu --user-data-dir=/tmp/profile --dump-dom file:///app/page.html >out/index.html\n";

#[test]
fn a_headless_browser_runs_a_page() {
    let world = World::unprivileged(HOST);
    let shop = pushed(&world, &[SITE, ("page.html", PAGE), ("step", BROWSER)]);
    let page = shop.get("/").ok();
    assert!(page.contains("<p id=\"sum\">the sum is 42</p>"), "{page}");
}
