//! Names and texts that others chose: of branches, files and commits.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use wharf_tests::{World, lines_obey_the_rules, run};

use crate::shop::{PAGE, Shop};

#[test]
fn branches() {
    let world = World::new();
    let shop = Shop::open(&world);
    let long = "x".repeat(201);
    for (name, reason) in [
        ("-rf", "must begin with a letter or a digit"),
        ("--upload-pack=id", "must begin with a letter or a digit"),
        ("a\u{a0}b", "has `\\u{a0}`"),
        ("a\u{202e}b", "has `\\u{202e}`"),
        ("h\u{e9}", "has `\\u{e9}`"),
        ("$(id)", "has `$`"),
        ("`id`", "has ``"),
        ("a;b", "has `;`"),
        ("a'b", "has `'`"),
        ("a\"b", "has `\"`"),
        ("a|b", "has `|`"),
        ("a%b", "has `%`"),
        (long.as_str(), "at most 200 are allowed"),
    ] {
        let said = shop.tree.push(&[&format!("main:refs/heads/{name}")]);
        let said = said.exits(1).has(reason).has("hint: rename it");
        lines_obey_the_rules(&said.has("nothing was accepted").transcript());
    }
    // Bytes that are no text at all.
    let bytes = OsStr::from_bytes(b"main:refs/heads/a\xffb");
    let said = run(shop.tree.command("git").args(["push", "wharf"]).arg(bytes)).exits(1);
    lines_obey_the_rules(&said.clone().has("is not UTF-8").transcript());

    // Names that only look alike get environments of their own.
    let like = [
        "Red",
        "red",
        "a/b",
        "a-b",
        "a--b",
        "a.b",
        "x".repeat(200).as_str(),
    ]
    .map(str::to_owned);
    let words: Vec<String> = like
        .iter()
        .map(|name| format!("main:refs/heads/{name}"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = shop.tree.push(&words).ok();
    let serving = said.transcript().matches("success: r1 is live").count();
    assert_eq!(serving, like.len(), "{said}");
    let mut urls: Vec<String> = said
        .transcript()
        .lines()
        .filter_map(|line| line.split_once("http://"))
        .map(|(_, url)| url.split([':', '/']).next().unwrap().to_owned())
        .collect();
    for host in &urls {
        assert_eq!(world.get(host, "/").ok(), PAGE.1);
    }
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), like.len(), "{urls:?}");
}

#[test]
fn more_branches_than_anybody_has() {
    let world = World::new();
    let shop = Shop::open(&world);
    let words: Vec<String> = (0..3_000)
        .map(|n| format!("main:refs/heads/b{n}"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = shop.tree.push(&words).exits(1).has("error: ").has("hint: ");
    lines_obey_the_rules(&said.transcript());
    assert!(said.transcript().lines().count() < 20, "{said}");
    assert_eq!(shop.tree.get("/").ok(), PAGE.1);
    shop.tree.wharf(&["environments"]).ok().lacks("b2999");
}

#[test]
fn commits() {
    let world = World::new();
    let shop = Shop::open(&world);
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}subject \u{9b}31m";
    for message in [hostile.to_owned(), "x".repeat(2_000_000), String::new()] {
        fs::write(world.path("tmp/message"), &message).unwrap();
        let file = world.path("tmp/message").display().to_string();
        shop.tree
            .git(&[
                "commit",
                "--quiet",
                "--allow-empty",
                "--allow-empty-message",
                "--cleanup=verbatim",
                "--file",
                &file,
            ])
            .ok();
        shop.tree.push(&["main"]).ok().has("success: r");
    }
    for words in [&["releases"][..], &["activities"], &["status"], &["log"]] {
        let said = shop.tree.wharf(words).ok();
        let strange = |c: char| c.is_control() && c != '\n';
        assert!(!said.out.contains(strange), "{said}");
        assert!(!said.out.contains('\u{202e}'), "{said}");
        assert!(said.out.len() < 10_000, "{} bytes", said.out.len());
    }
}

#[test]
fn files() {
    let world = World::new();
    let shop = Shop::open(&world);
    let pointer = "version https://git-lfs.github.com/spec/v1\n\
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
    for name in [
        "line\nsuccess: main now serves r9.",
        "\u{1b}[31mred",
        "\u{e9}t\u{e9}",
    ] {
        fs::write(shop.path(name), pointer).unwrap();
        shop.failed().has("is only a pointer");
    }
    let bytes = shop.tree.path().join(OsStr::from_bytes(b"\xff\xfe"));
    fs::write(&bytes, pointer).unwrap();
    shop.failed().has("is only a pointer");

    // What is strange and harmless arrives.
    fs::write(&bytes, "bytes\n").unwrap();
    fs::write(shop.path("line\nend"), "line\n").unwrap();
    fs::write(shop.path("-rf"), "dash\n").unwrap();
    fs::write(shop.path("\u{e9}.txt"), "letter\n").unwrap();
    fs::write(shop.path("con aux?.txt"), "space\n").unwrap();
    shop.tree
        .write("deep/".repeat(60).as_str().trim_end_matches('/'), "deep\n");
    shop.tree.write(
        "wharf.toml",
        "public = \".\"\nbuild = \"cat ./-rf ./line* ./\u{e9}.txt\"\n",
    );
    shop.live()
        .has("  | dash")
        .has("  | line")
        .has("  | letter");
    assert_eq!(shop.tree.get("/-rf").ok(), "dash\n");
    assert_eq!(shop.tree.get("/%C3%A9.txt").ok(), "letter\n");
    // A path of the web is text.
    assert_eq!(shop.tree.get("/%ff%fe").status, 404);
    assert_eq!(shop.tree.get("/con%20aux%3f.txt").ok(), "space\n");
    assert_eq!(shop.tree.get("/%2e%2e/%2e%2e/lock").status, 404);
}
