//! Archives: those that a build unpacks, and those that somebody gives as a slug.

use std::fs;

use serde_json::Value;
use wharf_tests::{Shop, World};

use crate::carried::{built, export, import, left, site, slugs};
use crate::{host::Host, says};

/// Makes and unpacks an archive as a dependency could be one, with a program that stops at nothing.
const UNPACKS: &str = r#"import io, os, subprocess, sys, tarfile

def entry(name, kind=tarfile.REGTYPE, mode=0o644, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname = kind, mode, link
    info.size = 5 if kind == tarfile.REGTYPE else 0
    return info

what = sys.argv[1]
entries = {
    "up": [entry("../../../../../" + sys.argv[2])],
    "absolute": [entry(sys.argv[2]), entry("/etc/cron.d/owned"), entry("/usr/bin/owned")],
    "link": [entry("out", tarfile.SYMTYPE, link="/"), entry("out" + sys.argv[2])],
    "hard": [entry("hard", tarfile.LNKTYPE, link="/etc/passwd"), entry("hard")],
    "device": [entry("disk", tarfile.CHRTYPE), entry("block", tarfile.BLKTYPE)],
    "setuid": [entry("root", mode=0o6755)],
    "pipe": [entry("pipe", tarfile.FIFOTYPE)],
}[what]
with tarfile.open("/tmp/evil.tar", "w") as tar:
    for one in entries:
        tar.addfile(one, io.BytesIO(b"owned") if one.size else None)
sys.stdout.flush()
done = subprocess.run(["tar", "-xpPf", "/tmp/evil.tar", "--no-same-owner"], stderr=subprocess.STDOUT)
if what == "setuid":
    print(oct(os.stat("root").st_mode))
if what not in ("pipe", "setuid"):
    sys.exit(8)
"#;

#[test]
fn an_archive_that_a_build_unpacks() {
    let host = Host::new();
    let shop = Shop::open(&host);
    let outside = host.path("outside");
    shop.tree.write("unpacks.py", UNPACKS);
    let config = |what: &str| {
        let step = format!("python3 unpacks.py {what} {}", outside.display());
        let config = format!("public = \".\"\nbuild = \"{step}\"\n");
        fs::write(shop.path("wharf.toml"), config).unwrap();
        fs::write(shop.path("unpacks.py"), UNPACKS).unwrap();
    };
    for (what, reason) in [
        ("up", "exit code 8"),
        ("absolute", "Read-only file system"),
        ("link", "exit code 8"),
        ("hard", "exit code 8"),
        ("device", "Operation not permitted"),
        ("pipe", says("archives::an_archive_that_a_build_unpacks")),
    ] {
        config(what);
        shop.failed().has(reason);
        assert!(!outside.exists(), "{what}");
    }
    config("setuid");
    shop.live().has("| 0o100755");
    assert!(!outside.exists());
    host.still_serves();
}

/// Where the header of an entry is.
fn header_of(archive: &[u8], name: &str) -> usize {
    let name = format!("{name}\0");
    (0..archive.len())
        .step_by(512)
        .rfind(|at| archive[*at..].starts_with(name.as_bytes()))
        .unwrap()
}

/// An archive with another header of an entry, whose sum is right again.
fn with_header(archive: &[u8], name: &str, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut archive = archive.to_vec();
    let at = header_of(&archive, name);
    let header = &mut archive[at..at + 512];
    change(header);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive
}

fn replaced(archive: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut archive = archive.to_vec();
    let mut windows = archive.windows(from.len());
    let at = windows.position(|part| part == from.as_bytes()).unwrap();
    archive[at..at + to.len()].copy_from_slice(to.as_bytes());
    archive
}

#[test]
fn a_slug_that_somebody_forged() {
    let world = World::new();
    let good = export(&built(&world), "slug.tar");
    let other = Host::new();
    let there = site(&other, "elsewhere");
    let before = left(&other);
    let page = "app/out/index.html";
    let kind = |letter: u8| with_header(&good, page, |header| header[156] = letter);
    let named = |name: &str| {
        with_header(&good, page, |header| {
            header[..100].fill(0);
            header[..name.len()].copy_from_slice(name.as_bytes());
        })
    };
    let endless = with_header(&good, page, |header| {
        header[124..136].copy_from_slice(b"77777777777\0");
    });
    let content = header_of(&good, page) + 512;
    let mut changed = good.clone();
    changed[content] = b'O';
    let key = |archive: &[u8]| {
        let text = String::from_utf8_lossy(archive).into_owned();
        let at = text.find("\"key\":\"").unwrap() + 7;
        text[at..at + 6].to_owned()
    };
    let digest = {
        let text = String::from_utf8_lossy(&good).into_owned();
        let at = text.find("},\"digest\":\"").unwrap() + 2;
        text[at..at + 20].to_owned()
    };
    let other_digest = format!("{}00000000", &digest[..12]);
    let outside = other.path("outside");
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", vec![], "it is empty"),
        ("text", b"hello\n".to_vec(), "archive"),
        ("zeros", vec![0; 10_240], "it is empty"),
        (
            "another tar",
            good[header_of(&good, page)..].to_vec(),
            "its first entry is no manifest.jsonl",
        ),
        (
            "up",
            named("app/../../../../outside"),
            "stands where its list has app/out/index.html",
        ),
        (
            "absolute",
            named(&outside.display().to_string()),
            "stands where its list has app/out/index.html",
        ),
        (
            "listed up",
            replaced(&good, "\"out/deep\"", "\"../../dd\""),
            "leads out of the slug",
        ),
        (
            "device",
            kind(b'3'),
            "app/out/index.html in the archive is a device",
        ),
        (
            "pipe",
            kind(b'6'),
            "app/out/index.html in the archive is a named pipe",
        ),
        (
            "hard link",
            kind(b'1'),
            "app/out/index.html in the archive is a hard link",
        ),
        (
            "setuid",
            with_header(&good, page, |header| {
                header[100..107].copy_from_slice(b"0004644")
            }),
            "has not the type, mode",
        ),
        (
            "listed setuid",
            replaced(&good, "\"mode\":420", "\"mode\":255"),
            "which no slug has",
        ),
        (
            "twice",
            replaced(&good, "\"path\":\"index.html\"", "\"path\":\"build.shhh\""),
            "in the archive",
        ),
        ("endless", endless, "has not the type, mode, size"),
        (
            "changed",
            changed,
            "out/index.html in the archive is damaged: its content has another digest",
        ),
        (
            "wrong digest",
            replaced(&good, &digest, &other_digest),
            "digest",
        ),
        (
            "wrong key",
            replaced(
                &good,
                &format!("\"key\":\"{}", key(&good)),
                "\"key\":\"000000",
            ),
            "the archive says that its slug is 000000",
        ),
        (
            "large",
            replaced(&good, "\"archive\":1", "\"archive\":9"),
            "has version 9",
        ),
        ("short", good[..content + 2].to_vec(), "ends too early"),
        ("shorter", good[..600].to_vec(), "ends too early"),
    ];
    for (what, archive, why) in table {
        println!("{what}");
        import(&there, &archive)
            .exits(6)
            .has("error: ")
            .has(why)
            .has("hint: ");
        assert_eq!(left(&other), before, "{what}");
        assert!(!outside.exists());
    }
    assert_eq!(slugs(&there), Value::Array(vec![]));
    let activities = other.activities(Some("shop"), 9).unwrap();
    assert!(activities.is_empty(), "{activities:?}");
    // For programs as well.
    let said = there.sh("echo x | wharf slug import --json").exits(6);
    let error: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(error["error"]["code"], "archive-refused");
    there
        .sh("wharf slug import missing.tar")
        .exits(1)
        .has("cannot read");
    import(&there, &good).ok();
    other.still_serves();
}
