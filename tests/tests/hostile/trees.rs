//! Trees that no `git add` makes. git itself refuses most of them at the door; what it would let
//! in, where an operator took `receive.fsckObjects` away, the checkout refuses.

use std::fs;

use wharf_tests::{Said, Shop, Tree, World, run};

use crate::{host::Host, says};

/// An entry of a tree: mode, name, object.
type Entry<'a> = (&'a str, &'a str, &'a str);

/// Writes an object as it is, good or not.
fn object(shop: &Shop<'_>, kind: &str, content: &[u8]) -> String {
    let file = shop.path(".git/made");
    fs::write(&file, content).unwrap();
    let words = ["hash-object", "-w", "--literally", "-t", kind];
    let said = run(shop.tree.command("git").args(words).arg(&file)).ok();
    said.out.trim().to_owned()
}

/// Writes a tree with these entries in this order.
fn tree(shop: &Shop<'_>, entries: &[Entry<'_>]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend_from_slice(format!("{mode} {name}\0").as_bytes());
        let digits = id.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
        bytes.extend(digits.map(|pair| byte(pair).unwrap()));
    }
    object(shop, "tree", &bytes)
}

/// The same with a page, so that there is something to serve. The names of the others come first in
/// git's order.
fn site(shop: &Shop<'_>, entries: &[Entry<'_>]) -> String {
    let page = object(shop, "blob", b"two\n");
    let page = ("100644", "index.html", page.as_str());
    tree(shop, &[entries, &[page]].concat())
}

/// Pushes a commit of a tree.
#[track_caller]
fn push(shop: &Shop<'_>, tree: &str) -> Said {
    let made = shop.tree.git(&["commit-tree", "-m", "Made", tree]).ok();
    let words = format!("{}:refs/heads/main", made.out.trim());
    shop.tree.push(&["--force", &words])
}

/// As an operator leaves it who wants no checks of objects.
fn unchecked(world: &World) {
    let repository = world.repository("shop");
    let mut git = world.command("git");
    git.arg("-C").arg(repository);
    run(git.args(["config", "receive.fsckObjects", "false"])).ok();
}

/// Pushes a tree that git refuses for this reason, then where git does not look: Wharf's reason.
#[track_caller]
fn refused_twice(host: &Host, shop: &Shop<'_>, tree: &str, git: &str, wharf: &str) {
    let said = push(shop, tree).exits(1).has(git);
    shop.serves_on(&said);
    unchecked(host);
    let said = push(shop, tree).ok().has(wharf);
    shop.failed_by(said);
}

#[test]
fn names_that_lead_out() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let empty = object(&shop, "blob", b"");
    let inner = tree(&shop, &[("100644", "x", &empty)]);
    let refused = says("trees::names_that_lead_out");
    for (name, git) in [
        ("..", "hasDotdot"),
        (".", "hasDot"),
        (".git", "hasDotgit"),
        (".GIT", "hasDotgit"),
        ("a/b", "fullPathname"),
        ("/etc", "fullPathname"),
    ] {
        let made = site(&shop, &[("40000", name, &inner)]);
        push(&shop, &made).exits(1).has(git);
        let made = site(&shop, &[("100644", name, &empty)]);
        push(&shop, &made).exits(1).has(git);
    }
    unchecked(&host);
    for name in ["..", ".", ".git", ".GIT", "a/b", "/etc"] {
        let made = site(&shop, &[("40000", name, &inner)]);
        let said = push(&shop, &made).ok().has(refused).has(name);
        shop.failed_by(said);
    }
    host.still_serves();
}

#[test]
fn a_link_and_a_directory_of_one_name() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let outside = host.path("outside");
    fs::create_dir(&outside).unwrap();
    let link = object(&shop, "blob", outside.to_str().unwrap().as_bytes());
    let page = object(&shop, "blob", b"owned\n");
    let inner = tree(&shop, &[("100644", "x", &page)]);
    let made = site(&shop, &[("120000", "a", &link), ("40000", "a", &inner)]);
    let refused = says("trees::a_link_and_a_directory_of_one_name");
    refused_twice(&host, &shop, &made, "duplicateEntries", refused);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    host.still_serves();
}

