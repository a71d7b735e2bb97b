//! `wharf.toml` and its kin, from people who mean ill.

use std::{fs, os::unix::fs::symlink};

use wharf_tests::Shop;

use crate::{host::Host, says};

#[test]
fn nonsense_and_malice() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let deep = format!("public = {}\n", "[".repeat(100_000));
    let dotted = format!("{}a = 1\n", "a.".repeat(100_000));
    let headed = format!("[{}a]\n", "a.".repeat(100_000));
    let unbalanced = format!("public = {}\n", "{[] a=".repeat(40_000));
    let many: String = (0..10_000).map(|n| format!("k{n} = 1\n")).collect();
    let wide = format!("wep = \"{}\"\n", "x".repeat(200_000));
    let command = format!("web = \"echo {}\"\n", "x".repeat(200_000));
    let value = format!("web = \"x\"\n[env]\nA = \"{}\"\n", "x".repeat(200_000));
    shop.all_refused(&[
        (b"web = \"\xff\"\n", "it is not UTF-8"),
        (b"web = \"a\0b\"\n", "wharf.toml:1:"),
        (b"web = \"a\\u0000b\"\n", "wharf.toml:1:"),
        (b"web = \"x\"\n[env]\nA = \"a\\u0000b\"\n", "wharf.toml:3:"),
        (b"\"\\u001b[31mred\" = 1\n", "unknown key"),
        (b"\"success: all is well\\nhint: x\" = 1\n", "unknown key"),
        ("\"\u{202e}bew\" = 1\n".as_bytes(), "unknown key"),
        (deep.as_bytes(), "nested too deep"),
        (dotted.as_bytes(), "nested too deep"),
        (unbalanced.as_bytes(), "nested too deep"),
        (headed.as_bytes(), "nested too deep"),
        (many.as_bytes(), "unknown key `k0`"),
        (wide.as_bytes(), "did you mean `web`?"),
        (command.as_bytes(), "wharf.toml:1:"),
        (value.as_bytes(), "wharf.toml:3:"),
        (&[b'#'; 10_000_000], "it has 10000000 bytes"),
    ]);
    host.still_serves();
}

#[test]
fn links_and_directories_for_files() {
    let host = Host::new();
    let shop = Shop::open(&host);
    for file in ["wharf.toml", "Procfile", "package.json"] {
        symlink("/etc/passwd", shop.path(file)).unwrap();
        let said = shop.refused();
        said.has(file)
            .has(says("configuration::links_and_directories_for_files"))
            .lacks("root:");

        fs::create_dir(shop.path(file)).unwrap();
        fs::write(shop.path(file).join("x"), "x").unwrap();
        let said = shop.refused();
        said.has(file).has("a directory");
    }
    host.still_serves();
}

#[test]
fn one_byte_more_than_is_read() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let most = 256 * 1024;
    let mut text = "public = \".\"\n".to_owned();
    text.push_str(&"#".repeat(most - text.len()));
    fs::write(shop.path("wharf.toml"), &text).unwrap();
    shop.live();
    assert_eq!(shop.tree.get("/").ok(), "one\n");
    fs::write(shop.path("wharf.toml"), format!("{text}#")).unwrap();
    shop.tree.commit("One more");
    let said = shop.tree.push(&["main"]).exits(1);
    said.has(says("configuration::one_byte_more_than_is_read"))
        .has("main still serves r2; nothing was changed.");
    host.still_serves();
}

#[test]
fn a_build_that_rewrites_it() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let evil = "web = \"exec python3 -m http.server --bind 127.0.0.1 --directory / $PORT\"";
    let build = format!("echo '{evil}' >wharf.toml; rm index.html; echo two >index.html");
    shop.tree.write("rewrite.sh", &format!("{build}\n"));
    let config = "public = \".\"\nbuild = \"sh rewrite.sh\"\n";
    shop.tree.write("wharf.toml", config);
    shop.live().lacks("started").lacks("health");
    // What was pushed is what counts: a static site, of which visitors see no configuration.
    assert_eq!(shop.tree.get("/").ok(), "two\n");
    assert_eq!(shop.tree.get("/wharf.toml").status, 404);
    assert_eq!(shop.tree.get("/etc/passwd").status, 404);
    shop.tree.wharf(&["redeploy"]).ok().has("reused slug");
    assert_eq!(shop.tree.get("/").ok(), "two\n");
    host.still_serves();
}
