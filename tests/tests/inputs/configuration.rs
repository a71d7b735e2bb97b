//! Configuration files that nobody means well with, or that a slip made.

use std::{fs, os::unix::fs::symlink};

use wharf_tests::World;

use crate::shop::Shop;

/// Pushes one `wharf.toml` after the other; each must be refused for its reason.
fn all_refused(cases: &[(&[u8], &str)]) {
    let world = World::new();
    let shop = Shop::open(&world);
    let mut surprises = String::new();
    for (text, reason) in cases {
        fs::write(shop.path("wharf.toml"), text).unwrap();
        let said = shop.refused();
        if !said.transcript().contains(reason) {
            surprises.push_str(&format!("nothing says `{reason}`\n{said}\n"));
        }
        let lines = said.transcript().lines().count();
        assert!(lines < 200, "{lines} lines\n{said}");
    }
    assert!(surprises.is_empty(), "{surprises}");
}

#[test]
fn slips() {
    all_refused(&[
        (b"web = \"x\n", "--> wharf.toml:1:9"),
        (b"[web]\n", "`web` has no `start`"),
        (b"web = \" \"\n", "the command is empty"),
        (b"web = 7\n", "`web` must be a string or a table"),
        (b"web = \"x\"\nweb = \"y\"\n", "duplicate key"),
        (
            b"web = \"x\"\n[mounts]\n\"../data\" = \"data\"\n",
            "wharf.toml:3:",
        ),
        (
            b"web = \"x\"\n[mounts]\n\"/data\" = \"data\"\n",
            "wharf.toml:3:",
        ),
        (
            b"web = \"x\"\n[mounts]\n\"data\" = \"date\"\n",
            "did you mean",
        ),
        (
            b"web = \"x\"\n[env]\nPORT = \"80\"\n",
            "the name is reserved",
        ),
        (b"web = \"x\"\n[env]\n\"A-B\" = \"80\"\n", "wharf.toml:3:"),
        (b"runtime = \"rubi:3\"\nweb = \"x\"\n", "did you mean"),
        (
            b"runtime = \"python:1.0\"\nweb = \"x\"\n",
            "this host has python",
        ),
        (
            b"runtime = \"python:three\"\nweb = \"x\"\n",
            "wharf.toml:1:",
        ),
        (
            b"web = \"x\"\n[services]\ndb = \"mariadb\"\n",
            "not supported yet",
        ),
        (b"\xef\xbb\xbfwep = \"x\"\r\n", "did you mean `web`?"),
    ]);
}

#[test]
fn malice() {
    let deep = format!("public = {}\n", "[".repeat(100_000));
    let dotted = format!("{}a = 1\n", "a.".repeat(100_000));
    let headed = format!("[{}a]\n", "a.".repeat(100_000));
    let many: String = (0..10_000).map(|n| format!("k{n} = 1\n")).collect();
    let wide = format!("wep = \"{}\"\n", "x".repeat(200_000));
    let command = format!("web = \"echo {}\"\n", "x".repeat(200_000));
    let value = format!("web = \"x\"\n[env]\nA = \"{}\"\n", "x".repeat(200_000));
    all_refused(&[
        (b"web = \"\xff\"\n", "it is not UTF-8"),
        (b"web = \"a\0b\"\n", "wharf.toml:1:"),
        (b"web = \"a\\u0000b\"\n", "wharf.toml:1:"),
        (b"web = \"x\"\n[env]\nA = \"a\\u0000b\"\n", "wharf.toml:3:"),
        (b"\"\\u001b[31mred\" = 1\n", "unknown key"),
        (b"\"success: all is well\\nhint: x\" = 1\n", "unknown key"),
        ("\"\u{202e}bew\" = 1\n".as_bytes(), "unknown key"),
        (deep.as_bytes(), "nested too deep"),
        (dotted.as_bytes(), "nested too deep"),
        (headed.as_bytes(), "nested too deep"),
        (many.as_bytes(), "unknown key `k0`"),
        (wide.as_bytes(), "did you mean `web`?"),
        (command.as_bytes(), "wharf.toml:1:"),
        (value.as_bytes(), "wharf.toml:3:"),
        (&[b'#'; 10_000_000], "it has 10000000 bytes"),
    ]);
}

#[test]
fn what_is_no_file() {
    let world = World::new();
    let shop = Shop::open(&world);
    for file in ["wharf.toml", "Procfile", "package.json"] {
        symlink("/etc/passwd", shop.path(file)).unwrap();
        let said = shop.refused();
        said.has(file).has("a symbolic link").lacks("root:");

        fs::create_dir(shop.path(file)).unwrap();
        fs::write(shop.path(file).join("x"), "x").unwrap();
        let said = shop.refused();
        said.has(file).has("a directory");
    }
}

#[test]
fn what_is_detected_may_be_wrong_too() {
    let world = World::new();
    let shop = Shop::open(&world);
    let deep = format!("{{\"scripts\":{}", "[".repeat(100_000));
    for (file, text, reason) in [
        ("Procfile", "web\n", "Procfile:1"),
        ("Procfile", "web:\n", "Procfile:1"),
        ("Procfile", "a b: x\n", "Procfile:1"),
        ("Procfile", "web: x\nweb: y\n", "Procfile:2"),
        ("package.json", "{\"scripts\":", "package.json:1"),
        (
            "package.json",
            "{\"scripts\": {\"start\": 7}}",
            "package.json",
        ),
        ("package.json", deep.as_str(), "package.json"),
    ] {
        shop.tree.write(file, text);
        let said = shop.refused();
        said.has(reason);
    }
}