#[test]
fn names_that_differ_in_case() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let outside = host.path("outside");
    fs::create_dir(&outside).unwrap();
    let link = object(&shop, "blob", outside.to_str().unwrap().as_bytes());
    let page = object(&shop, "blob", b"inside\n");
    let config = object(&shop, "blob", b"public = \".\"\n");
    let inner = tree(&shop, &[("100644", "x", &page)]);
    let entries = [
        ("40000", "A", inner.as_str()),
        ("120000", "a", &link),
        ("100644", "wharf.toml", &config),
    ];
    let made = tree(&shop, &entries);
    push(&shop, &made).ok().has("main now serves r2");
    assert_eq!(shop.tree.get("/A/x").ok(), "inside\n");
    assert_eq!(shop.tree.get("/a/x").status, 404);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    host.still_serves();
}

#[test]
fn ten_objects_for_ten_thousand_million_files() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let (mut id, mut mode) = (object(&shop, "blob", b""), "100644");
    for _ in 0..10 {
        let names: Vec<String> = (0..10).map(|n| format!("d{n}")).collect();
        let entries: Vec<Entry<'_>> = names.iter().map(|n| (mode, n.as_str(), &*id)).collect();
        id = tree(&shop, &entries);
        mode = "40000";
    }
    let made = site(&shop, &[(mode, "d", &id)]);
    let said = push(&shop, &made).ok();
    shop.failed_by(said.has(says("trees::ten_objects_for_ten_thousand_million_files")));
    // Whoever only asks is answered as well.
    let made = shop.tree.git(&["commit-tree", "-m", "Asked", &made]).ok();
    let words = format!("{}:refs/heads/main", made.out.trim());
    let said = shop.tree.push(&["--force", "-o", "dry-run", &words]);
    shop.serves_on(&said.exits(1));
    shop.tree.wharf(&["slug", "why"]).ok();
    host.still_serves();
}

#[test]
fn directories_without_end() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let mut id = tree(&shop, &[]);
    for _ in 0..200 {
        id = tree(&shop, &[("40000", "d", &id)]);
    }
    let made = site(&shop, &[("40000", "d", &id)]);
    let said = push(&shop, &made).ok();
    shop.failed_by(said.has(says("trees::directories_without_end")));
    host.still_serves();
}

#[test]
fn a_path_that_no_system_opens() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let empty = object(&shop, "blob", b"");
    let name = "d".repeat(250);
    let mut id = tree(&shop, &[("100644", "x", &empty)]);
    for _ in 0..17 {
        id = tree(&shop, &[("40000", &name, &id)]);
    }
    let made = site(&shop, &[("40000", &name, &id)]);
    let said = push(&shop, &made).ok();
    let said = said.has(says("trees::a_path_that_no_system_opens"));
    assert!(said.transcript().len() < 3_000, "{said}");
    shop.failed_by(said);
    host.still_serves();
}

#[test]
fn one_large_file_under_many_names() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let large = object(&shop, "blob", &vec![0; 64 << 20]);
    let names: Vec<String> = (10..80).map(|n| format!("f{n}")).collect();
    let entries: Vec<Entry<'_>> = names
        .iter()
        .map(|name| ("100644", name.as_str(), large.as_str()))
        .collect();
    let made = site(&shop, &entries);
    let said = push(&shop, &made).ok();
    shop.failed_by(said.has(says("trees::one_large_file_under_many_names")));
    host.still_serves();
}

