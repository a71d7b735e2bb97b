//! The files of a push, as a build step and a process see them.

use std::{fs, os::unix::fs::symlink};

use wharf_tests::{Shop, World};

/// Lines that a build step prints, without the lead of a tool's line.
fn printed(transcript: &str) -> Vec<&str> {
    transcript
        .lines()
        .filter_map(|line| line.strip_prefix("  | "))
        .collect()
}

#[test]
fn a_build_step_sees_what_was_pushed() {
    let world = World::new();
    let shop = Shop::open(&world);
    let tree = &shop.tree;
    tree.write("run.sh", "#!/bin/sh\necho ran\n");
    tree.git(&["add", "run.sh"]).ok();
    tree.git(&["update-index", "--chmod=+x", "run.sh"]).ok();
    tree.git(&["commit", "--quiet", "--message", "Mode"]).ok();
    tree.git(&["checkout", "--quiet", "--", "."]).ok();
    fs::remove_file(shop.path("run.sh")).unwrap();
    tree.git(&["checkout", "--quiet", "--", "run.sh"]).ok();
    tree.write("plain.txt", "a\nb\n");
    tree.write("dos.bat", "a\nb\n");
    tree.write("unix.txt", "a\nb\n");
    fs::write(shop.path("bytes.bin"), b"a\r\n\0\xff\n").unwrap();
    tree.write(
        ".gitattributes",
        "*.bat text eol=crlf\n*.bin binary\n/tests export-ignore\nsecret.md export-ignore\n",
    );
    tree.write("tests/deep/case.txt", "left out\n");
    tree.write("secret.md", "left out\n");
    tree.write("empty", "");
    tree.write("with space/and 'quote'", "x");
    symlink("plain.txt", shop.path("good")).unwrap();
    symlink("no/where", shop.path("dangling")).unwrap();
    tree.write(
        "look.sh",
        "set -eu\npwd\n./run.sh\nstat -c '%A %n' run.sh plain.txt\n\
         readlink good dangling\ncat good\nod -An -c dos.bat unix.txt bytes.bin\n\
         test -e empty && cat 'with space/and '\\''quote'\\'''; echo\n\
         ls -d tests secret.md .git .gitattributes || true\n\
         id -u >/dev/null; echo \"home $HOME\"; touch made\n",
    );
    tree.write(
        "wharf.toml",
        "public = \".\"\nbuild = \"sh look.sh 2>&1\"\n",
    );
    let said = shop.live();
    let seen = printed(&said.transcript()).join("\n");
    for line in [
        "/app",
        "ran",
        "-rwxr-xr-x run.sh",
        "-rw-r--r-- plain.txt",
        "plain.txt\nno/where\na\nb",
        r"   a  \r  \n   b  \r  \n   a  \n   b  \n   a  \r  \n  \0 377  \n",
        "ls: cannot access 'tests'",
        "ls: cannot access 'secret.md'",
        "ls: cannot access '.git'",
    ] {
        let squeezed = |text: &str| {
            text.split([' ', '\n'])
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(
            squeezed(&seen).contains(&squeezed(line)),
            "no `{line}` in\n{said}"
        );
    }
    assert_eq!(tree.get("/good").ok(), "a\nb\n");
    assert_eq!(tree.get("/dos.bat").ok(), "a\r\nb\r\n");
    for path in ["/secret.md", "/tests/deep/case.txt", "/dangling"] {
        assert_eq!(tree.get(path).status, 404, "{path}");
    }
}
