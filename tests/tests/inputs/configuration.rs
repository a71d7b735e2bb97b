//! Configuration files that nobody means well with, or that a slip made.

use wharf_tests::{Shop, World};

#[test]
fn slips() {
    let world = World::new();
    Shop::open(&world).all_refused(&[
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
            b"web = \"x\"\n[services]\ndb = \"mariabd\"\n",
            "did you mean `mariadb`?",
        ),
        (b"\xef\xbb\xbfwep = \"x\"\r\n", "did you mean `web`?"),
    ]);
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
