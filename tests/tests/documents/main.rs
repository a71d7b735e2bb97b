//! What lies beside the code is held to it: links, units, the README's transcript.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod codes;
mod links;
mod reference;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The workspace's directory.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
}

/// Every Markdown file that people are led to.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut directories = vec![
        root().to_owned(),
        root().join("docs"),
        root().join("systemd"),
    ];
    directories.push(root().join("examples"));
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        directories.push(entry.unwrap().path());
    }
    directories
        .into_iter()
        .filter(|path| path.is_dir())
        .flat_map(|directory| fs::read_dir(directory).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// Each is read in five minutes; what does not fit is a page of the reference.
#[test]
fn a_guide_has_one_page() {
    for guide in wharf_tests::guide::GUIDES {
        let lines = wharf_tests::guide::text(guide).lines().count();
        assert!(lines <= 135, "docs/{guide} has {lines} lines");
    }
}

#[test]
fn the_readme_shows_a_real_push() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        !readme.contains("TRANSCRIPT"),
        "README.md still has its placeholder"
    );
    assert!(
        readme.contains("remote: success:"),
        "README.md shows a push"
    );
}

/// `systemd-analyze` reads the units as systemd would, where it is installed.
#[test]
fn units_are_valid() {
    let directory = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for entry in fs::read_dir(root().join("systemd")).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let Some(kind @ ("service" | "socket")) = extension else {
            continue;
        };
        // The check wants the programs to exist; nothing is installed where tests run.
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            kind == "socket" || text.contains("=/usr/bin/wharf"),
            "{} starts something of ours",
            path.display()
        );
        let unit = directory.path().join(path.file_name().unwrap());
        let text = text
            .lines()
            .map(|line| match line.split_once("=/usr/bin/wharf") {
                Some((key, rest)) => {
                    let arguments = rest.split_once(' ').unwrap_or_default().1;
                    format!("{key}=/bin/true {arguments}\n")
                }
                None => format!("{line}\n"),
            });
        fs::write(&unit, text.collect::<String>()).unwrap();
        units.push(unit);
    }
    assert!(units.len() >= 2, "units are found at all");
    let checked = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&units)
        .output();
    let Ok(output) = checked else {
        println!("no systemd-analyze here: the units are not checked");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("wharf")).collect();
    assert!(output.status.success() && about_ours.is_empty(), "{said}");
}

#[test]
fn scripts_are_bash_without_mistakes() {
    let mut scripts: Vec<PathBuf> = fs::read_dir(root().join("scripts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sh"))
        .collect();
    scripts.push(root().join(".ci/run"));
    for script in scripts {
        let output = Command::new("bash")
            .arg("-n")
            .arg(&script)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Two pages are what people read in the tests of the same names in `tests/tests/ssh`.
#[test]
fn stories_are_told_as_they_were_seen() {
    for name in ["story", "shop"] {
        told_as_seen(name);
    }
}

fn told_as_seen(name: &str) {
    let snapshot = root().join(format!("tests/tests/ssh/snapshots/{name}.snap"));
    let snapshot = fs::read_to_string(snapshot).unwrap();
    let told = snapshot.splitn(3, "---\n").nth(2).unwrap();
    let mut page = String::new();
    for chapter in told.split("# ").skip(1) {
        let (title, lines) = chapter.split_once('\n').unwrap();
        page.push_str(&format!(
            "\n## {title}\n\n```console\n{}\n```\n",
            lines.trim()
        ));
    }
    let file = root().join(format!("docs/{name}.md"));
    let whole = fs::read_to_string(&file).unwrap();
    let (head, tail) = whole.split_once("\n## ").unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, format!("{head}{page}")).unwrap();
        return;
    }
    assert_eq!(format!("\n## {tail}"), page, "see the page's first lines");
}
