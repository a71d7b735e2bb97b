//! Names and texts that others chose: of branches, files, commits and people.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use wharf_tests::{PAGE, Said, Shop, lines_obey_the_rules, run};

use crate::{host::Host, says};

#[test]
fn branches() {
    let host = Host::new();
    let shop = Shop::open(&host);
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
        ("HEAD", "`HEAD`"),
        (long.as_str(), "at most 200 are allowed"),
    ] {
        let said = shop.tree.push(&[&format!("main:refs/heads/{name}")]);
        let said = said.exits(1).has(reason).has(says("names::branches"));
        lines_obey_the_rules(&said.has("nothing was accepted").transcript());
    }
    let said = shop.tree.push(&["--delete", "main"]);
    said.exits(1).has("is production");
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
    for name in &urls {
        assert_eq!(host.get(name, "/").ok(), PAGE.1);
    }
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), like.len(), "{urls:?}");
    host.still_serves();
}

#[test]
fn thousands_of_branches() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let words: Vec<String> = (0..3_000)
        .map(|n| format!("main:refs/heads/b{n}"))
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = shop.tree.push(&words).exits(1).has("error: ").has("hint: ");
    lines_obey_the_rules(&said.transcript());
    assert!(said.transcript().lines().count() < 20, "{said}");
    assert_eq!(shop.tree.get("/").ok(), PAGE.1);
    shop.tree.wharf(&["environments"]).ok().lacks("b2999");
    host.still_serves();
}

#[test]
fn subjects() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}subject \u{9b}31m";
    for message in [hostile.to_owned(), "x".repeat(2_000_000), String::new()] {
        fs::write(host.path("tmp/message"), &message).unwrap();
        let file = host.path("tmp/message").display().to_string();
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
    host.still_serves();
}

#[test]
fn files() {
    let host = Host::new();
    let shop = Shop::open(&host);
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
    host.still_serves();
}

#[test]
fn a_branch_of_3600_bytes() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let name = vec!["n".repeat(199); 18].join("/");
    let said = shop.tree.push(&[&format!("main:refs/heads/{name}")]);
    let said = said.exits(1).has(says("names::a_branch_of_3600_bytes"));
    assert!(said.transcript().len() < 1_000, "{said}");
    lines_obey_the_rules(&said.transcript());
    shop.serves_on(&said);
    host.still_serves();
}

#[test]
fn refs_within_refs() {
    let host = Host::new();
    let shop = Shop::open(&host);
    // A branch, whatever it is called, and another environment than `main`.
    for name in ["refs/heads/main", "heads/main", "origin/main", "main/main"] {
        let words = format!("main:refs/heads/{name}");
        let said = shop.tree.push(&[&words]);
        match name {
            // A file and a directory of one name.
            "main/main" => said.exits(1).has("exists; cannot create"),
            _ => said.ok().has("success: r1 is live").lacks("was r1"),
        };
    }
    // And what is no branch is nobody's environment.
    for name in [
        "refs/tags/main",
        "refs/notes/main",
        "refs/wharf/main",
        "refs/for/main",
    ] {
        let said = shop.tree.push(&[&format!("main:{name}")]).ok();
        said.lacks("success:").lacks(" is live");
    }
    let releases = host.releases("shop", "main").unwrap();
    assert_eq!(releases.len(), 1, "{releases:?}");
    host.still_serves();
}

/// Commits with these bytes as who wrote it, as no git would.
fn by(shop: &Shop<'_>, who: &[u8], subject: &[u8]) -> String {
    let tree = shop.tree.git(&["rev-parse", "HEAD^{tree}"]).ok().out;
    let when = b" 1700000000 +0000\n";
    let lead = format!("tree {tree}author ");
    let bytes = [
        lead.as_bytes(),
        who,
        when,
        b"committer ",
        who,
        when,
        b"\n",
        subject,
        b"\n",
    ];
    let file = shop.path(".git/made");
    fs::write(&file, bytes.concat()).unwrap();
    let words = ["hash-object", "-w", "--literally", "-t", "commit"];
    let made = run(shop.tree.command("git").args(words).arg(&file)).ok();
    made.out.trim().to_owned()
}

/// No output of `wharf` paints, and none is taken for another's.
fn nothing_paints(shop: &Shop<'_>) {
    for words in [
        &["releases"][..],
        &["activities"],
        &["status"],
        &["log"],
        &["environments"],
    ] {
        let said = shop.tree.wharf(words).ok();
        let strange = |c: char| {
            c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c) || c == '\u{2066}'
        };
        assert!(!said.out.contains(strange), "{said}");
        assert!(!starts_a_line(&said, "main still serves r99"), "{said}");
    }
}

fn starts_a_line(said: &Said, text: &str) -> bool {
    said.out.lines().any(|line| line.starts_with(text))
}

#[test]
fn authors() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let subject = b"x\rmain still serves r99; all is well.\x1b[1A";
    for who in [
        &b"\x1b]0;owned\x07 <a@b>"[..],
        b"\xff\xfe <\xff>",
        "\u{202e}adA <a@b>".as_bytes(),
        b"$(touch /tmp/owned) `id` <;id@b>",
        b"--exec=id <-x>",
    ] {
        let made = by(&shop, who, subject);
        let said = shop
            .tree
            .push(&["--force", &format!("{made}:refs/heads/main")]);
        let said = said.ok().has("success: r");
        lines_obey_the_rules(&said.transcript());
        nothing_paints(&shop);
    }
    host.still_serves();
}

#[test]
fn push_options() {
    let host = Host::new();
    let shop = Shop::open(&host);
    for option in [
        "\u{1b}[31mred",
        "$(id)",
        "nowait\rmain now serves r99",
        "parent=../../x",
        "parent=--exec=id",
        "environment.parent=\u{202e}main",
        "title=\u{202e}nimda",
        "title=\u{1b}]0;x\u{7}",
        "=",
        "",
    ] {
        shop.tree.commit("Nothing");
        let said = shop.tree.push(&["-o", option, "main"]).ok();
        let said = said.has("warning: ").has("success: r");
        lines_obey_the_rules(&said.transcript());
        nothing_paints(&shop);
    }
    let many: Vec<String> = (0..65).map(|n| format!("--push-option=o{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("--push-option=title={}", "x".repeat(5_000));
    for options in [many, vec![&long]] {
        shop.tree.commit("Nothing");
        let said = shop.tree.push(&[options, vec!["main"]].concat()).exits(1);
        let said = said.has(says("names::push_options")).has("hint: ");
        lines_obey_the_rules(&said.transcript());
    }
    host.still_serves();
}