#[test]
fn submodules_with_options_for_addresses() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let trap = host.path("trap");
    let commit = shop.tree.git(&["rev-parse", "HEAD"]).ok().out;
    let refused = says("trees::submodules_with_options_for_addresses");
    unchecked(&host);
    for (path, url) in [
        ("sub", format!("-u touch {};", trap.display())),
        ("sub", format!("ext::sh -c touch% {}", trap.display())),
        ("../../hooks", "https://example.com/x".to_owned()),
        (".git/modules/x", "./.git".to_owned()),
    ] {
        let name = "../../../hooks";
        let modules = format!("[submodule \"{name}\"]\n\tpath = {path}\n\turl = {url}\n");
        let modules = object(&shop, "blob", modules.as_bytes());
        let entries = [
            ("100644", ".gitmodules", modules.as_str()),
            ("160000", "a", commit.trim()),
        ];
        let made = site(&shop, &entries);
        let said = push(&shop, &made).ok().has(refused);
        shop.failed_by(said);
        assert!(!trap.exists(), "{url}");
    }
    host.still_serves();
}

#[test]
fn gits_own_files_as_links() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let secret = host.path("secret");
    fs::write(&secret, "* filter=trap\n").unwrap();
    let link = object(&shop, "blob", secret.to_str().unwrap().as_bytes());
    let page = object(&shop, "blob", b"two\n");
    let made = |name: &str| {
        let entries = [
            ("120000", name, link.as_str()),
            ("100644", "index.html", &page),
        ];
        tree(&shop, &entries)
    };
    let refused = says("trees::gits_own_files_as_links");
    push(&shop, &made(".gitmodules")).exits(1).has(refused);
    // What git lets in is never followed: no attribute of the host's file counts.
    push(&shop, &made(".gitattributes"))
        .ok()
        .has("main now serves r2");
    assert_eq!(shop.tree.get("/").ok(), "two\n");
    assert_eq!(shop.tree.get("/.gitattributes").status, 404);
    host.still_serves();
}

/// The project's repository knows drivers that would run a program.
fn with_drivers(world: &World, shop: &Tree<'_>, trap: &str) {
    for place in [world.repository("shop"), shop.path().to_owned()] {
        for key in [
            "filter.trap.smudge",
            "filter.trap.process",
            "diff.trap.textconv",
        ] {
            let mut git = world.command("git");
            git.arg("-C").arg(&place).args(["config", key]);
            let run_trap = format!("sh -c 'touch {trap}; cat'");
            run(git.arg(run_trap)).ok();
        }
    }
}

#[test]
fn a_filter_that_the_host_would_run() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let trap = host.path("trap");
    with_drivers(&host, &shop.tree, trap.to_str().unwrap());
    let attributes = object(&shop, "blob", b"*.html filter=trap diff=trap\n");
    let page = object(&shop, "blob", b"two\n");
    let entries = [
        ("100644", ".gitattributes", attributes.as_str()),
        ("100644", "index.html", &page),
    ];
    let made = tree(&shop, &entries);
    let said = push(&shop, &made).ok();
    shop.failed_by(said.has(says("trees::a_filter_that_the_host_would_run")));
    assert!(!trap.exists());
    host.still_serves();
}

#[test]
fn attributes_that_rewrite_files() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let refused = says("trees::attributes_that_rewrite_files");
    for encoding in [
        "UTF-16",
        "UTF-32LE-BOM",
        "no-such-encoding\u{1b}[31m",
        "../../x",
    ] {
        let text = format!("*.html working-tree-encoding={encoding}\n");
        shop.tree.write(".git/info/attributes", "*.html -text\n");
        let attributes = object(&shop, "blob", text.as_bytes());
        let page = object(&shop, "blob", b"two\n");
        let entries = [
            ("100644", ".gitattributes", attributes.as_str()),
            ("100644", "index.html", &page),
        ];
        let made = tree(&shop, &entries);
        let said = push(&shop, &made).ok().has(refused);
        shop.failed_by(said);
    }
    // What git archive would fill in stays as it was written, and nobody's name gets into it.
    let text = "$Format:%an %ae %(trailers)$ $Id$\n";
    shop.tree.write(".gitattributes", "*.html export-subst\n");
    shop.tree.write("index.html", text);
    shop.live();
    assert_eq!(shop.tree.get("/").ok(), text);
    host.still_serves();
}
